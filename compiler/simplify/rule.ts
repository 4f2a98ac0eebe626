import type { Builder } from "../ir/builder.ts";
import type { ValueWith } from "../ir/ops/row.ts";
import { OPS, opNames } from "../ir/ops.ts";
import type { OpName, Value } from "../ir/value.ts";

// A rewrite rule is a value: a name, the ops it looks at, and a rewrite that gives another value of the same meaning, shape and dtype, or null.
// What it builds is simplified as it is built, and the arguments that it sees are in simple form already; so it must make its value smaller, or
// bring it nearer to the one form that the other rules expect (constants on the right, broadcasts outermost).

export interface Rule {
  readonly name: string;
  readonly ops: readonly OpName[];
  readonly rewrite: (b: Builder, v: Value) => Value | null;
}

export function rule<K extends OpName>(name: string, ops: K | readonly K[], rewrite: (b: Builder, v: ValueWith<K>) => Value | null): Rule {
  const list = typeof ops === "string" ? [ops] : ops;
  return { name, ops: list, rewrite: rewrite as (b: Builder, v: Value) => Value | null };
}

/** All ops that are computed element by element. */
export const mapOps: readonly OpName[] = opNames.filter((op) => OPS[op].class === "map");

/** The one number that a scalar constant or a broadcast of it holds. */
export function splatOf(v: Value | undefined): number | undefined {
  if (v?.op === "broadcast") return splatOf(v.args[0]);
  return v?.op === "const" ? v.attrs.value : undefined;
}

/** The arguments of a value of two arguments. */
export function pairOf(v: Value): readonly [Value, Value] {
  return v.args as unknown as readonly [Value, Value];
}

/** Whether a value is `op`, narrowing it. */
export function is<K extends OpName>(v: Value | undefined, op: K): v is ValueWith<K> {
  return v?.op === op;
}

/** The first argument. */
export function argumentOf(v: Value): Value {
  return v.args[0]!;
}

export const isWhole = (v: Value) => v.dtype === "i32" || v.dtype === "u32";
