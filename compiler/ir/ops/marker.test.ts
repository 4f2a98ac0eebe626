import { describe, expect, test } from "vitest";
import { checkedOps, expectAllChecked } from "../../../test/checkOp.ts";
import { gradient } from "../../autodiff.ts";
import { evaluateValues } from "../../reference/evaluate.ts";
import { array } from "../../reference/ndarray.ts";
import { Builder } from "../builder.ts";
import type { Value } from "../value.ts";
import { markerRows } from "./marker.ts";

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

expectAllChecked(markerRows);
