import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Plan } from "../../compiler/plan/plan.ts";
import { compareWith, savePlans } from "../replay.ts";
import { aligned, differences, textDifferences } from "./compare.ts";
import { corpus } from "./corpus.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ada-replayed-"));
afterAll(() => rmSync(folder, { recursive: true }));

function somePlan(): Plan {
  for (const { plan } of corpus("linear.cpu4")) return JSON.parse(JSON.stringify(plan)) as Plan;
  throw new Error("internal: the corpus has no linear.cpu4");
}

describe("a replay", () => {
  it("finds nothing in a tree that has not changed", () => {
    expect(savePlans(folder, "random1")).toBe(11); // 1 and 10 to 19
    expect(compareWith(folder, "random1")).toEqual({ compared: 11, parts: [] });
  });
  it("finds a kernel that was changed, and plans that are gone or new", () => {
    const name = readdirSync(folder).find((one) => readFileSync(path.join(folder, one), "utf8").includes("@compute"))!;
    const file = path.join(folder, name);
    const plan = name.replace(/\.json$/, "");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace("@compute", "/* another */ @compute"));
    const { parts } = compareWith(folder, "random1");
    expect(parts).toHaveLength(1);
    expect(parts[0]).toMatch(/^random1.*: \d+ differences?\n[\s\S]*kernel \w+ became \w+\n[\s\S]*- .*another[\s\S]*\+ /);
    writeFileSync(path.join(folder, "random1x.json"), text);
    rmSync(file);
    expect(compareWith(folder, "random1").parts).toEqual([`${plan}: only this tree makes it`, "random1x: this tree no longer makes it"]);
  });
  it("tells kernels, order, memory and settings apart", () => {
    const before = somePlan();
    const leg = before.legs.findIndex((l) => l.ops.length > 2);
    const change = (make: (ops: Plan["legs"][number]["ops"]) => Plan["legs"][number]["ops"]): Plan => ({
      ...before,
      legs: before.legs.map((l, i) => (i === leg ? { ...l, ops: make(l.ops) } : l)),
    });
    expect(differences(before, before)).toEqual([]);
    const shorter = change((ops) => ops.slice(0, -1));
    expect(differences(before, shorter)[0]).toMatch(/: no longer /);
    expect(differences(shorter, before)[0]).toMatch(/: now /);
    const at = before.legs[leg]!.ops.findIndex((op) => op.kind === "dispatch");
    const moved = change((ops) =>
      ops.map((op, i) =>
        i === at && op.kind === "dispatch" ? { ...op, bindings: op.bindings.map((b) => ({ ...b, offset: b.offset + 256 })) } : op,
      ),
    );
    expect(differences(before, moved)[0]).toMatch(/: memory .* became /);
    const grown = change((ops) => ops.map((op, i) => (i === at && op.kind === "dispatch" ? { ...op, grid: [9, 9, 9] } : op)));
    expect(differences(before, grown)[0]).toMatch(/: grid \d+x\d+x\d+ became 9x9x9/);
    expect(differences(before, { ...before, target: { ...before.target, maxStorageBuffers: 99 } })).toEqual([
      "buffers, uniforms, target or program settings differ",
    ]);
  });
});

describe("two texts", () => {
  it("are aligned along what they share", () => {
    const kinds = (a: string, b: string) =>
      aligned([...a], [...b])
        .map((s) => (s.kind === "both" ? "=" : s.kind === "before" ? "-" : "+"))
        .join("");
    expect(kinds("abcd", "abcd")).toBe("====");
    expect(kinds("abcd", "abxd")).toBe("==-+=");
    expect(kinds("abc", "bc")).toBe("-==");
    expect(kinds("", "xy")).toBe("++");
    expect(kinds("abcabc", "acbc").replaceAll(/[-+]/g, "")).toBe("====");
  });
  it("show what differs and a line around it", () => {
    expect(textDifferences("a\nb\nc\nd\ne\nf\ng", "a\nb\nx\nd\ne\nf\nG")).toEqual([
      "  b",
      "- c",
      "+ x",
      "  d",
      "  ...",
      "  f",
      "- g",
      "+ G",
    ]);
  });
});
