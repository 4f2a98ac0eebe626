import { expect, test } from "vitest";
import { eightLanes, fourLanes } from "../../test/targets.ts";
import { nothingTuned, parseTuned, printTuned, type TunedKey, tunedFor, tunedForTarget, withFound } from "./cache.ts";

const key: TunedKey = {
  adapter: "a",
  vendor: "v",
  architecture: "x",
  description: "driver 25.0",
  driver: "system",
  limits: { maxBufferSize: 1, maxBindGroups: 4 },
  features: ["subgroups"],
  compiler: "0.1.0",
};
const found = { schedule: { kind: "map", workgroup: 8, perInvocation: 4 }, ms: 1, defaultMs: 2 };

test("what was found is found again, with its whole key and no other", () => {
  const tuned = withFound(nothingTuned, key, eightLanes, { "map items=64": found });
  const read = parseTuned(printTuned(tuned));
  expect(read).toEqual({ ok: true, value: tuned });
  const shuffled = { ...key, limits: { maxBindGroups: 4, maxBufferSize: 1 } };
  expect(tunedFor(tuned, shuffled).get("map items=64")).toEqual(found.schedule);
  const changes: Partial<TunedKey>[] = [
    { adapter: "b" },
    { description: "driver 25.1" },
    { driver: "embedded" },
    { limits: { ...key.limits, maxBufferSize: 2 } },
    { features: [] },
    { compiler: "0.1.1" },
  ];
  for (const change of changes) expect(tunedFor(tuned, { ...key, ...change }).size).toBe(0);
});

test("a later finding replaces an earlier one and leaves the others", () => {
  const first = withFound(nothingTuned, key, eightLanes, { a: found, b: found });
  const next = withFound(first, key, eightLanes, { b: { ...found, schedule: { kind: "map", workgroup: 64, perInvocation: 1 } } });
  expect(next.entries).toHaveLength(1);
  expect(tunedFor(next, key).get("a")).toEqual(found.schedule);
  expect(tunedFor(next, key).get("b")).toMatchObject({ workgroup: 64 });
});

test("a shipped file serves plans made for the same kind of adapter without one", () => {
  const tuned = withFound(nothingTuned, key, eightLanes, { a: found });
  expect(tunedForTarget(tuned, eightLanes, "0.1.0").size).toBe(1);
  expect(tunedForTarget(tuned, fourLanes, "0.1.0").size).toBe(0);
  expect(tunedForTarget(tuned, eightLanes, "0.2.0").size).toBe(0);
});

test("a damaged file is told from an empty one, by what is wrong with it", () => {
  const reasons = ["{", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "entries": [{}]}'].map((text) => {
    const read = parseTuned(text);
    return read.ok ? "" : read.reason;
  });
  expect(reasons[0]).toContain("it is not JSON");
  expect(reasons.slice(1)).toEqual(["it has no `format: 1`", "it has no `format: 1`", "it has no list of entries", "entry 0 is damaged"]);
  const half = printTuned(withFound(nothingTuned, key, eightLanes, { a: found })).replace('"ms": 1', '"ms": "1"');
  expect(parseTuned(half)).toEqual({ ok: false, reason: "entry 0 is damaged" });
});
