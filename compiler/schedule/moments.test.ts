import { describe, expect, it } from "vitest";
import { interpretGraph } from "../../test/interpretPlan.ts";
import { eightLanes, noSubgroups } from "../../test/targets.ts";
import { compileGraph } from "../compile.ts";
import { Builder } from "../ir/builder.ts";
import type { Graph } from "../ir/value.ts";
import { evaluate } from "../reference/evaluate.ts";

function varianceOf(rows: number, columns: number): Graph {
  const b = new Builder();
  const x = b.input("x", [rows, columns]);
  const centred = b.sub(x, b.spreadBack(b.mean(x, [1]), x, [1]));
  return { name: "variance", results: [{ name: "variance", value: b.mean(b.mul(centred, centred), [1]) }] };
}
/** The largest relative error of the variance of rows that `numbers` fills. */
function worst(columns: number, numbers: (row: number, column: number) => number, target = eightLanes): number {
  const rows = 5;
  const graph = varianceOf(rows, columns);
  const data = Float64Array.from({ length: rows * columns }, (_, i) => Math.fround(numbers(Math.floor(i / columns), i % columns)));
  const inputs = { x: { dtype: "f32" as const, shape: [rows, columns], data } };
  const [actual, expected] = [interpretGraph(graph, inputs, target), evaluate(graph, inputs)];
  const want = expected.variance!.data;
  return Math.max(...want.map((v, i) => Math.abs(actual.variance!.data[i]! - v) / v));
}
const wave = (i: number): number => Math.sin(i * 12.9898) * Math.sin(i * 78.233);

describe("mean and variance in one pass", () => {
  it("reads the row once", () => {
    let wgsl = "";
    compileGraph(varianceOf(64, 768), [], eightLanes, {
      onStage: (stage, _, text) => {
        if (stage === "wgsl") wgsl += text();
      },
    });
    expect(wgsl.match(/for \(/g)).toHaveLength(1);
  });
  it("is exact to a few roundings, however far the mean lies from 0", () => {
    for (const mean of [0, 100, 1000]) {
      // The input itself is rounded to multiples of 2^-14 at 1000: both sides see the same rounded numbers.
      expect(worst(768, (row, c) => mean * (row + 1) + wave(768 * row + c))).toBeLessThan(3e-6);
    }
  });
  it("keeps its bound where the first element of each stream is far from all others", () => {
    expect(worst(768, (row, c) => (c < 32 ? 1000 : 0) + wave(768 * row + c))).toBeLessThan(24 ** 2 * 2 ** -24);
    expect(worst(61, (row, c) => (c === 0 ? 1e4 : 0) + wave(61 * row + c), noSubgroups)).toBeLessThan(61 ** 2 * 2 ** -24);
  });
  it("leaves rows whose streams would be too long their two passes", () => {
    expect(worst(771, (row, c) => (c === 0 ? 1e4 : 0) + wave(771 * row + c), noSubgroups)).toBeLessThan(1e-5);
  });
  it("takes rows that are shorter than the lanes, and lanes with unequal shares", () => {
    for (const columns of [2, 4, 7, 12, 20, 36, 100]) expect(worst(columns, (row, c) => 10 + wave(columns * row + c))).toBeLessThan(1e-5);
  });
  it("leaves sums of squares about something else alone", () => {
    const b = new Builder();
    const x = b.input("x", [4, 64]);
    const half = b.mul(b.sum(x, [1]), 0.5);
    const centred = b.sub(x, b.spreadBack(half, x, [1]));
    const graph: Graph = { name: "g", results: [{ name: "r", value: b.sum(b.mul(centred, centred), [1]) }] };
    const inputs = {
      x: { dtype: "f32" as const, shape: [4, 64], data: Float64Array.from({ length: 256 }, (_, i) => Math.fround(wave(i))) },
    };
    const [actual, expected] = [interpretGraph(graph, inputs, eightLanes).r!.data, evaluate(graph, inputs).r!.data];
    for (const [i, v] of expected.entries()) expect(Math.abs(actual[i]! - v) / v).toBeLessThan(1e-5);
  });
});
