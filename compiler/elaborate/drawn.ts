import type { Axis, Expr, GradcheckItem, IndexItem, PropertyItem, TestItem, TypeNode } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import { evaluate } from "./expressions.ts";
import { fail, unsupported } from "./failure.ts";
import type { Scope } from "./scope.ts";
import { compileNumber, namesIn, sizeOf } from "./sizes.ts";
import { resolveType } from "./typeNodes.ts";
import type { AxisItem } from "./values.ts";

// What a `property` or a `gradcheck` draws, read from its types. A sample is made in two parts: first everything that decides shapes (sizes,
// rows, whole numbers, how long lists are, what is absent: the **form**), then the numbers of each **place** (`x`, `p.mean`, `xs.0`).
// An axis name has one size in an item; sizes that occur only inside of a list belong to each element, those of a `type` to each use.

/** Numbers: one, or a tensor of them. `low` and `high` are both possible. */
export interface DrawnNumbers {
  readonly kind: "numbers";
  readonly type: "tensor" | "real" | "int" | "bool";
  readonly dtype: "f32" | "i32" | "bool";
  readonly low: number;
  readonly high: number;
  readonly axes: readonly AxisEntry[];
}
/** Sizes with their ends, and rows `...s` of any number of axes. */
export interface DrawnSizes {
  readonly sizes: ReadonlyMap<string, { readonly least: number; readonly most: number }>;
  readonly rows: ReadonlySet<string>;
}
export type Drawn =
  | DrawnNumbers
  | { readonly kind: "record"; readonly fields: ReadonlyMap<string, Drawn> }
  | { readonly kind: "tuple"; readonly items: readonly Drawn[] }
  | { readonly kind: "list"; readonly element: Drawn }
  | { readonly kind: "optional"; readonly of: Drawn }
  /** An element of a list or a use of a `type`: with sizes of its own. `scope` is where the type is written; null: in the item. */
  | { readonly kind: "own"; readonly of: Drawn; readonly own: DrawnSizes; readonly scope: Scope | null };

export interface Draws extends DrawnSizes {
  readonly values: ReadonlyMap<string, Drawn>;
}
export interface ChosenSizes {
  readonly sizes: Readonly<Record<string, number>>;
  /** Sizes of each row's axes. */
  readonly rows: Readonly<Record<string, readonly number[]>>;
}
export type Form =
  | { readonly kind: "numbers" }
  | { readonly kind: "none" }
  | { readonly kind: "fields"; readonly fields: Readonly<Record<string, Form>> }
  | { readonly kind: "items"; readonly items: readonly Form[] }
  | { readonly kind: "own"; readonly own: ChosenSizes; readonly of: Form };
export interface SampleForm extends ChosenSizes {
  readonly forms: Readonly<Record<string, Form>>;
}
export interface Sample extends SampleForm {
  /** By place: elements in the order of the axes, or one number. */
  readonly values: Readonly<Record<string, readonly number[]>>;
}
/** Where a sample has numbers. */
export interface Place {
  readonly path: string;
  readonly numbers: DrawnNumbers;
  readonly axes: readonly AxisItem[];
}

type AxisEntry =
  | { readonly kind: "row"; readonly name: string }
  | {
      readonly kind: "axis";
      readonly name: string;
      readonly size: Expr | null;
      readonly range: { readonly least: number; readonly most: number } | null;
    };

export type TestItemNode = TestItem | PropertyItem | GradcheckItem;
const defaultSizes = { least: 1, most: 6 };
const deepestType = 20;
const tensorTypes = new Map<string, DrawnNumbers["dtype"]>([
  ["real", "f32"],
  ["f32", "f32"],
  ["i32", "i32"],
  ["bool", "bool"],
]);

// ---- from types ----------------------------------------------------------------------------------------------------------------

/** What is drawn for an item. */
export function drawsOfItem(item: TestItemNode, scope: Scope): Draws {
  const values = new Map<string, Drawn>();
  switch (item.kind) {
    case "test":
      break;
    case "property":
      for (const { name, type, in: range } of item.forall) values.set(name.name, new Reader(scope, range).type(type, scope));
      break;
    case "gradcheck":
      gradcheckCall(item).args.forEach((arg, i) => {
        const drawn = new Reader(scope, null).argument(arg.value);
        if (drawn) values.set(arg.name?.name ?? `argument${i}`, drawn);
      });
      break;
    default:
      throw new Error(`internal: ${(item satisfies never as TestItemNode).kind} is no test`);
  }
  // Whole numbers stand for sizes without being drawn as such.
  const known = [...values].flatMap(([name, drawn]) => (drawn.kind === "numbers" && drawn.type === "int" ? [name] : []));
  const outer = freeSizes([...values.values()], { sizes: new Set(known), rows: new Set() }, scope);
  const names: KnownNames = { sizes: new Set([...known, ...outer.sizes.keys(), ...outer.axes]), rows: outer.rows };
  return { ...outer, values: new Map([...values].map(([name, drawn]) => [name, settled(drawn, names, scope)])) };
}

/** What an argument of a gradcheck asks to be drawn, as `real[n: 3]`; null for an ordinary value. */
export function drawnArgument(value: Expr, scope: Scope): Drawn | null {
  return new Reader(scope, null).argument(value);
}

export function gradcheckCall(item: GradcheckItem): Extract<Expr, { kind: "call" }> {
  if (item.value.kind !== "call")
    return fail("type/mismatch", item.value.span, { found: "this", expected: "a call: `gradcheck f(x: real[n: 3])`" });
  return item.value;
}

const noSizes: DrawnSizes = { sizes: new Map(), rows: new Set() };

class Reader {
  readonly #scope: Scope;
  readonly #in: Expr | null;
  #depth = 0;
  constructor(scope: Scope, range: Expr | null) {
    this.#scope = scope;
    this.#in = range;
  }

  type(node: TypeNode, scope: Scope): Drawn {
    if (node.kind === "error") throw new Error("internal: a type that could not be read");
    const of = this.#required(node, scope);
    return node.optional ? { kind: "optional", of } : of;
  }
  #required(node: Exclude<TypeNode, { kind: "error" }>, scope: Scope): Drawn {
    switch (node.kind) {
      case "recordType":
        return { kind: "record", fields: new Map(node.fields.map((field) => [field.name.name, this.type(field.type, scope)])) };
      case "tupleType":
        return { kind: "tuple", items: node.elements.map((one) => this.type(one, scope)) };
      case "namedType":
        return this.#named(node, scope);
      default:
        return node satisfies never;
    }
  }
  #named(node: Extract<TypeNode, { kind: "namedType" }>, scope: Scope): Drawn {
    const word = node.name.name;
    const dtype = tensorTypes.get(word);
    if (dtype) return this.#tensor((node.axes ?? []).map(axisEntry(scope)), dtype);
    const element = node.args[0]?.value;
    if (word === "List" && element && element.kind !== "number" && node.axes === null)
      return { kind: "list", element: { kind: "own", of: this.type(element, scope), own: noSizes, scope: null } };
    const whole = word === "Int" || word === "Dim";
    if (node.axes === null && (whole || word === "Real" || word === "Bool")) {
      const [low, high] = word === "Bool" ? [0, 1] : this.#range(whole ? [1, 8] : [-1, 1], whole);
      return {
        kind: "numbers",
        type: whole ? "int" : word === "Bool" ? "bool" : "real",
        dtype: whole ? "i32" : "f32",
        low,
        high,
        axes: [],
      };
    }
    const alias = resolveType(node, scope);
    if (alias.type === node) return unsupported("a `forall` over this type", node.span, drawable);
    if (++this.#depth > deepestType) return unsupported("a `forall` over a type that holds itself", node.span, drawable);
    const of = this.type(alias.type, alias.scope);
    this.#depth--;
    return { kind: "own", of, own: noSizes, scope: alias.scope };
  }
  argument(value: Expr): Drawn | null {
    const base = value.kind === "index" ? value.base : value;
    const dtype = base.kind === "name" ? tensorTypes.get(base.name) : undefined;
    if (!dtype) return null;
    return this.#tensor(value.kind === "index" ? value.indices.map((index) => indexEntry(index, this.#scope)) : [], dtype);
  }
  #tensor(axes: readonly AxisEntry[], dtype: DrawnNumbers["dtype"]): DrawnNumbers {
    const [low, high] = dtype === "bool" ? [0, 1] : this.#range(dtype === "i32" ? [0, 8] : [-1, 1], dtype === "i32");
    return { kind: "numbers", type: "tensor", dtype, low, high, axes };
  }
  #range(usual: readonly [number, number], whole: boolean): readonly [number, number] {
    return this.#in === null ? usual : rangeOf(this.#in, whole, this.#scope);
  }
}
const drawable = "tensors, `Real`, `Int`, `Dim`, `Bool`, and lists, records and tuples of them are drawn";

/** `in a..b`: both ends for reals, without the end for whole numbers. */
function rangeOf(range: Expr, whole: boolean, scope: Scope): readonly [number, number] {
  const end = (expr: Expr): number => compileNumber(evaluate(expr, scope), expr.span, scope, "an end of a range");
  if (range.kind !== "range" || range.to === null) fail("type/mismatch", range.span, { found: "this", expected: "a range `a..b`" });
  const [low, high] = [end(range.from), end(range.to) - (whole ? 1 : 0)];
  if (!(low <= high)) fail("elaborate/bad-setting", range.span, { key: "this range", problem: "nothing lies in it" });
  return [low, high];
}
const axisEntry =
  (scope: Scope) =>
  (axis: Axis): AxisEntry =>
    axis.kind === "rowAxis" ? { kind: "row", name: axis.name.name } : namedEntry(axis.name?.name ?? null, axis.value, axis.span, scope);
function indexEntry(index: IndexItem, scope: Scope): AxisEntry {
  if (index.row && index.value?.kind === "name") return { kind: "row", name: index.value.name };
  if (index.value === null) return fail("shape/unnamed-axis", index.span, {});
  return namedEntry(index.name?.name ?? null, index.value, index.span, scope);
}
function namedEntry(given: string | null, value: Expr, span: Span, scope: Scope): AxisEntry {
  const name = given ?? (value.kind === "name" ? value.name : fail("shape/unnamed-axis", span, {}));
  if (value.kind !== "range") return { kind: "axis", name, size: value, range: null };
  const [least, most] = rangeOf(value, true, scope);
  if (!Number.isInteger(least) || least < 0) fail("shape/not-whole", value.span, { what: "this size", value: least });
  return { kind: "axis", name, size: null, range: { least, most } };
}

// ---- which sizes are drawn -----------------------------------------------------------------------------------------------------

interface KnownNames {
  readonly sizes: ReadonlySet<string>;
  readonly rows: ReadonlySet<string>;
}

/** All numbers of a value, those with sizes of their own left out. */
function* numbersIn(drawn: Drawn): Iterable<DrawnNumbers> {
  switch (drawn.kind) {
    case "numbers":
      yield drawn;
      return;
    case "record":
      for (const field of drawn.fields.values()) yield* numbersIn(field);
      return;
    case "tuple":
      for (const item of drawn.items) yield* numbersIn(item);
      return;
    case "list":
      yield* numbersIn(drawn.element);
      return;
    case "optional":
      yield* numbersIn(drawn.of);
      return;
    case "own":
      return;
    default:
      drawn satisfies never;
  }
}

/** The sizes and rows that these values mention and nothing else says, and the names of their axes. */
function freeSizes(
  values: readonly Drawn[],
  known: KnownNames,
  scope: Scope,
): { readonly sizes: Map<string, { least: number; most: number }>; readonly rows: Set<string>; readonly axes: Set<string> } {
  const sizes = new Map<string, { least: number; most: number }>();
  const rows = new Set<string>();
  const axes = new Set<string>();
  for (const drawn of values)
    for (const numbers of numbersIn(drawn))
      for (const axis of numbers.axes) {
        if (axis.kind === "row") {
          if (!known.rows.has(axis.name)) rows.add(axis.name);
          continue;
        }
        if (axis.range) sizes.set(axis.name, axis.range);
        else
          for (const name of namesIn(axis.size!))
            if (!sizes.has(name) && !known.sizes.has(name) && !axes.has(name) && scope.lookupSize(name) === undefined)
              sizes.set(name, defaultSizes);
        axes.add(axis.name);
      }
  return { sizes, rows, axes };
}

/** The value with the sizes that belong to its elements. */
function settled(drawn: Drawn, known: KnownNames, scope: Scope): Drawn {
  const inside = (one: Drawn): Drawn => settled(one, known, scope);
  switch (drawn.kind) {
    case "numbers":
      return drawn;
    case "record":
      return { kind: "record", fields: new Map([...drawn.fields].map(([name, field]) => [name, inside(field)])) };
    case "tuple":
      return { kind: "tuple", items: drawn.items.map(inside) };
    case "list":
      return { kind: "list", element: inside(drawn.element) };
    case "optional":
      return { kind: "optional", of: inside(drawn.of) };
    case "own": {
      // A `type` knows only its own file; an element of a list knows the sizes around it.
      const around: KnownNames = drawn.scope ? { sizes: new Set(), rows: new Set() } : known;
      const where = drawn.scope ?? scope;
      const own = freeSizes([drawn.of], around, where);
      const names: KnownNames = {
        sizes: new Set([...around.sizes, ...own.sizes.keys(), ...own.axes]),
        rows: new Set([...around.rows, ...own.rows]),
      };
      return { kind: "own", own, scope: drawn.scope, of: settled(drawn.of, names, where) };
    }
    default:
      return drawn satisfies never;
  }
}

// ---- with a form ---------------------------------------------------------------------------------------------------------------

/** Where the sample has numbers, with the axes they have; and the scope in which the item's body sees its sizes. */
export function placesOf(
  draws: Draws,
  form: SampleForm,
  outer: Scope,
): { readonly places: readonly Place[]; readonly scope: Scope; readonly sizesAt: ReadonlyMap<string, ReadonlyMap<string, number>> } {
  const places: Place[] = [];
  const sizesAt = new Map<string, ReadonlyMap<string, number>>();
  /** The places of one value; gives the scope that those behind it see. */
  const visit = (drawn: Drawn, chosen: Form, path: string, scope: Scope): Scope => {
    switch (drawn.kind) {
      case "numbers": {
        const axes = axesAt(drawn, scope);
        places.push({ path, numbers: drawn, axes });
        return drawn.type === "tensor" ? scope.child({ axisSizes: new Map(axes.map((axis) => [axis.name, axis.size!])) }) : scope;
      }
      case "record":
        return [...drawn.fields].reduce((so, [name, field]) => visit(field, fieldForm(chosen, name), `${path}.${name}`, so), scope);
      case "tuple":
        return drawn.items.reduce((so, item, i) => visit(item, itemForms(chosen)[i]!, `${path}.${i}`, so), scope);
      case "list":
        itemForms(chosen).forEach((one, i) => {
          visit(drawn.element, one, `${path}.${i}`, scope);
        });
        return scope;
      case "optional":
        return chosen.kind === "none" ? scope : visit(drawn.of, chosen, path, scope);
      case "own": {
        if (chosen.kind !== "own") throw new Error(`internal: ${path} has no sizes of its own`);
        const inner = withSizes(drawn.scope ?? scope, chosen.own);
        const own = new Map(Object.entries(chosen.own.sizes));
        sizesAt.set(path, own);
        visit(drawn.of, chosen.of, path, inner);
        return drawn.scope ? scope.child({ axisSizes: own }) : scope;
      }
      default:
        return drawn satisfies never;
    }
  };
  let scope = withSizes(outer, form);
  for (const [name, drawn] of draws.values) scope = visit(drawn, form.forms[name]!, name, scope);
  return { places, scope, sizesAt };
}
const fieldForm = (form: Form, name: string): Form => {
  if (form.kind !== "fields") throw new Error("internal: a record has no fields");
  return form.fields[name]!;
};
const itemForms = (form: Form): readonly Form[] => {
  if (form.kind !== "items") throw new Error("internal: a list has no elements");
  return form.items;
};

function withSizes(scope: Scope, { sizes, rows }: ChosenSizes): Scope {
  const items = Object.entries(rows).map(([name, of]): [string, AxisItem[]] => [
    name,
    of.map((size, i) => ({ name: `${name}${i}`, size })),
  ]);
  return scope.child({ sizes: new Map(Object.entries(sizes)), rows: new Map(items) });
}
function axesAt({ axes }: DrawnNumbers, scope: Scope): AxisItem[] {
  return axes.flatMap((axis): readonly AxisItem[] => {
    if (axis.kind === "row") return scope.row(axis.name) ?? [];
    return [{ name: axis.name, size: axis.range ? scope.lookupSize(axis.name)! : sizeOf(axis.size!, scope) }];
  });
}
