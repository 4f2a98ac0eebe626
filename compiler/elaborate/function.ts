import type { ForwardDecl, Signature } from "../../dsl/ast.ts";
import type { Resolution } from "../../dsl/names.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Program } from "../../dsl/program.ts";
import type { Span } from "../../dsl/span.ts";
import type { GraphResult } from "../ir/value.ts";
import { toTensor } from "./arithmetic.ts";
import { type CallArg, call, valueArg } from "./calls.ts";
import { attempt, Failure, fail } from "./failure.ts";
import { entrySpan, Files } from "./files.ts";
import { hostNumber } from "./hostExpr.ts";
import { collectLeaves } from "./leaves.ts";
import { bindOptimizer, elaborateOptimizer } from "./optimizers.ts";
import { plannedModels } from "./plannedModels.ts";
import type { Elaborated, FunctionProgram, Optimizer } from "./program.ts";
import { Session } from "./session.ts";
import { bool, describe, isNumeric, list, none, number, type TensorVal, tensor, text, type Val } from "./values.ts";

// A function, a model or an optimiser of a file elaborated alone: for tests, conformance and the language's own `test` items.

/** A value known when compiling, as plain data. */
export type PlainValue = number | boolean | string | null | readonly PlainValue[];

/** Either a tensor that is an input of the graph (`shape` and `axes`), or a value known when compiling. */
export interface FunctionArgument {
  readonly name: string;
  readonly shape?: readonly number[];
  readonly axes?: readonly string[];
  readonly dtype?: "f32" | "i32";
  readonly value?: PlainValue;
}
export interface FunctionOptions {
  readonly compat?: "fixed" | "source";
  readonly seed?: number;
  /** Whether folds over host numbers are loops: by default where that is worth it. */
  readonly loops?: "never" | "always";
  /** What `training` is inside modules; by default as the models are marked. */
  readonly training?: boolean;
}

/** A plain value as a value of the language. */
function plainValue(value: PlainValue): Val {
  if (value === null) return none;
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return bool(value);
  if (typeof value === "string") return text(value);
  return list(value.map(plainValue));
}

/** Elaborates a `fn`, a `loss` or a `model` (its forward) with given arguments. */
export function elaborateFunction(
  program: Program,
  _resolution: Resolution,
  fnName: string,
  args: readonly FunctionArgument[],
  options: FunctionOptions = {},
): Elaborated<FunctionProgram> {
  const session = new Session(options.seed ?? 0);
  session.compat = options.compat ?? "fixed";
  session.training = options.training ?? null;
  if (options.loops !== undefined) session.loopRule = options.loops === "always" ? { runs: 1, saved: 0 } : { runs: Infinity, saved: 0 };
  const made = attempt(() => functionProgram(program, session, fnName, args));
  return made.ok ? { ok: true, value: made.value, warnings: session.warnings } : { ok: false, diagnostics: [made.diagnostic] };
}

function functionProgram(program: Program, session: Session, fnName: string, args: readonly FunctionArgument[]): FunctionProgram {
  const files = new Files(program, session, { items: new Map(), values: new Map(), trainedByDefault: true, allFrozen: false });
  const table = files.itemsOf(program.entry);
  const found = table.get(fnName) ?? (program.prelude === null ? undefined : files.itemsOf(program.prelude).get(fnName));
  const callable = found && (found.item.kind === "fn" || found.item.kind === "loss" || found.item.kind === "model");
  if (!found || !callable) {
    const near = nearest(fnName, [...table.keys()]);
    fail("elaborate/unknown-entry", entrySpan(program), { kind: "fn", name: fnName }, near ? { help: `did you mean \`${near}\`?` } : {});
  }
  const span = found.item.name.span;
  const callee = files.value(found.item, found.file)!;
  const signature = signatureOf(callee);
  const inputs: FunctionProgram["inputs"][number][] = [];
  const { value, effects } = session.inBody("function", [fnName], () => {
    const made = args.map((arg): CallArg => {
      if (arg.shape === undefined) return valueArg(plainValue(arg.value ?? null), span, arg.name);
      const axes = arg.axes ?? arg.shape.map((_, i) => axisOf(signature, arg.name, i, arg.shape!.length));
      const dtype = arg.dtype ?? "f32";
      inputs.push({ name: arg.name, shape: arg.shape, dtype });
      return valueArg(
        tensor(session.builder.input(arg.name, arg.shape, { role: "data", dtype, labels: axes, origin: { span } }), axes),
        span,
        arg.name,
      );
    });
    return withoutOwnName(span, () => call(callee, made, span, files.scope(found.file)));
  });
  const results = resultsOf(session, value, "result");
  for (const key of effects.updated) results.push({ name: `update.${key}`, value: (effects.cells.get(key) as TensorVal).value });
  const leaves = collectLeaves(session, () => 0);
  return {
    builder: session.builder,
    graph: { name: fnName, results },
    inputs,
    leaves,
    models: plannedModels(files, leaves, files.scope(program.entry)),
    uniforms: session.uniforms,
  };
}

/** The function is asked for by name: a message need not say that it was called. */
function withoutOwnName<T>(span: Span, fn: () => T): T {
  const made = attempt(fn);
  if (made.ok) return made.value;
  const { diagnostic } = made;
  throw new Failure({ ...diagnostic, related: diagnostic.related.filter((r) => r.span !== span) });
}

function signatureOf(callee: Val): Signature | null {
  if (callee.kind === "function") return callee.item.signature;
  if (callee.kind !== "instance") return null;
  return callee.instance.module.members.find((m): m is ForwardDecl => m.kind === "forward")?.signature ?? null;
}

/** The name of an axis that the caller left out: the declared one, counted from the back; leading ones are the row's. */
function axisOf(signature: Signature | null, name: string, index: number, rank: number): string {
  const type = signature?.params.find((p) => p.name.name === name)?.type;
  const axes = type?.kind === "namedType" ? (type.axes ?? []) : [];
  const declared = axes[axes.length - rank + index];
  if (declared?.kind === "namedAxis") {
    if (declared.name) return declared.name.name;
    if (declared.value.kind === "name") return declared.value.name;
  }
  return `d${index}`;
}

function resultsOf(session: Session, value: Val, name: string): GraphResult[] {
  if (isNumeric(value))
    return [
      {
        name,
        value: toTensor(
          session,
          value,
          value.kind === "tensor" && value.value.dtype !== "f32" ? (value.value.dtype as "i32" | "bool") : "f32",
        ).value,
      },
    ];
  if (value.kind === "list" || value.kind === "tuple") return value.items.flatMap((item, i) => resultsOf(session, item, `${name}.${i}`));
  if (value.kind === "record") return [...value.fields].flatMap(([field, item]) => resultsOf(session, item, `${name}.${field}`));
  if (value.kind === "none") return [];
  throw new Error(`internal: a function gave ${describe(value)}, which is no result of a graph`);
}

export interface OptimizerProgram {
  readonly builder: Session["builder"];
  readonly optimizer: Optimizer;
  readonly uniforms: FunctionProgram["uniforms"];
}

/** Elaborates an `optimizer` over an arena of parameters of these shapes with settings known when compiling; `lr` may be a schedule over `updates`. */
export function elaborateOptimizerAlone(
  program: Program,
  _resolution: Resolution,
  name: string,
  settings: Readonly<Record<string, PlainValue>>,
  shapes: number | readonly (readonly number[])[],
  updates = 1,
): Elaborated<OptimizerProgram> {
  const session = new Session(0);
  const made = attempt((): OptimizerProgram => {
    session.totalUpdates = hostNumber(updates);
    const files = new Files(program, session, { items: new Map(), values: new Map(), trainedByDefault: true, allFrozen: false });
    const found = files.itemsOf(program.entry).get(name);
    if (found?.item.kind !== "optimizer") fail("elaborate/unknown-entry", entrySpan(program), { kind: "optimizer", name });
    const span = found.item.name.span;
    const scope = files.scope(found.file);
    const args = Object.entries(settings).map(([key, value]) => valueArg(plainValue(value), span, key));
    const bound = bindOptimizer({ kind: "optimizer", item: found.item, scope, args, caller: scope, span }, []);
    let size = 0;
    const slices = (typeof shapes === "number" ? [[shapes]] : shapes).map((shape, i) => {
      const offset = size;
      size += shape.reduce((n, s) => n * s, 1);
      return { path: `p${i}`, offset, size: size - offset, shape };
    });
    const layout = { size, slices, groups: [{ start: 0, end: size }] };
    return { builder: session.builder, optimizer: elaborateOptimizer(bound, layout, [[]]), uniforms: session.uniforms };
  });
  return made.ok ? { ok: true, value: made.value, warnings: session.warnings } : { ok: false, diagnostics: [made.diagnostic] };
}
