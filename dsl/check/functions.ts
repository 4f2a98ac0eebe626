import type { Block, Expr, FnItem, ForwardDecl, LossItem, Param, TypeNode } from "../ast.ts";
import type { Span } from "../span.ts";
import { type Size, testsOf, variablesOf } from "../types/size.ts";
import { mapType, type Type } from "../types/type.ts";
import type { Obligation } from "../types/unify.ts";
import type { Body, Scope } from "./scope.ts";
import { Declared, typeOfNode } from "./typeNodes.ts";

// What a signature says: types of parameters and result over the variables it brings in. A call replaces those variables by its own.

export interface ParamInfo {
  readonly name: string;
  readonly type: Type;
  readonly node: TypeNode;
  readonly default: Expr | null;
  readonly span: Span;
}
export interface FunctionInfo {
  readonly name: string;
  readonly what: string; // "fn", "loss", "module"
  readonly params: readonly ParamInfo[];
  readonly result: Type | null; // null: whatever the body gives
  readonly resultNode: TypeNode | null;
  readonly declared: Declared;
  readonly random: boolean;
  readonly updates: boolean;
  /** The result depends on more than the types of the arguments (axes given as a value, axes that the body makes, slots of prompts). */
  readonly inline: boolean;
  /** Variables that belong to each element of a list. */
  readonly perElement: ReadonlySet<string>;
  readonly outer: Scope;
  readonly body: Block | Expr;
  readonly bodyContext: Body;
  readonly span: Span;
  /** Equations between its sizes that its callers must fulfil; known once the body is checked. */
  readonly obligations: Obligation[];
}

/** Types of parameters; those that may be sizes come first, so that shapes can use them. */
export function paramInfos(params: readonly Param[], outer: Scope, declared: Declared): ParamInfo[] {
  const values = new Map<string, Type>();
  const inner = outer.child({ values });
  const isNumber = (param: Param) =>
    param.type.kind === "namedType" && param.type.axes === null && ["Int", "Dim", "Bool"].includes(param.type.name.name);
  const types = new Map<Param, Type>();
  for (const param of [...params.filter(isNumber), ...params.filter((p) => !isNumber(p))]) {
    const type = typeOfNode(param.type, inner, declared, param.name.name);
    types.set(param, type);
    if (!values.has(param.name.name) && (isNumber(param) || type.kind === "axes")) values.set(param.name.name, type);
  }
  return params.map((param) => ({
    name: param.name.name,
    type: types.get(param)!,
    node: param.type,
    default: param.default,
    span: param.span,
  }));
}

/** Reads a signature. `declared` is given by a module, whose sizes its forward shares. */
export function functionInfo(node: FnItem | LossItem | ForwardDecl, name: string, outer: Scope, declared = new Declared()): FunctionInfo {
  const { signature } = node;
  const params = paramInfos(signature.params, outer, declared);
  const numbers = new Map(
    params.filter((p) => p.type.kind === "int" || p.type.kind === "bool" || p.type.kind === "axes").map((p) => [p.name, p.type]),
  );
  declared.mode = "open";
  const result = typeOfNode(signature.result, outer.child({ values: numbers, sizes: declared.sizes }), declared);
  declared.mode = "rigid";
  const random = signature.effects.includes("random");
  const updates = signature.effects.includes("updates");
  return {
    name,
    what: node.kind === "forward" ? "module" : node.kind,
    params,
    result,
    resultNode: signature.result,
    declared,
    random,
    updates,
    inline: declared.fromBody.size > 0 || params.some(({ type }) => type.kind === "axes" || isPrompt(type)),
    perElement: perElement(params),
    outer,
    body: node.body,
    bodyContext: { kind: node.kind, name, random, updates, training: false, span: signature.span },
    span: node.span,
    obligations: [],
  };
}

/** What a prompt offers depends on its slots, which are the argument's. */
const isPrompt = (type: Type): boolean => type.kind === "prompt" || (type.kind === "optional" && isPrompt(type.of));

function perElement(params: readonly ParamInfo[]): ReadonlySet<string> {
  const inside = new Set<string>();
  const outside = new Set<string>();
  for (const { type } of params) collectIds(type, false, inside, outside);
  return new Set([...inside].filter((id) => !outside.has(id)));
}
function collectIds(type: Type, inList: boolean, inside: Set<string>, outside: Set<string>): void {
  if (type.kind === "list") {
    collectIds(type.element, true, inside, outside);
  } else if (type.kind === "record") {
    for (const field of type.fields.values()) collectIds(field, inList, inside, outside);
  } else if (type.kind === "optional") {
    collectIds(type.of, inList, inside, outside);
  } else if (type.kind === "tuple") {
    for (const element of type.elements) collectIds(element, inList, inside, outside);
  } else {
    const target = inList ? inside : outside;
    mapType(type, {
      size: (size: Size) => {
        for (const v of variablesOf(size)) target.add(v.id);
        for (const t of testsOf(size)) if (t.test.kind === "flag") target.add(t.test.id);
        return size;
      },
      row: (row) => {
        target.add(row.id);
        return [{ kind: "row", row }];
      },
    });
  }
}

/** The scope of a body: parameters, sizes and rows under the names of the signature. */
export function bodyScope(info: FunctionInfo): Scope {
  const values = new Map<string, Type>(info.params.map((p) => [p.name, p.type]));
  return info.outer.child({ values, sizes: info.declared.sizes, rows: info.declared.rows }, info.bodyContext);
}
