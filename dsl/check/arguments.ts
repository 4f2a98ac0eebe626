import type { Arg, Expr } from "../ast.ts";
import { meantArgument } from "../foreignNames.ts";
import type { Span } from "../span.ts";
import type { Type } from "../types/type.ts";
import { axesOf } from "./axes.ts";
import { evaluate } from "./expressions.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
// The arguments of a call, unread until it is known what they mean, and which parameter each belongs to.

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
      const extra = meantArgument(name, params, arg.nameSpan, known === "" ? "it takes none" : `it takes ${known}`);
      session.report("call/unknown-argument", arg.nameSpan, { callee, name }, extra);
      argType(arg);
      onUnknown?.();
    } else if (byName.has(name)) {
      session.report("call/duplicate-argument", arg.name === null ? arg.span : arg.nameSpan, { name });
    } else byName.set(name, arg);
  }
  return byName;
}
