import type { FnExpr, FnItem, LossItem } from "../ast.ts";
import type { Diagnostic } from "../diagnostic.ts";
import type { Span } from "../span.ts";
import { printSize } from "../types/printSize.ts";
import { anySize, constantOf, type Size, substituteSize } from "../types/size.ts";
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
import { argType, type CallArg, matchParams, typeArg } from "./arguments.ts";
import { type Bound, bindArguments, reportMissing } from "./bindArguments.ts";
import { callBuiltin } from "./builtins.ts";
import { requireEffects } from "./effects.ts";
import { evaluateBody } from "./expressions.ts";
import { bodyScope, type FunctionInfo, functionInfo, type ParamInfo } from "./functions.ts";
import { fileScope } from "./globals.ts";
import { callModule, instantiate, methodInfo, moduleMap } from "./modules.ts";
import { callPrompt } from "./prompts.ts";
import { bind, type Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { runBlock } from "./statements.ts";
import { callTable } from "./tables.ts";
import { Declared, typeOfNode } from "./typeNodes.ts";

// Calls: which argument belongs to which parameter, whether it suits, and what comes out, under the caller's names.

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
      return callPrompt(callee.item, callee.file, args, span, scope);
    case "prompt":
      if (callee.item) return callPrompt(callee.item.item, callee.item.file, args, span, scope);
      silentArgs(args);
      session.report("call/not-callable", span, { what: describeType(callee) });
      return errorType;
    case "tableMethod":
      return callTable(callee.table, callee.name, args, span, scope);
    case "scheduleKind": {
      const given = matchParams(
        callee.item.name.name,
        callee.item.params.map((p) => p.name.name),
        args,
        session,
      );
      for (const param of callee.item.params)
        if (!given.has(param.name.name) && !param.default) reportMissing(session, callee.item.name.name, param.name.name, span, param.span);
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
/** Calls a function with a declared type. */
export function callFunction(
  info: FunctionInfo,
  instance: TypeMap | null,
  args: readonly CallArg[],
  span: Span,
  scope: Scope,
  onBound?: (bound: Bound) => void,
): Type {
  const { session } = scope;
  const bound = bindArguments({ ...info, outer: bodyScope(info), solvesDims: true }, instance, args, span, scope);
  onBound?.(bound);
  requireEffects(info, span, scope);
  if (bound.failed) return errorType;
  if (!bound.vague && !discharge(info, bound, span, scope)) return errorType;
  if (info.inline || info.result === null) return inlineCall(info, bound, span, scope);
  const absent = info.params.filter((p) => isAbsent(bound.inner.get(p.name), session)).map((p) => p.name);
  const mistake = absent.length === 0 ? null : withoutThem(info, absent, session);
  if (mistake) {
    session.reportInCall(mistake, span, info.name);
    return errorType;
  }
  const result = mapType(info.result, { ...bound.map, axisName: (name) => bound.state.toCaller.get(name) ?? name });
  const made = finish(session, result, bound);
  return isWhole(made, span, session) ? made : errorType;
}
function isAbsent(type: Type | undefined, session: Session): boolean {
  return type?.kind === "none" || (type?.kind === "optional" && constantOf(session.unifier.size(type.present))?.n === 0n);
}
/** What is wrong with a body where some arguments are absent; looked at once for each combination that occurs. */
function withoutThem(info: FunctionInfo, absent: readonly string[], session: Session): Diagnostic | null {
  const { body } = info;
  if (body.kind !== "block" || !session.isShallow || session.hasFoundIn(body.span)) return null;
  return session.once(body, `without ${absent.join()}`, null, (): Diagnostic | null => {
    const scope = bodyScope(info).child({ values: new Map(absent.map((name): [string, Type] => [name, { kind: "none" }])) });
    return session.unifier.aside(() => session.tentatively(() => runBlock(body, scope))).mistake;
  });
}

/** A quotient in a result's size must be whole; reported where it is known not to be. */
function isWhole(type: Type, span: Span, session: Session): boolean {
  for (const item of type.kind === "tensor" ? type.axes : []) {
    const size = item.kind === "axis" ? constantOf(item.size) : undefined;
    if (item.kind !== "axis" || !size || (size.d === 1n && size.n >= 0n)) continue;
    session.report("shape/not-whole", span, { what: `the size of \`${item.name}\``, value: printSize(item.size) });
    return false;
  }
  return true;
}

/** What leaves a call: solved, with nothing open that only this call knew. */
function finish(session: Session, result: Type, bound: Bound): Type {
  const solved = session.unifier.type(result);
  let open = false;
  let doubled = false;
  mapType(result, {
    size: (s) => s,
    row: (row) => {
      if (bound.unsettledRows.has(row.id)) open = true;
      return [{ kind: "row", row }];
    },
  });
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
