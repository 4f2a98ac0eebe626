import { describe, expect, test } from "vitest";
import { fourLanes } from "../../test/targets.ts";
import { makeStored, type Region, type Stored } from "../fuse/region.ts";
import { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import { HalfForms } from "./halves.ts";
import { Lowering, regionContent } from "./lowering.ts";

const none = new Map<Stored, Stored>();
const map = (output: Value, reads: readonly Value[], order?: readonly number[]): Region => ({
  id: 0,
  template: "map",
  anchors: [],
  outputs: [makeStored(output, order)],
  reads: new Map(reads.map((r) => [r, makeStored(r)])),
});

describe("regions that are lowered once", () => {
  const b = new Builder();
  const [x, y, z] = ["x", "y", "z"].map((name) => b.input(name, [6, 4], { role: "data" })) as [Value, Value, Value];
  const sum = (p: Value, q: Value): Value => b.add(b.mul(p, 2), q);

  test("are those that compute the same from other tensors, which are then bound in their places", () => {
    const lowering = new Lowering({ uniformIndex: () => 0, target: fourLanes });
    const first = lowering.lower(map(sum(x, y), [x, y]), none, new HalfForms(false))!;
    const second = lowering.lower(map(sum(z, x), [z, x]), none, new HalfForms(false))!;
    expect(second.kernel).toBe(first.kernel);
    expect(first.buffers.map((k) => k.stored.value)).toEqual([x, y, sum(x, y)]);
    expect(second.buffers.map((k) => k.stored.value)).toEqual([z, x, sum(z, x)]);
  });

  test("are not those that differ in a number, a shape, an order, an operand used twice, or a takeover", () => {
    const key = (r: Region, over = none): string => regionContent(r, over, new HalfForms(false)).key;
    const wide = b.input("wide", [6, 8], { role: "data" });
    const keys = [
      key(map(sum(x, y), [x, y])),
      key(map(sum(x, x), [x])),
      key(map(b.add(b.mul(x, 3), y), [x, y])),
      key(map(sum(wide, wide), [wide])),
      key(map(sum(x, y), [x, y], [1, 0])),
      key(map(sum(x, y), [x, y]), new Map([[makeStored(x), makeStored(sum(x, y))]])),
      key(map(sum(x, y), [x, y]), new Map([[makeStored(y), makeStored(sum(x, y))]])),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});
