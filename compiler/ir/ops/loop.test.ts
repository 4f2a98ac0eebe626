import { expect, test } from "vitest";
import { checkOp, expectAllChecked, type Given } from "../../../test/checkOp.ts";
import { Builder } from "../builder.ts";
import type { Graph, Value } from "../value.ts";
import { loopRows } from "./loop.ts";
import type { NdArray } from "./row.ts";

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

expectAllChecked(loopRows);
