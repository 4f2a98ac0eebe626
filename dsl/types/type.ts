import type { DatasetItem, FnExpr, FnItem, LossItem, ModuleItem, OptimizerItem, PromptItem, ScheduleItem, StateItem } from "../ast.ts";
import type { Span } from "../span.ts";
import { printSize } from "./printSize.ts";
import { anySize, constantOf, type Size } from "./size.ts";

// Types of the checker. Host numbers carry what is known of their value as a size, and host conditions as a test, so that a number
// can be used as a size and a condition can choose between sizes.
// `error` is what a reported mistake leaves; `unknown` is what the checker does not model. Both agree with everything, silently.

export type DType = "f32" | "f16" | "real" | "i32" | "bool" | "text";
export interface RowVar {
  readonly id: string;
  readonly name: string;
  /** rigid: the caller's axes, whose names are not seen here; open: to be found; loose: of a named type, about which nothing is claimed. */
  readonly kind: "rigid" | "open" | "loose";
}
export type AxisItem =
  /** bare: only named, in a place where the size of that name is not in force. */
  | { readonly kind: "axis"; readonly name: string; readonly size: Size; readonly bare?: boolean }
  | { readonly kind: "row"; readonly row: RowVar };

export interface TensorType {
  readonly kind: "tensor";
  readonly dtype: DType;
  readonly axes: readonly AxisItem[];
  /** host: known before the step is launched, as a data field of type Bool is. */
  readonly time: "host" | "device";
  /** Of texts: a long one among those that it may hold. */
  readonly longest?: string;
}
export interface IntType {
  readonly kind: "int";
  readonly value: Size;
}
/** A host `Real`; the value is known where it is a quotient of sizes. */
export interface RealType {
  readonly kind: "realNumber";
  readonly value: Size;
}
export interface BoolType {
  readonly kind: "bool";
  /** A test: 1 where it holds. */
  readonly truth: Size;
}
export interface ListType {
  readonly kind: "list";
  /** What all elements have in common; sizes that differ between them are unknown in it. */
  readonly element: Type;
  /** The elements one by one, where they are few and known. */
  readonly elements: readonly Type[] | null;
  readonly length: Size;
}
export interface RecordType {
  readonly kind: "record";
  readonly name: string | null;
  readonly fields: ReadonlyMap<string, Type>;
}
/** A module with its arguments given; `sizes` are the sizes that are found by its use, one for each name. */
export interface ModuleType {
  readonly kind: "module";
  readonly item: ModuleItem;
  readonly file: string;
  readonly arguments: ReadonlyMap<string, Type>;
  readonly sizes: ReadonlyMap<string, Size>;
  /** A frozen model or a part of one: it updates nothing, whatever its bodies say. */
  readonly isFrozen?: boolean;
}
export interface SlotType {
  /** null: not the same in all that this may be. */
  readonly count: number | null;
  readonly words: boolean;
  /** Whatever this is, it has the slot. */
  readonly isCertain: boolean;
}
/** A prompt with its slots; what is not known is null. */
export interface PromptType {
  readonly kind: "prompt";
  readonly axes: readonly AxisItem[] | null;
  readonly slots: ReadonlyMap<string, SlotType> | null;
  readonly length: Size;
  /** A long text that it may hold, and how many positions there are besides. */
  readonly longest: string;
  readonly positions: number;
  /** The item of a prompt without arguments, which may still be called for its `length`. */
  readonly item: { readonly item: PromptItem; readonly file: string } | null;
}
/** A part of a model during a watched call; `rows` are what the rows of the model's forward stand for there. */
export interface TappedType {
  readonly kind: "tapped";
  readonly part: ModuleType;
  readonly rows: ReadonlyMap<string, readonly AxisItem[]>;
}
/** Records by key. */
export interface TableType {
  readonly kind: "table";
  readonly item: StateItem;
  readonly record: RecordType | null; // null: not readable
}
/** What can be called, by where its meaning is found. */
export type CallableType =
  | { readonly kind: "builtin"; readonly name: string }
  | { readonly kind: "function"; readonly item: FnItem | LossItem; readonly file: string; readonly of: ModuleType | null }
  | { readonly kind: "closure"; readonly node: FnExpr; readonly scope: object }
  | { readonly kind: "tableMethod"; readonly table: TableType; readonly name: "has" | "take" }
  | { readonly kind: "moduleKind"; readonly item: ModuleItem; readonly file: string }
  | { readonly kind: "promptKind"; readonly item: PromptItem; readonly file: string }
  | { readonly kind: "scheduleKind"; readonly item: ScheduleItem; readonly file: string }
  | { readonly kind: "datasetKind"; readonly item: DatasetItem; readonly file: string }
  | { readonly kind: "optimizerKind"; readonly item: OptimizerItem; readonly file: string };
export type Type =
  | { readonly kind: "error" }
  | { readonly kind: "unknown" }
  | { readonly kind: "none" }
  | RealType
  | { readonly kind: "textValue"; readonly text: string | null; readonly longest?: string } // host `Text`; a long one among those it may be
  | { readonly kind: "path" }
  | { readonly kind: "axes"; readonly axes: readonly AxisItem[] | null } // null: not known here
  | { readonly kind: "schedule" }
  | { readonly kind: "pattern" }
  | { readonly kind: "distribution"; readonly dtype: DType; readonly host: Type }
  | { readonly kind: "optional"; readonly of: Type; readonly present: Size }
  | { readonly kind: "tuple"; readonly elements: readonly Type[] }
  | PromptType
  | TappedType
  | TableType
  | { readonly kind: "dataset"; readonly item: DatasetItem; readonly file: string }
  | {
      readonly kind: "range";
      readonly from: Size;
      readonly to: Size | null;
      readonly whole: boolean;
      /** An end that a loop could not count to. */
      readonly uncounted?: { readonly span: Span; readonly type: Type };
    }
  | TensorType
  | IntType
  | BoolType
  | ListType
  | RecordType
  | ModuleType
  | CallableType;

export const errorType: Type = { kind: "error" };
export const unknownType: Type = { kind: "unknown" };
export const realType: RealType = { kind: "realNumber", value: anySize() };
export const textType: Type = { kind: "textValue", text: null };
export const boolType: BoolType = { kind: "bool", truth: anySize() };
export const intType: IntType = { kind: "int", value: anySize() };

/** True for types about which nothing more is said. */
export function isSilent(type: Type): boolean {
  return type.kind === "error" || type.kind === "unknown";
}
/** A fraction as a program writes it, where it has few digits. */
function decimalOf({ n, d }: { readonly n: bigint; readonly d: bigint }): string {
  if (d === 1n) return String(n);
  const text = String(Number(n) / Number(d));
  return text.length < 12 ? text : `${n} / ${d}`;
}
/** A tensor type. */
export function tensor(dtype: DType, axes: readonly AxisItem[], time: "host" | "device" = "device"): TensorType {
  return { kind: "tensor", dtype, axes, time };
}
/** A named axis of a size. */
export function axis(name: string, size: Size): AxisItem {
  return { kind: "axis", name, size };
}
/** A host whole number. */
export function int(value: Size): IntType {
  return { kind: "int", value };
}
/** A host condition. */
export function bool(truth: Size): BoolType {
  return { kind: "bool", truth };
}
/** The key by which operands are aligned. */
export function axisKey(item: AxisItem): string {
  return item.kind === "axis" ? item.name : `...${item.row.id}`;
}

const weights = new WeakMap<object, number>();
/** How many types it is made of, counted as if nothing were shared: what it costs to look at all of it. */
export function weightOf(type: Type): number {
  const known = weights.get(type);
  if (known !== undefined) return known;
  const weight = 1 + partsOf(type).reduce((sum, part) => sum + weightOf(part), 0);
  weights.set(type, weight);
  return weight;
}
function partsOf(type: Type): readonly Type[] {
  switch (type.kind) {
    case "optional":
      return [type.of];
    case "list":
      return [type.element, ...(type.elements ?? [])];
    case "record":
      return [...type.fields.values()];
    case "tuple":
      return type.elements;
    case "module":
      return [...type.arguments.values()];
    case "function":
      return type.of ? [type.of] : [];
    case "tapped":
      return [type.part];
    default:
      return [];
  }
}

export interface TypeMap {
  readonly size: (size: Size) => Size;
  readonly row: (row: RowVar) => readonly AxisItem[];
  readonly axisName?: (name: string) => string;
}
/** Rebuilds a type with its sizes, rows and axis names replaced. */
export function mapType(type: Type, map: TypeMap): Type {
  const again = (t: Type) => mapType(t, map);
  switch (type.kind) {
    case "tensor":
      return { ...type, axes: mapAxes(type.axes, map) };
    case "axes":
      return type.axes ? { ...type, axes: mapAxes(type.axes, map) } : type;
    case "int":
    case "realNumber":
      return { ...type, value: map.size(type.value) };
    case "bool":
      return bool(map.size(type.truth));
    case "optional":
      return { ...type, of: again(type.of), present: map.size(type.present) };
    case "list":
      return { ...type, element: again(type.element), elements: type.elements?.map(again) ?? null, length: map.size(type.length) };
    case "record":
      return { ...type, fields: new Map([...type.fields].map(([name, t]) => [name, again(t)])) };
    case "tuple":
      return { ...type, elements: type.elements.map(again) };
    case "distribution":
      return { ...type, host: again(type.host) };
    case "range":
      return { ...type, from: map.size(type.from), to: type.to && map.size(type.to) };
    case "module":
      return mapModule(type, map);
    case "function":
      return type.of ? { ...type, of: mapModule(type.of, map) } : type;
    case "prompt":
      return { ...type, axes: type.axes && mapAxes(type.axes, map), length: map.size(type.length) };
    case "tapped":
      return { ...type, part: mapModule(type.part, map), rows: new Map([...type.rows].map(([name, axes]) => [name, mapAxes(axes, map)])) };
    default:
      return type;
  }
}
function mapModule(type: ModuleType, map: TypeMap): ModuleType {
  return {
    ...type,
    arguments: new Map([...type.arguments].map(([name, t]) => [name, mapType(t, map)])),
    sizes: new Map([...type.sizes].map(([name, size]) => [name, map.size(size)])),
  };
}
/** The same for a list of axes. */
export function mapAxes(axes: readonly AxisItem[], map: TypeMap): AxisItem[] {
  return axes.flatMap((item) =>
    item.kind === "axis"
      ? [{ ...item, name: map.axisName ? map.axisName(item.name) : item.name, size: map.size(item.size) }]
      : map.row(item.row),
  );
}
/** The modules in a type, as the parts of a frozen model or of another. */
export function withMode(type: Type, isFrozen: boolean): Type {
  switch (type.kind) {
    case "module":
      return { ...type, isFrozen };
    case "optional":
      return { ...type, of: withMode(type.of, isFrozen) };
    case "list":
      return { ...type, element: withMode(type.element, isFrozen), elements: type.elements?.map((t) => withMode(t, isFrozen)) ?? null };
    case "tuple":
      return { ...type, elements: type.elements.map((t) => withMode(t, isFrozen)) };
    case "record":
      return { ...type, fields: new Map([...type.fields].map(([name, t]) => [name, withMode(t, isFrozen)])) };
    default:
      return type;
  }
}

// ---- printing ------------------------------------------------------------------------------------------------------------------------
/** Axes as the user writes them, without the brackets: `...b, c: 3, h`. */
export function printAxes(axes: readonly AxisItem[]): string {
  return axes
    .map((item) => {
      if (item.kind === "row") return `...${item.row.name}`;
      const size = printSize(item.size);
      return size === item.name ? item.name : `${item.name}: ${size}`;
    })
    .join(", ");
}
/** The type as the user writes it, in a message. */
export function printType(type: Type): string {
  switch (type.kind) {
    case "error":
    case "unknown":
      return "?";
    case "none":
      return "none";
    case "realNumber":
      return "Real";
    case "textValue":
      return "Text";
    case "path":
      return "Path";
    case "axes":
      return type.axes ? `[${printAxes(type.axes)}]` : "Axes";
    case "schedule":
      return "Schedule";
    case "pattern":
      return "Pattern";
    case "distribution":
      return `distribution of ${printType(type.host)}`;
    case "optional":
      return `${printType(type.of)}?`;
    case "tuple":
      return `(${type.elements.map(printType).join(", ")})`;
    case "prompt":
      return printPrompt(type);
    case "tapped":
      return `watched ${type.part.item.name.name}`;
    case "table":
      return `table ${type.item.name.name}`;
    case "tableMethod":
      return `fn ${type.table.item.name.name}.${type.name}`;
    case "dataset":
      return `dataset ${type.item.name.name}`;
    case "range":
      return `${type.whole ? printSize(type.from) : "?"}..${type.to ? (type.whole ? printSize(type.to) : "?") : ""}`;
    case "tensor": {
      const name = type.dtype === "text" ? "Text" : type.time === "host" && type.dtype === "bool" ? "Bool" : type.dtype;
      return type.axes.length === 0 ? name : `${name}[${printAxes(type.axes)}]`;
    }
    case "int":
      return "Int";
    case "bool":
      return "Bool";
    case "list":
      return `List<${printType(type.element)}>`;
    case "record":
      return type.name ?? `{ ${[...type.fields].map(([name, t]) => `${name}: ${printType(t)}`).join(", ")} }`;
    case "module":
      return type.item.name.name;
    case "builtin":
      return `fn ${type.name}`;
    case "function":
      return `${type.item.kind} ${type.item.name.name}`;
    case "closure":
      return "fn";
    case "moduleKind":
      return `module ${type.item.name.name}`;
    case "promptKind":
      return `prompt ${type.item.name.name}`;
    case "scheduleKind":
      return `schedule ${type.item.name.name}`;
    case "datasetKind":
      return `dataset ${type.item.name.name}`;
    case "optimizerKind":
      return `optimizer ${type.item.name.name}`;
    default:
      return type satisfies never;
  }
}
function printPrompt({ slots, axes }: PromptType): string {
  const known = [...(slots ?? [])].map(([name, slot]) => `${name}: ${slot.count ?? "?"}`);
  return `Prompt${known.length === 0 ? "" : `<${known.join(", ")}>`}${axes && axes.length > 0 ? `[${printAxes(axes)}]` : ""}`;
}
/** The type for a message, with the number where a host whole number is known: `Int (3)`. */
export function describeType(type: Type): string {
  const value = type.kind === "int" || type.kind === "realNumber" ? constantOf(type.value) : undefined;
  return value ? `the number ${decimalOf(value)}` : type.kind === "none" ? "none" : `\`${printType(type)}\``;
}
