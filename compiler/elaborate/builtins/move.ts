import { commonDtype, toTensor } from "../arithmetic.ts";
import { axisIndex, axisItems, renameAxes, reorder, requireUnique, spreadTo } from "../axes.ts";
import { fail } from "../failure.ts";
import { putRows } from "../indexing.ts";
import { stackPrompts } from "../prompts.ts";
import { compileNumber } from "../sizes.ts";
import { numbersOf, tableOf } from "../tables.ts";
import {
  type AxisItem,
  describe,
  describeTensor,
  isNumeric,
  list,
  type NumericVal,
  type PromptVal,
  plainAxis,
  type TensorVal,
  tensor,
  type Val,
} from "../values.ts";
import { applyView } from "../views.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

// Primitives that move numbers without changing them.

/** Axes with all sizes known: as written, else those of `x`, else the size of that name in scope. */
function withSizes(c: BuiltinCall, axes: readonly AxisItem[], x: TensorVal | null, at: string): AxisItem[] {
  return axes.map((axis) => {
    if (x?.axes.includes(axis.name)) return { name: axis.name, size: x.value.shape[x.axes.indexOf(axis.name)]! };
    const size = axis.size ?? c.scope.lookupSize(axis.name);
    if (size === undefined)
      fail(
        "shape/not-determined",
        c.spanOf(at),
        { size: plainAxis(axis.name) },
        { help: `write the size: \`${plainAxis(axis.name)}: 4\`` },
      );
    return { name: axis.name, size };
  });
}

function expand(c: BuiltinCall, value: Val): Val {
  if (value.kind === "record") return { kind: "record", fields: new Map([...value.fields].map(([k, v]) => [k, expandField(c, k, v)])) };
  if (!isNumeric(value)) return c.mismatch("x", "a number or a tensor");
  const like = c.optional("like");
  const x = toTensor(c.session, value, commonDtype([value]));
  const source = value.kind === "tensor" ? value : x;
  if (like !== undefined) {
    if (like.kind !== "tensor") return c.mismatch("like", "a tensor");
    return spreadTo(c.session.builder, value.kind === "tensor" ? source : toTensor(c.session, value, "f32"), axisItems(like), c.span);
  }
  const axes = c.axes("axes");
  if (!axes) fail("call/missing-argument", c.span, { callee: "expand", name: "axes" });
  const target = withSizes(c, axes.axes, source, "axes");
  requireUnique(
    target.map((a) => a.name),
    c.spanOf("axes"),
  );
  return spreadTo(c.session.builder, source, target, c.span);
}

/** A record is expanded field by field: like the field of that name, or like the axes given. */
function expandField(c: BuiltinCall, name: string, field: Val): Val {
  const like = c.optional("like");
  if (like?.kind === "record") {
    const target = like.fields.get(name);
    if (field.kind === "tensor" && target?.kind === "tensor") return spreadTo(c.session.builder, field, axisItems(target), c.span);
    return field;
  }
  return field.kind === "tensor" ? expand(c, field) : field;
}

function tensorsOf(c: BuiltinCall, items: readonly Val[]): TensorVal[] {
  items.forEach((item, i) => {
    if (!isNumeric(item))
      fail("type/mismatch", c.spanOf("list"), { found: `element ${i}: ${describe(item)}`, expected: "numbers or tensors" });
  });
  const numeric = items as readonly NumericVal[];
  const dtype = commonDtype(numeric);
  return numeric.map((x) => toTensor(c.session, x, dtype));
}

function stack(c: BuiltinCall): Val {
  const items = c.items("list");
  const axis = c.axis("axis");
  if (items.length === 0) return c.mismatch("list", "a list with elements");
  if (items[0]!.kind === "record") return stackRecords(c, items);
  if (items[0]!.kind === "prompt") {
    const other = items.find((item) => item.kind !== "prompt");
    if (other) return c.mismatch("list", "prompts only");
    return stackPrompts(items as readonly PromptVal[], axis, c.span);
  }
  if (items.every((item) => numbersOf(item)?.shape.length === 0))
    return tableOf(c.session, list(items), [{ name: axis, size: items.length }], c.span);
  const tensors = tensorsOf(c, items);
  const first = tensors[0]!;
  tensors.forEach((x, i) => {
    if (x.axes.join() !== first.axes.join() || x.value.shape.join() !== first.value.shape.join()) {
      fail("type/mismatch", c.spanOf("list"), {
        found: `element ${i}: ${describeTensor(x)}`,
        expected: `${describeTensor(first)}, as element 0`,
      });
    }
  });
  requireUnique([axis, ...first.axes], c.span);
  const { builder } = c.session;
  return tensor(
    builder.concat(
      tensors.map((x) => builder.expand(x.value, 0, plainAxis(axis))),
      0,
    ),
    [axis, ...first.axes],
  );
}

function stackRecords(c: BuiltinCall, items: readonly Val[]): Val {
  const fields = new Map<string, Val>();
  for (const [name] of (items[0] as Extract<Val, { kind: "record" }>).fields) {
    const column = items.map((item) => (item.kind === "record" ? item.fields.get(name) : undefined));
    if (column.some((v) => v === undefined)) return c.mismatch("list", `records that all have \`${name}\``);
    c.args.set("list", { value: list(column as Val[]), span: c.spanOf("list") });
    fields.set(name, stack(c));
  }
  return { kind: "record", fields };
}

function concat(c: BuiltinCall): Val {
  const tensors = tensorsOf(c, c.items("list"));
  const axis = c.axis("axis");
  const first = tensors[0];
  if (!first) return c.mismatch("list", "a list with elements");
  const at = axisIndex(first, axis, c.spanOf("axis"));
  const aligned = tensors.map((x, i) => {
    const wanted = axisItems(first).map((a) =>
      a.name === axis && x.axes.includes(axis) ? { name: axis, size: x.value.shape[x.axes.indexOf(axis)]! } : a,
    );
    if (!x.axes.includes(axis))
      fail("shape/missing-axis", c.spanOf("list"), { axis: plainAxis(axis), axes: `${describeTensor(x)} (element ${i})` });
    return spreadTo(c.session.builder, x, wanted, c.span);
  });
  return tensor(
    c.session.builder.concat(
      aligned.map((x) => x.value),
      at,
    ),
    first.axes,
  );
}

function pieces(c: BuiltinCall, x: TensorVal, axis: string, sizes: readonly number[]): TensorVal[] {
  const at = axisIndex(x, axis, c.span);
  const total = sizes.reduce((a, b) => a + b, 0);
  if (total !== x.value.shape[at]) fail("shape/axis-mismatch", c.span, { axis: plainAxis(axis), left: x.value.shape[at]!, right: total });
  let start = 0;
  return sizes.map((size) => {
    const piece = tensor(c.session.builder.sliceAxis(x.value, at, start, size), x.axes);
    start += size;
    return piece;
  });
}

function split(c: BuiltinCall): Val {
  const x = c.tensor("x");
  const axis = c.axis("axis");
  const into = c.value("parts");
  if (into.kind === "list")
    return list(
      pieces(
        c,
        x,
        axis,
        into.items.map((s) => compileNumber(s, c.spanOf("parts"), c.scope, "a size")),
      ),
    );
  const parts = c.compile("parts");
  const size = x.value.shape[axisIndex(x, axis, c.span)]!;
  if (size % parts !== 0)
    fail("shape/does-not-divide", c.spanOf("parts"), { axis: plainAxis(axis), size, parts: `${parts} pieces`, product: parts });
  return list(
    pieces(
      c,
      x,
      axis,
      Array.from({ length: parts }, () => size / parts),
    ),
  );
}

/** Amounts before and after each axis: `h: 1` or `h: 1..2`. */
function pad(c: BuiltinCall): Val {
  const x = c.tensor("x");
  const low = x.axes.map(() => 0);
  const high = x.axes.map(() => 0);
  for (const [axis, { value, span }] of c.rest) {
    const at = axisIndex(x, axis, span);
    const ends = value.kind === "range" ? [value.from, value.to ?? value.from] : [value, value];
    low[at] = compileNumber(ends[0]!, span, c.scope, "a padding");
    high[at] = compileNumber(ends[1]!, span, c.scope, "a padding");
  }
  return tensor(c.session.builder.pad(x.value, low, high, undefined, c.compile("value", 0)), x.axes);
}

function every(c: BuiltinCall): Val {
  let x = c.tensor("x");
  for (const [axis, { value, span }] of c.rest) {
    const at = axisIndex(x, axis, span);
    const step = compileNumber(value, span, c.scope, "a stride");
    if (!Number.isInteger(step) || step < 1) fail("shape/not-whole", span, { what: "a stride", value: step });
    x = tensor(c.session.builder.sliceAxis(x.value, at, 0, Math.ceil(x.value.shape[at]! / step), step), x.axes);
  }
  return x;
}

export const moveRows: Readonly<Record<string, BuiltinRow>> = {
  expand: { params: ["x", "axes?: axes", "like?"], run: (c) => expand(c, c.value("x")) },
  rename: {
    params: ["x"],
    rest: "names",
    run: (c) => {
      const names = new Map<string, string>();
      const x = c.value("x");
      if (x.kind !== "tensor") return c.mismatch("x", "a tensor");
      for (const [from, { value, span }] of c.rest) {
        axisIndex(x, from, span);
        names.set(from, (value as Extract<Val, { kind: "axes" }>).axes[0]!.name);
      }
      const renamed = renameAxes(x, names);
      requireUnique(renamed.axes, c.span);
      return renamed;
    },
  },
  order: {
    params: ["x", "axes: axes"],
    run: (c) => {
      const x = c.tensor("x");
      const names = c.axes("axes")!.axes.map((a) => a.name);
      for (const name of names) axisIndex(x, name, c.spanOf("axes"));
      requireUnique(names, c.spanOf("axes"));
      const missing = x.axes.find((name) => !names.includes(name));
      if (missing !== undefined)
        fail(
          "shape/missing-axis",
          c.spanOf("axes"),
          { axis: plainAxis(missing), axes: `[${names.map(plainAxis).join(", ")}]` },
          { label: describeTensor(x) },
        );
      return reorder(c.session.builder, x, names);
    },
  },
  view: {
    params: ["x", "pattern"],
    rest: "sizes",
    run: (c) => {
      const pattern = c.value("pattern");
      if (pattern.kind !== "pattern") return c.mismatch("pattern", "a pattern between backquotes");
      const sizes = new Map([...c.rest].map(([name, { value, span }]) => [name, compileNumber(value, span, c.scope, "a size")]));
      return applyView(c.session, c.tensor("x"), pattern.node, sizes, c.span);
    },
  },
  stack: { params: ["list", "axis: axes"], run: stack },
  concat: { params: ["list", "axis: axes"], run: concat },
  split: { params: ["x", "axis: axes", "parts"], run: split },
  unstack: {
    params: ["x", "axis: axes"],
    run: (c) => {
      const x = c.tensor("x");
      const axis = c.axis("axis");
      const at = axisIndex(x, axis, c.span);
      const rest = x.axes.toSpliced(at, 1);
      const { builder } = c.session;
      return list(
        Array.from({ length: x.value.shape[at]! }, (_, i) =>
          tensor(builder.reshape(builder.sliceAxis(x.value, at, i, 1), x.value.shape.toSpliced(at, 1), rest.map(plainAxis)), rest),
        ),
      );
    },
  },
  pad: { params: ["x", "value?"], rest: "values", run: pad },
  every: { params: ["x"], rest: "values", run: every },
  put: {
    params: ["x", "value?"],
    rest: "values",
    run: (c) => {
      const [entry] = c.rest;
      if (!entry || c.rest.size !== 1)
        fail("call/missing-argument", c.span, { callee: "put", name: "the axis: `put(x, tokens: at, value)`" });
      const [axis, at] = entry;
      if (!c.has("value")) fail("call/missing-argument", c.span, { callee: "put", name: "value" });
      return putRows(c.session, c.tensor("x"), axis, at.value, c.value("value"), c.span);
    },
  },
  /** How many tokens the words at these positions of a prompt have. */
  words: {
    params: ["at"],
    run: (c) => {
      const at = c.tensor("at");
      return at.words ?? c.mismatch("at", "the words of a prompt: `words(p.class)`");
    },
  },
  iota: {
    params: ["axes: axes"],
    run: (c) => {
      const [axis, more] = withSizes(c, c.axes("axes")!.axes, null, "axes");
      if (!axis || more) return c.mismatch("axes", "one axis");
      const { builder } = c.session;
      return tensor(builder.make("iota", [], { size: axis.size! }, { labels: [plainAxis(axis.name)] }), [axis.name]);
    },
  },
};
