// Host expressions: what is known per step before anything is launched. Plain data, so a plan folder holds them and a browser can
// evaluate them. Schedules are lowered to arithmetic over `update` / `microStep`.

export type HostExpr =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "text"; readonly value: string }
  /** Number of the micro-step about to run (from 0), of the update it belongs to (from 0), and micro-step / micro_steps. */
  | { readonly kind: "counter"; readonly name: "microStep" | "update" | "progress" }
  | { readonly kind: "draw"; readonly stream: string; readonly distribution: HostDistribution }
  /** A field of the batch that the host knows: of one sample. */
  | { readonly kind: "field"; readonly field: string; readonly at: number; readonly type: "bool" | "int" | "text" }
  /** Whether it holds for some sample of the batch. */
  | { readonly kind: "any"; readonly of: readonly HostExpr[] }
  /** What a `read` of this step gave; nothing may depend on it before that leg has run. */
  | { readonly kind: "read"; readonly name: string }
  /** Whether a table holds a key, as it stands when the step begins. */
  | { readonly kind: "held"; readonly table: string; readonly key: HostExpr }
  /** A field, known on the host, of the record that a `take` of this step removes from a table; or whether an optional field is there. */
  | { readonly kind: "taken"; readonly table: string; readonly key: HostExpr; readonly field: string; readonly present: boolean }
  /** The row of a table where the record of a key lies, or is about to be stored. */
  | { readonly kind: "row"; readonly table: string; readonly key: HostExpr; readonly use: "take" | "put" }
  /** What a data set knows of the item at hand. It stands in fields of data sets only. */
  | { readonly kind: "item"; readonly fact: ItemFact; readonly args: readonly HostExpr[]; readonly type: "bool" | "int" | "real" | "text" }
  /** Texts put together. */
  | { readonly kind: "join"; readonly parts: readonly HostExpr[] }
  /** One expression per run of a loop that is being elaborated; a loop's own fields hold them afterwards, so no plan has one. */
  | { readonly kind: "perRun"; readonly loop: number; readonly of: readonly HostExpr[] }
  | { readonly kind: "op"; readonly op: HostOp; readonly args: readonly HostExpr[] }
  | { readonly kind: "if"; readonly condition: HostExpr; readonly then: HostExpr; readonly otherwise: HostExpr };

export type ItemFact =
  | "file" // the path of its picture
  | "stem" // that without its ending
  | "subject" // the subject's name
  | "subjectIndex" // its place among all subjects
  | "source" // number of the source that it comes from
  | "images" // how many pictures its subject has
  | "index" // number of the place of the data set that shows it
  | "exists" // (path) whether there is a file
  | "hasFace" // (name) whether the picture that is kept under this name has a face in it
  | "lookup" // (path or nothing, key, or) a value of a JSON object
  | "meta" // (file name, key, or) a value of a JSON object beside the picture
  | "textOf" // (path, or) what a text file holds
  | "call"; // (path, name, arguments…) a function of the project's TypeScript

export type HostOp =
  | "neg"
  | "abs"
  | "exp"
  | "ln"
  | "sin"
  | "cos"
  | "sqrt"
  | "floor"
  | "ceil"
  | "round"
  | "not"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "mod"
  | "min"
  | "max"
  | "lt"
  | "le"
  | "eq"
  | "and"
  | "or";

export type HostDistribution =
  | { readonly kind: "uniform"; readonly low: HostExpr; readonly high: HostExpr }
  | { readonly kind: "normal" }
  | { readonly kind: "integer"; readonly low: HostExpr; readonly high: HostExpr } // low <= x < high
  | { readonly kind: "coin"; readonly probability: HostExpr }
  | {
      readonly kind: "pick";
      readonly values: readonly (number | string)[];
      readonly weights: readonly HostExpr[];
      readonly atMost: HostExpr | null;
    }
  | { readonly kind: "grammar"; readonly grammar: HostGrammar };

/** A grammar of texts as plain data. A sequence is a list of bits; `chance` leaves out the rest of its sequence unless it is drawn. */
export interface HostGrammar {
  readonly name: string;
  readonly start: string;
  readonly rules: Readonly<Record<string, readonly HostSequence[]>>;
}
export interface HostSequence {
  readonly weight: number;
  readonly bits: readonly HostBit[];
}
export type HostBit =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "group"; readonly alternatives: readonly HostSequence[] }
  | { readonly kind: "chance"; readonly probability: number }
  | {
      readonly kind: "distinct";
      readonly low: number;
      readonly high: number; // exclusive, as in `1..3`
      readonly separator: string;
      readonly alternatives: readonly HostSequence[];
    };

export interface HostEnvironment {
  readonly seed: number;
  readonly microStep: number;
  readonly update: number;
  readonly progress: number;
  /** What only the running step knows; an expression that needs it before it is there has the value 0. */
  readonly known?: HostKnowledge;
}
export interface HostKnowledge {
  /** What a data set knows of the item at hand; absent arguments are texts without content. */
  readonly item?: (
    fact: ItemFact,
    args: readonly (number | boolean | string)[],
    type: "bool" | "int" | "real" | "text",
  ) => number | boolean | string;
  readonly field: (field: string, at: number) => number | boolean | string | undefined;
  readonly read: (name: string) => number | boolean | undefined;
  readonly holds: (table: string, key: string) => boolean;
  readonly row: (table: string, key: string, use: "take" | "put") => number;
  readonly taken: (table: string, key: string, field: string, present: boolean) => number | boolean | string | undefined;
}

/** Where there is no batch, no read and no table. */
export const nothingKnown: HostKnowledge = {
  field: () => undefined,
  read: () => undefined,
  holds: () => false,
  row: () => 0,
  taken: () => undefined,
};

/** One element of the per-step uniform buffer. u32 and i32 are stored as bits. */
export interface UniformDecl {
  readonly name: string;
  readonly dtype: "f32" | "i32" | "u32";
  readonly expr: HostExpr;
}
