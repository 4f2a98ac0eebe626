import type { Span } from "./span.ts";

// The abstract syntax of `.ada`, written by tools/generateAst.ts from astTable.ts: change the table, not this file.
// Every node has `kind` and `span`. A place the parser could not read is an `error` node, so later stages see every node that could be
// read and stay silent about the rest. A name lost to a mistake is an `Ident` without letters.
interface NodeBase {
  readonly span: Span;
}

interface ItemBase extends NodeBase {
  readonly doc: string | null; // text of the `///` lines before it
}

// ---- names and files ---------------------------------------------------------------------------------------------------------------
export interface Ident extends NodeBase {
  readonly kind: "ident";
  readonly name: string;
}
export interface File extends NodeBase {
  readonly kind: "file";
  readonly items: readonly Item[];
}

// ---- types -------------------------------------------------------------------------------------------------------------------------
export type TypeNode = NamedType | RecordType | TupleType | ErrorNode;

/** `real[...b, c: 3]`, `List<Int>`, `Prompt<face: 16>[axes]`, `Path?` */
export interface NamedType extends NodeBase {
  readonly kind: "namedType";
  readonly name: Ident;
  readonly args: readonly TypeArg[];
  readonly axes: readonly Axis[] | null; // null: no brackets at all
  readonly optional: boolean;
}
export interface TypeArg extends NodeBase {
  readonly kind: "typeArg";
  readonly name: Ident | null;
  readonly value: TypeNode | NumberLit;
}
export interface RecordType extends NodeBase {
  readonly kind: "recordType";
  readonly fields: readonly { readonly name: Ident; readonly type: TypeNode }[];
  readonly optional: boolean;
}
export interface TupleType extends NodeBase {
  readonly kind: "tupleType";
  readonly elements: readonly TypeNode[];
  readonly optional: boolean;
}
/** One entry between brackets: `...b`, `h`, `kh: size`, `i: 0..4`, or a list element. `name: null` = no `name:` was written. */
export type Axis = RowAxis | NamedAxis;

export interface RowAxis extends NodeBase {
  readonly kind: "rowAxis";
  readonly name: Ident;
}
export interface NamedAxis extends NodeBase {
  readonly kind: "namedAxis";
  readonly name: Ident | null;
  readonly value: Expr; // a RangeExpr when `..` was written
}

// ---- expressions -------------------------------------------------------------------------------------------------------------------
export type Expr =
  | NumberLit
  | StringLit
  | PatternLit
  | BoolLit
  | NoneLit
  | NameRef
  | TupleExpr
  | BracketExpr
  | ListComp
  | RecordExpr
  | IfExpr
  | FnExpr
  | UnaryExpr
  | BinaryExpr
  | PipeExpr
  | RangeExpr
  | CallExpr
  | IndexExpr
  | FieldExpr
  | WatchExpr
  | WithExpr
  | ErrorNode;

export interface NumberLit extends NodeBase {
  readonly kind: "number";
  readonly value: number;
  readonly text: string; // as written
}
export interface StringLit extends NodeBase {
  readonly kind: "string";
  readonly value: string; // unescaped
}
/** `` `...b c h w -> ...b id=(c h w)` `` parsed into its two sides. */
export interface PatternLit extends NodeBase {
  readonly kind: "pattern";
  readonly left: readonly PatternItem[];
  readonly right: readonly PatternItem[];
}
/** `...b` (row), `h` (axis), `1` (unit), `(head d)` or `width=(head d)` (group). */
export type PatternItem = PatternRow | PatternAxis | PatternUnit | PatternGroup;

export interface PatternRow extends NodeBase {
  readonly kind: "row";
  readonly name: string;
}
export interface PatternAxis extends NodeBase {
  readonly kind: "axis";
  readonly name: string;
}
/** `1` or `h=1` */
export interface PatternUnit extends NodeBase {
  readonly kind: "unit";
  readonly name: string | null;
}
export interface PatternGroup extends NodeBase {
  readonly kind: "group";
  readonly name: string | null;
  readonly parts: readonly string[];
}
export interface BoolLit extends NodeBase {
  readonly kind: "bool";
  readonly value: boolean;
}
export interface NoneLit extends NodeBase {
  readonly kind: "none";
}
export interface NameRef extends NodeBase {
  readonly kind: "name";
  readonly name: string;
}
/** `(a, b)`; a single parenthesised expression is not a node of its own. */
export interface TupleExpr extends NodeBase {
  readonly kind: "tuple";
  readonly elements: readonly Expr[];
}
/** `[a, b]` a list, or `[batch, c: 4]` axes: which one it is follows from the place it stands in. */
export interface BracketExpr extends NodeBase {
  readonly kind: "bracket";
  readonly elements: readonly Axis[];
}
/** `[for b in xs if c: e]` */
export interface ListComp extends NodeBase {
  readonly kind: "listComp";
  readonly binder: Binder;
  readonly over: Expr;
  readonly where: Expr | null;
  readonly body: Expr | Block;
}
export interface RecordExpr extends NodeBase {
  readonly kind: "record";
  readonly fields: readonly { readonly name: Ident; readonly value: Expr | null }[]; // null: `{ id }` short for `{ id: id }`
}
export interface IfExpr extends NodeBase {
  readonly kind: "ifExpr";
  readonly condition: Expr;
  readonly then: Expr | Block;
  readonly otherwise: Expr | Block | null;
}
export interface FnExpr extends NodeBase {
  readonly kind: "fnExpr";
  readonly params: readonly { readonly binder: Binder; readonly type: TypeNode | null }[];
  readonly body: Expr | Block;
}
export interface UnaryExpr extends NodeBase {
  readonly kind: "unary";
  readonly op: "-" | "not";
  readonly operand: Expr;
}
export type BinaryOp = "+" | "-" | "*" | "/" | "**" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "and" | "or";

export interface BinaryExpr extends NodeBase {
  readonly kind: "binary";
  readonly op: BinaryOp;
  readonly opSpan: Span;
  readonly left: Expr;
  readonly right: Expr;
}
/** `x |> f(a)`: `f(x, a)`. */
export interface PipeExpr extends NodeBase {
  readonly kind: "pipe";
  readonly value: Expr;
  readonly target: Expr; // a callee, or a CallExpr
}
/** `a..b`, `a..` ; `step` values written `a -> b` (schedules) are `arrow: true`. */
export interface RangeExpr extends NodeBase {
  readonly kind: "range";
  readonly from: Expr;
  readonly to: Expr | null;
  readonly arrow: boolean;
}
export interface CallExpr extends NodeBase {
  readonly kind: "call";
  readonly callee: Expr;
  readonly args: readonly Arg[];
}
/** `x`, `over: x`, `...row`, or with `alternatives` of prompt arguments `a | b`. */
export interface Arg extends NodeBase {
  readonly kind: "arg";
  readonly name: Ident | null;
  readonly row: boolean; // `...b`
  readonly value: Expr;
  readonly alternatives: readonly Expr[];
}
export interface IndexExpr extends NodeBase {
  readonly kind: "index";
  readonly base: Expr;
  readonly indices: readonly IndexItem[];
}
export interface IndexItem extends NodeBase {
  readonly kind: "indexItem";
  readonly name: Ident | null;
  readonly row: boolean;
  readonly value: Expr | null; // null: `*`
}
export interface FieldExpr extends NodeBase {
  readonly kind: "field";
  readonly base: Expr;
  readonly name: Ident;
}
export interface WatchExpr extends NodeBase {
  readonly kind: "watch";
  readonly base: Expr;
  readonly paths: readonly PartPath[];
  readonly as: Ident;
}
export interface WithExpr extends NodeBase {
  readonly kind: "with";
  readonly base: Expr;
  readonly changes: RecordExpr;
}
/** Text that could not be read. Later stages give it the error type and say nothing more about it. */
export interface ErrorNode extends NodeBase {
  readonly kind: "error";
}
export interface PartPath extends NodeBase {
  readonly kind: "partPath";
  readonly segments: readonly PathSegment[];
}
export interface PathSegment extends NodeBase {
  readonly kind: "pathSegment";
  readonly head:
    | { readonly kind: "name"; readonly name: string }
    | { readonly kind: "any" }
    | { readonly kind: "deep" }
    | { readonly kind: "oneOf"; readonly paths: readonly PartPath[] }; // a name, `*`, `**`, or alternatives `{a,b.c}`
  readonly indices: readonly IndexItem[];
}
export type Binder = Ident | TupleBinder;

export interface TupleBinder extends NodeBase {
  readonly kind: "tupleBinder";
  readonly elements: readonly Binder[];
}

// ---- statements --------------------------------------------------------------------------------------------------------------------
export interface Block extends NodeBase {
  readonly kind: "block";
  readonly statements: readonly Stmt[];
}
export type Stmt =
  | LetStmt
  | TapStmt
  | ReturnStmt
  | MinimizeStmt
  | UpdateStmt
  | RequireStmt
  | ExpectStmt
  | LogStmt
  | IfStmt
  | ForStmt
  | WriteStmt
  | MeasureStmt
  | ErrorNode;

export interface LetStmt extends NodeBase {
  readonly kind: "let";
  readonly binder: Binder;
  readonly value: Expr;
}
export interface TapStmt extends NodeBase {
  readonly kind: "tap";
  readonly name: Ident;
  readonly value: Expr;
}
export interface ReturnStmt extends NodeBase {
  readonly kind: "return";
  readonly value: Expr;
}
export interface MinimizeStmt extends NodeBase {
  readonly kind: "minimize";
  readonly value: Expr;
}
export interface UpdateStmt extends NodeBase {
  readonly kind: "update";
  readonly target: Expr;
  readonly value: Expr;
}
export interface RequireStmt extends NodeBase {
  readonly kind: "require";
  readonly condition: Expr;
  readonly reason: StringLit | null;
}
export interface ExpectStmt extends NodeBase {
  readonly kind: "expect";
  readonly condition: Expr;
}
export interface LogStmt extends NodeBase {
  readonly kind: "logStmt";
  readonly record: RecordExpr;
}
export interface IfStmt extends NodeBase {
  readonly kind: "if";
  readonly condition: Expr;
  readonly then: Block;
  readonly otherwise: Block | null;
}
export interface ForStmt extends NodeBase {
  readonly kind: "for";
  readonly binder: Binder;
  readonly over: Expr;
  readonly body: Block;
}
export interface WriteStmt extends NodeBase {
  readonly kind: "write";
  readonly value: Expr;
  readonly path: StringLit;
}
export interface MeasureStmt extends NodeBase {
  readonly kind: "measure";
  readonly name: Ident;
  readonly value: Expr;
  readonly when: Expr | null;
}

// ---- items -------------------------------------------------------------------------------------------------------------------------
export type Item =
  | ImportItem
  | TypeItem
  | ConstItem
  | FnItem
  | LossItem
  | ModuleItem
  | ModelItem
  | StateItem
  | KeysItem
  | SurgeryItem
  | DatasetItem
  | GrammarItem
  | PromptItem
  | ScheduleItem
  | StepItem
  | OptimizerItem
  | PrecisionItem
  | TrainItem
  | EvaluateItem
  | TestItem
  | PropertyItem
  | GradcheckItem
  | ErrorItem;

export interface ErrorItem extends ItemBase {
  readonly kind: "errorItem";
}
export interface ImportItem extends ItemBase {
  readonly kind: "import";
  readonly host: boolean;
  readonly names: readonly { readonly name: Ident; readonly as: Ident | null }[];
  readonly from: StringLit;
}
export interface TypeItem extends ItemBase {
  readonly kind: "type";
  readonly name: Ident;
  readonly type: TypeNode;
}
export interface ConstItem extends ItemBase {
  readonly kind: "const";
  readonly name: Ident;
  readonly type: TypeNode | null;
  readonly value: Expr;
}
export interface Param extends NodeBase {
  readonly kind: "param";
  readonly each: boolean;
  readonly name: Ident;
  readonly type: TypeNode;
  readonly default: Expr | null;
}
export interface Signature extends NodeBase {
  readonly kind: "signature";
  readonly params: readonly Param[];
  readonly effects: readonly ("random" | "updates")[];
  readonly result: TypeNode;
}
export interface FnItem extends ItemBase {
  readonly kind: "fn";
  readonly fused: boolean;
  readonly name: Ident;
  readonly signature: Signature;
  readonly by: Ident | null;
  readonly body: Block;
}
export interface LossItem extends ItemBase {
  readonly kind: "loss";
  readonly name: Ident;
  readonly signature: Signature;
  readonly body: Block;
}
export interface ModuleItem extends ItemBase {
  readonly kind: "module";
  readonly name: Ident;
  readonly params: readonly Param[];
  readonly members: readonly ModuleMember[];
}
export type ModuleMember = PartDecl | LeafDecl | ForwardDecl | FnItem;

export interface PartDecl extends NodeBase {
  readonly kind: "part";
  readonly path: readonly Ident[]; // `prompt_translator.to_q` has two
  readonly value: Expr;
  readonly when: Expr | null;
}
export interface LeafDecl extends NodeBase {
  readonly kind: "leaf";
  readonly role: "param" | "state";
  readonly name: Ident;
  readonly type: TypeNode;
  readonly init: Expr | null;
  readonly when: Expr | null;
}
export interface ForwardDecl extends NodeBase {
  readonly kind: "forward";
  readonly signature: Signature;
  readonly body: Block;
}
export interface ModelItem extends ItemBase {
  readonly kind: "model";
  readonly name: Ident;
  readonly value: Expr | null;
  readonly from: Expr | null;
  readonly keys: Ident | null;
  readonly surgery: Expr | null;
  readonly mode: "frozen" | "trained" | null;
}
export interface StateItem extends ItemBase {
  readonly kind: "stateItem";
  readonly name: Ident;
  readonly type: TypeNode;
  readonly args: readonly Arg[];
}
export interface KeysItem extends ItemBase {
  readonly kind: "keys";
  readonly name: Ident;
  readonly for: Ident;
  readonly under: StringLit | null;
  readonly rules: readonly { readonly path: PartPath; readonly template: StringLit; readonly as: PatternLit | null; readonly span: Span }[];
}
export interface SurgeryItem extends ItemBase {
  readonly kind: "surgery";
  readonly name: Ident;
  readonly params: readonly Param[];
  readonly for: Ident;
  readonly rules: readonly { readonly path: PartPath; readonly value: Expr; readonly span: Span }[];
}
export interface DatasetItem extends ItemBase {
  readonly kind: "dataset";
  readonly name: Ident;
  readonly params: readonly Param[];
  readonly members: readonly DatasetMember[];
}
export type DatasetMember = SourceMember | OrderMember | LetMember | FieldDecl;

export interface SourceMember extends NodeBase {
  readonly kind: "source";
  readonly value: Expr;
  readonly when: Expr | null;
}
export interface OrderMember extends NodeBase {
  readonly kind: "order";
  readonly value: Expr;
}
export interface LetMember extends NodeBase {
  readonly kind: "letMember";
  readonly name: Ident;
  readonly value: Expr;
}
export interface FieldDecl extends NodeBase {
  readonly kind: "fieldDecl";
  readonly name: Ident;
  readonly type: TypeNode;
  readonly value: Expr;
}
export interface GrammarItem extends ItemBase {
  readonly kind: "grammar";
  readonly name: Ident;
  readonly rules: readonly { readonly name: Ident; readonly alternatives: readonly GrammarSeq[]; readonly span: Span }[];
}
export interface GrammarSeq extends NodeBase {
  readonly kind: "grammarSeq";
  readonly bits: readonly GrammarBit[];
}
export interface GrammarBit extends NodeBase {
  readonly kind: "grammarBit";
  readonly body:
    | { readonly kind: "text"; readonly text: string }
    | { readonly kind: "rule"; readonly name: string }
    | { readonly kind: "group"; readonly alternatives: readonly GrammarSeq[] }
    | { readonly kind: "chance"; readonly probability: number }
    | { readonly kind: "distinct"; readonly count: Expr; readonly separator: string; readonly alternatives: readonly GrammarSeq[] };
  readonly weight: number | null; // `^4`
}
export interface PromptItem extends ItemBase {
  readonly kind: "prompt";
  readonly name: Ident;
  readonly params: readonly Param[];
  readonly text: StringLit;
}
export interface ScheduleItem extends ItemBase {
  readonly kind: "schedule";
  readonly name: Ident;
  readonly params: readonly Param[];
  readonly spans: readonly ScheduleSpan[];
}
export interface ScheduleSpan extends NodeBase {
  readonly kind: "scheduleSpan";
  readonly value: Expr;
  readonly length: Expr | null; // `for N`
  readonly toEnd: boolean; // `to end`
}
export interface StepItem extends ItemBase {
  readonly kind: "step";
  readonly name: Ident;
  readonly batch: Ident; // `step distill(face: faces)`: `face`
  readonly oneOf: boolean;
  readonly dataset: Ident;
  readonly body: Block;
}
export interface OptimizerItem extends ItemBase {
  readonly kind: "optimizer";
  readonly name: Ident;
  readonly params: readonly Param[];
  readonly states: readonly LeafDecl[];
  readonly signature: Signature;
  readonly body: Block;
}
export interface PrecisionItem extends ItemBase {
  readonly kind: "precision";
  readonly record: RecordExpr;
}
export interface TrainItem extends ItemBase {
  readonly kind: "train";
  readonly name: Ident;
  readonly like: Ident | null;
  readonly settings: readonly Setting[];
}
export type Setting =
  | ModelItem
  | ConstItem
  | PrecisionItem
  | DataSetting
  | NumberSetting
  | AccumulateSetting
  | CompatSetting
  | RematSetting
  | EverySetting
  | OptimizerSetting
  | EachStepSetting;

export interface DataSetting extends NodeBase {
  readonly kind: "dataSetting";
  readonly name: Ident;
  readonly value: Expr;
}
export interface NumberSetting extends NodeBase {
  readonly kind: "numberSetting";
  readonly name: "batch" | "micro_steps" | "seed" | "gradient";
  readonly value: Expr;
}
export interface AccumulateSetting extends NodeBase {
  readonly kind: "accumulate";
  readonly count: number;
  readonly by: Ident;
}
export interface CompatSetting extends NodeBase {
  readonly kind: "compat";
  readonly value: Ident;
}
export interface RematSetting extends NodeBase {
  readonly kind: "remat";
  readonly policy: "none" | "all" | "fit";
  readonly bytes: number;
  readonly kept: readonly { readonly names: readonly Ident[]; readonly span: Span }[];
}
export interface EverySetting extends NodeBase {
  readonly kind: "every";
  readonly name: "save" | "log" | "preview";
  readonly count: number;
  readonly value: Expr | null;
}
export interface OptimizerSetting extends NodeBase {
  readonly kind: "optimizerSetting";
  readonly value: Expr;
  readonly groups: readonly { readonly path: PartPath; readonly args: readonly Arg[]; readonly span: Span }[];
}
export interface EachStepSetting extends NodeBase {
  readonly kind: "eachStep";
  readonly mix: Mix;
}
export type Mix = MixEvery | MixOf;

export interface MixEvery extends NodeBase {
  readonly kind: "mixEvery";
  readonly count: number;
  readonly mix: Mix;
  readonly otherwise: Mix;
}
export interface MixOf extends NodeBase {
  readonly kind: "mixOf";
  readonly choices: readonly { readonly weight: Expr | null; readonly step: Ident }[];
}
export interface EvaluateItem extends ItemBase {
  readonly kind: "evaluate";
  readonly name: Ident;
  readonly members: readonly EvaluateMember[];
}
export type EvaluateMember = ModelItem | Stmt | SeedMember | DataMember | ReportMember;

export interface SeedMember extends NodeBase {
  readonly kind: "seedMember";
  readonly value: number;
}
export interface DataMember extends NodeBase {
  readonly kind: "dataMember";
  readonly name: Ident;
  readonly value: Expr;
}
export interface ReportMember extends NodeBase {
  readonly kind: "report";
  readonly names: readonly Ident[];
  readonly by: Expr;
  readonly to: StringLit;
}
export interface TestItem extends ItemBase {
  readonly kind: "test";
  readonly title: StringLit;
  readonly body: Block;
}
export interface PropertyItem extends ItemBase {
  readonly kind: "property";
  readonly title: StringLit;
  readonly forall: readonly { readonly name: Ident; readonly type: TypeNode; readonly in: Expr | null }[];
  readonly body: readonly Stmt[];
}
export interface GradcheckItem extends ItemBase {
  readonly kind: "gradcheck";
  readonly value: Expr;
}
