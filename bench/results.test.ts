import { expect, test } from "vitest";
import { tileFits } from "./handwritten/products.ts";
import { measure } from "./measure.ts";
import { permuted, toChannelsFirst, toChannelsLast } from "./peers/peer.ts";
import { printRow, rowOf } from "./results.ts";
import { samplePlaces, valueAt, valuesOf } from "./values.ts";
import { clipWorkload } from "./workloads/clip.ts";
import { disagreement } from "./workloads/workload.ts";
import { allWorkloads, workloadOf } from "./workloads.ts";

test("ratios say how many times faster we are, against the best peer and the hand-written kernel", () => {
  const row = rowOf({
    workload: "w",
    adapter: "a",
    timing: { ms: 2, spread: 0.1 },
    peers: { handWritten: 3, naive: 20, other: 1 },
    flops: 4e6,
  });
  expect(row).toMatchObject({ ms: 2, ratioToHandWritten: 1.5, ratioToBestPeer: 0.5, gflops: 2 });
  const failed = rowOf({ workload: "w", adapter: "a", timing: null, peers: { naive: 20 }, flops: 4e6 });
  expect(failed).toMatchObject({ ms: null, spread: null, ratioToHandWritten: null, ratioToBestPeer: null, gflops: null });
  expect(rowOf({ workload: "w", adapter: "a", timing: { ms: 2, spread: 0 }, peers: {}, flops: 0 }).ratioToBestPeer).toBeNull();
});

test("a bound is no peer, and a peer without a time is said to have none", () => {
  const row = rowOf({
    workload: "w",
    adapter: "a",
    timing: { ms: 2, spread: 0 },
    peers: { fast: 4 },
    bounds: { cpu: 1 },
    absent: { other: "it has no such operation" },
    flops: 0,
  });
  expect(row.ratioToBestPeer).toBe(2);
  expect(printRow(row, ["fast", "other", "cpu"]).replace(/ +/g, " ")).toContain(" 4.00 n/a 1.00 ");
});

test("what a layer of a text encoder computes in the reference is what its parts say", () => {
  const shape = { tokens: 3, width: 8, heads: 2, hidden: 16 };
  for (const training of [false, true]) {
    const workload = clipWorkload(shape, training);
    expect(workload.inputs.map(({ name }) => name)).toContain("downBias");
    const places = samplePlaces(workload.shape.reduce((a, b) => a * b, 1));
    const values = places.map(workload.expected);
    expect(values.every(Number.isFinite)).toBe(true);
    expect(new Set(values).size).toBe(values.length);
  }
});

test("short work is repeated, times are per run and scaled to the whole", async () => {
  const ran: number[] = [];
  const timed = async (repeats: number) => {
    ran.push(repeats);
    return 2 * repeats;
  };
  const [timing] = await measure([{ name: "two", scale: 10, timed, run: async () => {} }], { rounds: 3, turnMs: 6 });
  expect(timing).toEqual({ ms: 20, spread: 0 });
  expect(ran).toEqual([1, 3, 3, 3]);
  ran.length = 0;
  await measure([{ name: "two", scale: 1, timed, run: async () => {} }], { rounds: 9, turnMs: 6, budgetMs: 20 });
  expect(ran).toEqual([1, 3, 3, 3]); // three rounds of 6 ms
});

test("moving axes there and back gives the same values", () => {
  const values = valuesOf(1, 2 * 3 * 4 * 5);
  const moved = permuted(values, [2, 3, 4, 5], toChannelsFirst);
  expect(moved[1]).toBe(values[5]); // the next column of the same channel
  expect(permuted(moved, [2, 5, 3, 4], toChannelsLast)).toEqual(values);
});

test("numbers are a function of the place, exact in single precision, and spread", () => {
  const values = valuesOf(3, 4096);
  for (const i of [0, 1, 4095]) expect(values[i]).toBe(valueAt(3, i));
  expect(new Set(values).size).toBeGreaterThan(4080);
  expect(Math.abs(values.reduce((a, b) => a + b, 0) / values.length)).toBeLessThan(0.03);
  expect(samplePlaces(1000)).toEqual(expect.arrayContaining([0, 999]));
  expect(samplePlaces(3)).toHaveLength(3);
});

test("a wrong or missing result is told by its place", () => {
  const workload = allWorkloads(true)[0]!;
  const places = [0, 7];
  const right = places.map(workload.expected);
  expect(disagreement(workload, places, right)).toBeNull();
  expect(disagreement(workload, places, [right[0]!, right[1]! + 1])).toContain("wrong at 7");
  expect(disagreement(workload, places, [Number.NaN, right[1]!])).toContain("wrong at 0");
});

test("a task names its workload, and each has kernels for both subgroup sizes", () => {
  for (const workload of allWorkloads(true)) {
    expect(workloadOf(workload.task).name).toBe(workload.name);
    if (workload.byHand === undefined) continue;
    for (const lanes of [4, 8]) expect(workload.byHand.kernels(lanes, ["buffer", "texture"]).length).toBeGreaterThan(0);
    expect(workload.byHand.naive(0.5).share).toBeCloseTo(0.5, 1);
  }
});

test("a tile must load evenly and divide the result", () => {
  const tile = { lanes: 8, tileM: 16, vectors: 1, chunkK: 4, hoist: true, storage: "buffer" } as const;
  expect(tileFits(tile, { m: 64, n: 64, k: 64 })).toBe(true);
  expect(tileFits(tile, { m: 64, n: 16, k: 64 })).toBe(true); // lanes beyond the last column repeat it
  expect(tileFits(tile, { m: 40, n: 64, k: 64 })).toBe(false);
  expect(tileFits({ ...tile, tileM: 4 }, { m: 64, n: 64, k: 64 })).toBe(false);
});
