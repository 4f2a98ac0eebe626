import type { DatasetMember, FnItem, Ident, Item, LeafDecl, Param, PartDecl } from "../ast.ts";
import type { Builtin } from "../builtins.ts";
import type { SourceFileId } from "../program.ts";
import type { Span } from "../span.ts";

/** The items that have a name (all but imports, tests and the like). */
export type NamedItem = Extract<Item, { readonly name: Ident }>;

/** What a name stands for. Identity is that of the declaring node: two uses mean the same thing when they carry the same node. */
export type Binding =
  | { readonly kind: "item"; readonly file: SourceFileId; readonly item: NamedItem }
  | { readonly kind: "builtin"; readonly builtin: Builtin }
  | { readonly kind: "param"; readonly param: Param }
  /** `let`, loop and function binders, `forall`, a step's batch, an `evaluate` block's data. */
  | { readonly kind: "local"; readonly ident: Ident }
  | { readonly kind: "part"; readonly part: PartDecl }
  /** `mlp` where the module declares `mlp.fc1` and `mlp.fc2`. */
  | { readonly kind: "partGroup"; readonly name: string; readonly parts: readonly PartDecl[] }
  | { readonly kind: "leaf"; readonly leaf: LeafDecl }
  /** A `fn` inside a module. */
  | { readonly kind: "method"; readonly fn: FnItem }
  /** A size written as an axis of a type (`h` in `real[...b, h]`); usable as a number. */
  | { readonly kind: "sizeVariable"; readonly name: string; readonly span: Span }
  /** `...b` of a type. */
  | { readonly kind: "row"; readonly name: string; readonly span: Span }
  /** A name that stands for an axis itself (`over: h`), not for a value. */
  | { readonly kind: "axis"; readonly name: string }
  | { readonly kind: "datasetField"; readonly member: Extract<DatasetMember, { readonly kind: "fieldDecl" | "letMember" }> };

const itemWords: Readonly<Record<NamedItem["kind"], string>> = {
  type: "a type",
  const: "a constant",
  fn: "a function",
  loss: "a loss",
  module: "a module",
  model: "a model",
  stateItem: "a state",
  keys: "a `keys` block",
  surgery: "a surgery",
  dataset: "a data set",
  grammar: "a grammar",
  prompt: "a prompt",
  schedule: "a schedule",
  step: "a step",
  optimizer: "an optimizer",
  train: "a `train` block",
  evaluate: "an `evaluate` block",
};

/** "a module", "an axis": how messages call what a name stands for. */
export function bindingWords(binding: Binding): string {
  switch (binding.kind) {
    case "item":
      return itemWords[binding.item.kind];
    case "builtin":
      return binding.builtin.kind === "type"
        ? "a built-in type"
        : binding.builtin.kind === "value"
          ? "a built-in value"
          : "a built-in function";
    case "param":
      return "a parameter";
    case "local":
      return "a local name";
    case "part":
    case "partGroup":
      return "a part";
    case "leaf":
      return binding.leaf.role === "param" ? "a trained parameter" : "a state";
    case "method":
      return "a function of the module";
    case "sizeVariable":
      return "a size";
    case "row":
      return "a row of axes";
    case "axis":
      return "an axis";
    case "datasetField":
      return "a field of the data set";
    default:
      return binding satisfies never;
  }
}

/** Where a name was declared, when that is in a file. */
export function bindingSpan(binding: Binding): Span | undefined {
  switch (binding.kind) {
    case "item":
      return binding.item.name.span;
    case "param":
      return binding.param.name.span;
    case "local":
      return binding.ident.span;
    case "part":
      return binding.part.span;
    case "partGroup":
      return binding.parts[0]?.span;
    case "leaf":
      return binding.leaf.name.span;
    case "method":
      return binding.fn.name.span;
    case "sizeVariable":
    case "row":
      return binding.span;
    case "datasetField":
      return binding.member.name.span;
    case "axis":
    case "builtin":
      return undefined;
    default:
      return binding satisfies never;
  }
}
