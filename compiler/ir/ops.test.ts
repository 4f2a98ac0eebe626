import { describe, expect, test } from "vitest";
import { checkedOps, checkOp, directConv, type Given } from "../../test/checkOp.ts";
import { gradient } from "../autodiff.ts";
import { evaluateValues } from "../reference/evaluate.ts";
import { array } from "../reference/ndarray.ts";
import { Builder } from "./builder.ts";
import type { NdArray } from "./ops/row.ts";
import { OPS, opNames } from "./ops.ts";
import type { Graph, OpName, Value } from "./value.ts";

// One case per line: a primitive on small inputs, its values by hand (or by plain loops) and its derivative by finite differences.

const pair: readonly Given[] = [
  [
    [2, 3],
    [1, -2, 3, 0.5, -0.25, 2],
  ],
  [
    [2, 3],
    [4, 3, -2, 0.75, 1.5, -1],
  ],
];
const wholes: readonly Given[] = [
  [[6], [7, -7, 7, -7, 6, 5], "i32"],
  [[6], [2, 2, -2, -2, 3, 0], "i32"],
];
const bools: readonly Given[] = [
  [[4], [0, 0, 1, 1], "bool"],
  [[4], [0, 1, 0, 1], "bool"],
];
const each =
  (f: (...x: number[]) => number) =>
  (...x: NdArray[]) =>
    [...x[0]!.data].map((_, i) => f(...x.map((a) => a.data[i]!)));

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
  });
});

describe("elementwise", () => {
  test("of one argument", () => {
    const x: readonly Given[] = [[[4], [-1.5, 0.25, 2, 0.75]]];
    const p: readonly Given[] = [[[3], [0.25, 2, 5]]];
    checkOp(
      "neg",
      x,
      (b, v) => b.neg(v!),
      each((e) => -e),
    );
    checkOp("abs", x, (b, v) => b.abs(v!), each(Math.abs));
    checkOp("exp", x, (b, v) => b.exp(v!), each(Math.exp));
    checkOp("log", p, (b, v) => b.log(v!), each(Math.log));
    checkOp("sin", x, (b, v) => b.sin(v!), each(Math.sin));
    checkOp("cos", x, (b, v) => b.cos(v!), each(Math.cos));
    checkOp("tanh", x, (b, v) => b.tanh(v!), each(Math.tanh));
    checkOp("sqrt", p, (b, v) => b.sqrt(v!), each(Math.sqrt));
    checkOp(
      "rsqrt",
      p,
      (b, v) => b.rsqrt(v!),
      each((e) => 1 / Math.sqrt(e)),
    );
    // erf from the tables of Abramowitz and Stegun and their continuation.
    checkOp(
      "erf",
      [[[4], [-0.5, 1, 2, 3.5]]],
      (b, v) => b.erf(v!),
      [-0.5204998778130465, 0.8427007929497149, 0.9953222650189527, 0.9999992569016276],
    );
    checkOp("floor", x, (b, v) => b.floor(v!), [-2, 0, 2, 0]);
    checkOp("round", [[[6], [0.5, 1.5, 2.5, -0.5, -1.5, 0.6]]], (b, v) => b.round(v!), [0, 2, 2, 0, -2, 1]);
    checkOp("not", [bools[0]!], (b, v) => b.not(v!), [1, 1, 0, 0]);
    checkOp("not", [[[2], [0, 5], "i32"]], (b, v) => b.not(v!), [-1, -6]);
  });
  test("casts truncate, clamp, keep bits and know 0 and 1", () => {
    checkOp("cast", [[[4], [1.9, -1.9, 3e9, -3e9]]], (b, v) => b.cast(v!, "i32"), [1, -1, 2147483647, -2147483648]);
    checkOp("cast", [[[3], [1.9, -1.9, 5e9]]], (b, v) => b.cast(v!, "u32"), [1, 0, 4294967295]);
    checkOp("cast", [[[2], [-1, 7], "i32"]], (b, v) => b.cast(v!, "u32"), [4294967295, 7]);
    checkOp("cast", [[[3], [0, -0.5, 2]]], (b, v) => b.cast(v!, "bool"), [0, 1, 1]);
    checkOp("cast", [bools[0]!], (b, v) => b.cast(v!, "f32"), [0, 0, 1, 1]);
  });
  test("of two arguments", () => {
    checkOp(
      "add",
      pair,
      (b, x, y) => b.add(x!, y!),
      each((p, q) => p! + q!),
    );
    checkOp(
      "sub",
      pair,
      (b, x, y) => b.sub(x!, y!),
      each((p, q) => p! - q!),
    );
    checkOp(
      "mul",
      pair,
      (b, x, y) => b.mul(x!, y!),
      each((p, q) => p! * q!),
    );
    checkOp(
      "div",
      pair,
      (b, x, y) => b.div(x!, y!),
      each((p, q) => p! / q!),
    );
    checkOp("max", pair, (b, x, y) => b.max(x!, y!), each(Math.max));
    checkOp("min", pair, (b, x, y) => b.min(x!, y!), each(Math.min));
    checkOp("lt", pair, (b, x, y) => b.lt(x!, y!), [1, 1, 0, 1, 1, 0]);
    checkOp(
      "eq",
      [
        pair[0]!,
        [
          [2, 3],
          [1, 2, 3, 0.5, 0, 0],
        ],
      ],
      (b, x, y) => b.eq(x!, y!),
      [1, 0, 1, 1, 0, 0],
    );
    checkOp(
      "pow",
      [
        [[3], [0.5, 2, 3]],
        [[3], [2.5, -1, 0.5]],
      ],
      (b, x, y) => b.pow(x!, y!),
      each((p, q) => p! ** q!),
    );
  });
  test("whole numbers wrap around, division floors, shifts keep the sign of i32", () => {
    checkOp("add", [[[1], [2147483647], "i32"]], (b, x) => b.add(x!, 1), [-2147483648]);
    checkOp("sub", [[[1], [0], "u32"]], (b, x) => b.sub(x!, 1), [4294967295]);
    checkOp("mul", [[[1], [0x7fffffff], "i32"]], (b, x) => b.mul(x!, x!), [1]);
    checkOp("mul", [[[1], [0xd2511f53], "u32"]], (b, x) => b.mul(x!, x!), [Number((0xd2511f53n * 0xd2511f53n) & 0xffffffffn)]);
    checkOp("idiv", wholes, (b, x, y) => b.idiv(x!, y!), [3, -4, -4, 3, 2, 5]);
    checkOp("imod", wholes, (b, x, y) => b.imod(x!, y!), [1, 1, -1, -1, 0, 0]);
    checkOp("shl", [[[2], [3, -1], "i32"]], (b, x) => b.shl(x!, 4), [48, -16]);
    checkOp("shr", [[[2], [-16, 16], "i32"]], (b, x) => b.shr(x!, 2), [-4, 4]);
    checkOp("shr", [[[1], [0xfffffff0], "u32"]], (b, x) => b.shr(x!, 4), [0x0fffffff]);
  });
  test("bits and truth values", () => {
    checkOp("and", bools, (b, x, y) => b.and(x!, y!), [0, 0, 0, 1]);
    checkOp("or", bools, (b, x, y) => b.or(x!, y!), [0, 1, 1, 1]);
    checkOp("xor", bools, (b, x, y) => b.xor(x!, y!), [0, 1, 1, 0]);
    checkOp("xor", [[[1], [0xffffffff], "u32"]], (b, x) => b.xor(x!, 15), [0xfffffff0]);
    checkOp(
      "where",
      [
        [[4], [0, 0, 1, 1], "bool"],
        [[4], [1, 2, 3, 4]],
        [[4], [5, 6, 7, 8]],
      ],
      (b, c, x, y) => b.where(c!, x!, y!),
      [5, 6, 3, 4],
    );
  });
  test("kinks: equals give the cotangent to the first argument, |0| has derivative 0, 0^x none that is not finite", () => {
    const at = (x: number, build: (b: Builder, x: Value) => Value) => {
      const b = new Builder();
      const v = b.input("x", []);
      return evaluateValues(gradient(b, build(b, v), [v]), { x: array([], [x]) })[0]!.data[0];
    };
    expect([
      at(0, (b, x) => b.max(x, 0)),
      at(0, (b, x) => b.max(0, x)),
      at(0, (b, x) => b.min(x, 0)),
      at(0, (b, x) => b.min(0, x)),
    ]).toEqual([1, 0, 1, 0]);
    expect(at(0, (b, x) => b.abs(x))).toBe(0);
    expect([
      at(0, (b, x) => b.pow(x, 2)),
      at(0, (b, x) => b.pow(x, 0)),
      at(0, (b, x) => b.pow(x, 1)),
      at(2, (b, x) => b.pow(0, x)),
    ]).toEqual([0, 0, 1, 0]);
    expect(at(-3, (b, x) => b.pow(x, 2))).toBe(-6);
  });
});

describe("reductions", () => {
  const x: Given = [[2, 3, 2], "waves"];
  const by = (axes: readonly number[], f: (a: number, e: number) => number, start: number) => (v: NdArray) => {
    const out = new Map<string, number>();
    v.data.forEach((e, i) => {
      const index = [Math.floor(i / 6), Math.floor(i / 2) % 3, i % 2].filter((_, axis) => !axes.includes(axis)).join();
      out.set(index, f(out.get(index) ?? start, e));
    });
    return [...out.values()];
  };
  test("sum and maximum over any axes", () => {
    for (const axes of [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]]) {
      checkOp(
        "sum",
        [x],
        (b, v) => b.sum(v!, axes),
        by(axes, (a, e) => a + e, 0),
      );
      checkOp("reduceMax", [x], (b, v) => b.reduceMax(v!, axes), by(axes, Math.max, Number.NEGATIVE_INFINITY));
    }
    checkOp("sum", [[[2], [4294967295, 2], "u32"]], (b, v) => b.sum(v!), [1]);
  });
  test("equal maxima share the cotangent", () => {
    const b = new Builder();
    const v = b.input("x", [4]);
    const [g] = evaluateValues(gradient(b, b.reduceMax(v), [v]), { x: array([4], [3, 1, 3, 3]) });
    expect([...g!.data]).toEqual([1 / 3, 0, 1 / 3, 1 / 3]);
  });
  test("argmax gives the first of equals", () => {
    checkOp(
      "argmax",
      [
        [
          [2, 3],
          [1, 5, 5, -1, -2, -1],
        ],
      ],
      (b, v) => b.argmax(v!, 1),
      [1, 0],
    );
    checkOp(
      "argmax",
      [
        [
          [2, 3],
          [1, 5, 5, -1, 6, 5],
        ],
      ],
      (b, v) => b.argmax(v!, 0),
      [0, 1, 0],
    );
  });
});

describe("movement", () => {
  const x: Given = [
    [2, 3],
    [1, 2, 3, 4, 5, 6],
  ];
  test("moves elements where they belong", () => {
    checkOp("reshape", [x], (b, v) => b.reshape(v!, [3, 2]), [1, 2, 3, 4, 5, 6]);
    checkOp("permute", [x], (b, v) => b.permute(v!, [1, 0]), [1, 4, 2, 5, 3, 6]);
    checkOp(
      "permute",
      [[[2, 1, 3], "waves"]],
      (b, v) => b.permute(v!, [2, 0, 1]),
      (v) => [0, 3, 1, 4, 2, 5].map((i) => v.data[i]!),
    );
    checkOp("broadcast", [[[2], [1, 2]]], (b, v) => b.broadcastInDim(v!, [2, 2, 2], [1]), [1, 1, 2, 2, 1, 1, 2, 2]);
    checkOp(
      "broadcast",
      [
        [
          [2, 1],
          [1, 2],
        ],
      ],
      (b, v) => b.broadcastTo(v!, [2, 2, 3]),
      [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2],
    );
    checkOp("slice", [x], (b, v) => b.slice(v!, [0, 1], [2, 2]), [2, 3, 5, 6]);
    checkOp("slice", [x], (b, v) => b.slice(v!, [1, 2], [2, 2], [-1, -2]), [6, 4, 3, 1]);
    checkOp("slice", [[[7], [0, 1, 2, 3, 4, 5, 6]]], (b, v) => b.slice(v!, [5], [2], [-3]), [5, 2]);
    checkOp("pad", [x], (b, v) => b.pad(v!, [0, 1], [1, 0], [0, 1], 9), [9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 6, 9, 9, 9, 9, 9, 9]);
    checkOp(
      "concat",
      [
        x,
        [
          [2, 1],
          [7, 8],
        ],
      ],
      (b, v, w) => b.concat([v!, w!, v!], 1),
      [1, 2, 3, 7, 1, 2, 3, 4, 5, 6, 8, 4, 5, 6],
    );
    checkOp(
      "concat",
      [
        x,
        [
          [1, 3],
          [7, 8, 9],
        ],
      ],
      (b, v, w) => b.concat([w!, v!], 0),
      [7, 8, 9, 1, 2, 3, 4, 5, 6],
    );
  });
});

describe("indexing", () => {
  test("gather clamps its positions", () => {
    checkOp(
      "gather",
      [
        [
          [3, 2],
          [1, 2, 3, 4, 5, 6],
        ],
        [[4], [2, 0, 9, -1], "i32"],
      ],
      (b, x, i) => b.gather(x!, i!),
      [5, 6, 1, 2, 5, 6, 1, 2],
    );
    checkOp(
      "gather",
      [
        [
          [2, 3],
          [1, 2, 3, 4, 5, 6],
        ],
        [[2, 2], [2, 0, 1, 1], "i32"],
      ],
      (b, x, i) => b.gather(x!, i!, 1),
      [3, 1, 2, 2, 6, 4, 5, 5],
    );
    checkOp(
      "gather",
      [
        [
          [2, 3],
          [1, 2, 3, 4, 5, 6],
        ],
        [[2, 2], [2, 0, 1, 1], "i32"],
      ],
      (b, x, i) => b.gather(x!, i!, 1, 1),
      [3, 1, 5, 5],
    );
    checkOp(
      "gather",
      [
        [[2, 2, 3, 2], "waves"],
        [[2, 2], [2, 0, 1, 1], "i32"],
      ],
      (b, x, i) => b.gather(x!, i!, 2, 1),
      (x, i) =>
        [0, 1].flatMap((n) =>
          [0, 1].flatMap((p) => [0, 1].flatMap((k) => [0, 1].map((c) => x.data[((n * 2 + p) * 3 + i.data[n * 2 + k]!) * 2 + c]!))),
        ),
    );
    checkOp(
      "gather",
      [
        [[3], [1, 2, 3]],
        [[], [1], "i32"],
      ],
      (b, x, i) => b.gather(x!, i!),
      [2],
    );
  });
  test("scatter-add adds repeats and drops what is outside", () => {
    const at = { axis: 0, size: 3 };
    checkOp(
      "scatterAdd",
      [
        [[4], [2, 2, 5, -1], "i32"],
        [
          [4, 2],
          [1, 2, 3, 4, 5, 6, 7, 8],
        ],
      ],
      (b, i, u) => b.scatterAdd(i!, u!, at),
      [0, 0, 0, 0, 4, 6],
    );
    const batched = { axis: 1, size: 2, batch: 1 };
    checkOp(
      "scatterAdd",
      [
        [[2, 3], [0, 1, 0, 1, 1, 7], "i32"],
        [
          [2, 3],
          [1, 2, 3, 4, 5, 6],
        ],
      ],
      (b, i, u) => b.scatterAdd(i!, u!, batched),
      [4, 2, 0, 9],
    );
    const inner = { axis: 1, size: 2 };
    checkOp(
      "scatterAdd",
      [
        [[3], [0, 1, 0], "i32"],
        [
          [2, 3],
          [1, 2, 3, 4, 5, 6],
        ],
      ],
      (b, i, u) => b.scatterAdd(i!, u!, inner),
      [4, 2, 10, 5],
    );
    checkOp(
      "scatterAdd",
      [
        [[], [1], "i32"],
        [[2], [5, 6]],
      ],
      (b, i, u) => b.scatterAdd(i!, u!, at),
      [0, 0, 5, 6, 0, 0],
    );
  });
});

describe("contractions", () => {
  test("dot: matrices, transposed matrices, batches, two summed axes, outer products", () => {
    checkOp(
      "dot",
      [
        [
          [2, 3],
          [1, 2, 3, 4, 5, 6],
        ],
        [
          [3, 2],
          [1, 2, 3, 4, 5, 6],
        ],
      ],
      (b, x, y) => b.matmul(x!, y!),
      [22, 28, 49, 64],
    );
    checkOp(
      "dot",
      [
        [
          [2, 3],
          [1, 2, 3, 4, 5, 6],
        ],
        [
          [2, 3],
          [1, 0, 1, 0, 1, 0],
        ],
      ],
      (b, x, y) => b.dot(x!, y!, { contractA: [1], contractB: [1] }),
      [4, 2, 10, 5],
    );
    checkOp(
      "dot",
      [
        [[2], [1, 2]],
        [[3], [3, 4, 5]],
      ],
      (b, x, y) => b.dot(x!, y!, {}),
      [3, 4, 5, 6, 8, 10],
    );
    checkOp(
      "dot",
      [
        [[3, 2, 4], "waves"],
        [[4, 3, 5, 2], "waves"],
      ],
      (b, x, y) => b.dot(x!, y!, { batchA: [0], batchB: [1], contractA: [2, 1], contractB: [0, 3] }),
      (x, y) =>
        [0, 1, 2].flatMap((n) =>
          [0, 1, 2, 3, 4].map((j) => {
            let sum = 0;
            for (let p = 0; p < 2; p++)
              for (let q = 0; q < 4; q++) sum += x.data[(n * 2 + p) * 4 + q]! * y.data[((q * 3 + n) * 5 + j) * 2 + p]!;
            return sum;
          }),
        ),
    );
    checkOp(
      "dot",
      [
        [[2, 3, 2], "waves"],
        [[2, 4, 3], "waves"],
      ],
      (b, x, y) => b.dot(x!, y!, { batchA: [2], batchB: [0], contractA: [1], contractB: [2] }),
      (x, y) =>
        [0, 1].flatMap((n) =>
          [0, 1].flatMap((i) =>
            [0, 1, 2, 3].map((j) => [0, 1, 2].reduce((sum, k) => sum + x.data[(i * 3 + k) * 2 + n]! * y.data[(n * 4 + j) * 3 + k]!, 0)),
          ),
        ),
    );
  });

  const cases = [
    { image: [2, 3, 5, 4], kernel: [2, 3, 3, 3], padLow: [1, 1], padHigh: [1, 1] },
    { image: [1, 2, 6, 5], kernel: [3, 2, 3, 2], stride: [2, 3], padLow: [1, 0], padHigh: [0, 2] },
    { image: [2, 2, 7, 7], kernel: [2, 2, 3, 3], dilation: [2, 2], stride: [2, 1], padLow: [1, 2], padHigh: [2, 1] },
    { image: [1, 4, 4, 4], kernel: [6, 2, 3, 3], groups: 2, padLow: [1, 1], padHigh: [1, 1], stride: [2, 2] },
    { image: [2, 3, 5, 5], kernel: [3, 1, 3, 3], groups: 3, padLow: [1, 1], padHigh: [1, 1] },
    { image: [1, 2, 3, 3], kernel: [2, 2, 4, 4], inputDilation: [2, 2], padLow: [2, 2], padHigh: [2, 2] },
    { image: [2, 1, 6, 6], kernel: [1, 1, 2, 2], padLow: [-1, -2], padHigh: [0, -1], stride: [2, 1] },
    {
      image: [1, 2, 4, 3],
      kernel: [2, 1, 2, 3],
      inputDilation: [3, 2],
      dilation: [2, 1],
      stride: [2, 2],
      groups: 2,
      padLow: [2, -1],
      padHigh: [3, 1],
    },
    { image: [3, 4, 1, 1], kernel: [5, 4, 1, 1] },
  ] as const;
  test.each(cases)("conv %j", (c) => {
    const { image, kernel, ...options } = c;
    checkOp(
      "conv",
      [
        [image, "waves"],
        [kernel, "waves"],
      ],
      (b, x, k) => b.conv(x!, k!, options),
      (x, k) => directConv(x, k, options),
    );
  });
});

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

describe("markers", () => {
  test("are identities; stop blocks and gradScale scales the cotangent", () => {
    const b = new Builder();
    const x = b.input("x", [2]);
    const of = (y: Value) => [
      ...evaluateValues(gradient(b, b.sum(b.mul(y, b.table([1, 2], [2]))), [x]), { x: array([2], [3, 4]) })[0]!.data,
    ];
    expect(of(b.stop(x))).toEqual([0, 0]);
    expect(of(b.gradScale(x, -0.5))).toEqual([-0.5, -1]);
    expect(of(b.save(b.tap(x, "t"), "s"))).toEqual([1, 2]);
    for (const y of [b.stop(x), b.gradScale(x, 3), b.save(x, "s"), b.tap(x, "t"), b.again(x)]) {
      checkedOps.add(y.op);
      expect([...evaluateValues([y], { x: array([2], [3, 4]) })[0]!.data]).toEqual([3, 4]);
    }
  });
});

test("a loop is its body, run after run", () => {
  const body = new Builder();
  const [x, w, s] = [body.input("carry0", [2]), body.input("item0", [], { role: "uniform" }), body.input("shared0", [2])];
  const next = body.sin(body.add(body.mul(x, body.broadcastInDim(w, [2], [])), s));
  const graph: Graph = {
    name: "body",
    results: [
      { name: "carry0", value: next },
      { name: "every0", value: body.mul(next, next) },
    ],
  };
  const attrs = { body: graph, count: 3, carried: 1, items: 1 };
  const given: readonly Given[] = [
    [[2], [0.25, -1]],
    [[2], [0.5, 0.125]],
  ];
  const items = [2, -1, 0.5];
  const runs = (x0: NdArray, shared: NdArray): number[][] => {
    let now = [...x0.data];
    return items.map((item) => (now = now.map((e, i) => Math.sin(e * item + shared.data[i]!))));
  };
  const of =
    (part: number) =>
    (b: Builder, ...[carry, shared]: Value[]) =>
      b.make("loop", [carry!, b.table(items, [3]), shared!], { ...attrs, part });
  checkOp("loop", given, of(0), (...x) => runs(x[0]!, x[1]!)[2]!);
  checkOp("loop", given, of(1), (...x) => runs(x[0]!, x[1]!).flatMap((run) => run.map((e) => e * e)));
  const b = new Builder();
  expect(() => b.make("loop", [b.input("x", [3]), b.table(items, [3]), b.input("s", [2])], { ...attrs, part: 0 })).toThrow(
    "internal: op 'loop':",
  );
});

describe("the table", () => {
  test("is complete: every primitive has a type, a meaning, a kernel, a derivative or a reason for none, and a case above", () => {
    for (const op of opNames) {
      const row = OPS[op];
      const meaning = typeof row.ref === "function" ? row.ref : row.ref.body;
      expect([typeof row.infer, typeof meaning, typeof row.kernel, typeof row.class], op).toEqual([
        "function",
        "function",
        "string",
        "string",
      ]);
      if (typeof row.grad !== "function") expect(row.grad.none.length, op).toBeGreaterThan(10);
    }
    expect(opNames.filter((op) => !checkedOps.has(op))).toEqual([]);
  });

  test("refuses misuse with an internal error that names the op", () => {
    const b = new Builder();
    const x = b.input("x", [2, 3]);
    const i = b.input("i", [2], { dtype: "i32" });
    const misuses: readonly (readonly [OpName, () => Value])[] = [
      ["add", () => b.add(x, b.input("y", [3, 2]))],
      ["add", () => b.make("add", [x], {})],
      ["exp", () => b.exp(i)],
      ["const", () => b.scalar(1.5, "i32")],
      ["table", () => b.table([1, 2], [3])],
      ["input", () => b.input("z", [0])],
      ["sum", () => b.sum(x, [2])],
      ["sum", () => b.make("sum", [x], { axes: [1, 0] })],
      ["reshape", () => b.reshape(x, [4])],
      ["permute", () => b.permute(x, [0, 0])],
      ["broadcast", () => b.broadcastInDim(x, [2, 4], [0, 1])],
      ["broadcast", () => b.broadcastInDim(x, [3, 2, 3], [2, 1])],
      ["slice", () => b.slice(x, [0, 2], [2, 2])],
      ["pad", () => b.pad(x, [0, -1], [0, 0])],
      ["concat", () => b.concat([x, i], 0)],
      ["gather", () => b.gather(x, x)],
      ["scatterAdd", () => b.scatterAdd(i, b.input("u", [3]), { axis: 0, size: 4 })],
      ["dot", () => b.dot(x, x, { contractA: [1], contractB: [0] })],
      ["conv", () => b.conv(x, x)],
      ["conv", () => b.conv(b.input("a", [1, 2, 3, 3]), b.input("k", [1, 2, 5, 1]))],
      ["where", () => b.where(x, x, x)],
      ["attend", () => b.make("attend", [x, b.input("w", [2, 4]), x], { part: "out", scale: 1 })],
      ["attendGrad", () => b.make("attendGrad", [x, x, x], { part: "q", scale: 1 })],
      ["random", () => b.random(b.scalar(0), { key0: 0, key1: 0, word: 0, shape: [1] })],
    ];
    for (const [op, make] of misuses) expect(make, op).toThrow(`internal: op '${op}':`);
  });
});
