import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { compileGraph } from "../../compiler/compile.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import { TooLarge } from "../../compiler/memory/windows.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { interpretGraph } from "../interpretPlan.ts";
import { agree } from "../properties/agreement.ts";
import { eightLanes, fourLanes } from "../targets.ts";
import { largeCase, largeCases, limit } from "./large.ts";

// Tensors larger than a binding, each through one class of kernels, with the limit lowered to what keeps a test quick.

describe("larger than a binding", () => {
  it.each(Object.entries(largeCases))("%s", (_, one) => {
    const { graph, inputs } = largeCase(one);
    const dispatchesFor = (maxBindingBytes: number): number =>
      compileGraph(graph, [], { ...eightLanes, maxBindingBytes }).legs[0]!.ops.filter((op) => op.kind === "dispatch").length;
    expect([dispatchesFor(2 ** 27), dispatchesFor(limit)]).toEqual(one.dispatches);
    for (const target of [eightLanes, { ...fourLanes, offsetAlignment: 32 }, { ...fourLanes, maxStorageBuffers: 4 }])
      agree(graph, inputs, () => interpretGraph(graph, inputs, { ...target, maxBindingBytes: limit }));
  });
  it("what cannot be computed in parts is told to the author", () => {
    const b = new Builder();
    const table = b.table(
      Array.from({ length: 64 }, (_, i) => i),
      [64],
    );
    const graph = { name: "g", results: [{ name: "y", value: b.add(table, b.input("x", [64])) }] };
    let shown = "";
    try {
      compileGraph(graph, [], { ...eightLanes, maxBindingBytes: 128, offsetAlignment: 32 });
    } catch (error) {
      if (!(error instanceof TooLarge)) throw error;
      shown = `${renderDiagnostics([error.diagnostic], () => undefined)}\n`;
    }
    const expected = path.join(path.dirname(fileURLToPath(import.meta.url)), "../diagnostics/made/too-large.out");
    if (process.env.ADA_UPDATE_SNAPSHOTS !== undefined || !existsSync(expected)) writeFileSync(expected, shown);
    expect(shown).toBe(readFileSync(expected, "utf8"));
  });
});
