import type { KeysItem, LeafDecl, ModuleItem } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import type { Value } from "../ir/value.ts";
import type { Scope } from "./scope.ts";
import type { SurgeryVal, Val } from "./values.ts";

/** A model of the program: the root of a tree of instances. */
export interface ModelRoot {
  readonly name: string;
  readonly module: string;
  readonly trained: boolean;
  readonly from: string | null;
  readonly keys: KeysItem | null;
  readonly surgery: SurgeryVal | null;
  readonly value: Val;
  readonly span: Span;
}

/** A parameter or a piece of state, once its sizes are known. */
export interface LeafEntry {
  readonly path: string;
  readonly decl: LeafDecl;
  readonly shape: readonly number[];
  readonly axes: readonly string[];
  readonly input: Value;
}

/** One module with its arguments, somewhere in a model. Parts and leaves are made when they are first needed. */
export interface Instance {
  readonly module: ModuleItem;
  readonly scope: Scope; // names inside the module
  readonly args: ReadonlyMap<string, Val>;
  path: string | null; // set when it becomes a part
  trained: boolean;
  /** Sizes solved from use, and where. */
  readonly sizes: Map<string, { readonly value: number; readonly span: Span }>;
  /** Names that, when a forward's signature binds them, belong to the whole module. */
  readonly sizeNames: ReadonlySet<string>;
  readonly members: Map<string, Val>; // parts that exist or are absent (`none`)
  readonly leaves: Map<string, LeafEntry | null>; // null: absent
  readonly resolving: Set<string>;
}
