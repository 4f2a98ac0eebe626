import { describe, expect, it } from "vitest";
import { compileGraph } from "../../compiler/compile.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import type { Value } from "../../compiler/ir/value.ts";
import { eightLanes } from "../../test/targets.ts";
import { planTextures } from "./textures.ts";

describe("operand textures", () => {
  it("hold one copy after another, each until its last reader", () => {
    const b = new Builder();
    let x: Value = b.input("x", [128, 128]);
    const w = b.input("w", [128, 128]);
    for (let i = 0; i < 6; i++) x = b.matmul(b.sin(x), w);
    const plan = compileGraph({ name: "chain", results: [{ name: "y", value: x }] }, [], eightLanes);
    const { sizes, legs } = planTextures(plan);
    const holds = new Map<number, string>();
    let fills = 0;
    let reads = 0;
    for (const [i, op] of plan.legs[0]!.ops.entries()) {
      const { fills: filled, bound } = legs[0]![i]!;
      for (const { texture, at } of filled) holds.set(texture, JSON.stringify(at));
      fills += filled.length;
      for (const [k, texture] of bound.entries()) {
        if (texture === null) continue;
        reads++;
        expect(op.kind === "dispatch" && holds.get(texture)).toBe(op.kind === "dispatch" && JSON.stringify(op.bindings[k]));
      }
    }
    // Twelve operands are read: the weight is copied once, the rows of each product anew; they share a texture.
    expect(reads).toBe(12);
    expect(fills).toBe(7);
    expect(sizes.length).toBe(2);
  });
});
