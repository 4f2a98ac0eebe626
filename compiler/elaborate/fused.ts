import type { FnItem, LossItem } from "../../dsl/ast.ts";
import { diagnose } from "../../dsl/diagnostics.ts";
import type { Builder } from "../ir/builder.ts";
import { rememberBody } from "../ir/calls.ts";
import type { Value } from "../ir/value.ts";
import type { Session } from "./session.ts";
import type { Val } from "./values.ts";

// `fused fn … by TEMPLATE`: the body is the meaning, the template the speed. Templates other than `attend` are found by fusion in whatever is
// written, fused or not. For `attend` the body's value is replaced by a call that is known to mean the same; a body of another form stays as it is,
// with a warning.

/** What a call of the function gives, given what its body gave. */
export function throughTemplate(session: Session, item: FnItem | LossItem, value: Val): Val {
  if (item.kind !== "fn" || !item.fused || item.by?.name !== "attend" || value.kind !== "tensor") return value;
  const { builder } = session;
  const call = builder.withOrigin(value.value.origins, () => attentionCall(builder, value.value));
  if (call) {
    rememberBody(call, value.value);
    return { ...value, value: call };
  }
  const { span } = item.by;
  if (!session.warnings.some((w) => w.code === "elaborate/not-by-template" && w.span.file === span.file && w.span.start === span.start))
    session.warnings.push(diagnose("elaborate/not-by-template", span, { name: item.name.name, template: item.by.name }));
  return value;
}

type Of<K extends Value["op"]> = Extract<Value, { readonly op: K }>;
const is = <K extends Value["op"]>(v: Value | undefined, op: K): v is Of<K> => v?.op === op;

/** softmax(scale * q kᵀ + mask) v as a call, if the value is of that form. */
function attentionCall(b: Builder, y: Value): Value | null {
  if (!is(y, "dot")) return null;
  const [p, v] = y.args as [Value, Value];
  const lead = p.shape.length - 2;
  const key = lead + 1;
  const { batchA, batchB, contractA, contractB } = y.attrs;
  if (lead < 0 || batchA.length !== lead || !batchA.every((axis, i) => axis === i) || contractA.length !== 1 || contractA[0] !== key)
    return null;
  const scores = softmaxArgument(p, key);
  if (!scores) return null;
  const terms = termsOf(scores);
  const products = terms.filter((x) => scaledProduct(x) !== null);
  const scaled = products.length === 1 ? scaledProduct(products[0]!) : null;
  if (!scaled) return null;
  const { dot, scale } = scaled;
  if (dot.attrs.batchA.length !== lead || dot.attrs.contractA.length !== 1) return null;
  const [x, z] = dot.args as [Value, Value];
  const rows = (value: Value, batch: readonly number[], contract: readonly number[], last: "contract" | "free"): Value | null => {
    const free = value.shape.map((_, i) => i).filter((i) => !batch.includes(i) && !contract.includes(i));
    if (free.length !== 1) return null;
    return b.permute(value, last === "contract" ? [...batch, ...free, ...contract] : [...batch, ...contract, ...free]);
  };
  const q = rows(x, dot.attrs.batchA, dot.attrs.contractA, "contract");
  const k = rows(z, dot.attrs.batchB, dot.attrs.contractB, "contract");
  const w = rows(v, batchB, contractB, "free");
  if (!q || !k || !w) return null;
  const others = terms.filter((term) => term !== products[0]);
  const mask = others.length > 0 ? [others.reduce((sum, term) => b.add(sum, term))] : [];
  return b.make("attend", [q, k, w, ...mask], { part: "out", scale }, { labels: y.labels });
}

/** x, if the value is softmax(x) over this axis, its last. */
function softmaxArgument(p: Value, axis: number): Value | null {
  if (!is(p, "div")) return null;
  const [e, below] = p.args as [Value, Value];
  if (!is(e, "exp") || !isSpread(below, "sum", e, axis)) return null;
  const difference = e.args[0]!;
  if (!is(difference, "sub")) return null;
  const [x, top] = difference.args as [Value, Value];
  return isSpread(top, "reduceMax", x, axis) ? x : null;
}

/** Whether a value is this reduction of `of` over `axis`, spread back. */
function isSpread(v: Value, op: "sum" | "reduceMax", of: Value, axis: number): boolean {
  let inner = v;
  while (is(inner, "stop") || is(inner, "broadcast")) {
    if (is(inner, "broadcast") && inner.attrs.axes.some((to, from) => to !== from)) return false;
    inner = inner.args[0]!;
  }
  return is(inner, op) && inner.args[0] === of && inner.attrs.axes.length === 1 && inner.attrs.axes[0] === axis;
}

function termsOf(v: Value): Value[] {
  return is(v, "add") ? v.args.flatMap(termsOf) : [v];
}

/** A product times a number known when compiling. */
function scaledProduct(v: Value): { readonly dot: Of<"dot">; readonly scale: number } | null {
  if (is(v, "dot")) return { dot: v, scale: 1 };
  if (!is(v, "mul") && !is(v, "div")) return null;
  for (const [i, x] of v.args.entries()) {
    const number = splatNumber(v.args[1 - i]!);
    if (number === null || (is(v, "div") && i === 1)) continue;
    const inner = scaledProduct(x);
    if (inner) return { dot: inner.dot, scale: is(v, "div") ? inner.scale / number : inner.scale * number };
  }
  return null;
}
function splatNumber(v: Value): number | null {
  if (is(v, "const")) return v.attrs.value;
  return is(v, "broadcast") ? splatNumber(v.args[0]!) : null;
}
