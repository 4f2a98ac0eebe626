import type {
  Arg,
  Axis,
  Binder,
  Block,
  CallExpr,
  Expr,
  Ident,
  IndexItem,
  NameRef,
  Param,
  PartPath,
  PatternLit,
  RecordExpr,
} from "../ast.ts";
import { type ArgumentSense, argumentSense } from "../builtins.ts";
import type { Binding } from "./binding.ts";
import type { NameContext } from "./context.ts";
import { Scope } from "./scope.ts";
import { resolveBlock } from "./statements.ts";
import { collectSizes, ownSizes, resolveType } from "./types.ts";

/** Resolves the names of an expression; what it binds inside stays inside. */
export function resolveExpr(ctx: NameContext, expr: Expr, scope: Scope): void {
  switch (expr.kind) {
    case "name":
      ctx.use(expr, scope.value(expr.name), scope);
      return;
    case "pattern":
      bindPatternSizes(expr, scope);
      return;
    case "number":
    case "string":
    case "bool":
    case "none":
    case "error":
      return;
    case "tuple":
      for (const element of expr.elements) resolveExpr(ctx, element, scope);
      return;
    case "bracket":
      for (const element of expr.elements) resolveElement(ctx, element, scope);
      return;
    case "listComp": {
      resolveExpr(ctx, expr.over, scope);
      const inner = new Scope(scope);
      bindBinder(ctx, expr.binder, inner);
      if (expr.where) resolveExpr(ctx, expr.where, inner);
      resolveBody(ctx, expr.body, inner);
      return;
    }
    case "record":
      resolveRecord(ctx, expr, scope);
      return;
    case "ifExpr":
      resolveExpr(ctx, expr.condition, scope);
      resolveBody(ctx, expr.then, new Scope(scope));
      if (expr.otherwise) resolveBody(ctx, expr.otherwise, new Scope(scope));
      return;
    case "fnExpr": {
      const inner = new Scope(scope);
      const types = expr.params.flatMap((param) => param.type ?? []);
      for (const param of expr.params) bindBinder(ctx, param.binder, inner);
      collectSizes(types, inner, ownSizes);
      for (const type of types) resolveType(ctx, type, inner);
      resolveBody(ctx, expr.body, inner);
      return;
    }
    case "unary":
      resolveExpr(ctx, expr.operand, scope);
      return;
    case "binary":
      resolveExpr(ctx, expr.left, scope);
      resolveExpr(ctx, expr.right, scope);
      return;
    case "pipe":
      resolveExpr(ctx, expr.value, scope);
      if (expr.target.kind === "call") resolveCall(ctx, expr.target, scope, 1);
      else resolveExpr(ctx, expr.target, scope);
      return;
    case "range":
      resolveExpr(ctx, expr.from, scope);
      if (expr.to) resolveExpr(ctx, expr.to, scope);
      return;
    case "call":
      resolveCall(ctx, expr, scope, 0);
      return;
    case "index":
      resolveExpr(ctx, expr.base, scope);
      resolveIndices(ctx, expr.indices, scope, isTypeName(ctx, expr.base));
      return;
    case "field":
      resolveExpr(ctx, expr.base, scope);
      return;
    case "watch":
      resolveExpr(ctx, expr.base, scope);
      for (const path of expr.paths) resolvePath(ctx, path, scope);
      return;
    case "with":
      resolveExpr(ctx, expr.base, scope);
      resolveRecord(ctx, expr.changes, scope);
      return;
    default:
      expr satisfies never;
  }
}

/** The axes that a pattern names are sizes from here on: after `(head d) -> head d` one may write `d ** -0.5`. */
function bindPatternSizes(pattern: PatternLit, scope: Scope): void {
  for (const item of [...pattern.left, ...pattern.right]) {
    const names = item.kind === "group" ? [item.name, ...item.parts] : item.kind === "axis" ? [item.name] : [];
    for (const name of names) {
      if (name !== null && !name.startsWith("...") && !scope.value(name))
        scope.bindSize(name, { kind: "sizeVariable", name, span: item.span });
    }
  }
}

export function resolveBody(ctx: NameContext, body: Expr | Block, scope: Scope): void {
  if (body.kind === "block") resolveBlock(ctx, body, scope);
  else resolveExpr(ctx, body, scope);
}

export function resolveRecord(ctx: NameContext, record: RecordExpr, scope: Scope): void {
  const seen = new Map<string, Ident>();
  for (const { name, value } of record.fields) {
    ctx.isFirst(seen, name);
    if (value) resolveExpr(ctx, value, scope);
    else ctx.use(name, scope.value(name.name), scope);
  }
}

/** Makes the names of a binder known from here on. */
export function bindBinder(ctx: NameContext, binder: Binder, scope: Scope, seen = new Map<string, Ident>()): void {
  if (binder.kind === "tupleBinder") {
    for (const element of binder.elements) bindBinder(ctx, element, scope, seen);
    return;
  }
  ctx.isFirst(seen, binder);
  bindLocal(ctx, binder, scope);
}
export function bindLocal(ctx: NameContext, ident: Ident, scope: Scope): void {
  const binding: Binding = { kind: "local", ident };
  scope.bind(ident.name, binding);
  ctx.set(ident, binding);
}

// ---- calls: what a bare name means depends on the argument it stands for ----
function resolveCall(ctx: NameContext, call: CallExpr, scope: Scope, piped: number): void {
  resolveExpr(ctx, call.callee, scope);
  const callee = call.callee.kind === "name" ? ctx.bindings.get(call.callee) : undefined;
  // What a bare name means to a callee that is not known is not known either: one mistake, not two.
  const isLost = call.callee.kind === "name" && callee === undefined;
  const senseOf = isLost ? (): ArgumentSense => "word" : sensesOf(callee);
  let position = piped;
  for (const arg of call.args) {
    resolveArg(ctx, arg, senseOf(position, arg.name?.name ?? null), scope);
    if (!arg.name) position += 1;
  }
}

/** For calls whose callee is not known by its name (a part, a value), the argument's name decides. */
const senseByName = (name: string | null): ArgumentSense => (name === "over" || name === "axis" ? "axes" : "value");

function sensesOf(callee: Binding | undefined): (position: number, name: string | null) => ArgumentSense {
  if (callee?.kind === "builtin") return (position, name) => argumentSense(callee.builtin, position, name);
  const params = paramsOf(callee);
  if (!params) return (_, name) => senseByName(name);
  return (position, name) => {
    const param = name === null ? params[position] : params.find((one) => one.name.name === name);
    return param?.type.kind === "namedType" && param.type.name.name === "Axes" ? "axes" : "value";
  };
}
function paramsOf(callee: Binding | undefined): readonly Param[] | undefined {
  if (callee?.kind === "method") return callee.fn.signature.params;
  if (callee?.kind !== "item") return undefined;
  const { item } = callee;
  if (item.kind === "fn" || item.kind === "loss") return item.signature.params;
  return "params" in item ? item.params : undefined;
}

export function resolveArg(ctx: NameContext, arg: Arg, sense: ArgumentSense, scope: Scope): void {
  if (arg.row && arg.value.kind === "name") useRow(ctx, arg.value, scope);
  else resolveSensed(ctx, arg.value, sense, scope);
  for (const alternative of arg.alternatives) resolveExpr(ctx, alternative, scope);
}

function resolveSensed(ctx: NameContext, expr: Expr, sense: ArgumentSense, scope: Scope): void {
  if (sense === "axes" && expr.kind === "name") useAxis(ctx, expr, scope);
  else if (sense === "axes" && expr.kind === "bracket") for (const element of expr.elements) resolveAxesElement(ctx, element, scope);
  else if (sense === "word" && expr.kind === "name") return;
  else resolveExpr(ctx, expr, scope);
}

/** An entry of axes: a row, an axis by its name, or an axis with a size. */
function resolveAxesElement(ctx: NameContext, element: Axis, scope: Scope): void {
  if (element.kind === "rowAxis") useRow(ctx, element.name, scope);
  else if (element.name === null && element.value.kind === "name") useAxis(ctx, element.value, scope);
  else resolveExpr(ctx, element.value, scope);
}
/** An entry of brackets that may be a list or axes: `...b` tells that they are axes, a name must be known. */
function resolveElement(ctx: NameContext, element: Axis, scope: Scope): void {
  if (element.kind === "rowAxis") useRow(ctx, element.name, scope);
  else resolveExpr(ctx, element.value, scope);
}

/** A name where an axis is meant: an `Axes` parameter, a number in scope that is that axis's size, or simply the axis. */
function useAxis(ctx: NameContext, node: NameRef, scope: Scope): void {
  const found = scope.value(node.name);
  const isMeant =
    found &&
    (found.kind === "param" ||
      found.kind === "local" ||
      found.kind === "sizeVariable" ||
      (found.kind === "builtin" && found.builtin.name === "batch"));
  ctx.set(node, isMeant ? found : { kind: "axis", name: node.name });
}
function useRow(ctx: NameContext, node: NameRef | Ident, scope: Scope): void {
  ctx.use(node, scope.row(node.name), scope, () => scope.rowNames());
}

// ---- indices and paths ----
export function resolveIndices(ctx: NameContext, indices: readonly IndexItem[], scope: Scope, areAxes = false): void {
  for (const index of indices) {
    if (!index.value) continue;
    if (index.row && index.value.kind === "name") useRow(ctx, index.value, scope);
    else if (areAxes && !index.name && index.value.kind === "name") ctx.set(index.value, { kind: "axis", name: index.value.name });
    else resolveExpr(ctx, index.value, scope);
  }
}
/** `gradcheck f(x: real[n: 3, c])` writes a type where an expression stands. */
function isTypeName(ctx: NameContext, base: Expr): boolean {
  const binding = base.kind === "name" ? ctx.bindings.get(base) : undefined;
  return binding?.kind === "builtin" && binding.builtin.kind === "type";
}

/** The numbers in a path of parts; the part names are for whoever knows the model. */
export function resolvePath(ctx: NameContext, path: PartPath, scope: Scope): void {
  for (const segment of path.segments) {
    resolveIndices(ctx, segment.indices, scope);
    if (segment.head.kind === "oneOf") for (const inner of segment.head.paths) resolvePath(ctx, inner, scope);
  }
}
