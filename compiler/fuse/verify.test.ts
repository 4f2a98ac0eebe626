import { describe, expect, it } from "vitest";
import { Builder } from "../ir/builder.ts";
import type { Graph } from "../ir/value.ts";
import { type Laid, layout } from "../layout.ts";
import { cluster } from "./cluster.ts";
import { makeStored, type Region } from "./region.ts";
import { verifyLaid } from "./verify.ts";

const b = new Builder();
const x = b.input("x", [6, 8]);
const product = b.matmul(x, b.input("w", [8, 4]));
const rows = b.sum(b.exp(product), [1]);
const graph: Graph = { name: "g", results: [{ name: "product", value: product }, { name: "rows", value: rows }] }; // biome-ignore format: short
const limits = { fuse: true, maxBuffers: 8, maxBytes: 2 ** 27, adapterClass: "cpu" } as const;
const laid = layout(cluster(graph, limits), new Set([product, rows]), limits);
const changed = (change: (r: Region, i: number) => Region): Laid => ({ regions: laid.regions.map(change) });

describe("the verifier of fusion", () => {
  it("accepts what fusion makes", () => {
    expect(verifyLaid(laid, graph, 8)).toEqual([]);
  });
  it("wants producers before readers", () => {
    expect(verifyLaid({ regions: [...laid.regions].reverse() }, graph, 8).join()).toContain("is read before it is made");
  });
  it("wants each tensor made once, and every result", () => {
    expect(verifyLaid({ regions: [...laid.regions, laid.regions[0]!] }, graph, 8).join()).toContain("is made twice");
    expect(verifyLaid({ regions: laid.regions.filter((r) => r.template !== "reduce") }, graph, 8).join()).toContain("result rows");
  });
  it("wants the anchors of the template, and outputs that fit them", () => {
    expect(
      verifyLaid(
        changed((r) => ({ ...r, template: "map" })),
        graph,
        8,
      ).join(),
    ).toContain("anchors");
    const wrong = makeStored(b.exp(x));
    expect(
      verifyLaid(
        changed((r) => (r.template === "contract" ? { ...r, outputs: [...r.outputs, wrong] } : r)),
        graph,
        8,
      ).join(),
    ).toContain("another number of elements");
  });
  it("keeps the limit of bindings", () => {
    expect(verifyLaid(laid, graph, 2).join()).toContain("are more than 2");
  });
});
