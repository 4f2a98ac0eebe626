import { constantOf, constantSize, isAny, type Size, testsOf, variablesOf } from "../types/size.ts";
import { type AxisItem, isSilent, mapType, printAxes, type RowVar, type TensorType, type Type } from "../types/type.ts";
import type { AlignProblem, Unifier } from "../types/unify.ts";
import { sizeOfNumber } from "./scope.ts";
import type { Session } from "./session.ts";

// Does an argument suit a parameter? Axes match by position around the row and take the parameter's names; sizes are unified; a row is the
// axes between. What cannot be decided suits.

export type Mismatch =
  | { readonly kind: "type" }
  | { readonly kind: "rank" }
  | { readonly kind: "size"; readonly axis: string; readonly left: Size; readonly right: Size; readonly wanted: Size }
  | { readonly kind: "row"; readonly problem: AlignProblem; readonly before: readonly AxisItem[]; readonly now: readonly AxisItem[] }
  | { readonly kind: "host"; readonly what: string }
  | { readonly kind: "whole"; readonly value: Size }
  | { readonly kind: "slot"; readonly name: string; readonly count: number }
  | { readonly kind: "field"; readonly name: string; readonly wanted: Type }
  | { readonly kind: "inField"; readonly name: string; readonly inner: Mismatch }
  | { readonly kind: "element"; readonly index: number; readonly inner: Mismatch };

/** What the arguments of one call have settled so far. */
export class CallState {
  readonly session: Session;
  /** The callee's axis names -> the caller's. */
  readonly toCaller = new Map<string, string>();
  readonly rows = new Map<string, readonly AxisItem[]>();
  /** Variables that belong to each element of a list, not to the call. */
  readonly perElement: ReadonlySet<string>;
  /** The argument being matched may be absent: its sizes claim nothing. */
  isMaybe = false;
  constructor(session: Session, perElement: ReadonlySet<string>) {
    this.session = session;
    this.perElement = perElement;
  }
}

/** Matches a parameter's type (variables open) with an argument's. */
export function assign(state: CallState, want: Type, have: Type): Mismatch | null {
  if (isSilent(want) || isSilent(have)) return null;
  const { unifier } = state.session;
  if (want.kind === "optional") {
    const [flag] = testsOf(want.present);
    const settle = (truth: Size) => {
      if (flag?.test.kind === "flag") unifier.solveFlag(flag.test.id, truth);
    };
    if (have.kind === "none") {
      settle(constantSize(0));
      return null;
    }
    if (have.kind === "optional") {
      settle(have.present);
      return constantOf(have.present)?.n === 1n ? assign(state, want.of, have.of) : assignMaybe(state, want.of, have.of);
    }
    settle(constantSize(1));
    return assign(state, want.of, have);
  }
  if (have.kind === "optional") return assign(state, want, have.of);
  switch (want.kind) {
    case "tensor":
      return assignTensor(state, want, have);
    case "int": {
      if (have.kind === "tensor") return have.axes.length === 0 && have.time === "host" ? null : { kind: "host", what: "a whole number" };
      const size = sizeOfNumber(have);
      if (size === undefined || have.kind === "bool") return { kind: "type" };
      const constant = constantOf(unifier.size(size));
      if (constant && constant.d !== 1n) return { kind: "whole", value: size };
      if (isAny(size)) return null;
      const before = unifier.size(want.value);
      return unifier.equate(want.value, size) === "differ"
        ? { kind: "size", axis: "", left: size, right: before, wanted: want.value }
        : null;
    }
    case "realNumber":
      if (have.kind === "tensor") return have.dtype === "text" || have.axes.some((a) => a.kind === "axis") ? { kind: "type" } : null;
      return ["int", "realNumber", "schedule", "scheduleKind", "bool"].includes(have.kind) ? null : { kind: "type" };
    case "bool": {
      if (have.kind === "tensor") {
        if (have.dtype !== "bool") return { kind: "type" };
        return have.time === "device" ? { kind: "host", what: "a condition" } : null;
      }
      if (have.kind !== "bool") return { kind: "type" };
      const [flag] = testsOf(want.truth);
      if (flag?.test.kind === "flag") unifier.solveFlag(flag.test.id, have.truth);
      return null;
    }
    case "textValue":
    case "path":
      return have.kind === "textValue" ||
        have.kind === "path" ||
        (have.kind === "tensor" && have.dtype === "text") ||
        have.kind === "distribution"
        ? null
        : { kind: "type" };
    case "schedule":
      return ["schedule", "scheduleKind", "int", "realNumber"].includes(have.kind) ? null : { kind: "type" };
    case "prompt": {
      if (have.kind !== "prompt") return { kind: "type" };
      for (const [name, { count }] of have.slots === null ? [] : (want.slots ?? [])) {
        const slot = have.slots!.get(name);
        if (!slot || (slot.count !== null && slot.count !== count)) return { kind: "slot", name, count: count! };
      }
      return want.axes && have.axes ? assignAxes(state, want.axes, have.axes) : null;
    }
    case "list":
      return assignList(state, want.element, have);
    case "tuple": {
      if (have.kind !== "tuple" || have.elements.length !== want.elements.length) return have.kind === "list" ? null : { kind: "type" };
      return first(want.elements.map((w, i) => assign(state, w, have.elements[i]!)));
    }
    case "record": {
      if (have.kind !== "record") return { kind: "type" };
      for (const [name, type] of want.fields) {
        const field = have.fields.get(name);
        if (!field) {
          if (type.kind === "optional") continue;
          return { kind: "field", name, wanted: type };
        }
        const inner = assign(state, type, field);
        if (inner) return { kind: "inField", name, inner };
      }
      return null;
    }
    case "module":
      return have.kind === "module" && have.item === want.item ? null : { kind: "type" };
    case "axes":
      return null;
    default:
      return null;
  }
}
function assignMaybe(state: CallState, want: Type, have: Type): Mismatch | null {
  const before = state.isMaybe;
  state.isMaybe = true;
  const problem = assign(state, want, have);
  state.isMaybe = before;
  return problem?.kind === "row" ? null : problem;
}
const first = (problems: readonly (Mismatch | null)[]): Mismatch | null => problems.find((p) => p !== null) ?? null;

function assignList(state: CallState, want: Type, have: Type): Mismatch | null {
  if (have.kind !== "list") return have.kind === "tensor" && have.axes.length > 0 ? null : { kind: "type" };
  const elements = have.elements ?? [have.element];
  for (const [index, element] of elements.entries()) {
    const inner = assign(state, freshElement(state, want), element);
    if (inner) return { kind: "element", index, inner };
  }
  return null;
}
function freshElement(state: CallState, type: Type): Type {
  const { unifier } = state.session;
  const made = new Map<string, Size>();
  return mapType(type, {
    size: (size) =>
      variablesOf(size).some((v) => state.perElement.has(v.id))
        ? unifier.replace(size, (v) => {
            if (!state.perElement.has(v.id)) return undefined;
            const known = made.get(v.id) ?? unifier.freshSize(v.name);
            made.set(v.id, known);
            return known;
          })
        : size,
    row: (row) => [{ kind: "row", row: state.perElement.has(row.id) ? unifier.freshRow(row.name, "open") : row }],
  });
}

const isNumber = (dtype: string) => dtype !== "bool" && dtype !== "text";
function suits(want: TensorType, have: TensorType): boolean {
  if (want.dtype === have.dtype) return true;
  if (want.dtype === "text" || have.dtype === "text") return false;
  if (want.dtype === "bool") return false;
  if (want.dtype === "i32") return have.dtype === "bool";
  return isNumber(have.dtype) || have.dtype === "bool";
}

function assignTensor(state: CallState, want: TensorType, have: Type): Mismatch | null {
  const { unifier } = state.session;
  switch (have.kind) {
    case "int":
    case "realNumber":
    case "schedule":
    case "scheduleKind":
      if (want.dtype === "text" || want.dtype === "bool") return { kind: "type" };
      return want.dtype === "i32" && have.kind !== "int" && have.kind !== "realNumber" ? { kind: "type" } : null;
    case "bool":
      return want.dtype === "text" ? { kind: "type" } : null;
    case "textValue":
      return want.dtype === "text" ? null : { kind: "type" };
    case "distribution":
      return want.dtype === "text" ? null : { kind: "type" };
    case "list": {
      // A list of numbers is a tensor of one axis.
      const [only] = want.axes;
      if (want.axes.length === 1 && only?.kind === "axis") {
        const before = unifier.size(only.size);
        const verdict = isAny(have.length) ? "open" : unifier.equate(only.size, have.length, state.isMaybe ? "maybe" : "call");
        if (verdict === "differ" && !state.isMaybe) {
          return { kind: "size", axis: only.name, left: have.length, right: before, wanted: only.size };
        }
      }
      return null;
    }
    case "tensor":
      if (!suits(want, have)) return { kind: "type" };
      return assignAxes(state, want.axes, have.axes);
    default:
      return { kind: "type" };
  }
}

function assignAxes(state: CallState, want: readonly AxisItem[], have: readonly AxisItem[]): Mismatch | null {
  const { unifier } = state.session;
  const axes = unifier.axes(have);
  const rowAt = want.findIndex((item) => item.kind === "row");
  if (want.filter((item) => item.kind === "row").length > 1) return null;
  const hidden = axes.some((item) => item.kind === "row");
  if (rowAt < 0) {
    if (hidden) return null;
    return axes.length === want.length ? first(want.map((w, i) => pair(state, w, axes[i]!))) : { kind: "rank" };
  }
  const after = want.length - 1 - rowAt;
  if (!hidden && axes.length < want.length - 1) return { kind: "rank" };
  for (let i = 0; i < rowAt; i++) {
    const item = axes[i];
    if (!item || item.kind === "row") return null;
    const problem = pair(state, want[i]!, item);
    if (problem) return problem;
  }
  for (let i = 0; i < after; i++) {
    const item = axes[axes.length - after + i];
    if (!item || axes.length - after + i < rowAt || item.kind === "row") return null;
    const problem = pair(state, want[rowAt + 1 + i]!, item);
    if (problem) return problem;
  }
  const row = want[rowAt]!;
  return row.kind === "row" ? joinRow(state, row.row, axes.slice(rowAt, axes.length - after)) : null;
}

function joinRow(state: CallState, row: RowVar, now: readonly AxisItem[]): Mismatch | null {
  const { unifier } = state.session;
  const before = state.rows.get(row.id);
  if (!before) {
    state.rows.set(row.id, now);
    unifier.solveRow(row, now);
    return null;
  }
  const aligned = unifier.align(before, now);
  if (aligned.kind === "problem") return { kind: "row", problem: aligned.problem, before, now };
  if (aligned.kind === "axes") {
    state.rows.set(row.id, aligned.axes);
    unifier.solveRow(row, aligned.axes);
  }
  return null;
}

function pair(state: CallState, want: AxisItem, have: AxisItem): Mismatch | null {
  if (want.kind !== "axis" || have.kind !== "axis") return null;
  if (!state.toCaller.has(want.name)) state.toCaller.set(want.name, have.name);
  const { unifier } = state.session;
  const before = unifier.size(want.size);
  // Two uses of one part stand in one body.
  const where = state.isMaybe ? "maybe" : state.session.firstUse(want.size) ? "here" : "call";
  if (unifier.equate(want.size, have.size, where) !== "differ" || state.isMaybe) return null;
  return { kind: "size", axis: have.name, left: unifier.size(have.size), right: before, wanted: want.size };
}

/** Rows that no argument with axes has bound are empty. */
export function closeRows(unifier: Unifier, type: Type, bound: ReadonlyMap<string, readonly AxisItem[]>): void {
  mapType(type, {
    size: (size) => size,
    row: (row) => {
      if (row.kind === "open" && !bound.has(row.id) && !unifier.rowSolution(row)) unifier.solveRow(row, []);
      return [{ kind: "row", row }];
    },
  });
}

/** Axes in brackets, for a message. */
export function showAxes(axes: readonly AxisItem[]): string {
  return `[${printAxes(axes)}]`;
}
