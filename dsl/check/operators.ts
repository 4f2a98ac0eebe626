import type { BinaryExpr } from "../ast.ts";
import type { Span } from "../span.ts";
import {
  addSizes,
  andTests,
  anySize,
  constantOf,
  divideSizes,
  equalTest,
  isAny,
  lessTest,
  multiplySizes,
  negateSize,
  notTest,
  orTests,
  powerSize,
  type Size,
  subtractSizes,
  wholeOf,
} from "../types/size.ts";
import {
  type AxisItem,
  bool,
  boolType,
  type DType,
  describeType,
  errorType,
  int,
  isSilent,
  printType,
  type TensorType,
  type Type,
  tensor,
  unknownType,
} from "../types/type.ts";
import { evaluate } from "./expressions.ts";
import { commonDType } from "./join.ts";
import { showAxes } from "./match.ts";
import { reportAlign } from "./mismatch.ts";
import type { Scope } from "./scope.ts";

// Elementwise operators: host numbers compute with what is known of them; tensors align by the names of their axes.

export interface Operand {
  readonly type: Type;
  readonly span: Span;
}

/** A schedule stands for its number now where there is a now: functions take the number as an argument. */
export function scheduleStands(span: Span, { body, session }: Scope): boolean {
  if (body.kind !== "fn" && body.kind !== "loss" && body.kind !== "forward") return true;
  const help = "apply it, as `s(0.5)`, or let the step pass its number as an argument";
  const place = body.kind === "forward" ? "a module's `forward`" : `a \`${body.kind}\``;
  session.report("effect/not-here", span, { what: "the value of a schedule", place }, { help });
  return false;
}

/** An operand as a tensor, a host number or a condition; null after reporting that it is none of them. */
export function asNumeric(operand: Operand, scope: Scope): Type | null {
  const { type } = operand;
  switch (type.kind) {
    case "tensor":
      if (type.dtype === "text") break;
      return type;
    case "int":
    case "realNumber":
    case "bool":
      return type;
    case "schedule":
    case "scheduleKind":
      return scheduleStands(operand.span, scope) ? { kind: "realNumber", value: anySize() } : errorType;
    case "optional":
      return asNumeric({ ...operand, type: type.of }, scope);
    case "error":
    case "unknown":
      return type;
    case "list":
      return unknownType;
    default:
      break;
  }
  const help =
    type.kind === "moduleKind" ? { help: `\`${type.item.name.name}(…)\` makes an instance, which is then called with a tensor` } : {};
  scope.session.report("type/mismatch", operand.span, { found: describeType(type), expected: "a number or a tensor" }, help);
  return null;
}

const isHost = (type: Type) => type.kind === "int" || type.kind === "realNumber" || type.kind === "bool";
/** The common axes of several operands; null after reporting, undefined where it cannot be said. */
function alignAll(operands: readonly Operand[], scope: Scope): readonly AxisItem[] | null | undefined {
  let axes: readonly AxisItem[] = [];
  let from: Operand | null = null;
  let uncertain = false;
  for (const operand of operands) {
    if (operand.type.kind !== "tensor") continue;
    if (!from) {
      [axes, from] = [operand.type.axes, operand];
      continue;
    }
    const aligned = scope.session.unifier.align(axes, operand.type.axes);
    if (aligned.kind === "problem") {
      reportAlign(scope.session, aligned.problem, {
        span: operand.span,
        left: axes,
        right: operand.type.axes,
        leftSpan: from.span,
        leftLabel: showAxes(scope.session.unifier.axes(axes)),
      });
      return null;
    }
    if (aligned.kind === "uncertain") uncertain = true;
    else {
      if (aligned.axes.length > axes.length) from = operand;
      axes = aligned.axes;
    }
  }
  return uncertain ? undefined : axes;
}

/** The result of an elementwise operation on operands of which at least one is a tensor. */
export function elementwise(operands: readonly Operand[], dtype: (types: readonly Type[]) => DType, scope: Scope): Type {
  const types = operands.map((o) => asNumeric(o, scope));
  if (types.some((t) => t === null || t.kind === "error")) return errorType;
  const numeric = types.map((type, i) => ({ type: type!, span: operands[i]!.span }));
  const axes = alignAll(numeric, scope);
  if (axes === null) return errorType;
  if (axes === undefined || types.some((t) => t!.kind === "unknown")) return unknownType;
  const time = types.every((t) => isHost(t!) || (t as TensorType).time === "host") ? "host" : "device";
  return tensor(dtype(types as Type[]), axes, time);
}

/** The dtype of arithmetic: literals adapt to the tensors. */
export function arithmeticDType(types: readonly Type[]): DType {
  const tensors = types.filter((t): t is TensorType => t.kind === "tensor");
  const common = tensors.map((t) => t.dtype).reduce(commonDType);
  const real = types.some((t) => t.kind === "realNumber");
  if (common === "bool") return real ? "real" : "i32";
  return common === "i32" && real ? "real" : common;
}
const comparisons: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);

export function binaryType(expr: BinaryExpr, scope: Scope): Type {
  const left = { type: evaluate(expr.left, scope), span: expr.left.span };
  const right = { type: evaluate(expr.right, scope), span: expr.right.span };
  const { op } = expr;
  if (op === "and" || op === "or") return logicType(op, left, right, scope);
  if (op === "==" || op === "!=") {
    const free = ["textValue", "none", "optional", "path", "bool", "distribution"];
    if (free.includes(left.type.kind) || free.includes(right.type.kind)) {
      if (left.type.kind === "tensor" || right.type.kind === "tensor") return textComparison(left.type, right.type);
      if (left.type.kind !== "int" && left.type.kind !== "realNumber") return boolType;
    }
    if (left.type.kind === "tensor" && left.type.dtype === "text") return textComparison(left.type, right.type);
  }
  const [a, b] = [asNumeric(left, scope), asNumeric(right, scope)];
  if (!a || !b || a.kind === "error" || b.kind === "error") return errorType;
  if (a.kind === "unknown" || b.kind === "unknown") return unknownType;
  if (isHost(a) && isHost(b)) return hostType(op, a, b);
  const dtype = (types: readonly Type[]): DType => {
    if (comparisons.has(op)) return "bool";
    const common = arithmeticDType(types);
    return op === "/" && common === "i32" ? "real" : common;
  };
  return elementwise(
    [
      { ...left, type: a },
      { ...right, type: b },
    ],
    dtype,
    scope,
  );
}
function textComparison(a: Type, b: Type): Type {
  const side = a.kind === "tensor" ? a : b.kind === "tensor" ? b : null;
  return side ? tensor("bool", side.axes, side.dtype === "text" ? "host" : side.time) : boolType;
}

function hostType(op: BinaryExpr["op"], a: Type, b: Type): Type {
  const [x, y] = [valueIn(a), valueIn(b)];
  const whole = a.kind !== "realNumber" && b.kind !== "realNumber";
  const number = (value: Size): Type => (whole ? int(value) : { kind: "realNumber", value });
  switch (op) {
    case "+":
      return number(addSizes(x, y));
    case "-":
      return number(subtractSizes(x, y));
    case "*":
      return number(multiplySizes(x, y));
    case "/": {
      const value = divideSizes(x, y);
      const constant = constantOf(value);
      return constant?.d === 1n && whole ? int(value) : { kind: "realNumber", value };
    }
    case "**": {
      const exponent = wholeOf(y);
      const value = exponent === undefined ? anySize() : powerSize(x, exponent);
      return exponent !== undefined && exponent >= 0 && whole ? int(value) : { kind: "realNumber", value };
    }
    case "==":
      return bool(equalTest(x, y));
    case "!=":
      return bool(notOrAny(equalTest(x, y)));
    case "<":
      return bool(lessTest(x, y));
    case ">":
      return bool(lessTest(y, x));
    case "<=":
      return bool(notOrAny(lessTest(y, x)));
    case ">=":
      return bool(notOrAny(lessTest(x, y)));
    default:
      return unknownType;
  }
}
const notOrAny = (truth: Size) => (isAny(truth) ? truth : notTest(truth));
function valueIn(type: Type): Size {
  return type.kind === "int" || type.kind === "realNumber" ? type.value : type.kind === "bool" ? type.truth : anySize();
}

function logicType(op: "and" | "or", left: Operand, right: Operand, scope: Scope): Type {
  const [a, b] = [asCondition(left, scope), asCondition(right, scope)];
  if (!a || !b) return errorType;
  if (isSilent(a) || isSilent(b)) return a.kind === "error" || b.kind === "error" ? errorType : unknownType;
  if (a.kind === "bool" && b.kind === "bool") return bool(op === "and" ? andTests(a.truth, b.truth) : orTests(a.truth, b.truth));
  return elementwise(
    [
      { ...left, type: a },
      { ...right, type: b },
    ],
    () => "bool",
    scope,
  );
}
function asCondition(operand: Operand, scope: Scope): Type | null {
  const { type } = operand;
  if (type.kind === "bool" || isSilent(type) || (type.kind === "tensor" && type.dtype === "bool")) return type;
  if (type.kind === "optional") return asCondition({ ...operand, type: type.of }, scope);
  scope.session.report(
    "type/mismatch",
    operand.span,
    { found: describeType(type), expected: "a condition" },
    { help: "a comparison makes a condition: `x > 0`" },
  );
  return null;
}

export function notOf(type: Type, span: Span, scope: Scope): Type {
  const condition = asCondition({ type, span }, scope);
  if (!condition) return errorType;
  return condition.kind === "bool" ? bool(notOrAny(condition.truth)) : condition;
}
export function negated(type: Type, span: Span, scope: Scope): Type {
  const numeric = asNumeric({ type, span }, scope);
  if (!numeric) return errorType;
  if (numeric.kind === "int" || numeric.kind === "realNumber") return { ...numeric, value: negateSize(numeric.value) };
  if (numeric.kind === "bool" || (numeric.kind === "tensor" && numeric.dtype === "bool")) {
    scope.session.report(
      "type/mismatch",
      span,
      { found: `\`${printType(numeric)}\``, expected: "a number" },
      { help: "the opposite of a condition is `not …`" },
    );
    return errorType;
  }
  return numeric;
}
