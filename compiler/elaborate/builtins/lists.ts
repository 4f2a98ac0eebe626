import { axisIndex } from "../axes.ts";
import { loopItems, wholeNumbers } from "../expressions.ts";
import { fail } from "../failure.ts";
import { fold } from "../folds.ts";
import { list, number, tensor, tuple, type Val } from "../values.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

// Lists have a length known when compiling, so all of these are unrolled; a fold over host numbers may be a loop.

function flatten(val: Val): readonly Val[] {
  return val.kind === "list" ? val.items.flatMap(flatten) : [val];
}

function carry(c: BuiltinCall, keep: boolean): Val {
  const items = loopItems(c.value("list"), c.spanOf("list"), c.scope);
  return fold(c.value("step"), c.value("start"), items, keep, c.spanOf("step"), c.scope);
}

export const listRows: Readonly<Record<string, BuiltinRow>> = {
  range: {
    params: ["n", "to?"],
    run: (c) => {
      const from = c.has("to") ? c.compile("n") : 0;
      const to = c.has("to") ? c.compile("to") : c.compile("n");
      return list(wholeNumbers(from, to, c.span));
    },
  },
  length: { params: ["list"], run: (c) => number(c.items("list").length) },
  enumerate: { params: ["list"], run: (c) => list(c.items("list").map((item, i) => tuple([number(i), item]))) },
  zip: {
    params: ["a", "b", "c?"],
    run: (c) => {
      const lists = ["a", "b", "c"].filter((name) => c.has(name)).map((name) => ({ name, items: c.items(name) }));
      const first = lists[0]!.items;
      for (const one of lists)
        if (one.items.length !== first.length)
          fail("type/mismatch", c.spanOf(one.name), { found: `a list of ${one.items.length}`, expected: `a list of ${first.length}` });
      return list(first.map((_, i) => tuple(lists.map((one) => one.items[i]!))));
    },
  },
  reverse: {
    params: ["x", "axis?: axes"],
    run: (c) => {
      const x = c.value("x");
      if (x.kind === "list") return list([...x.items].reverse());
      const t = c.tensor("x");
      return tensor(c.session.builder.reverse(t.value, [axisIndex(t, c.axis("axis"), c.spanOf("axis"))]), t.axes);
    },
  },
  flatten: { params: ["list"], run: (c) => list(c.items("list").flatMap(flatten)) },
  last: {
    params: ["list"],
    run: (c) => c.items("list").at(-1) ?? c.mismatch("list", "a list with elements"),
  },
  fold: { params: ["list", "start", "step"], run: (c) => carry(c, false) },
  scan: { params: ["list", "start", "step"], run: (c) => carry(c, true) },
};
