import { expect, test } from "vitest";
import { gradient } from "../compiler/autodiff.ts";
import { Builder } from "../compiler/ir/builder.ts";
import { elementCount, type NdArray } from "../compiler/ir/ops/row.ts";
import { OPS } from "../compiler/ir/ops.ts";
import type { DType, OpName, Value } from "../compiler/ir/value.ts";
import { topologicalOrder } from "../compiler/ir/walk.ts";
import { centralDifferences, largestError, probeLoss } from "../compiler/reference/differences.ts";
import { evaluateValues } from "../compiler/reference/evaluate.ts";
import { array } from "../compiler/reference/ndarray.ts";

// One helper for operations: value and gradient of one application in a line, a primitive on small inputs; its values are written by hand or by
// plain loops, its derivative is compared with finite differences.

/** A case's argument: its shape, its numbers (or a fixed wave of them) and its dtype. */
export type Given = readonly [shape: readonly number[], values: readonly number[] | "waves", dtype?: DType];
/** The primitives that a case was checked for. */
export const checkedOps = new Set<OpName>();

/** Checks value and gradient of one application; `expected` is the flat result. */
export function checkOp(
  op: OpName,
  given: readonly Given[],
  build: (b: Builder, ...x: Value[]) => Value,
  expected: readonly number[] | ((...x: NdArray[]) => number[]),
) {
  const b = new Builder();
  const inputs: Record<string, NdArray> = {};
  const values = given.map(([shape, numbers, dtype = "f32"], i) => {
    const data =
      numbers === "waves" ? Array.from({ length: elementCount(shape) }, (_, e) => 2 * Math.sin(e * 7.13 + i * 3.7 + 0.4)) : numbers;
    inputs[`x${i}`] = array(shape, data, dtype);
    return b.input(`x${i}`, shape, { dtype });
  });
  const y = build(b, ...values);
  for (const v of topologicalOrder([y])) if (v.op === op) checkedOps.add(op);
  expect(checkedOps.has(op), `the case makes no '${op}'`).toBe(true);
  const [result] = evaluateValues([y], inputs);
  const wanted = typeof expected === "function" ? expected(...Object.values(inputs)) : expected;
  expect(largestError(result!.data, wanted), `${op}: [${result!.data.join(", ")}] for [${wanted.join(", ")}]`).toBeLessThan(1e-12);
  if (y.dtype !== "f32" || typeof OPS[op].grad !== "function") return;
  const loss = probeLoss(b, [y]);
  const floats = values.filter((v) => v.dtype === "f32" && v.op === "input");
  const grads = evaluateValues(gradient(b, loss, floats), inputs);
  floats.forEach((v, i) => {
    if (v.op !== "input") return;
    expect(largestError(grads[i]!.data, centralDifferences(loss, inputs, v.attrs.name)), `${op}: gradient to ${v.attrs.name}`).toBeLessThan(
      1e-7,
    );
  });
}

/** To stand at the end of a file of cases: each of these rows has one. */
export function expectAllChecked(rows: Readonly<Partial<Record<OpName, unknown>>>): void {
  test("every primitive has a case", () => {
    expect(Object.keys(rows).filter((op) => !checkedOps.has(op as OpName))).toEqual([]);
  });
}

/** A convolution by its definition, written out: every output asks for every tap. */
export function directConv(x: NdArray, k: NdArray, options: Parameters<Builder["conv"]>[2]): number[] {
  const { stride = [1, 1], padLow = [0, 0], padHigh = [0, 0], dilation = [1, 1], inputDilation = [1, 1], groups = 1 } = options ?? {};
  const [n, channels, ...size] = x.shape as [number, number, number, number];
  const [outputs, inner, ...taps] = k.shape as [number, number, number, number];
  const out = [0, 1].map(
    (i) =>
      Math.floor(((size[i]! - 1) * inputDilation[i]! + 1 + padLow[i]! + padHigh[i]! - (taps[i]! - 1) * dilation[i]! - 1) / stride[i]!) + 1,
  );
  const result: number[] = [];
  const read = (image: number, channel: number, place: readonly number[]) => {
    const at = place.map((p, i) => p / inputDilation[i]!);
    return at.every((p, i) => Number.isInteger(p) && p >= 0 && p < size[i]!)
      ? x.data[((image * channels + channel) * size[0]! + at[0]!) * size[1]! + at[1]!]!
      : 0;
  };
  for (let image = 0; image < n; image++) {
    for (let o = 0; o < outputs; o++) {
      for (let y = 0; y < out[0]!; y++) {
        for (let z = 0; z < out[1]!; z++) {
          let sum = 0;
          for (let c = 0; c < inner; c++) {
            for (let p = 0; p < taps[0]!; p++) {
              for (let q = 0; q < taps[1]!; q++) {
                const place = [y * stride[0]! + p * dilation[0]! - padLow[0]!, z * stride[1]! + q * dilation[1]! - padLow[1]!];
                sum +=
                  k.data[((o * inner + c) * taps[0]! + p) * taps[1]! + q]! *
                  read(image, Math.floor(o / (outputs / groups)) * inner + c, place);
              }
            }
          }
          result.push(sum);
        }
      }
    }
  }
  return result;
}
