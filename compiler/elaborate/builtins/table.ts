import { nearest } from "../../../dsl/nearest.ts";
import type { Span } from "../../../dsl/span.ts";
import { argumentAxes, argumentValue, type CallArg } from "../calls.ts";
import { fail } from "../failure.ts";
import type { Scope } from "../scope.ts";
import { compileNumber, sizeOf } from "../sizes.ts";
import { type AxesVal, describe, isNumeric, type NumericVal, type TensorVal, type Val } from "../values.ts";
import { arenaRows } from "./arena.ts";
import { contractRows } from "./contract.ts";
import { dataRows } from "./data.ts";
import { drawRows } from "./draws.ts";
import { listRows } from "./lists.ts";
import { mathRows } from "./math.ts";
import { minimumRows } from "./minimum.ts";
import { moveRows } from "./move.ts";
import { reduceRows } from "./reduce.ts";
import { scheduleRows } from "./schedules.ts";
import { testRows } from "./tests.ts";
import { walkRows } from "./walk.ts";

// The primitives of the language: one row each. A row says how its arguments are read and what they mean; nothing else knows their names.

/** `x`, `over?: axes`: a name, `?` if it may be left out, and how it is read (a value, if nothing is said). */
export interface BuiltinRow {
  readonly params: readonly string[];
  /** What further named arguments are: sizes (`g: 4`), axis names (`a: b`), or values. */
  readonly rest?: "sizes" | "names" | "values";
  readonly run: (call: BuiltinCall) => Val;
}
interface ParamSpec {
  readonly name: string;
  readonly optional: boolean;
  readonly axes: boolean;
}
const tables = () => [mathRows, arenaRows, reduceRows, moveRows, contractRows, listRows, drawRows, scheduleRows, testRows, minimumRows];
let rowsByName: ReadonlyMap<string, BuiltinRow> | undefined;
let placedRowsByName: ReadonlyMap<string, BuiltinRow> | undefined;
const specs = new Map<BuiltinRow, readonly ParamSpec[]>();

function builtinRows(): ReadonlyMap<string, BuiltinRow> {
  rowsByName ??= new Map(tables().flatMap((table) => Object.entries(table)));
  return rowsByName;
}
/** Rows that exist only in one kind of body, by `dataset.NAME` and `walk.NAME`. */
function placedRows(): ReadonlyMap<string, BuiltinRow> {
  const placed = (place: string, rows: Readonly<Record<string, BuiltinRow>>) =>
    Object.entries(rows).map(([name, row]): [string, BuiltinRow] => [`${place}.${name}`, row]);
  placedRowsByName ??= new Map([...placed("dataset", dataRows), ...placed("walk", walkRows)]);
  return placedRowsByName;
}

/** Names that every program may use without import, besides those of the prelude. */
export function builtinNames(): Iterable<string> {
  return builtinRows().keys();
}
export function isBuiltin(name: string): boolean {
  return builtinRows().has(name);
}
/** Primitives that exist only inside a `dataset`. */
export function dataBuiltinNames(): Iterable<string> {
  return Object.keys(dataRows);
}
/** Primitives that an `evaluate` block has for folders, files and lines. */
export function walkBuiltinNames(): Iterable<string> {
  return Object.keys(walkRows);
}

function specsOf(row: BuiltinRow): readonly ParamSpec[] {
  const known = specs.get(row);
  if (known) return known;
  const made = row.params.map((text) => {
    const [head, kind] = text.split(":").map((s) => s.trim());
    return { name: head!.replace("?", ""), optional: head!.endsWith("?"), axes: kind === "axes" };
  });
  specs.set(row, made);
  return made;
}

/** The arguments of one use of a primitive. */
export class BuiltinCall {
  readonly name: string;
  readonly span: Span;
  readonly scope: Scope;
  readonly args: Map<string, { readonly value: Val; readonly span: Span }>;
  /** Further named arguments, as read by the row's `rest`. */
  readonly rest = new Map<string, { readonly value: Val; readonly span: Span }>();

  constructor(name: string, span: Span, scope: Scope, args = new Map<string, { readonly value: Val; readonly span: Span }>()) {
    this.args = args;
    this.name = name;
    this.span = span;
    this.scope = scope;
  }
  get session() {
    return this.scope.session;
  }
  has(name: string): boolean {
    return this.args.has(name);
  }
  value(name: string): Val {
    return this.args.get(name)!.value;
  }
  optional(name: string): Val | undefined {
    return this.args.get(name)?.value;
  }
  spanOf(name: string): Span {
    return this.args.get(name)?.span ?? this.span;
  }
  numeric(name: string): NumericVal {
    const value = this.value(name);
    if (!isNumeric(value)) fail("type/mismatch", this.spanOf(name), { found: describe(value), expected: "a number or a tensor" });
    return value;
  }
  tensor(name: string): TensorVal {
    const value = this.value(name);
    if (value.kind !== "tensor") fail("type/mismatch", this.spanOf(name), { found: describe(value), expected: "a tensor" });
    return value;
  }
  axes(name: string): AxesVal | undefined {
    const value = this.optional(name);
    return value?.kind === "axes" ? value : undefined;
  }
  /** The one axis that an argument names. */
  axis(name: string): string {
    const axes = this.axes(name);
    if (axes?.axes.length !== 1)
      fail("type/mismatch", this.spanOf(name), { found: axes ? describe(axes) : "nothing", expected: "one axis" });
    return axes.axes[0]!.name;
  }
  /** A number known when compiling, or the default. */
  compile(name: string, otherwise?: number): number {
    const value = this.optional(name);
    if (value === undefined && otherwise !== undefined) return otherwise;
    return compileNumber(value!, this.spanOf(name), this.scope, `\`${name}\` of \`${this.name}\``);
  }
  /** A number known when compiling for both of two axes, or a list of one for each; or the default. */
  compilePair(name: string, otherwise: number): readonly [number, number] {
    const value = this.optional(name);
    if (value?.kind !== "list") {
      const both = this.compile(name, otherwise);
      return [both, both];
    }
    if (value.items.length !== 2) this.mismatch(name, "a number, or a list of two numbers (for h and w)");
    const each = (i: 0 | 1): number => compileNumber(value.items[i]!, this.spanOf(name), this.scope, `\`${name}\` of \`${this.name}\``);
    return [each(0), each(1)];
  }
  items(name: string): readonly Val[] {
    const value = this.value(name);
    if (value.kind !== "list" && value.kind !== "tuple")
      fail("type/mismatch", this.spanOf(name), { found: describe(value), expected: "a list" });
    return value.items;
  }
  mismatch(name: string, expected: string): never {
    fail("type/mismatch", this.spanOf(name), { found: describe(this.value(name)), expected });
  }
}

/** Calls a primitive by its name. */
export function callBuiltin(name: string, args: readonly CallArg[], span: Span, scope: Scope): Val {
  const row = (placedRows().get(name) ?? builtinRows().get(name))!;
  const plain = name.slice(name.indexOf(".") + 1);
  const params = specsOf(row);
  const made = new BuiltinCall(plain, span, scope);
  let next = 0;
  for (const arg of args) {
    while (params[next] !== undefined && made.args.has(params[next]!.name)) next++;
    if (arg.name === null || params.some((p) => p.name === arg.name)) {
      const param: ParamSpec | undefined = arg.name === null ? params[next++] : params.find((p) => p.name === arg.name);
      if (param === undefined && row.rest === "sizes" && arg.source.kind === "expr" && arg.source.expr.kind === "name") {
        // `view(x, pattern, h, w)`: a size under its own name
        made.rest.set(arg.source.expr.name, { value: { kind: "number", value: sizeOf(arg.source.expr, scope) }, span: arg.span });
        continue;
      }
      if (param === undefined)
        fail("call/too-many-arguments", arg.span, {
          callee: plain,
          most: params.length,
          given: args.filter((a) => a.name === null).length,
        });
      if (made.args.has(param.name)) fail("call/duplicate-argument", arg.span, { name: param.name });
      made.args.set(param.name, { value: param.axes ? argumentAxes(arg) : argumentValue(arg), span: arg.span });
    } else if (row.rest) {
      const value = row.rest === "names" ? argumentAxes(arg) : argumentValue(arg);
      made.rest.set(arg.name, { value, span: arg.span });
    } else {
      const near = nearest(
        arg.name,
        params.map((p) => p.name),
      );
      const known = params.map((p) => `\`${p.name}\``).join(", ");
      fail(
        "call/unknown-argument",
        arg.span,
        { callee: plain, name: arg.name },
        { help: near ? `did you mean \`${near}\`?` : `it takes ${known}` },
      );
    }
  }
  for (const param of params)
    if (!param.optional && !made.args.has(param.name)) fail("call/missing-argument", span, { callee: plain, name: param.name });
  return scope.session.at(span, () => row.run(made));
}
