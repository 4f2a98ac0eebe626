import { describe, test } from "vitest";
import { checkOp, expectAllChecked, type Given } from "../../../test/checkOp.ts";
import { movementRows } from "./movement.ts";

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

expectAllChecked(movementRows);
