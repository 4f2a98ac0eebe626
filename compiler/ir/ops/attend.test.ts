import { describe, expect, test } from "vitest";
import { checkOp, expectAllChecked, type Given } from "../../../test/checkOp.ts";
import { gradient } from "../../autodiff.ts";
import { evaluateValues } from "../../reference/evaluate.ts";
import { Builder } from "../builder.ts";
import type { Value } from "../value.ts";
import { attendRows } from "./attend.ts";
import type { NdArray } from "./row.ts";

describe("calls", () => {
  const rows: readonly Given[] = [
    [[2, 3, 2], "waves"],
    [[2, 4, 2], "waves"],
    [[2, 4, 3], "waves"],
    [[2, 3, 4], "waves"],
  ];
  /** softmax(0.5 q kᵀ + mask) row by row, in plain loops: out and the logarithms of the sums. */
  const attention = (x: readonly NdArray[]): { readonly out: number[]; readonly sums: number[] } => {
    const [q, k, v, mask] = x as [NdArray, NdArray, NdArray, NdArray | undefined];
    const result = { out: [] as number[], sums: [] as number[] };
    for (let row = 0; row < 6; row++) {
      const batch = Math.floor(row / 3);
      const powers = [0, 1, 2, 3].map((key) => {
        const dot = [0, 1].reduce((s, d) => s + q.data[2 * row + d]! * k.data[2 * (4 * batch + key) + d]!, 0);
        return Math.exp(0.5 * dot + (mask?.data[4 * row + key] ?? 0));
      });
      const sum = powers.reduce((s, p) => s + p, 0);
      result.sums.push(Math.log(sum));
      for (let e = 0; e < 3; e++) result.out.push(powers.reduce((s, p, key) => s + (p / sum) * v.data[3 * (4 * batch + key) + e]!, 0));
    }
    return result;
  };
  const call =
    (part: "out" | "sums") =>
    (b: Builder, ...x: Value[]) =>
      b.make("attend", x, { part, scale: 0.5 });
  test("attention, with and without a mask", () => {
    for (const part of ["out", "sums"] as const)
      for (const given of [rows, rows.slice(0, 3)]) checkOp("attend", given, call(part), (...x) => attention(x)[part]);
  });
  test("its gradients are those of the body, and have derivatives themselves", () => {
    const size = (shape: readonly number[]) => shape.reduce((a, n) => a * n, 1);
    for (const part of ["q", "k", "v"] as const) {
      const given: readonly Given[] = [...rows.slice(0, 3), [[2, 3], "waves"], [[2, 3], "waves"], [[2, 3, 3], "waves"], rows[3]!];
      const scores = (b: Builder, x: readonly Value[]) =>
        b.add(b.mul(b.dot(x[0]!, x[1]!, { batchA: [0], batchB: [0], contractA: [2], contractB: [2] }), 0.5), x[6]!);
      checkOp(
        "attendGrad",
        given,
        (b, ...x) => b.make("attendGrad", x, { part, scale: 0.5 }),
        (...x) => {
          // Σ p · (dp - delta) over the scores as a loss in p alone, differentiated by the plain rules.
          const b = new Builder();
          const leaves = x.map((a, i) => b.input(`${i}`, a.shape));
          const s = scores(b, leaves);
          const p = b.exp(b.sub(s, b.spreadBack(leaves[3]!, s, [2])));
          const dp = b.dot(leaves[5]!, leaves[2]!, { batchA: [0], batchB: [0], contractA: [2], contractB: [2] });
          const ds = b.stop(b.mul(p, b.sub(dp, b.spreadBack(leaves[4]!, s, [2]))));
          const loss = part === "v" ? b.sum(b.mul(b.stop(p), dp)) : b.sum(b.mul(ds, s));
          const wanted = leaves[{ q: 0, k: 1, v: 2 }[part]]!;
          const inputs = Object.fromEntries(x.map((a, i) => [`${i}`, a]));
          const [gradients] = evaluateValues(gradient(b, loss, [wanted]), inputs);
          expect(gradients!.data.length).toBe(size(wanted.shape));
          return [...gradients!.data];
        },
      );
    }
  });
});

expectAllChecked(attendRows);
