import type { Arg, Binder, Block, Expr, FnExpr, FnItem, LossItem, NamedType, Param } from "../../dsl/ast.ts";
import { hostFunctionOf } from "../../dsl/host/signatures.ts";
import type { Span } from "../../dsl/span.ts";
import { streamKey } from "../plan/philox.ts";
import { callBuiltin } from "./builtins/table.ts";
import { applyDataset } from "./datasets.ts";
import { evaluate, evaluateAxes } from "./expressions.ts";
import { fail, unsupported, withCaller } from "./failure.ts";
import { throughTemplate } from "./fused.ts";
import { callHost } from "./hostCalls.ts";
import { hostOp, toHost } from "./hostExpr.ts";
import { applyTransform } from "./itemPictures.ts";
import { callInstance, instantiate } from "./modules.ts";
import { applyPrompt } from "./prompts.ts";
import { applySchedule, scheduleFromItem } from "./schedules.ts";
import type { Scope } from "./scope.ts";
import { type BoundCall, bindCall } from "./signature.ts";
import { bindNames, runBlock, runBody } from "./statements.ts";
import { callTable } from "./tableState.ts";
import { type AxesVal, type ClosureVal, describe, type FunctionVal, isScalar, type Val } from "./values.ts";

// Calls. What is called decides how an argument is read (a value, axes, a pattern), so arguments travel unevaluated until then.

export interface CallArg {
  readonly name: string | null;
  readonly span: Span;
  readonly row: boolean; // `...b`
  /** Either a value that is there already, or an expression and where it stands. */
  readonly source: { readonly kind: "value"; readonly value: Val } | { readonly kind: "expr"; readonly expr: Expr; readonly scope: Scope };
}

/** How deep calls may nest before it must be a recursion without end. */
const deepestCall = 100;

export function readArgs(args: readonly Arg[], scope: Scope): CallArg[] {
  return args.map((arg) => {
    if (arg.alternatives.length > 0) unsupported("an argument with alternatives", arg.span);
    return { name: arg.name?.name ?? null, span: arg.value.span, row: arg.row, source: { kind: "expr", expr: arg.value, scope } };
  });
}

export function valueArg(value: Val, span: Span, name: string | null = null): CallArg {
  return { name, span, row: false, source: { kind: "value", value } };
}

export function exprArg(expr: Expr, scope: Scope): CallArg {
  return { name: null, span: expr.span, row: false, source: { kind: "expr", expr, scope } };
}

export function argumentValue(arg: CallArg): Val {
  if (arg.row) return argumentAxes(arg);
  return arg.source.kind === "value" ? arg.source.value : evaluate(arg.source.expr, arg.source.scope);
}

export function argumentAxes(arg: CallArg): AxesVal {
  if (arg.source.kind === "value") {
    if (arg.source.value.kind !== "axes") fail("type/mismatch", arg.span, { found: describe(arg.source.value), expected: "axes" });
    return arg.source.value;
  }
  const { expr, scope } = arg.source;
  if (arg.row) {
    if (expr.kind !== "name") fail("type/mismatch", arg.span, { found: "an expression", expected: "the name of a row" });
    return { kind: "axes", axes: rowOf(expr.name, scope, arg.span) };
  }
  return evaluateAxes(expr, scope);
}

export function rowOf(name: string, scope: Scope, span: Span): AxesVal["axes"] {
  const row = scope.row(name);
  if (row === undefined)
    fail("name/unknown", span, { name: `...${name}` }, { help: "a row is named by the signature around it: `x: real[...b, c]`" });
  return row;
}

/** Calls anything that can be called. */
export function call(callee: Val, args: readonly CallArg[], span: Span, scope: Scope): Val {
  const { session } = scope;
  if (session.callDepth >= deepestCall) fail("call/too-deep", span, { most: deepestCall });
  session.callDepth++;
  try {
    const stream = args.find((arg) => arg.name === "stream");
    if (stream === undefined || takesStream(callee)) return dispatch(callee, args, span, scope);
    return inNamedStream(stream, session, () =>
      dispatch(
        callee,
        args.filter((arg) => arg !== stream),
        span,
        scope,
      ),
    );
  } finally {
    session.callDepth--;
  }
}

/** Whether what is called has an argument of its own that is called `stream`. */
function takesStream(callee: Val): boolean {
  return callee.kind === "function" && callee.item.signature.params.some((param) => param.name.name === "stream");
}

/** `stream: "text"` takes the place of the chain of names: what is drawn depends on the text alone. */
function inNamedStream<T>(arg: CallArg, session: Scope["session"], run: () => T): T {
  const value = argumentValue(arg);
  const { walk, stream } = session;
  if (!(value.kind === "text" || (walk !== null && value.kind === "host" && value.type === "text")))
    fail("type/mismatch", arg.span, { found: describe(value), expected: "a text that is known when compiling" });
  const turn = walk?.turn;
  const before = session.effects.streamCounts;
  session.effects = { ...session.effects, streamCounts: new Map() };
  session.stream = value.kind === "text" ? [value.value] : ["stream"];
  if (walk !== null)
    walk.turn = value.kind === "text" ? { kind: "number", value: 0 } : walk.opaque(streamKey(String(walk.value(value.expr))));
  try {
    return run();
  } finally {
    session.stream = stream;
    session.effects = { ...session.effects, streamCounts: before };
    if (walk !== null) walk.turn = turn!;
  }
}

function dispatch(callee: Val, args: readonly CallArg[], span: Span, scope: Scope): Val {
  const { session } = scope;
  switch (callee.kind) {
    case "builtin":
      return callBuiltin(callee.name, args, span, scope);
    case "function":
      return callFunction(callee, args, span, scope);
    case "closure":
      return callClosure(callee, args, span);
    case "module":
      return { kind: "instance", instance: instantiate(callee, args, span) };
    case "instance":
      return callInstance(callee.instance, args, span, scope);
    case "scheduleItem":
      return scheduleFromItem(callee, args, span);
    case "schedule": {
      // applied to a progress: `guidance(0.5)`
      const at = args.length === 1 ? argumentValue(args[0]!) : undefined;
      if (at === undefined || !isScalar(at))
        fail("type/mismatch", span, { found: "this call", expected: "a schedule applied to one number between 0 and 1" });
      return applySchedule(session, callee, hostOp("mul", toHost(at), session.totalUpdates));
    }
    case "optimizer":
      return { ...callee, args, caller: scope, span };
    case "surgery":
      return { ...callee, args, span };
    case "dataset":
      return applyDataset(callee, args, span);
    case "promptItem":
      return applyPrompt(callee, args, span);
    case "tableMethod":
      return callTable(callee.table, callee.method, args, span, scope);
    case "transform":
      return applyTransform(session, callee, args, span);
    default:
      fail("call/not-callable", span, { what: describe(callee) });
  }
}

function callFunction(fn: FunctionVal, args: readonly CallArg[], span: Span, caller: Scope): Val {
  const { item } = fn;
  const { session } = caller;
  const name = item.name.name;
  const host = hostFunctionOf(item);
  if (host && item.kind === "fn")
    return withCaller(span, `in this call of \`${name}\``, () => callHost(item, host, args, span, session.items !== null));
  const bound = bindCall(
    {
      name,
      params: item.signature.params,
      result: item.signature.result,
      scope: fn.scope,
      owner: fn.instance,
      localNames: axisNamesIn(item),
    },
    args,
    span,
  );
  return enter(caller, name, span, () => {
    const { value, span: at } = withTaps(session, bound, () => runBlock(item.body, bound.scope));
    return bound.finish(throughTemplate(session, item, value), at);
  });
}

/** Runs a body; what is tapped in it keeps the names of its own module, but its rows take the caller's names. */
export function withTaps<T>(session: Scope["session"], bound: BoundCall, fn: () => T): T {
  const outer = session.taps;
  if (outer === null) return fn();
  session.taps = new Map();
  try {
    return fn();
  } finally {
    for (const [instance, taps] of session.taps)
      outer.set(instance, new Map([...taps].map(([name, val]) => [name, bound.rowsOutside(val)])));
    session.taps = outer;
  }
}

/** Runs a callee's body: its name joins the random streams and the chain of calls that messages show. */
export function enter<T>(caller: Scope, name: string, span: Span, fn: () => T): T {
  const { session } = caller;
  const before = session.chain;
  session.chain = [...before, name];
  try {
    return session.inStream(name, () => withCaller(span, `in this call of \`${name}\``, fn));
  } finally {
    session.chain = before;
  }
}

function callClosure(fn: ClosureVal, args: readonly CallArg[], span: Span): Val {
  const { node } = fn;
  const anyType = node.params.some((p) => p.type !== null);
  if (anyType && node.params.every((p) => p.binder.kind === "ident")) {
    const params = node.params.map(
      (p): Param => ({
        kind: "param",
        span: p.binder.span,
        each: false,
        name: p.binder as Param["name"],
        type: p.type ?? anyTypeNode(p.binder),
        default: null,
      }),
    );
    const bound = bindCall(
      { name: "this function", params, result: null, scope: fn.scope, owner: null, ownSizes: true, localNames: new Set() },
      args,
      span,
    );
    const value = withTaps(fn.scope.session, bound, () => runClosureBody(node, bound.scope));
    return bound.finish(value, node.span);
  }
  if (args.length !== node.params.length)
    fail("call/too-many-arguments", span, { callee: "this function", most: node.params.length, given: args.length });
  let scope = fn.scope;
  node.params.forEach((param, i) => {
    scope = bindNames(param.binder, argumentValue(args[i]!), scope);
  });
  return withCaller(span, "in this call", () => runClosureBody(node, scope.child({ rows: new Map() })));
}

/** A parameter without a type takes anything. */
function anyTypeNode(binder: Binder): NamedType {
  return {
    kind: "namedType",
    span: binder.span,
    name: { kind: "ident", name: "Any", span: binder.span },
    args: [],
    axes: null,
    optional: true,
  };
}

function runClosureBody(node: FnExpr, scope: Scope): Val {
  return node.body.kind === "block" ? runBody(node.body as Block, scope) : evaluate(node.body as Expr, scope);
}

/** Calls a function value with values, as `fold` and its kin do. */
export function callWith(fn: Val, values: readonly Val[], span: Span, scope: Scope): Val {
  return call(
    fn,
    values.map((value) => valueArg(value, span)),
    span,
    scope,
  );
}

const namesByBody = new WeakMap<object, ReadonlySet<string>>();

/** Every name in a body that may name an axis. */
export function axisNamesIn(item: FnItem | LossItem | { readonly body: Block }): ReadonlySet<string> {
  const known = namesByBody.get(item);
  if (known) return known;
  const names = new Set<string>();
  collect(item.body, names);
  namesByBody.set(item, names);
  return names;
}

function collect(node: unknown, names: Set<string>): void {
  if (Array.isArray(node)) {
    for (const one of node) collect(one, names);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const record = node as Readonly<Record<string, unknown>>;
  if (record.kind === "pattern") {
    for (const item of [...(record.left as readonly unknown[]), ...(record.right as readonly unknown[])] as {
      readonly name: string | null;
      readonly parts?: readonly string[];
    }[]) {
      if (item.name !== null) names.add(item.name);
      for (const part of item.parts ?? []) names.add(part);
    }
    return;
  }
  if (record.kind === "ident" || record.kind === "name") names.add(record.name as string);
  for (const [key, value] of Object.entries(record)) if (key !== "span") collect(value, names);
}
