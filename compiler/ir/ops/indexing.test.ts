import { describe, test } from "vitest";
import { checkOp, expectAllChecked } from "../../../test/checkOp.ts";
import { indexRows } from "./indexing.ts";

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

expectAllChecked(indexRows);
