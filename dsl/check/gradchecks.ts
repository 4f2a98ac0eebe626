import type { Axis, Expr, GradcheckItem, IndexItem } from "../ast.ts";
import { describeType, isSilent, type Type } from "../types/type.ts";
import { argType, readArgs } from "./arguments.ts";
import { callType } from "./calls.ts";
import { calleeType } from "./expressions.ts";
import { fileScope } from "./globals.ts";
import { axisSizesOf, bodyOf } from "./programs.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { Declared, isTensorName, nodeOfName, typeOfNode } from "./typeNodes.ts";

// `gradcheck f(x: real[n: 3], …)`: a call in which a type stands for each argument that is drawn.

export function checkGradcheck(session: Session, item: GradcheckItem, file: string): void {
  const { value } = item;
  if (value.kind === "error") return;
  const wrong = (found: string, expected: string): void =>
    session.report(
      "type/mismatch",
      value.span,
      { found, expected },
      { help: "a type stands for what is drawn: `gradcheck f(x: real[n: 3])`" },
    );
  if (value.kind !== "call") {
    wrong("this", "a call");
    return;
  }
  const scope = fileScope(session, file, bodyOf("property", "gradcheck", item.span));
  const declared = new Declared();
  const drawn = new Map<Expr, Type>();
  let inner = scope;
  for (const arg of value.args) {
    const type = drawnType(arg.value, inner, declared, arg.name?.name ?? "");
    if (!type) continue;
    drawn.set(arg.value, type);
    inner = inner.child({ axisSizes: axisSizesOf(type) });
  }
  inner = inner.child({ sizes: declared.sizes, rows: declared.rows });
  const args = readArgs(value.args, inner).map((arg, i) => {
    const type = drawn.get(value.args[i]!.value);
    return type ? { ...arg, source: { kind: "type" as const, type } } : arg;
  });
  const callee = calleeType(value.callee, inner);
  if (callee.kind === "error") {
    for (const arg of args) argType(arg);
    return;
  }
  const known = session.diagnostics.length;
  const result = callType(callee, args, value.span, inner);
  if (session.diagnostics.length > known) return;
  const reals = [...drawn.values()].some(
    (type) => isSilent(type) || (type.kind === "tensor" && type.dtype !== "i32" && type.dtype !== "bool"),
  );
  if (!reals) wrong("a call for which no real numbers are drawn", "one with a derivative");
  else if (!mayBeDifferentiated(result)) wrong(describeType(result), "numbers, which can be differentiated");
}

/** The type that an argument writes where a value would stand, with the expression that writes it. */
function drawnType(value: Expr, scope: Scope, declared: Declared, name: string): Type | null {
  const base = value.kind === "index" ? value.base : value;
  if (base.kind !== "name" || !isTensorName(base.name)) return null;
  const axes = value.kind === "index" ? value.indices.map(axisOf) : null;
  return typeOfNode({ ...nodeOfName(base, axes), span: value.span }, scope, declared, name);
}
function axisOf(index: IndexItem): Axis {
  const { name, value, span } = index;
  if (index.row && value?.kind === "name") return { kind: "rowAxis", name: { kind: "ident", name: value.name, span: value.span }, span };
  return { kind: "namedAxis", name, value: value ?? { kind: "error", span }, span };
}

function mayBeDifferentiated(type: Type): boolean {
  switch (type.kind) {
    case "tensor":
      return type.dtype !== "bool" && type.dtype !== "text";
    case "list":
      return (type.elements ?? [type.element]).every(mayBeDifferentiated);
    case "tuple":
      return type.elements.every(mayBeDifferentiated);
    case "record":
      return [...type.fields.values()].every(mayBeDifferentiated);
    case "optional":
      return mayBeDifferentiated(type.of);
    default:
      return isSilent(type) || ["int", "realNumber", "none"].includes(type.kind);
  }
}
