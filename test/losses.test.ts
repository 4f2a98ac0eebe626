import { describe, expect, test } from "vitest";
import { type Given, run } from "../compiler/elaborate/testing.ts";
import { checkText } from "./check/load.ts";

// Losses of the library against plain arithmetic, with options that recorded cases need not have.

const drawn = (n: number, seed = 1): number[] => Array.from({ length: n }, (_, i) => ((i * 37 + seed * 53) % 101) / 25 - 2);
const given = (shape: readonly number[], axes: readonly string[], seed = 1): Given & { readonly data: readonly number[] } => ({
  shape,
  axes,
  data: drawn(
    shape.reduce((n, s) => n * s, 1),
    seed,
  ),
});
function value(text: string, args: Readonly<Record<string, Given>>): number[] {
  const { results, error } = run(text, "f", args);
  if (error !== "") throw new Error(error);
  return [...results.result!.data];
}
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((s, v, i) => s + v * b[i]!, 0);
const row = (x: { readonly data: readonly number[] }, i: number, width: number): number[] => x.data.slice(i * width, (i + 1) * width);

describe("cosines to a reference", () => {
  const x = given([2, 3, 4], ["n", "t", "f"]);
  const r = given([2, 3, 4], ["n", "t", "f"], 2);
  const miss = Array.from({ length: 6 }, (_, i) => {
    const sharp = row(r, i, 4).map((v) => v * v * v);
    const [a, b] = [row(x, i, 4), sharp];
    return 1 - dot(a, b) / Math.sqrt((dot(a, a) + 1e-12) * (dot(b, b) + 1e-12));
  });
  test("rows of weight 0 and below do not count, samples are weighted, the margin is taken off each sample", () => {
    const weight = { shape: [2, 3], axes: ["n", "t"], data: [1, 0, 0.5, -1, 2, 0] };
    const sample = { shape: [2], axes: ["n"], data: [3, 1] };
    const text = `import { ref_cosine } from "std/directions.ada"
fn f(x: real[n, t, f], r: real[n, t, f], weight: real[n, t], sample: real[n]) -> real {
  return ref_cosine(x, r, weight, sample, power: 3, margin: 0.25)
}`;
    const first = Math.max((miss[0]! + 0.5 * miss[2]!) / (1.5 + 1e-8) - 0.25, 0);
    const second = Math.max((2 * miss[4]!) / (2 + 1e-8) - 0.25, 0);
    expect(value(text, { x, r, weight, sample })[0]).toBeCloseTo((3 * first + second) / 4, 10);
    expect(value(text, { x, r, weight, sample: { ...sample, data: [0, 0] } })).toEqual([0]);
  });
});

describe("masked means", () => {
  test("an optional weight that is not given is not read, whatever the function returns", () => {
    const text = `import { masked_mean } from "std/masks.ada"
fn f(x: real[n, h], m: real[n]) -> real[...r] { return masked_mean(x, m, over: n) }`;
    expect(checkText(text).diagnostics).toEqual([]);
    const x = given([3, 2], ["n", "h"]);
    const m = { shape: [3], axes: ["n"], data: [1, 0, 0.5] };
    expect(value(text, { x, m })).toEqual([0, 1].map((h) => (x.data[h]! + 0.5 * x.data[4 + h]!) / 1.5));
    expect(value(text, { x, m: { ...m, data: [0, 0, 0] } })).toEqual([0, 0]);
  });
});

describe("factors that follow a loss", () => {
  test("in proportion between their bounds, and 0 without a base", () => {
    const text = (base: string) => `import { proportional_scale } from "std/losses.ada"
fn f(x: real[n]) -> real[n] { return proportional_scale(x, base: ${base}, scale: 2, high: 3) }`;
    const x = { shape: [3], axes: ["n"], data: [0.1, 0.3, 9] };
    expect(value(text("0.2"), { x }).map((v) => Math.round(v * 1e6) / 1e6)).toEqual([2, 3, 6]);
    expect(value(text("0"), { x })).toEqual([0, 0, 0]);
  });
});
