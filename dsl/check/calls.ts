import type { Arg, Expr, FnExpr, FnItem, LossItem } from "../ast.ts";
import { didYouMean } from "../nearest.ts";
import type { Span } from "../span.ts";
import { printSize } from "../types/printSize.ts";
import { anySize, flagTest, type Size, substituteSize, variableSize, variablesOf } from "../types/size.ts";
import {
  type AxisItem,
  axisKey,
  describeType,
  errorType,
  isSilent,
  mapType,
  type RowVar,
  type Type,
  type TypeMap,
  unknownType,
} from "../types/type.ts";
import { axesOf } from "./axes.ts";
import { callBuiltin } from "./builtins.ts";
import { evaluate, evaluateBody } from "./expressions.ts";
import { bodyScope, type FunctionInfo, functionInfo, type ParamInfo } from "./functions.ts";
import { fileScope } from "./globals.ts";
import { assign, CallState, closeRows } from "./match.ts";
import { reportMismatch } from "./mismatch.ts";
import { callModule, instantiate, methodInfo, moduleMap } from "./modules.ts";
import { bind, type Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { Declared, typeOfNode } from "./typeNodes.ts";

// Calls: which argument belongs to which parameter, whether it suits, and what comes out, under the caller's names.

export interface CallArg {
  readonly name: string | null;
  readonly span: Span;
  readonly nameSpan: Span;
  readonly row: boolean; // `...b`
  readonly source: { readonly kind: "type"; readonly type: Type } | { readonly kind: "expr"; readonly expr: Expr; readonly scope: Scope };
}

export function readArgs(args: readonly Arg[], scope: Scope): CallArg[] {
  return args.map((arg) => {
    for (const alternative of arg.alternatives) evaluate(alternative, scope);
    const name = arg.name?.name ?? null;
    return {
      name,
      span: arg.value.span,
      nameSpan: arg.name?.span ?? arg.span,
      row: arg.row,
      source: { kind: "expr", expr: arg.value, scope },
    };
  });
}
export function typeArg(type: Type, span: Span): CallArg {
  return { name: null, span, nameSpan: span, row: false, source: { kind: "type", type } };
}
/** The type of an argument that is a value. */
export function argType(arg: CallArg): Type {
  if (arg.source.kind === "type") return arg.source.type;
  if (arg.row) return axesArg(arg);
  return evaluate(arg.source.expr, arg.source.scope);
}
/** An argument that says axes: `over: c`, `over: [...b, h]`, `...s`. */
export function axesArg(arg: CallArg): Type {
  if (arg.source.kind === "type") return arg.source.type;
  const { expr, scope } = arg.source;
  if (arg.row) return { kind: "axes", axes: expr.kind === "name" ? (scope.row(expr.name) ?? null) : null };
  return { kind: "axes", axes: axesOf(expr, scope) };
}

/** Which argument belongs to which parameter, by position and by name. Unknown, doubled and surplus ones are reported. */
export function matchParams(
  callee: string,
  params: readonly string[],
  args: readonly CallArg[],
  session: Session,
  onUnknown?: () => void,
): Map<string, CallArg> {
  const byName = new Map<string, CallArg>();
  const positional = args.filter((a) => a.name === null).length;
  // Arguments without a name go to the parameters that none is named for, in order.
  const named = new Set(args.map((a) => a.name));
  const waiting = params.filter((p) => !named.has(p));
  let next = 0;
  for (const arg of args) {
    if (arg.name === "stream" && !params.includes("stream")) {
      argType(arg); // the name of the random stream, in place of the chain of names
      continue;
    }
    const name = arg.name ?? waiting[next++];
    if (name === undefined) {
      session.report("call/too-many-arguments", arg.span, { callee, most: params.length, given: positional });
      argType(arg);
    } else if (!params.includes(name)) {
      const known = params.map((p) => `\`${p}\``).join(", ");
      const help = didYouMean(name, params) ?? (known === "" ? "it takes none" : `it takes ${known}`);
      session.report("call/unknown-argument", arg.nameSpan, { callee, name }, { help });
      argType(arg);
      onUnknown?.();
    } else if (byName.has(name)) {
      session.report("call/duplicate-argument", arg.name === null ? arg.span : arg.nameSpan, { name });
    } else byName.set(name, arg);
  }
  return byName;
}

/** Calls anything that can be called. */
export function callType(callee: Type, args: readonly CallArg[], span: Span, scope: Scope): Type {
  const { session } = scope;
  switch (callee.kind) {
    case "builtin":
      return callBuiltin(callee.name, args, span, scope);
    case "function": {
      const info = callee.of ? methodInfo(session, callee.of, callee.item) : checkedFunction(session, callee.item, callee.file);
      return info ? callFunction(info, callee.of ? moduleMap(session, callee.of) : null, args, span, scope) : silentArgs(args);
    }
    case "closure":
      return callClosure(callee.node, callee.scope as Scope, args, span, scope);
    case "module":
      return callModule(callee, args, span, scope);
    case "moduleKind":
      return instantiate(callee, args, span, scope);
    case "optional":
      return callType(callee.of, args, span, scope);
    case "promptKind":
      silentArgs(args);
      return { kind: "prompt" };
    case "scheduleKind": {
      const given = matchParams(
        callee.item.name.name,
        callee.item.params.map((p) => p.name.name),
        args,
        session,
      );
      for (const param of callee.item.params)
        if (!given.has(param.name.name) && !param.default) missing(session, callee.item.name.name, param.name.name, span, param.span);
      silentArgs([...given.values()]);
      return { kind: "schedule" };
    }
    case "schedule":
      silentArgs(args);
      return { kind: "realNumber", value: anySize() };
    case "datasetKind":
    case "optimizerKind":
      return callItem(callee, args, span, scope);
    case "error":
    case "unknown":
    case "prompt":
      return silentArgs(args);
    default:
      silentArgs(args);
      session.report("call/not-callable", span, { what: describeType(callee) });
      return errorType;
  }
}
function silentArgs(args: readonly CallArg[]): Type {
  for (const arg of args) if (!arg.row) argType(arg);
  return unknownType;
}
function missing(session: Session, callee: string, name: string, span: Span, there: Span): void {
  session.report(
    "call/missing-argument",
    span,
    { callee, name },
    { related: [{ span: there, label: "declared here, without a default" }] },
  );
}

export function globalFunction(session: Session, item: Extract<Type, { kind: "function" }>["item"], file: string): FunctionInfo | null {
  return session.once(item, "signature", null, (): FunctionInfo | null => functionInfo(item, item.name.name, fileScope(session, file)));
}

let checkBody: ((session: Session, info: FunctionInfo, item: FnItem | LossItem) => void) | undefined;
/** Set by the bodies' checker: what a function asks of its callers is known after its body has been looked at. */
export function setFunctionCheck(check: (session: Session, info: FunctionInfo, item: FnItem | LossItem) => void): void {
  checkBody = check;
}
/** A function whose body has been looked at, unless the nesting is too deep for that here. */
export function checkedFunction(session: Session, item: FnItem | LossItem, file: string): FunctionInfo | null {
  const info = globalFunction(session, item, file);
  if (info && session.isShallow) {
    session.once(item, "body", true, () => {
      session.loudly(() => checkBody?.(session, info, item));
      return true;
    });
  }
  return info;
}

/** What the callee asks of its sizes: reported where it is not so, and asked of our own caller where that is not known. */
function discharge(info: FunctionInfo, bound: Bound, span: Span, scope: Scope): boolean {
  const { session } = scope;
  const { unifier } = session;
  let fulfilled = true;
  for (const obligation of info.obligations) {
    const [left, right] = [
      unifier.size(bound.map.size(unifier.size(obligation.left))),
      unifier.size(bound.map.size(unifier.size(obligation.right))),
    ];
    if (unifier.equate(left, right) !== "differ") continue;
    fulfilled = false;
    const related = obligation.origin ? [{ span: obligation.origin, label: "needed here" }] : [];
    const args = {
      callee: info.name,
      equation: `${printSize(unifier.size(obligation.left))} = ${printSize(unifier.size(obligation.right))}`,
      left: printSize(left),
      right: printSize(right),
    };
    session.report("shape/unmet", span, args, { related });
    break;
  }
  return fulfilled;
}

/** Arguments of data sets and optimisers: names and kinds. */
function callItem(
  callee: Extract<Type, { kind: "datasetKind" | "optimizerKind" }>,
  args: readonly CallArg[],
  span: Span,
  scope: Scope,
): Type {
  const { session } = scope;
  const name = callee.item.name.name;
  const outer = fileScope(session, callee.file);
  const declared = new Declared();
  const params = callee.item.params.map(
    (p): ParamInfo => ({
      name: p.name.name,
      type: typeOfNode(p.type, outer, declared, p.name.name),
      node: p.type,
      default: p.default,
      span: p.span,
    }),
  );
  bindArguments({ name, params, declared, perElement: new Set() }, null, args, span, scope);
  return callee.kind === "datasetKind" ? { kind: "dataset", item: callee.item, file: callee.file } : unknownType;
}

interface Callee {
  readonly name: string;
  readonly params: readonly ParamInfo[];
  readonly declared: Declared;
  readonly perElement: ReadonlySet<string>;
  readonly outer?: Scope;
  /** Sizes left out must follow from the other arguments of the same call. */
  readonly solvesDims?: boolean;
}
export interface Bound {
  readonly state: CallState;
  readonly map: TypeMap;
  /** Types of the parameters inside, as far as the arguments settle them. */
  readonly inner: ReadonlyMap<string, Type>;
  readonly given: ReadonlyMap<string, Type>;
  readonly failed: boolean;
  readonly vague: boolean;
  /** Sizes that only this call knows. */
  readonly made: ReadonlySet<string>;
}

/** The replacement of a callee's variables by new open ones, whose ids are added to `made`. */
function openMap(session: Session, declared: Declared, made: Set<string>): TypeMap {
  const { unifier } = session;
  const sizes = new Map<string, Size>();
  const flags = new Map<string, Size>();
  const rows = new Map<string, RowVar>();
  return {
    size: (size) =>
      substituteSize(size, {
        variable: (v) => {
          if (!declared.own.has(v.id)) return undefined;
          const known = sizes.get(v.id);
          if (known) return known;
          const fresh = unifier.fresh(v.name, "open");
          made.add(fresh.id);
          sizes.set(v.id, variableSize(fresh));
          return variableSize(fresh);
        },
        flag: (id) => {
          if (!declared.own.has(id)) return undefined;
          const text = id.slice(0, id.lastIndexOf("#"));
          const known = flags.get(id) ?? flagTest(unifier.freshFlag(text).id, text);
          flags.set(id, known);
          return known;
        },
      }),
    row: (row): readonly AxisItem[] => {
      if (!declared.own.has(row.id)) return [{ kind: "row", row }];
      const known = rows.get(row.id) ?? unifier.freshRow(row.name, "open");
      rows.set(row.id, known);
      return [{ kind: "row", row: known }];
    },
  };
}

/** Gives arguments to parameters and reports what does not suit. */
export function bindArguments(callee: Callee, instance: TypeMap | null, args: readonly CallArg[], span: Span, scope: Scope): Bound {
  const { session } = scope;
  const { unifier } = session;
  let strange = false;
  const matched = matchParams(
    callee.name,
    callee.params.map((p) => p.name),
    args,
    session,
    () => {
      strange = true;
    },
  );
  const made = new Set<string>();
  const own = openMap(session, callee.declared, made);
  // What belongs to the instance comes first; the rest is the call's own.
  const map: TypeMap = instance ? { size: (s) => own.size(instance.size(s)), row: own.row } : own;
  const perElement = new Set<string>();
  for (const param of callee.params) {
    if (callee.perElement.size === 0 || param.type.kind !== "list") continue;
    mapType(param.type, {
      size: (size) => {
        for (const v of substituted(size, callee.perElement, map)) perElement.add(v);
        return size;
      },
      row: (row) => {
        if (callee.perElement.has(row.id)) for (const item of map.row(row)) if (item.kind === "row") perElement.add(item.row.id);
        return [{ kind: "row", row }];
      },
    });
  }
  const state = new CallState(session, perElement);
  const wants = new Map(callee.params.map((p) => [p.name, mapType(p.type, map)]));
  const given = new Map<string, Type>();
  const omitted: ParamInfo[] = [];
  let failed = false;
  let vague = false;
  const shaped = ({ type }: ParamInfo) => Number(["tensor", "optional", "list", "record"].includes(type.kind));
  const ranked = [...callee.params].sort((a, b) => shaped(a) - shaped(b));
  for (const param of callee.params) {
    const arg = matched.get(param.name);
    if (arg) given.set(param.name, param.type.kind === "axes" ? axesArg(arg) : argType(arg));
  }
  for (const param of ranked) {
    const arg = matched.get(param.name);
    const want = wants.get(param.name)!;
    if (!arg) {
      if (param.default) {
        const type = session.quietly(() => evaluate(param.default!, callee.outer ?? scope));
        assign(state, want, mapType(type, map));
        if (param.type.kind !== "int" && param.type.kind !== "bool") given.set(param.name, mapType(type, map));
      } else if (want.kind === "optional") assign(state, want, { kind: "none" });
      else if (param.node.kind === "namedType" && param.node.name.name === "Dim") omitted.push(param);
      else {
        // A misspelt argument is one mistake, not two.
        if (!strange) missing(session, callee.name, param.name, span, param.span);
        failed = true;
      }
      continue;
    }
    const have = given.get(param.name)!;
    if (have.kind === "error") failed = true;
    if (isSilent(have)) vague = true;
    const problem = assign(state, want, have);
    if (!problem) continue;
    failed = true;
    reportMismatch(session, problem, { span: arg.span, have, want, name: param.name, declaredAt: param.span, callee: callee.name });
  }
  if (!failed && !vague && callee.solvesDims) {
    for (const param of omitted) {
      const want = wants.get(param.name)!;
      if (want.kind !== "int" || !variablesOf(unifier.size(want.value)).some((v) => v.kind === "open")) continue;
      const help = `say it in the call: \`${callee.name}(…, ${param.name}: 4)\``;
      session.report("shape/not-determined", span, { size: param.name }, { help, related: [{ span: param.span, label: "declared here" }] });
      failed = true;
    }
  }
  for (const want of wants.values()) if (!vague) closeRows(unifier, want, state.rows);
  const inner = new Map<string, Type>();
  for (const param of callee.params) {
    const want = unifier.type(wants.get(param.name)!);
    const have = given.get(param.name);
    const keepGiven = have && (["list", "axes", "module", "unknown", "realNumber"].includes(param.type.kind) || isSilent(have));
    inner.set(param.name, keepGiven ? have : want.kind === "optional" && have?.kind === "none" ? have : want);
  }
  return { state, map, inner, given, failed, vague, made };
}
function substituted(size: Size, ids: ReadonlySet<string>, map: TypeMap): string[] {
  const found: string[] = [];
  substituteSize(size, {
    variable: (v) => {
      if (ids.has(v.id)) substituteSize(map.size(variableSize(v)), { variable: (w) => void found.push(w.id) as undefined });
      return undefined;
    },
  });
  return found;
}

/** Calls a function with a declared type. */
export function callFunction(info: FunctionInfo, instance: TypeMap | null, args: readonly CallArg[], span: Span, scope: Scope): Type {
  const { session } = scope;
  const bound = bindArguments({ ...info, outer: bodyScope(info), solvesDims: true }, instance, args, span, scope);
  requireEffects(info, span, scope);
  if (bound.failed) return errorType;
  if (!bound.vague && !discharge(info, bound, span, scope)) return errorType;
  if (info.inline || info.result === null) return inlineCall(info, bound, span, scope);
  if (info.rowsOfPrompts && hasRows(info.result)) return unknownType;
  const result = mapType(info.result, { ...bound.map, axisName: (name) => bound.state.toCaller.get(name) ?? name });
  return finish(session, result, bound);
}

export function requireEffects(
  info: { readonly random: boolean; readonly updates: boolean; readonly name: string },
  span: Span,
  scope: Scope,
): void {
  if (info.random) requireRandom(`\`${info.name}\` draws`, span, scope);
  if (info.updates && info.name !== "forward") requireUpdates(`\`${info.name}\` updates state`, span, scope);
}
const contracts: ReadonlySet<string> = new Set(["fn", "loss", "forward"]);
export function requireRandom(what: string, span: Span, scope: Scope): void {
  const { body, session } = scope;
  if (!contracts.has(body.kind) || body.random) return;
  const related = body.span ? [{ span: body.span, label: "declared here, without `random`" }] : [];
  session.report("effect/undeclared", span, { what, body: body.name, effect: "random" }, { related });
}
export function requireUpdates(what: string, span: Span, scope: Scope): void {
  const { body, session } = scope;
  if (!contracts.has(body.kind) || body.updates) return;
  const related = body.span ? [{ span: body.span, label: "declared here, without `updates`" }] : [];
  session.report("effect/undeclared", span, { what, body: body.name, effect: "updates" }, { related });
}

/** What leaves a call: solved, with nothing open that only this call knew. */
function finish(session: Session, result: Type, bound: Bound): Type {
  const solved = session.unifier.type(result);
  let open = false;
  let doubled = false;
  mapType(solved, {
    size: (s) => s,
    row: (row) => {
      if (row.kind === "open") open = true;
      return [{ kind: "row", row }];
    },
  });
  if (solved.kind === "tensor") doubled = new Set(solved.axes.map(axisKey)).size < solved.axes.length;
  if (open || doubled) return unknownType;
  const size = (s: Size) =>
    substituteSize(s, { variable: (v) => (v.kind === "open" && (bound.vague || bound.made.has(v.id)) ? anySize() : undefined) });
  return mapType(solved, { size, row: (row) => [{ kind: "row", row }] });
}
/** Open sizes become unknown ones: nothing will settle them any more. */
export function forgetOpen(size: Size): Size {
  return substituteSize(size, { variable: (v) => (v.kind === "open" ? anySize() : undefined) });
}

function hasRows(type: Type): boolean {
  let found = false;
  mapType(type, {
    size: (s) => s,
    row: (row) => {
      found = true;
      return [{ kind: "row", row }];
    },
  });
  return found;
}

const deepestInlining = 12;
let inlining = 0;
/** Looks at the body with the types of this call. Mistakes in a named function are reported where it is checked by itself. */
function inlineCall(info: FunctionInfo, bound: Bound, span: Span, scope: Scope): Type {
  const { session } = scope;
  const { unifier } = session;
  if (inlining >= deepestInlining) return unknownType;
  const isClosure = info.what === "closure";
  const keepRows = (row: RowVar): readonly AxisItem[] => [{ kind: "row", row }];
  const renamed = (type: Type, names: ReadonlyMap<string, string>) =>
    mapType(type, { size: (s) => s, row: keepRows, axisName: (n) => names.get(n) ?? n });
  const toCallee = new Map([...bound.state.toCaller].map(([callee, caller]) => [caller, callee]));
  const values = new Map([...bound.inner].map(([name, type]) => [name, type.kind === "axes" ? renamed(type, toCallee) : type]));
  const sizes = new Map([...info.declared.sizes].map(([name, size]) => [name, unifier.size(bound.map.size(size))]));
  const rows = new Map(
    [...info.declared.rows].map(([name, axes]) => [
      name,
      unifier.axes(axes.flatMap((item) => (item.kind === "row" ? bound.map.row(item.row) : [item]))),
    ]),
  );
  const inner = info.outer.child(
    { values, sizes, rows },
    isClosure ? info.bodyContext : { ...info.bodyContext, random: true, updates: true },
  );
  inlining++;
  try {
    if (isClosure) {
      const type = evaluateBody(info.body, inner);
      return isSilent(type) ? type : finish(session, renamed(unifier.type(type), bound.state.toCaller), bound);
    }
    const { value: type, mistake } = session.tentatively(() => evaluateBody(info.body, inner));
    // What is wrong for all callers has been said where it stands.
    if (mistake && !bound.vague && !session.hasFoundIn(info.body.span)) {
      session.reportInCall(mistake, span, info.name);
      return errorType;
    }
    return isSilent(type) ? type : finish(session, renamed(unifier.type(type), bound.state.toCaller), bound);
  } finally {
    inlining--;
  }
}

function callClosure(node: FnExpr, closure: Scope, args: readonly CallArg[], span: Span, scope: Scope): Type {
  const { session } = scope;
  if (node.params.some((p) => p.type !== null) && node.params.every((p) => p.binder.kind === "ident")) {
    const declared = new Declared();
    const params = node.params.map((p): ParamInfo => {
      const name = p.binder.kind === "ident" ? p.binder.name : "";
      const type = p.type ? typeOfNode(p.type, closure, declared, name) : unknownType;
      return { name, type, node: p.type ?? { kind: "error", span: p.binder.span }, default: null, span: p.binder.span };
    });
    const info: FunctionInfo = {
      name: "this function",
      what: "closure",
      params,
      result: null,
      resultNode: null,
      declared,
      random: false,
      updates: false,
      inline: true,
      perElement: new Set(),
      outer: closure,
      body: node.body,
      bodyContext: closure.body,
      span: node.span,
      obligations: [],
      rowsOfPrompts: false,
    };
    const bound = bindArguments({ ...info, outer: closure }, null, args, span, scope);
    return bound.failed ? errorType : inlineCall(info, bound, span, scope);
  }
  if (args.length !== node.params.length) {
    session.report("call/too-many-arguments", span, { callee: "this function", most: node.params.length, given: args.length });
    return errorType;
  }
  let inner = closure;
  node.params.forEach((param, i) => {
    inner = bind(param.binder, session.unifier.type(argType(args[i]!)), inner);
  });
  if (inlining >= deepestInlining * 2) return unknownType;
  inlining++;
  try {
    return evaluateBody(node.body, inner);
  } finally {
    inlining--;
  }
}

/** Calls with types that are there already, as `fold` does. */
export function callWith(callee: Type, types: readonly Type[], span: Span, scope: Scope): Type {
  return callType(
    callee,
    types.map((type) => typeArg(type, span)),
    span,
    scope,
  );
}
