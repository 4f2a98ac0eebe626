import type { Block, BracketExpr, Expr, IfExpr, ListComp } from "../ast.ts";
import { builtins } from "../builtins.ts";
import type { DiagnosticExtra } from "../diagnostics.ts";
import { meant } from "../nearest.ts";
import type { Span } from "../span.ts";
import { anySize, constantOf, constantSize, isAny, type Size, subtractSizes, wholeOf } from "../types/size.ts";
import { bool, describeType, errorType, int, intType, isSilent, mapType, printType, type Type, unknownType } from "../types/type.ts";
import { argType, readArgs, typeArg } from "./arguments.ts";
import { callType, forgetOpen } from "./calls.ts";
import { fileScope } from "./globals.ts";
import { checkHoles } from "./holes.ts";
import { indexed } from "./indexing.ts";
import { join } from "./join.ts";
import { memberOf } from "./modules.ts";
import { binaryType, negated, notOf } from "./operators.ts";
import { promptField } from "./prompts.ts";
import { bind, type Scope, sizeOfNumber } from "./scope.ts";
import { runBlock } from "./statements.ts";
import { tableField } from "./tables.ts";
import { tappedField, watchType } from "./watch.ts";

// The type of an expression. Whatever is not modelled is unknown, and nothing is said about it.

export function evaluate(expr: Expr, scope: Scope): Type {
  const { session } = scope;
  return session.record(
    expr,
    session.within(expr.span, () => typeOf(expr, scope)),
  );
}

function typeOf(expr: Expr, scope: Scope): Type {
  switch (expr.kind) {
    case "number":
      return Number.isInteger(expr.value) && Number.isSafeInteger(expr.value) && !/[.e]/i.test(expr.text)
        ? int(constantSize(expr.value))
        : { kind: "realNumber", value: decimal(expr.text) };
    case "string":
      checkHoles(expr, scope);
      return { kind: "textValue", text: expr.value };
    case "bool":
      return bool(constantSize(expr.value ? 1 : 0));
    case "none":
      return { kind: "none" };
    case "pattern":
      return { kind: "pattern" };
    case "error":
      return errorType;
    case "name":
      return scope.lookup(expr.name) ?? notAValue(expr.name, expr.span, scope);
    case "tuple":
      return { kind: "tuple", elements: expr.elements.map((e) => evaluate(e, scope)) };
    case "bracket":
      return bracketType(expr, scope);
    case "listComp":
      return comprehension(expr, scope);
    case "record":
      return {
        kind: "record",
        name: null,
        fields: new Map(
          expr.fields.map((f) => [f.name.name, f.value ? evaluate(f.value, scope) : (scope.lookup(f.name.name) ?? errorType)]),
        ),
      };
    case "ifExpr":
      return ifType(expr, scope);
    case "fnExpr":
      return { kind: "closure", node: expr, scope };
    case "unary": {
      const operand = evaluate(expr.operand, scope);
      return expr.op === "-" ? negated(operand, expr.operand.span, scope) : notOf(operand, expr.operand.span, scope);
    }
    case "binary":
      return binaryType(expr, scope);
    case "pipe": {
      const value = evaluate(expr.value, scope);
      const target = expr.target.kind === "call" ? expr.target : null;
      const callee = calleeType(target ? target.callee : expr.target, scope);
      const args = [typeArg(value, expr.value.span), ...(target ? readArgs(target.args, scope) : [])];
      const result = callee.kind === "error" ? silently(args.map(argType)) : callType(callee, args, expr.target.span, scope);
      if (target) record(scope, target, result);
      return result;
    }
    case "range": {
      const from = evaluate(expr.from, scope);
      const to = expr.to ? evaluate(expr.to, scope) : null;
      for (const [end, type] of [
        [expr.from, from],
        [expr.to, to],
      ] as const) {
        if (!end || !type || !["builtin", "function", "moduleKind", "module", "textValue", "record"].includes(type.kind)) continue;
        scope.session.report("type/mismatch", end.span, { found: describeType(type), expected: "a number" });
      }
      const [a, b] = [sizeOfNumber(from), to ? sizeOfNumber(to) : null];
      return {
        kind: "range",
        from: a ?? anySize(),
        to: to ? (b ?? anySize()) : null,
        whole: from.kind === "int" && (to === null || to.kind === "int"),
        ...uncounted([
          [expr.from, from],
          [expr.to, to],
        ]),
      };
    }
    case "call": {
      const callee = calleeType(expr.callee, scope);
      const args = readArgs(expr.args, scope);
      if (callee.kind === "error") {
        for (const arg of args) if (!arg.row && arg.name === null && !isAxisLike(arg.source)) argType(arg);
        return errorType;
      }
      return callType(callee, args, expr.span, scope);
    }
    case "index":
      return indexed(expr, evaluate(expr.base, scope), scope);
    case "field":
      return fieldType(evaluate(expr.base, scope), expr.name.name, expr.name.span, scope);
    case "watch":
      return watchType(expr, scope);
    case "with": {
      const base = evaluate(expr.base, scope);
      const changes = evaluate(expr.changes, scope);
      if (base.kind !== "record" || changes.kind !== "record") return unknownType;
      for (const field of expr.changes.fields) {
        if (!base.fields.has(field.name.name)) fieldType(base, field.name.name, field.name.span, scope);
      }
      return { ...base, fields: new Map([...base.fields, ...changes.fields]) };
    }
    default:
      return expr satisfies never;
  }
}
const notValues: Readonly<Record<string, string>> = {
  train: "a `train` block",
  evaluate: "an `evaluate` block",
  type: "a type",
  step: "a step",
  keys: "a `keys` block",
};
/** A name that is there, but stands for no value. What no name means is reported with the names. */
function notAValue(name: string, span: Span, scope: Scope): Type {
  const kind = scope.session.lookup(scope.file, name)?.item.kind;
  const words = (kind && notValues[kind]) ?? (builtins.get(name)?.kind === "type" ? "a type" : undefined);
  if (words) scope.session.report("name/wrong-kind", span, { name, kind: words, expected: "a value" });
  return errorType;
}
const isAxisLike = (source: { readonly kind: string; readonly expr?: Expr }) =>
  source.kind === "expr" && (source.expr?.kind === "bracket" || source.expr?.kind === "name");
const notCallable: ReadonlySet<string> = new Set(["int", "realNumber", "bool", "tensor", "record", "textValue"]);
/** What is called. A local value that cannot be called does not hide a function of its name. */
export function calleeType(expr: Expr, scope: Scope): Type {
  const type = evaluate(expr, scope);
  if (expr.kind !== "name" || !notCallable.has(type.kind)) return type;
  const outer = fileScope(scope.session, scope.file).lookup(expr.name);
  return outer && !notCallable.has(outer.kind) && outer.kind !== "unknown" ? scope.session.record(expr, outer) : type;
}
function record(scope: Scope, expr: Expr, type: Type): void {
  scope.session.record(expr, type);
}
function silently(types: readonly Type[]): Type {
  void types;
  return errorType;
}

/** A decimal as an exact fraction where it is short (`0.5`), so that sizes may be computed with it. */
function decimal(text: string): Size {
  const match = /^(\d{1,6})\.(\d{1,6})$/.exec(text.replaceAll("_", ""));
  if (!match) return anySize();
  const scale = 10n ** BigInt(match[2]!.length);
  const n = BigInt(match[1]! + match[2]!);
  const g = gcd(n, scale);
  return constantSize({ n: n / g, d: scale / g });
}
function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? (a === 0n ? 1n : a) : gcd(b, a % b);
}

/** A body that is an expression, or a block with a result. */
export function evaluateBody(body: Expr | Block, scope: Scope): Type {
  if (body.kind !== "block") return evaluate(body, scope);
  const { type } = runBlock(body, scope);
  if (type) return type;
  scope.session.report("body/no-return", body.span, { what: "this block" });
  return errorType;
}

// ---- lists -------------------------------------------------------------------------------------------------------------------------------
const mostElements = 64;

function bracketType(expr: BracketExpr, scope: Scope): Type {
  const elements: Type[] = [];
  let known = true;
  for (const element of expr.elements) {
    if (element.kind === "rowAxis" || element.name !== null) {
      known = false; // axes: read where they are used
      continue;
    }
    const { value } = element;
    if (value.kind === "ifExpr" && value.otherwise === null) {
      // An element that may be absent.
      const condition = conditionOf(value.condition, scope);
      const truth = condition && constantOf(condition);
      const type = evaluateBody(value.then, presentIn(value.condition, true, scope));
      if (truth?.n === 1n) elements.push(type);
      else if (truth?.n !== 0n) {
        elements.push(type);
        known = false;
      }
      continue;
    }
    elements.push(evaluate(value, scope));
  }
  const element = elements.length === 0 ? unknownType : elements.reduce((a, b) => join(scope.session, a, b, anySize()));
  return {
    kind: "list",
    element: elements.length > 1 ? forgotten(element) : element,
    elements: known ? elements : null,
    length: known ? constantSize(elements.length) : anySize(),
  };
}
/** A type that stands for several elements at once: what is still to be found may differ between them. */
export function forgotten(type: Type): Type {
  return mapType(type, { size: forgetOpen, row: (row) => [{ kind: "row", row }] });
}

function comprehension(expr: ListComp, scope: Scope): Type {
  const over = evaluate(expr.over, scope);
  checkCounted(over, scope);
  const elements = elementsOf(over);
  if (isSilent(over)) {
    const inner = bind(expr.binder, unknownType, scope);
    if (expr.where) evaluate(expr.where, inner);
    return { kind: "list", element: forgotten(evaluateBody(expr.body, inner)), elements: null, length: anySize() };
  }
  if (elements && elements.length <= mostElements && elements.length > 0 && !expr.where) {
    const types = elements.map((element) => evaluateBody(expr.body, bind(expr.binder, element, scope)));
    const element = types.reduce((a, b) => join(scope.session, a, b, anySize()));
    return { kind: "list", element: types.length > 1 ? forgotten(element) : element, elements: types, length: constantSize(types.length) };
  }
  const element = elementOf(over);
  if (element === null) {
    scope.session.report(
      "type/mismatch",
      expr.over.span,
      { found: describeType(over), expected: "a list or a range of whole numbers" },
      rangeHelp(over, expr.over.span),
    );
    evaluateBody(expr.body, bind(expr.binder, errorType, scope));
    return errorType;
  }
  const inner = bind(expr.binder, element, scope);
  if (expr.where) conditionOf(expr.where, inner);
  return {
    kind: "list",
    element: forgotten(evaluateBody(expr.body, inner)),
    elements: null,
    length: expr.where ? anySize() : lengthOf(over),
  };
}

/** The end of a range that nothing can count to: a tensor, or a number that need not be whole. */
function uncounted(ends: readonly (readonly [Expr | null, Type | null])[]): {
  readonly uncounted?: { readonly span: Span; readonly type: Type };
} {
  for (const [end, type] of ends) {
    if (!end || !type) continue;
    const isTensor = type.kind === "tensor" && !(type.time === "host" && type.axes.length === 0);
    const isReal = type.kind === "realNumber" && (isAny(type.value) || (constantOf(type.value)?.d ?? 1n) !== 1n);
    if (isTensor || isReal) return { uncounted: { span: end.span, type } };
  }
  return {};
}
/** Reports a loop over a range whose end is no number that can be counted to. */
export function checkCounted(over: Type, { session }: Scope): void {
  if (over.kind !== "range" || !over.uncounted) return;
  const { span, type } = over.uncounted;
  if (type.kind !== "tensor") session.report("type/mismatch", span, { found: describeType(type), expected: "a whole number" });
  else
    session.report(
      "time/host-value-needed",
      span,
      { what: "the end of a loop" },
      { label: type.time === "host" ? `one for each sample (\`${printType(type)}\`)` : `device value (\`${printType(type)}\`)` },
    );
}
/** A number where a loop's list should stand: it counts up to it. */
export function rangeHelp(over: Type, span: Span): Pick<DiagnosticExtra, "help" | "fix"> {
  if (over.kind !== "int") return {};
  return { help: "a loop that counts runs over a range: `0..4`", fix: { span: { ...span, end: span.start }, text: "0.." } };
}

/** The elements of a short list or range, one by one. */
export function elementsOf(type: Type): readonly Type[] | null {
  if (type.kind === "list") return type.elements;
  if (type.kind === "optional") return elementsOf(type.of);
  if (type.kind !== "range" || !type.whole || !type.to) return null;
  const [from, to] = [wholeOf(type.from), wholeOf(type.to)];
  if (from === undefined || to === undefined || to - from > mostElements || to < from) return null;
  return Array.from({ length: to - from }, (_, i) => int(constantSize(from + i)));
}
/** What any element of a list or range is; null for what is neither. */
export function elementOf(type: Type): Type | null {
  switch (type.kind) {
    case "list":
      return type.element;
    case "range":
      return intType;
    case "optional":
      return elementOf(type.of);
    case "unknown":
    case "error":
    case "tuple":
    case "dataset":
      return unknownType;
    case "tensor":
      return type.time === "host" || type.dtype === "text" ? unknownType : null;
    default:
      return null;
  }
}
export function lengthOf(type: Type): Size {
  if (type.kind === "list") return type.length;
  return type.kind === "range" && type.to ? subtractSizes(type.to, type.from) : anySize();
}

// ---- choices -----------------------------------------------------------------------------------------------------------------------------
/** The condition of an `if` or a loop's filter; a device value there is a mistake. Null: not a condition, and reported. */
export function conditionOf(expr: Expr, scope: Scope, isRequired = false): Size | null {
  const type = evaluate(expr, scope);
  switch (type.kind) {
    case "bool":
      return type.truth;
    case "optional": {
      if (type.of.kind === "bool" || isSilent(type.of) || type.of.kind === "tensor") return anySize();
      const help = `whether it is there: \`has(${scope.session.textOf(expr.span)})\``;
      scope.session.report("type/mismatch", expr.span, { found: describeType(type), expected: "a condition" }, { help });
      return null;
    }
    case "tensor": {
      if (type.time === "host" && type.axes.length === 0) return anySize();
      if (type.dtype !== "bool") break;
      const text = scope.session.textOf(expr.span);
      const wait =
        scope.body.kind === "step" || scope.body.kind === "evaluate"
          ? `; or wait for it once: \`${isRequired ? "require" : "if"} read(${type.axes.length > 0 ? `any(${text})` : text})\``
          : "";
      const help =
        type.time === "host"
          ? "one condition for all samples: `any(…)` or `all(…)`; `where` chooses values sample by sample"
          : `\`where\` chooses values${wait}.`;
      const label =
        type.time === "host" ? `one condition for each sample (\`${printType(type)}\`)` : `device value (\`${printType(type)}\`)`;
      scope.session.report("time/host-value-needed", expr.span, { what: "a tensor cannot choose a graph: the condition" }, { label, help });
      return null;
    }
    case "error":
    case "unknown":
      return anySize();
    default:
      break;
  }
  if (type.kind === "tensor" && type.time === "device") {
    const help = "compare it: `where(x > 0, …, …)` chooses values";
    scope.session.report("type/mismatch", expr.span, { found: describeType(type), expected: "a condition" }, { help });
    return null;
  }
  scope.session.report("type/mismatch", expr.span, { found: describeType(type), expected: "a condition" });
  return null;
}

function ifType(expr: IfExpr, scope: Scope): Type {
  const truth = conditionOf(expr.condition, scope);
  const inner = mentionsTraining(expr.condition) ? scope.child({}, { ...scope.body, training: true }) : scope;
  const known = truth && knownTruth(truth, scope);
  const branch = (body: Expr | Block, holds: boolean) =>
    taken(known, holds, scope, () => evaluateBody(body, presentIn(expr.condition, holds, inner)));
  const then = branch(expr.then, true);
  const otherwise = expr.otherwise ? branch(expr.otherwise, false) : unknownType;
  if (truth === null) return errorType;
  if (scope.session.isQuiet && expr.otherwise && known !== undefined) return known ? then : otherwise;
  return join(scope.session, then, otherwise, truth);
}
/** Whether a condition holds, where that is known. */
export function knownTruth(truth: Size, scope: Scope): boolean | undefined {
  const constant = constantOf(scope.session.unifier.size(truth));
  return constant && constant.n !== 0n;
}
/** Looks at a branch. In a body that is looked at for one call, a branch that this call never takes is no concern of it. */
export function taken<T>(known: boolean | null | undefined, holds: boolean, { session }: Scope, run: () => T): T {
  return session.isQuiet && known === !holds ? session.ignoring(run) : run();
}
/**
 * The scope of the branch that is taken where a condition holds, or where it does not: what `has` asks for is present there. Where it is known
 * to be absent the branch is never taken, and its value is not followed.
 */
export function presentIn(condition: Expr, holds: boolean, scope: Scope): Scope {
  if (condition.kind === "unary" && condition.op === "not") return presentIn(condition.operand, !holds, scope);
  if (condition.kind === "binary" && condition.op === (holds ? "and" : "or"))
    return presentIn(condition.right, holds, presentIn(condition.left, holds, scope));
  if (!holds || condition.kind !== "call" || condition.callee.kind !== "name" || condition.callee.name !== "has") return scope;
  const value = condition.args[0]?.value;
  if (value?.kind !== "name") return scope;
  const type = scope.lookup(value.name);
  if (type?.kind === "none") return scope.with(value.name, unknownType);
  return type?.kind === "optional" ? scope.with(value.name, type.of) : scope;
}
/** True when a condition asks whether the model is trained. */
export function mentionsTraining(expr: Expr): boolean {
  switch (expr.kind) {
    case "name":
      return expr.name === "training";
    case "unary":
      return mentionsTraining(expr.operand);
    case "binary":
      return mentionsTraining(expr.left) || mentionsTraining(expr.right);
    default:
      return false;
  }
}

// ---- fields ------------------------------------------------------------------------------------------------------------------------------
export function fieldType(base: Type, name: string, span: Span, scope: Scope): Type {
  const { session: checker } = scope;
  switch (base.kind) {
    case "error":
    case "unknown":
      return base;
    case "optional":
      return fieldType(base.of, name, span, scope);
    case "module":
      return memberOf(base, name, span, scope);
    case "prompt":
      return promptField(base, name, span, scope);
    case "tapped":
      return tappedField(base, name, span, scope);
    case "table":
      return tableField(base, name, span, checker);
    case "record": {
      const field = base.fields.get(name);
      if (field) return field;
      const known = [...base.fields.keys()];
      const all = known.length === 0 ? "it has no fields" : `it has ${known.map((k) => `\`${k}\``).join(", ")}`;
      checker.report(
        "type/no-field",
        span,
        { what: base.name === null ? "this record" : base.name.startsWith("the ") ? base.name : `\`${base.name}\``, name },
        meant(name, known, span, all),
      );
      return errorType;
    }
    case "tensor":
      if (base.dtype === "text" || base.time === "host") return unknownType;
      checker.report(
        "type/no-field",
        span,
        { what: `a tensor (\`${printType(base)}\`)`, name },
        { help: "a tensor is indexed by the names of its axes: `x[axis: 0]`" },
      );
      return errorType;
    case "list":
      checker.report(
        "type/no-field",
        span,
        { what: `a list (\`${printType(base)}\`)`, name },
        { help: "an element of a list is `list[0]`; a comprehension goes over all: `[for e in list: …]`" },
      );
      return errorType;
    case "int":
    case "realNumber":
    case "bool":
    case "function":
    case "closure":
    case "builtin":
    case "schedule":
    case "scheduleKind":
      checker.report("type/no-field", span, { what: describeType(base), name });
      return errorType;
    case "moduleKind":
      checker.report(
        "type/no-field",
        span,
        { what: describeType(base), name },
        { help: `parts belong to an instance: \`${base.item.name.name}(…)\`` },
      );
      return errorType;
    default:
      return unknownType;
  }
}
