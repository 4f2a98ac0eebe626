import { addSizes, anySize, constantSize, isAny, type Size, sameSize } from "../../types/size.ts";
import {
  axis,
  axisKey,
  bool,
  boolType,
  errorType,
  int,
  intType,
  isSilent,
  realType,
  type Type,
  tensor,
  unknownType,
} from "../../types/type.ts";
import { callWith } from "../calls.ts";
import { elementOf, elementsOf, forgotten, lengthOf } from "../expressions.ts";
import { hasOpenRow, missingAxis } from "../indexing.ts";
import { join } from "../join.ts";
import type { Session } from "../session.ts";
import { allowed } from "../statements.ts";
import type { BuiltinCall, BuiltinRule } from "./call.ts";

// Lists have a length known when compiling. Where the elements are known one by one, so are the results.

function listOf(elements: readonly Type[] | null, element: Type, length: Size): Type {
  return { kind: "list", element, elements, length };
}
function need(c: BuiltinCall, name: string): Type | null {
  const type = c.type(name);
  if (elementOf(type) !== null) return type;
  c.mismatch(name, "a list");
  return null;
}

function zip(c: BuiltinCall): Type {
  const lists = ["a", "b", "c"].filter((name) => c.has(name)).map((name) => need(c, name));
  if (lists.some((l) => l === null)) return errorType;
  const known = lists.map((l) => elementsOf(l!));
  const [first] = known;
  const short = known.findIndex((k) => k && first && k.length !== first.length);
  if (short > 0) {
    const name = ["a", "b", "c"][short]!;
    const args = { found: `a list of ${known[short]!.length}`, expected: `a list of ${first!.length}, as the first one` };
    c.scope.session.report("type/mismatch", c.spanOf(name), args);
    return errorType;
  }
  const element: Type = { kind: "tuple", elements: lists.map((l) => elementOf(l!)!) };
  const elements =
    first && known.every((k) => k) ? first.map((_, i): Type => ({ kind: "tuple", elements: known.map((k) => k![i]!) })) : null;
  const length = lists.map((l) => lengthOf(l!)).find((l) => !isAny(l)) ?? anySize();
  return listOf(elements, element, length);
}

function flatten(c: BuiltinCall): Type {
  const list = need(c, "list");
  if (!list) return errorType;
  if (isSilent(list)) return unknownType;
  const elements = elementsOf(list);
  const flat = elements ? flat1(elements) : null;
  let element = elementOf(list)!;
  while (element.kind === "list") element = element.element;
  return listOf(flat, element, flat ? constantSize(flat.length) : anySize());
}
function flat1(elements: readonly Type[]): readonly Type[] | null {
  const result: Type[] = [];
  for (const element of elements) {
    if (element.kind !== "list") {
      result.push(element);
      continue;
    }
    const inner = element.elements && flat1(element.elements);
    if (!inner) return null;
    result.push(...inner);
  }
  return result.length <= mostSteps ? result : null;
}

const mostSteps = 64;
/** Carries a value through a list. Where the elements are not known one by one, what changes on the way is not known. */
function carry(c: BuiltinCall, keep: boolean): Type {
  const list = need(c, "list");
  const start = c.type("start");
  const step = c.type("step");
  if (!list) return errorType;
  if (!["closure", "function", "module", "unknown", "error", "builtin"].includes(step.kind))
    return c.mismatch("step", "a function `fn(carried, element) …`");
  const { session } = c.scope;
  const run = (value: Type, element: Type) => callWith(step, [value, element], c.spanOf("step"), c.scope);
  const elements = elementsOf(list);
  if (elements && elements.length <= mostSteps) {
    let value = start;
    const all = [value];
    for (const element of elements) {
      value = session.unifier.type(run(value, element));
      all.push(value);
    }
    if (!keep) return value;
    const element = all.reduce((a, b) => join(session, a, b, anySize()));
    return listOf(all, forgotten(element), constantSize(all.length));
  }
  const element = elementOf(list) ?? unknownType;
  const once = run(start, element);
  const changed = changing(session, session.unifier.type(start), session.unifier.type(once));
  const again = session.quietly(() => run(changed, element));
  const value = changing(session, changed, session.unifier.type(again));
  return keep ? listOf(null, value, addSizes(lengthOf(list), constantSize(1))) : value;
}
/** What two values on the way have in common: sizes that differ are not known, kinds that differ neither. */
function changing(session: Session, a: Type, b: Type): Type {
  const keep: Type = join(session, a, b, anySize());
  if (keep.kind !== "tensor" || a.kind !== "tensor" || b.kind !== "tensor") return keep;
  const axes = keep.axes.map((item, i) => {
    const [x, y] = [a.axes[i], b.axes[i]];
    if (item.kind !== "axis" || x?.kind !== "axis" || y?.kind !== "axis" || axisKey(x) !== axisKey(y)) return item;
    return sameSize(session.unifier.size(x.size), session.unifier.size(y.size)) ? item : axis(item.name, anySize());
  });
  return tensor(keep.dtype, axes, keep.time);
}

function reverse(c: BuiltinCall): Type {
  const x = c.type("x");
  if (x.kind === "list") return listOf(x.elements ? [...x.elements].reverse() : null, x.element, x.length);
  const t = c.tensor("x");
  if (!t) return c.silent("x");
  const named = c.type("axis");
  const name = named.kind === "axes" ? named.axes?.[0] : undefined;
  const axes = c.scope.session.unifier.axes(t.axes);
  if (name?.kind === "axis" && !axes.some((a) => axisKey(a) === name.name) && !hasOpenRow(axes)) {
    missingAxis(name.name, axes, c.spanOf("axis"), c.scope, t);
    return errorType;
  }
  return t;
}

function has(c: BuiltinCall): Type {
  const arg = c.args.get("x");
  if (arg?.source.kind !== "expr") return boolType;
  const { expr, scope } = arg.source;
  const type = expr.kind === "name" ? (scope.lookup(expr.name) ?? errorType) : raw(c);
  if (expr.kind === "name") scope.session.record(expr, type);
  if (type.kind === "optional") return bool(type.present);
  if (type.kind === "none") return bool(constantSize(0));
  return isSilent(type) ? boolType : bool(constantSize(1));
}
function raw(c: BuiltinCall): Type {
  const type = c.type("x");
  return type.kind === "unknown" || type.kind === "none" ? type : unknownType;
}

function read(c: BuiltinCall): Type {
  allowed("read", c.span, ["step", "evaluate"], c.scope);
  const x = c.type("x");
  if (x.kind !== "tensor") return x;
  const axes = c.scope.session.unifier.axes(x.axes);
  if (axes.length > 0 && axes.every((a) => a.kind === "axis") && c.scope.body.kind === "step") {
    const help = "one value is waited for: `read(any(…))`, `read(mean(…))`";
    c.scope.session.report("type/mismatch", c.spanOf("x"), { found: "a tensor with axes", expected: "a tensor without axes" }, { help });
    return errorType;
  }
  if (axes.length > 0) return unknownType;
  return x.dtype === "bool" ? boolType : x.dtype === "i32" ? intType : realType;
}

export const listRules: Readonly<Record<string, BuiltinRule>> = {
  zip: { params: "a b? c?", type: zip },
  enumerate: {
    params: "list",
    type: (c) => {
      const list = need(c, "list");
      if (!list) return errorType;
      const elements = elementsOf(list)?.map((e, i): Type => ({ kind: "tuple", elements: [int(constantSize(i)), e] })) ?? null;
      return listOf(elements, { kind: "tuple", elements: [intType, elementOf(list)!] }, lengthOf(list));
    },
  },
  reverse: { params: "x axis?:axes", type: reverse },
  flatten: { params: "list", type: flatten },
  range: {
    params: "n to?",
    type: (c) => {
      const [n, to] = [c.type("n"), c.has("to") ? c.type("to") : null];
      const size = (t: Type) => (t.kind === "int" ? t.value : anySize());
      return { kind: "range", from: to ? size(n) : constantSize(0), to: to ? size(to) : size(n), whole: true };
    },
  },
  fold: { params: "list start step", type: (c) => carry(c, false) },
  scan: { params: "list start step", type: (c) => carry(c, true) },
  length: { params: "list", type: (c) => (need(c, "list") ? int(lengthOf(c.type("list"))) : errorType) },
  last: {
    params: "list",
    type: (c) => {
      const list = need(c, "list");
      return list ? (elementsOf(list)?.at(-1) ?? elementOf(list)!) : errorType;
    },
  },
  has: { params: "x", type: has },
  read: { params: "x", type: read },
  copy: {
    params: "model",
    type: (c) => {
      const model = c.type("model");
      return ["tensor", "int", "realNumber", "bool", "textValue", "record"].includes(model.kind) ? c.mismatch("model", "a model") : model;
    },
  },
  words: {
    params: "slot",
    type: (c) => {
      const x = c.tensor("slot");
      if (!x) return c.silent("slot");
      const axes = c.scope.session.unifier.axes(x.axes);
      if (axes.some((a) => axisKey(a) === "slot"))
        return tensor(
          "i32",
          axes.filter((a) => axisKey(a) !== "slot"),
        );
      return hasOpenRow(axes) ? unknownType : c.mismatch("slot", "the positions of a prompt's words, as `words(p.class)`");
    },
  },
  present: {
    params: "list",
    type: (c) => {
      const list = c.type("list");
      if (list.kind !== "list") return c.silent("list");
      const element = elementOf(list)!;
      return listOf(null, element.kind === "optional" ? element.of : element, anySize());
    },
  },
};
