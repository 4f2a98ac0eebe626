import { createRequire } from "node:module";
import type * as Morph from "ts-morph";
import type { File, FnItem, Ident, Param, TypeNode } from "../ast.ts";
import type { Span } from "../span.ts";

// `import host { f } from "./x.ts"`: what a TypeScript file offers. In: its text. Out: its exported functions as `fn` items without a body,
// whose spans lie in the TypeScript, so that everything that knows functions knows these; and why the others cannot be called.
// Types map one to one: number Real, string Text, boolean Bool, `T[]` and typed arrays List, `{ a: T }` a record, `x?: T` and `T | undefined` an optional;
// the names `Int`, `Text`, `Path` and the like of type aliases are taken as they are.

export interface HostModule {
  readonly ast: File;
  /** Exported names that cannot be called from a program. */
  readonly refused: ReadonlyMap<string, { readonly span: Span; readonly problem: string }>;
}
/** Where a host function comes from. */
export interface HostFunction {
  readonly absolute: string;
  readonly name: string;
  /** Typed arrays that parameters want, by parameter. */
  readonly arrays: ReadonlyMap<string, string>;
}
const hostFunctions = new WeakMap<FnItem, HostFunction>();

/** The host function that an item stands for; undefined for functions of programs. */
export function hostFunctionOf(item: object): HostFunction | undefined {
  return hostFunctions.get(item as FnItem);
}

let library: typeof Morph | undefined;
/** ts-morph, loaded when a program first needs it. */
export function morph(): typeof Morph {
  library ??= createRequire(import.meta.url)("ts-morph") as typeof Morph;
  return library;
}

const typedArrays: Readonly<Record<string, "Real" | "Int">> = {
  Float32Array: "Real",
  Float64Array: "Real",
  Int32Array: "Int",
  Int16Array: "Int",
  Int8Array: "Int",
  Uint32Array: "Int",
  Uint16Array: "Int",
  Uint8Array: "Int",
};
const plainNames: ReadonlySet<string> = new Set(["Int", "Real", "Bool", "Text", "Path"]);

/** Reads the exported functions of a TypeScript file. `file` is the path that spans carry. */
export function readHostModule(file: string, absolute: string, text: string): HostModule {
  const { Project, Node } = morph();
  const project = new Project({ useInMemoryFileSystem: true, skipLoadingLibFiles: true, skipFileDependencyResolution: true });
  const source = project.createSourceFile("/host.ts", text);
  const items: FnItem[] = [];
  const refused = new Map<string, { span: Span; problem: string }>();
  const offer = (name: string, fn: Morph.FunctionDeclaration | Morph.ArrowFunction | Morph.FunctionExpression, at: Morph.Node): void => {
    const reader = new SignatureReader(file);
    const span = reader.span(at);
    const made = reader.read(name, fn, span);
    if ("problem" in made) refused.set(name, made);
    else {
      items.push(made.item);
      hostFunctions.set(made.item, { absolute, name, arrays: made.arrays });
    }
  };
  for (const fn of source.getFunctions()) {
    const name = fn.getName();
    if (name !== undefined && fn.isExported() && !fn.isDefaultExport()) offer(name, fn, fn.getNameNode() ?? fn);
  }
  for (const variable of source.getVariableDeclarations()) {
    const value = variable.getInitializer();
    if (variable.isExported() && value && (Node.isArrowFunction(value) || Node.isFunctionExpression(value)))
      offer(variable.getName(), value, variable.getNameNode());
  }
  return { ast: { kind: "file", items, span: { file, start: 0, end: text.length } }, refused };
}

/** Unwinds with the reason why a type has no counterpart. */
class NoCounterpart {
  readonly problem: string;
  readonly span: Span;
  constructor(problem: string, span: Span) {
    this.problem = problem;
    this.span = span;
  }
}

class SignatureReader {
  readonly #file: string;
  readonly #arrays = new Map<string, string>();
  constructor(file: string) {
    this.#file = file;
  }
  span(node: Morph.Node): Span {
    return { file: this.#file, start: node.getStart(), end: node.getEnd() };
  }

  read(
    name: string,
    fn: Morph.FunctionDeclaration | Morph.ArrowFunction | Morph.FunctionExpression,
    span: Span,
  ): { readonly item: FnItem; readonly arrays: ReadonlyMap<string, string> } | { readonly span: Span; readonly problem: string } {
    try {
      const params = fn.getParameters().map((param) => this.#param(param));
      const written = fn.getReturnTypeNode();
      if (!written) return { span, problem: "its result has no type" };
      const result = this.#type(written);
      const signature = { kind: "signature", params, effects: [], result, span } as const;
      // A body that nothing is known of.
      const body = { kind: "block", statements: [{ kind: "error", span }], span } as const;
      const item: FnItem = { kind: "fn", doc: null, fused: false, name: this.#ident(name, span), signature, by: null, body, span };
      return { item, arrays: this.#arrays };
    } catch (error) {
      if (error instanceof NoCounterpart) return { span: error.span, problem: error.problem };
      throw error;
    }
  }
  #ident(name: string, span: Span): Ident {
    return { kind: "ident", name, span };
  }
  #param(param: Morph.ParameterDeclaration): Param {
    const span = this.span(param);
    const written = param.getTypeNode();
    const name = param.getName();
    if (!/^[A-Za-z_]\w*$/.test(name) || param.isRestParameter()) throw new NoCounterpart("a parameter is no plain name", span);
    if (!written) throw new NoCounterpart(`\`${name}\` has no type`, span);
    const type = this.#type(written);
    if (typedArrays[written.getText()] !== undefined) this.#arrays.set(name, written.getText());
    const isOptional = param.isOptional();
    return {
      kind: "param",
      each: false,
      name: this.#ident(name, this.span(param.getNameNode())),
      type: isOptional ? { ...type, optional: true } : type,
      default: isOptional ? { kind: "none", span } : null,
      span,
    };
  }
  #type(node: Morph.TypeNode): Exclude<TypeNode, { kind: "error" }> {
    const { Node, SyntaxKind } = morph();
    const span = this.span(node);
    const named = (name: string, of: TypeNode | null = null): Exclude<TypeNode, { kind: "error" }> => ({
      kind: "namedType",
      name: this.#ident(name, span),
      args: of ? [{ kind: "typeArg", name: null, value: of, span }] : [],
      axes: null,
      optional: false,
      span,
    });
    switch (node.getKind()) {
      case SyntaxKind.NumberKeyword:
        return named("Real");
      case SyntaxKind.StringKeyword:
        return named("Text");
      case SyntaxKind.BooleanKeyword:
        return named("Bool");
      default:
        break;
    }
    if (Node.isArrayTypeNode(node)) return named("List", this.#type(node.getElementTypeNode()));
    if (Node.isParenthesizedTypeNode(node)) return this.#type(node.getTypeNode());
    if (Node.isTypeOperatorTypeNode(node)) return this.#type(node.getTypeNode());
    if (Node.isTupleTypeNode(node))
      return { kind: "tupleType", elements: node.getElements().map((one) => this.#type(one)), optional: false, span };
    if (Node.isUnionTypeNode(node)) {
      const others = node.getTypeNodes().filter((one) => one.getText() !== "undefined");
      if (others.length === 1 && node.getTypeNodes().length === 2) return { ...this.#type(others[0]!), optional: true };
    }
    if (Node.isTypeLiteral(node)) {
      const fields = node.getProperties().map((field) => {
        const type = field.getTypeNode();
        if (!type) throw new NoCounterpart(`\`${field.getName()}\` has no type`, this.span(field));
        const made = this.#type(type);
        return {
          name: this.#ident(field.getName(), this.span(field.getNameNode())),
          type: field.hasQuestionToken() ? { ...made, optional: true } : made,
        };
      });
      if (fields.length > 0) return { kind: "recordType", fields, optional: false, span };
    }
    if (Node.isTypeReference(node)) {
      const name = node.getTypeName().getText();
      const [argument] = node.getTypeArguments();
      if ((name === "Array" || name === "ReadonlyArray") && argument) return named("List", this.#type(argument));
      if (typedArrays[name]) return named("List", named(typedArrays[name]));
      if (plainNames.has(name)) return named(name);
    }
    throw new NoCounterpart(`the type \`${node.getText()}\` has no counterpart`, span);
  }
}
