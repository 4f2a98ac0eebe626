import { describe, expect, test } from "vitest";
import { checkOp, expectAllChecked } from "../../../test/checkOp.ts";
import { evaluateValues } from "../../reference/evaluate.ts";
import { array } from "../../reference/ndarray.ts";
import { Builder } from "../builder.ts";
import { leafRows } from "./leaf.ts";

describe("leaves", () => {
  test("hold what they say", () => {
    checkOp("input", [[[2], [1, 2]]], (_, x) => x!, [1, 2]);
    checkOp("const", [], (b) => b.scalar(2.5), [2.5]);
    checkOp("table", [], (b) => b.table([3, 1, 2], [3], "i32"), [3, 1, 2]);
    checkOp("iota", [], (b) => b.iota(4), [0, 1, 2, 3]);
  });
  test("random bits are Philox4x32-10 of key, element, micro-step and word", () => {
    // The published vectors: all zero, and counter and key of the digits of pi.
    checkOp("random", [], (b) => b.random(b.scalar(0, "u32"), { key0: 0, key1: 0, word: 0, shape: [1] }), [0x6627e8d5]);
    checkOp("random", [], (b) => b.random(b.scalar(0, "u32"), { key0: 0, key1: 0, word: 3, shape: [1] }), [0x9b00dbd8]);
    const b = new Builder();
    const step = b.input("step", [], { dtype: "u32" });
    const of = (word: number) => b.random(step, { key0: 5, key1: 6, word, shape: [2, 2] });
    const at = (n: number) => evaluateValues([of(0), of(4)], { step: array([], [n], "u32") }).flatMap((a) => [...a.data]);
    expect(new Set([...at(0), ...at(1)]).size).toBe(16);
    expect(at(1)).toEqual(at(1));
    // A run of a loop has a stream of its own: its key is exclusive-or-ed to the second one.
    const [own, given] = [b.random(step, { key0: 5, key1: 6 ^ 9, word: 0, shape: [4] }), b.input("key", [], { dtype: "u32" })];
    const keyed = b.make("random", [step, given], { key0: 5, key1: 6, word: 0, shape: [4] });
    const [wanted, made] = evaluateValues([own, keyed], { step: array([], [3], "u32"), key: array([], [9], "u32") });
    expect([...made!.data]).toEqual([...wanted!.data]);
  });
});

expectAllChecked(leafRows);
