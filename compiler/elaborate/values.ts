import type {
  DatasetItem,
  FnExpr,
  FnItem,
  LossItem,
  ModuleItem,
  OptimizerItem,
  PatternLit,
  PromptItem,
  ScheduleItem,
  SurgeryItem,
  TypeNode,
} from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import type { Value } from "../ir/value.ts";
import type { HostExpr, HostGrammar } from "../plan/host.ts";
import type { PictureStep, PlanOrder, PlanPictureFile, PromptPiece } from "../plan/plan.ts";
import type { CallArg } from "./calls.ts";
import type { Instance } from "./instance.ts";
import type { ItemFields } from "./itemFields.ts";
import type { Scope } from "./scope.ts";

// What an expression can stand for while a program is elaborated. Three binding times: compile (plain values here), host (an expression
// evaluated per step), device (a tensor IR value with its axis names in order).

export interface AxisItem {
  readonly name: string;
  readonly size: number | null; // null: a name only, as in `over: h`
}
export interface NumberVal {
  readonly kind: "number";
  readonly value: number;
}
export interface BoolVal {
  readonly kind: "bool";
  readonly value: boolean;
}
export interface TextVal {
  readonly kind: "text";
  readonly value: string;
}
export interface NoneVal {
  readonly kind: "none";
}
/** Known per step, before anything is launched. */
export interface HostVal {
  readonly kind: "host";
  readonly expr: HostExpr;
  readonly type: "int" | "real" | "bool" | "text";
}
/** A device value. `axes` names the axes of `value` in order. */
export interface TensorVal {
  readonly kind: "tensor";
  readonly value: Value;
  readonly axes: readonly string[];
  /** Set on the real quotient of two integers, so that `floor(a / b)` can be exact. */
  readonly quotient?: readonly [TensorVal, TensorVal];
  /** Set on a field of a batch, so that a measure can name it. */
  readonly field?: string;
  /** Set where the host knows the elements too, as those of a `Bool` field of a batch. */
  readonly host?: readonly HostExpr[];
  /** Set on the positions of a prompt's words: how many tokens the words have. */
  readonly words?: TensorVal;
  /** Set on a picture of a data set whose size is known: what is done to its bytes. */
  readonly picture?: PictureVal;
}
/** Texts of the host, one per place along the axes. */
export interface TextsVal {
  readonly kind: "texts";
  readonly axes: readonly AxisItem[];
  readonly items: readonly HostExpr[]; // row-major
}
/** Prompts of one structure: the same slots and words, other texts. */
export interface PromptVal {
  readonly kind: "prompt";
  readonly axes: readonly AxisItem[];
  readonly elements: readonly (readonly PromptPiece[])[]; // row-major
  readonly slots: ReadonlyMap<string, { readonly count: number; readonly words: boolean }>;
  readonly length: number;
  readonly span: Span;
}
/** A prompt's definition, not yet applied. */
export interface PromptItemVal {
  readonly kind: "promptItem";
  readonly item: PromptItem;
  readonly scope: Scope;
}
export interface GrammarVal {
  readonly kind: "grammar";
  readonly grammar: HostGrammar;
}
/** A function of pictures: what a data set does to the bytes of a file. */
export interface TransformVal {
  readonly kind: "transform";
  readonly apply: (picture: PictureVal) => PictureVal;
  /** The transform with its choices drawn; `stream` is that of the draw. */
  readonly drawn: ((stream: string) => TransformVal) | null;
  /** Whether it may be used without being drawn. */
  readonly isPlain: boolean;
}
/** Which item each place of a data set shows. */
export interface OrderVal {
  readonly kind: "order";
  readonly order: PlanOrder;
}
/** A part of a model during one watched call: its parts, and the taps that it passed. */
export interface TappedVal {
  readonly kind: "tapped";
  readonly instance: Instance;
  readonly taps: TapLog;
}
/** What was tapped while an instance ran. */
export type TapLog = ReadonlyMap<Instance, ReadonlyMap<string, Val>>;
/** A table of the program's state. */
export interface TableVal {
  readonly kind: "table";
  readonly name: string;
}
/** A value that is there in some steps: an optional field of a record taken from a table. */
export interface MaybeVal {
  readonly kind: "maybe";
  readonly present: HostExpr;
  readonly value: Val;
}
/** A method of a table: `has` or `take`. */
export interface TableMethodVal {
  readonly kind: "tableMethod";
  readonly table: string;
  readonly method: "has" | "take";
}
export interface ListVal {
  readonly kind: "list";
  readonly items: readonly Val[];
  /** Set on lists whose length only a walk knows; `unsure`: some elements stand for as many as there will be. */
  readonly walk?: "known" | "unsure";
}
export interface TupleVal {
  readonly kind: "tuple";
  readonly items: readonly Val[];
}
export interface RecordVal {
  readonly kind: "record";
  readonly fields: ReadonlyMap<string, Val>;
  /** Sizes that its declared type names; in scope where it is the element of a loop. */
  readonly sizes?: ReadonlyMap<string, number>;
}
export interface RangeVal {
  readonly kind: "range";
  readonly from: Val;
  readonly to: Val | null;
  readonly arrow: boolean;
}
export interface AxesVal {
  readonly kind: "axes";
  readonly axes: readonly AxisItem[];
}
export interface PatternVal {
  readonly kind: "pattern";
  readonly node: PatternLit;
}
export interface FunctionVal {
  readonly kind: "function";
  readonly item: FnItem | LossItem;
  readonly scope: Scope;
  readonly instance: Instance | null; // a module's own function
}
export interface ClosureVal {
  readonly kind: "closure";
  readonly node: FnExpr;
  readonly scope: Scope;
}
export interface BuiltinVal {
  readonly kind: "builtin";
  readonly name: string;
}
export interface ModuleVal {
  readonly kind: "module";
  readonly item: ModuleItem;
  readonly scope: Scope;
}
export interface InstanceVal {
  readonly kind: "instance";
  readonly instance: Instance;
}
export interface DistributionVal {
  readonly kind: "distribution";
  readonly name: "uniform" | "normal" | "integer" | "coin" | "pick" | "dirichlet" | "grammar";
  /** The grammar of texts. */
  readonly source?: GrammarVal;
  readonly low: Val | null;
  readonly high: Val | null;
  readonly probability: Val | null;
  readonly values: readonly Val[];
  readonly weights: readonly Val[];
  readonly atMost: Val | null;
}
/** A function of the update: `at(update, total)`, both host expressions over updates. */
export interface ScheduleVal {
  readonly kind: "schedule";
  readonly at: (update: HostExpr, total: HostExpr) => HostExpr;
}
export interface ScheduleItemVal {
  readonly kind: "scheduleItem";
  readonly item: ScheduleItem;
  readonly scope: Scope;
}
export interface OptimizerVal {
  readonly kind: "optimizer";
  readonly item: OptimizerItem;
  readonly scope: Scope;
  readonly args: readonly CallArg[] | null; // null: the definition, not yet applied
  readonly caller: Scope;
  readonly span: Span;
}
/** What makes parameters of the tensors of a file. */
export interface SurgeryVal {
  readonly kind: "surgery";
  readonly item: SurgeryItem;
  readonly scope: Scope;
  readonly args: readonly CallArg[];
  readonly span: Span;
}
export interface DatasetVal {
  readonly kind: "dataset";
  readonly item: DatasetItem;
  readonly scope: Scope;
  readonly bound: { readonly scope: Scope; readonly fields: ItemFields } | null; // with its parameters; null: the definition, not yet applied
}
/** The batch of a step: a field is made when it is first read. */
export interface BatchVal {
  readonly kind: "batch";
  readonly binder: string;
  readonly read: (field: string, span: Span) => Val;
}
/** A picture file on its way to a field of a data set. */
export interface PictureVal {
  readonly kind: "picture";
  readonly file: PlanPictureFile;
  readonly or: "white" | "black" | null;
  readonly steps: readonly PictureStep[];
  readonly size: readonly [number, number] | null; // null: as it lies on disk
  readonly isGrey: boolean;
  readonly range: readonly [number, number];
  readonly is: number | null; // 1 where a byte is this one
}
/** `type Name = …` of a file. */
export interface TypeVal {
  readonly kind: "type";
  readonly name: string;
  readonly node: TypeNode;
  readonly scope: Scope;
}
/** A declared state of an optimiser: reading gives its newest value. */
export interface CellVal {
  readonly kind: "cell";
  readonly key: string;
}
export type Val =
  | NumberVal
  | BoolVal
  | TextVal
  | NoneVal
  | HostVal
  | TensorVal
  | ListVal
  | TupleVal
  | RecordVal
  | RangeVal
  | AxesVal
  | PatternVal
  | FunctionVal
  | ClosureVal
  | BuiltinVal
  | ModuleVal
  | InstanceVal
  | DistributionVal
  | ScheduleVal
  | ScheduleItemVal
  | OptimizerVal
  | SurgeryVal
  | DatasetVal
  | BatchVal
  | PictureVal
  | CellVal
  | TextsVal
  | PromptVal
  | PromptItemVal
  | GrammarVal
  | TransformVal
  | OrderVal
  | TappedVal
  | TableVal
  | TableMethodVal
  | MaybeVal
  | TypeVal;

/** Known without launching anything: a plain or a host value. */
export type ScalarVal = NumberVal | BoolVal | TextVal | HostVal;
/** What arithmetic takes. */
export type NumericVal = ScalarVal | TensorVal;

export const none: NoneVal = { kind: "none" };
export const number = (value: number): NumberVal => ({ kind: "number", value });
export const bool = (value: boolean): BoolVal => ({ kind: "bool", value });
export const text = (value: string): TextVal => ({ kind: "text", value });
export const list = (items: readonly Val[]): ListVal => ({ kind: "list", items });
export const tuple = (items: readonly Val[]): TupleVal => ({ kind: "tuple", items });
export const axesOf = (axes: readonly AxisItem[]): AxesVal => ({ kind: "axes", axes });
export const tensor = (value: Value, axes: readonly string[]): TensorVal => ({ kind: "tensor", value, axes });

export function isScalar(val: Val): val is ScalarVal {
  return val.kind === "number" || val.kind === "bool" || val.kind === "text" || val.kind === "host";
}
export function isNumeric(val: Val): val is NumericVal {
  return val.kind === "tensor" || (isScalar(val) && val.kind !== "text");
}

/** An axis name as the author wrote it: names made unique inside a call carry a `~` and a number. */
export function plainAxis(name: string): string {
  const mark = name.indexOf("~");
  return mark < 0 ? name : name.slice(0, mark);
}

/** `real[batch, c: 3, h: 32, w: 32]` */
export function describeTensor(val: TensorVal): string {
  const dtype = val.value.dtype === "f32" ? "real" : val.value.dtype;
  if (val.axes.length === 0) return dtype;
  return `${dtype}[${val.axes.map((name, i) => `${plainAxis(name)}: ${val.value.shape[i]}`).join(", ")}]`;
}

/** What a value is, in the words of a message. */
export function describe(val: Val): string {
  switch (val.kind) {
    case "number":
      return `the number ${val.value}`;
    case "bool":
      return `the Bool ${val.value}`;
    case "text":
      return `the text "${val.value}"`;
    case "none":
      return "`none`";
    case "host":
      return { int: "a whole number of the step", real: "a number of the step", bool: "a Bool of the step", text: "a text of the step" }[
        val.type
      ];
    case "tensor":
      return describeTensor(val);
    case "list":
      return `a list of ${val.items.length}`;
    case "tuple":
      return `a tuple of ${val.items.length}`;
    case "record":
      return `a record { ${[...val.fields.keys()].join(", ")} }`;
    case "range":
      return "a range";
    case "axes":
      return `axes [${val.axes.map((axis) => plainAxis(axis.name)).join(", ")}]`;
    case "pattern":
      return "a pattern";
    case "function":
      return `the ${val.item.kind === "loss" ? "loss" : "function"} \`${val.item.name.name}\``;
    case "closure":
      return "a function";
    case "builtin":
      return `the function \`${val.name}\``;
    case "module":
      return `the module \`${val.item.name.name}\``;
    case "instance":
      return `a \`${val.instance.module.name.name}\``;
    case "distribution":
      return "a distribution";
    case "schedule":
    case "scheduleItem":
      return "a schedule";
    case "optimizer":
      return `the optimiser \`${val.item.name.name}\``;
    case "surgery":
      return `the surgery \`${val.item.name.name}\``;
    case "dataset":
      return `the data set \`${val.item.name.name}\``;
    case "batch":
      return `the batch \`${val.binder}\``;
    case "picture":
      return "a picture whose size is not said";
    case "type":
      return `the type \`${val.name}\``;
    case "cell":
      return "declared state";
    case "texts":
      return `texts [${val.axes.map((a) => `${plainAxis(a.name)}: ${a.size}`).join(", ")}]`;
    case "prompt":
      return `a prompt [${val.axes.map((a) => `${plainAxis(a.name)}: ${a.size}`).join(", ")}]${
        val.slots.size === 0 ? " without slots" : ` with ${[...val.slots].map(([name, { count }]) => `${name}: ${count}`).join(", ")}`
      }`;
    case "promptItem":
      return `the prompt \`${val.item.name.name}\``;
    case "grammar":
      return `the grammar \`${val.grammar.name}\``;
    case "transform":
      return val.isPlain ? "a function of pictures" : "a function of pictures that has to be drawn";
    case "order":
      return "an order of a data set";
    case "tapped":
      return `the part \`${val.instance.path ?? val.instance.module.name.name}\``;
    case "maybe":
      return "a value that may be absent";
    case "table":
    case "tableMethod":
      return "a table";
    default:
      val satisfies never;
      return "a value";
  }
}
