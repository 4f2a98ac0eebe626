import type { CstNode } from "chevrotain";
import type { Axis, TypeArg, TypeNode } from "../ast.ts";
import { type BuildContext, node, nodes, token } from "./cst.ts";
import { buildAxis } from "./expressions.ts";
import { buildNumber } from "./literals.ts";

/** `real[...b, c: 3]`, `List<Int>`, `{ k: real[n] }`, `(real[a], real[b])`, each with an optional `?`. */
export function buildType(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): TypeNode {
  if (!cst) return ctx.missing(within);
  return ctx.deeper(1, cst, () => buildTypeHere(ctx, cst, within));
}

function buildTypeHere(ctx: BuildContext, cst: CstNode, within: CstNode): TypeNode {
  const span = ctx.spanOf(cst, within);
  const optional = token(cst, "Question") !== undefined;
  const name = token(cst, "Id");
  if (name) {
    const axes = node(cst, "axes");
    return {
      kind: "namedType",
      name: ctx.ident(name, cst),
      args: nodes(cst, "typeArg").map((one) => buildTypeArg(ctx, one)),
      axes: axes ? buildAxes(ctx, axes) : null,
      optional,
      span,
    };
  }
  if (token(cst, "OpenBrace")) {
    const fields = nodes(cst, "fieldType").map((field) => ({
      name: ctx.ident(token(field, "Word"), field),
      type: buildType(ctx, node(field, "type"), field),
    }));
    return { kind: "recordType", fields, optional, span };
  }
  const elements = nodes(cst, "type").map((one) => buildType(ctx, one, cst));
  if (elements.length === 0) return { kind: "error", span };
  const only = elements[0]!;
  if (elements.length > 1) return { kind: "tupleType", elements, optional, span };
  return optional && only.kind !== "error" ? { ...only, optional, span } : only;
}

function buildTypeArg(ctx: BuildContext, cst: CstNode): TypeArg {
  const named = token(cst, "argName");
  const numeral = token(cst, "Numeral");
  return {
    kind: "typeArg",
    name: named ? ctx.ident(named, cst) : null,
    value: numeral ? buildNumber(ctx, numeral) : buildType(ctx, node(cst, "type"), cst),
    span: ctx.spanOf(cst),
  };
}

function buildAxes(ctx: BuildContext, cst: CstNode): Axis[] {
  return nodes(cst, "axis").map((one) => buildAxis(ctx, one));
}
