import { describe, test } from "vitest";
import { checkOp, directConv, expectAllChecked } from "../../../test/checkOp.ts";
import { contractRows } from "./contract.ts";

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

expectAllChecked(contractRows);
