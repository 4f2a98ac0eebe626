import type { Block } from "../ast.ts";
import type { Span } from "../span.ts";
import { printSize } from "../types/printSize.ts";
import { describeType, isSilent, type Type } from "../types/type.ts";
import type { Obligation } from "../types/unify.ts";
import { walk } from "../walk.ts";
import { setFunctionCheck } from "./calls.ts";
import { evaluate } from "./expressions.ts";
import { bodyScope, type FunctionInfo } from "./functions.ts";
import { assign, CallState } from "./match.ts";
import { reportMismatch } from "./mismatch.ts";
import { type ModuleInfo, setModuleBodyCheck } from "./modules.ts";
import { assignResult, checkResult } from "./results.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { runBlock } from "./statements.ts";

// Bodies of functions and modules, for all sizes: what they return against what they declare, and what they ask of their callers.

/** True when the parser left something out of a body: then nothing is said about what is missing in it. */
export function isBroken(block: Block): boolean {
  let broken = false;
  walk(block, (node) => {
    if (node.kind === "error") broken = true;
    return !broken;
  });
  return broken;
}

setFunctionCheck((session, info, item) => checkFunction(session, info, item.name.span));

/** The body of a function, for all sizes: what it returns against what it declares. */
function checkFunction(session: Session, info: FunctionInfo, nameSpan: Span, stateNames?: ReadonlySet<string>): void {
  const { unifier } = session;
  const before = unifier.obligations.length;
  checkBodyOf(session, info, nameSpan, stateNames);
  const seen = new Set<string>();
  for (const obligation of settle(session, info.name, before)) {
    const key = `${obligation.left.key} = ${obligation.right.key}`;

    if (!seen.has(key) && seen.size < mostObligations) info.obligations.push(obligation);
    seen.add(key);
  }
}
const mostObligations = 32;

/** Looks again at equations that were not decided where they arose: false ones are reported, those still open returned. */
function settle(session: Session, name: string, from: number): Obligation[] {
  const { unifier } = session;
  return unifier.obligationsSince(from).flatMap((obligation) => {
    const [left, right] = [unifier.size(obligation.left), unifier.size(obligation.right)];
    const verdict = unifier.compare(left, right);
    if (verdict === "differ" && obligation.origin) {
      const equation = `${printSize(obligation.left)} = ${printSize(obligation.right)}`;
      session.report("shape/unmet", obligation.origin, { callee: name, equation, left: printSize(left), right: printSize(right) });
    }
    return verdict === "open" ? [{ left, right, origin: obligation.origin }] : [];
  });
}

function checkBodyOf(session: Session, info: FunctionInfo, nameSpan: Span, stateNames?: ReadonlySet<string>): void {
  const scope = bodyScope(info);
  checkDefaults(session, info.params, scope);
  if (info.body.kind !== "block") return;
  const inner = stateNames ? scope.child({}, { ...info.bodyContext, stateNames }) : scope;
  const result = runBlock(info.body, inner);
  if (!result.ends && !isBroken(info.body)) {
    const some = result.returns.length > 0 ? " on every path" : "";
    session.report(
      "body/no-return",
      nameSpan,
      { what: info.what === "module" ? "this `forward`" : `\`${info.name}\`` },
      some ? { help: "one path ends without a `return`" } : {},
    );
  }
  if (!info.result || !info.resultNode) return;
  for (const { type, span } of result.returns) checkResult(session, info.result, type, span, info.resultNode.span);
  undeterminedResult(
    session,
    info,
    result.returns.map((r) => r.type),
  );
}

// A size that only the result names must be said by the body.
function undeterminedResult(session: Session, info: FunctionInfo, returned: readonly Type[]): void {
  if (returned.length === 0 || returned.some((t) => isSilent(t))) return;
  for (const [id, { name, node }] of info.declared.fromBody) {
    if (name.startsWith("...") || session.unifier.isSolved(id)) continue;
    const solvable = info.declared.sizes.get(name);
    const known = returned.every((t) => t.kind === "int" || t.kind === "realNumber");
    if (solvable && known)
      session.report(
        "shape/not-determined",
        node.span,
        { size: name },
        { help: `a size is named by an axis of a parameter, or by a parameter \`${name}: Dim\`` },
      );
  }
}

export function checkDefaults(session: Session, params: FunctionInfo["params"], scope: Scope): void {
  for (const param of params) {
    if (!param.default || param.type.kind === "axes") continue;
    const type = evaluate(param.default, scope);
    // What a default is says nothing of the value that the body is checked for: it may be any.
    const want = param.type.kind === "optional" ? param.type.of : param.type;
    if (type.kind === "none" && param.type.kind === "optional") continue;
    if ((want.kind === "int" && type.kind === "int") || (want.kind === "bool" && type.kind === "bool")) continue;
    const state = new CallState(session, new Set());
    state.isMaybe = true; // a default asks nothing of the calls that give something else
    const problem = assign(state, want, type);
    if (problem && problem.kind !== "size") {
      reportMismatch(session, problem, {
        span: param.default.span,
        have: type,
        want: param.type,
        name: param.name,
        declaredAt: param.span,
        callee: null,
      });
    }
  }
}

function checkModuleBodies(session: Session, info: ModuleInfo): void {
  const states = new Set(info.item.members.flatMap((m) => (m.kind === "leaf" && m.role === "state" ? [m.name.name] : [])));
  checkDefaults(session, info.params, info.scope);
  for (const member of info.item.members) {
    if (member.kind === "leaf") {
      if (member.when) condition(session, member.when, info.scope);
      if (member.init) checkInitial(session, info.members.get(member.name.name), member, info.scope);
    } else if (member.kind === "part") {
      if (member.when) condition(session, member.when, info.scope);
    } else if (member.kind === "fn") {
      const method = info.functions.get(member.name.name);
      if (method) checkFunction(session, method, member.name.span, states);
    }
  }
  const forward = info.item.members.find((m) => m.kind === "forward");
  if (info.forward && forward) checkFunction(session, info.forward, forward.signature.span, states);
}
setModuleBodyCheck(checkModuleBodies);

export function condition(session: Session, expr: Parameters<typeof evaluate>[0], scope: Scope): void {
  const type = evaluate(expr, scope);
  if (isSilent(type) || type.kind === "bool") return;
  session.report("type/mismatch", expr.span, { found: describeType(type), expected: "a condition" });
}

/** The starting value of a leaf or state: a number for all elements, or a tensor of its axes. */
export function checkInitial(
  session: Session,
  want: Type | undefined,
  leaf: { readonly init: Parameters<typeof evaluate>[0] | null; readonly name: { readonly name: string; readonly span: Span } },
  scope: Scope,
): void {
  if (!leaf.init || !want) return;
  const have = evaluate(leaf.init, scope);
  if (have.kind === "list") return;
  if (want.kind === "tensor" && have.kind === "tensor") {
    checkResult(session, want, have, leaf.init.span, leaf.name.span);
    return;
  }
  const problem = assignResult(session, want, have);
  if (problem)
    reportMismatch(session, problem, {
      span: leaf.init.span,
      have,
      want,
      name: leaf.name.name,
      declaredAt: leaf.name.span,
      callee: null,
    });
}
