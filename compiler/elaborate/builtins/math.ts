import { applyUnary, castTo, commonDtype, isBool, toTensor, unaryRows } from "../arithmetic.ts";
import { commonAxes, spreadTo } from "../axes.ts";
import { fail } from "../failure.ts";
import { fromHost, hostIf, scalarType, toHost } from "../hostExpr.ts";
import { isThere } from "../itemPictures.ts";
import { copyInstance } from "../modules.ts";
import { bool, describe, isNumeric, isScalar, type NumericVal, type RecordVal, tensor, type Val } from "../values.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

// Elementwise primitives and markers.

const unary = (name: string): BuiltinRow => ({ params: ["x"], run: (c) => applyUnary(c.session, name, c.value("x"), c.span) });

/** `where(condition, a, b)` chooses values; with nothing on the device it is decided on the host. */
function where(c: BuiltinCall): Val {
  const [condition, a, b] = [c.numeric("condition"), c.value("a"), c.value("b")];
  if (condition.kind !== "tensor" && isScalar(a) && isScalar(b)) {
    const type = scalarType(a) === scalarType(b) ? scalarType(a)! : "real";
    return fromHost(hostIf(toHost(condition), toHost(a), toHost(b)), type);
  }
  if (condition.kind === "bool") return condition.value ? a : b;
  const { session } = c;
  for (const [name, x] of [
    ["a", a],
    ["b", b],
  ] as const) {
    if (!isNumeric(x)) fail("type/mismatch", c.spanOf(name), { found: describe(x), expected: "a number or a tensor" });
  }
  const values = [a as NumericVal, b as NumericVal];
  const dtype = values.every(isBool) ? "bool" : commonDtype(values);
  const cond = toTensor(session, condition, "bool");
  const spans = [c.spanOf("condition"), c.spanOf("a"), c.spanOf("b")];
  const typed = values.map((x) => toTensor(session, x, dtype));
  const operands = [cond, ...typed];
  const target = commonAxes(operands, c.span, spans);
  const [k, x, y] = operands.map((one, i) => spreadTo(session.builder, one, target, spans[i]!));
  return tensor(session.builder.where(k!.value, x!.value, y!.value), k!.axes);
}

/** Applies `fn` to a tensor, to every tensor field of a record, or to every item of a list. */
function throughRecords(value: Val, fn: (x: Val) => Val): Val {
  if (value.kind === "record")
    return { kind: "record", fields: new Map([...value.fields].map(([k, v]) => [k, throughRecords(v, fn)])) } satisfies RecordVal;
  if (value.kind === "list" || value.kind === "tuple") return { kind: value.kind, items: value.items.map((v) => throughRecords(v, fn)) };
  return isNumeric(value) ? fn(value) : value;
}

/** `read(x)`: the host waits for one number of the device. The step is cut here: what `x` needs runs first. */
function read(c: BuiltinCall): Val {
  const { session } = c;
  const x = c.value("x");
  if (isScalar(x)) return x;
  if (x.kind !== "tensor") return c.mismatch("x", "a tensor without axes");
  if (session.body !== "step") fail("elaborate/misplaced", c.span, { what: "read", where: "a `step`" });
  if (x.axes.length > 0) fail("shape/not-scalar", c.spanOf("x"), { what: "what is read", found: describe(x) });
  const chain = `${session.stream.join(".").replaceAll(".[", "[")}.read`;
  const taken = session.effects.reads.filter((r) => r.name === chain || r.name.startsWith(`${chain}#`)).length;
  const name = taken === 0 ? chain : `${chain}#${taken + 1}`;
  const type = x.value.dtype === "bool" ? "bool" : x.value.dtype === "i32" ? "int" : "real";
  session.effects.reads.push({ name, value: x.value, type });
  return fromHost({ kind: "read", name }, type);
}

export const mathRows: Readonly<Record<string, BuiltinRow>> = {
  ...Object.fromEntries(
    Object.keys(unaryRows)
      .filter((name) => name !== "neg")
      .map((name) => [name, unary(name)]),
  ),
  where: { params: ["condition", "a", "b"], run: where },
  stop: {
    params: ["x"],
    run: (c) =>
      throughRecords(c.value("x"), (x) =>
        x.kind === "tensor" && x.value.dtype === "f32" ? tensor(c.session.builder.stop(x.value), x.axes) : x,
      ),
  },
  has: {
    params: ["x"],
    run: (c) => {
      const x = c.value("x");
      if (x.kind === "maybe") return fromHost(x.present, "bool");
      return isThere(x) ?? bool(x.kind !== "none");
    },
  },
  /** Another number type: `cast(x, i32)` cuts towards zero. */
  cast: {
    params: ["x", "to: axes"],
    run: (c) => {
      const to = ({ real: "f32", f32: "f32", i32: "i32", bool: "bool" } as const)[c.axis("to")];
      if (to === undefined) return c.mismatch("to", "`f32`, `i32` or `bool`");
      const x = c.numeric("x");
      if (x.kind === "tensor") return castTo(c.session, x, to);
      return castTo(c.session, toTensor(c.session, x, isBool(x) ? "bool" : "f32"), to);
    },
  },
  read: { params: ["x"], run: read },
  copy: {
    params: ["x"],
    run: (c) => {
      const x = c.value("x");
      return x.kind === "instance" ? { kind: "instance", instance: copyInstance(x.instance, c.span) } : c.mismatch("x", "a model");
    },
  },
};
