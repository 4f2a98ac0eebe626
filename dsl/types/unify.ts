import type { Span } from "../span.ts";
import {
  anySize,
  constantOf,
  constantSize,
  divideSizes,
  flagTest,
  isAny,
  isConditional,
  type Size,
  type SizeVar,
  sameSize,
  solveForOpen,
  substituteSize,
  subtractSizes,
  testsOf,
  variableSize,
  variablesOf,
  withTest,
} from "./size.ts";
import { type AxisItem, axis, axisKey, mapAxes, mapType, type RowVar, type Type } from "./type.ts";

// Unification of sizes and rows. Open variables are solved where an equation is linear in one of them. What can be decided is decided
// for all values of the rigid variables; what cannot (floors, compile-time choices, unknown sizes) is kept as an obligation, to be
// looked at again when more is known, and otherwise discharged when everything is concrete.

export type Verdict = "same" | "differ" | "open";
export interface Obligation {
  readonly left: Size;
  readonly right: Size;
  /** Where it arose. */
  readonly origin: Span | null;
}
export type AlignProblem =
  | { readonly kind: "size"; readonly axis: string; readonly left: Size; readonly right: Size }
  | { readonly kind: "missing"; readonly inLeft: readonly string[]; readonly inRight: readonly string[] } // axes that only the other one has
  | { readonly kind: "order"; readonly left: readonly AxisItem[]; readonly right: readonly AxisItem[] };
export type Alignment =
  | { readonly kind: "axes"; readonly axes: readonly AxisItem[] }
  | { readonly kind: "problem"; readonly problem: AlignProblem }
  | { readonly kind: "uncertain" };

export class Unifier {
  readonly #sizes = new Map<string, Size>();
  readonly #rows = new Map<string, readonly AxisItem[]>();
  readonly #flags = new Map<string, Size>();
  #counter = 0;
  #obligations: Obligation[] = [];
  /** The text that is being looked at, for obligations that arise there. */
  origin: Span | null = null;

  /** A new size variable. */
  fresh(name: string, kind: SizeVar["kind"]): SizeVar {
    return { id: `${name}#${++this.#counter}`, name, kind };
  }
  /** A size to be found. */
  freshSize(name: string): Size {
    return variableSize(this.fresh(name, "open"));
  }
  /** A new row variable. */
  freshRow(name: string, kind: RowVar["kind"]): RowVar {
    return { id: `${name}#${++this.#counter}`, name, kind };
  }
  /** A new condition of which only the name is known. */
  freshFlag(text: string): { readonly id: string; readonly truth: Size } {
    const id = `${text}#${++this.#counter}`;
    return { id, truth: flagTest(id, text) };
  }
  /** Says what a condition is. */
  solveFlag(id: string, truth: Size): void {
    if (!this.#flags.has(id)) this.#flags.set(id, truth);
  }
  get obligations(): readonly Obligation[] {
    return this.#obligations;
  }

  /** The size with everything that is solved replaced. */
  size(size: Size): Size {
    let current = size;
    for (let i = 0; i < 64; i++) {
      const next = substituteSize(current, {
        variable: (v) => (v.kind === "open" ? this.#sizes.get(v.id) : undefined),
        flag: (id) => this.#flags.get(id),
      });
      if (next === current) return current;
      current = next;
    }
    return anySize();
  }
  /** The size with some variables replaced. */
  replace(size: Size, replacement: (variable: SizeVar) => Size | undefined): Size {
    return substituteSize(size, { variable: replacement });
  }
  /** The axes with everything that is solved replaced. */
  axes(axes: readonly AxisItem[]): AxisItem[] {
    return mapAxes(axes, { size: (s) => this.size(s), row: (r) => this.#row(r, 0) });
  }
  /** The type with everything that is solved replaced. */
  type(type: Type): Type {
    return mapType(type, { size: (s) => this.size(s), row: (r) => this.#row(r, 0) });
  }
  #row(row: RowVar, depth: number): readonly AxisItem[] {
    const solved = row.kind === "open" && depth < 32 ? this.#rows.get(row.id) : undefined;
    if (!solved) return [{ kind: "row", row }];
    return mapAxes(solved, { size: (s) => this.size(s), row: (r) => this.#row(r, depth + 1) });
  }
  /** What an open row was found to be. */
  rowSolution(row: RowVar): readonly AxisItem[] | undefined {
    return this.#rows.get(row.id);
  }
  /** True when an open size has been found. */
  isSolved(id: string): boolean {
    return this.#sizes.has(id);
  }
  /** Says what an open row stands for; later words replace earlier ones (a row grows while arguments are aligned). */
  solveRow(row: RowVar, axes: readonly AxisItem[]): void {
    if (row.kind === "open" && !axes.some((item) => item.kind === "row" && item.row.id === row.id)) this.#rows.set(row.id, axes);
  }

  /**
   * Makes two sizes equal if they can be. Where both stand in one body (`here`), an equation between rigid variables that is not an
   * identity is a mistake; across a call it is a duty of whoever calls. What may be absent (`maybe`) binds nobody.
   */
  equate(left: Size, right: Size, where: "here" | "call" | "maybe" = "call"): Verdict {
    const [a, b] = [this.size(left), this.size(right)];
    if (sameSize(a, b)) return "same";
    const difference = subtractSizes(a, b);
    if (isAny(difference)) return "open";
    const solved = this.#solve(difference);
    if (solved) return solved;
    const verdict = where === "here" && isPlain(this.#underDuties(difference)) ? "differ" : decide(difference, 0);
    if (verdict === "open" && where !== "maybe") {
      this.#obligations.push({ left: a, right: b, origin: this.origin });
      this.#takeAsDuty(difference);
    }
    return verdict;
  }
  /** What a duty of the caller makes of a rigid variable: below it, the body may count on that. */
  readonly #duties = new Map<string, Size>();
  #takeAsDuty(difference: Size): void {
    if (isConditional(difference) || difference.denominator.length !== 1) return;
    for (const term of difference.numerator) {
      const [power] = term.powers;
      if (term.powers.length !== 1 || power?.atom.kind !== "var" || power.exponent !== 1 || power.atom.variable.kind !== "rigid") continue;
      const { variable } = power.atom;
      const value = subtractSizes(variableSize(variable), divideSizes(difference, constantSize(term.coefficient)));
      if (this.#duties.has(variable.id) || variablesOf(value).some((v) => v.id === variable.id)) continue;
      this.#duties.set(variable.id, value);
      return;
    }
  }
  #underDuties(difference: Size): Size {
    return substituteSize(difference, { variable: (v) => this.#duties.get(v.id) });
  }

  /** Equal, different, or not decided, without solving anything. */
  compare(left: Size, right: Size): Verdict {
    const difference = subtractSizes(this.size(left), this.size(right));
    if (isAny(difference)) return "open";
    return decide(difference, 0);
  }

  #solve(difference: Size): Verdict | undefined {
    const solution = solveForOpen(difference);
    if (!solution) return undefined;
    const constant = constantOf(solution.value);
    if (constant && constant.d !== 1n) return "differ";
    this.#sizes.set(solution.variable.id, solution.value);
    return "same";
  }

  /** Looks at something whose obligations are asked elsewhere. */
  aside<T>(run: () => T): T {
    const before = this.#obligations;
    this.#obligations = [...before];
    try {
      return run();
    } finally {
      this.#obligations = before;
    }
  }
  /** The obligations that arose since there were `from` of them. */
  obligationsSince(from: number): Obligation[] {
    return this.#obligations.slice(from);
  }

  /** The axes of an elementwise operation: the axes of one operand must be an ordered subset of the other's. */
  align(left: readonly AxisItem[], right: readonly AxisItem[]): Alignment {
    const [a, b] = [this.axes(left), this.axes(right)];
    const [inA, inB] = [new Set(a.map(axisKey)), new Set(b.map(axisKey))];
    const common = a.filter((item) => inB.has(axisKey(item)));
    const sizesOfB = new Map(b.flatMap((item) => (item.kind === "axis" ? [[item.name, item.size] as const] : [])));
    for (const item of common) {
      if (item.kind === "axis" && this.equate(item.size, sizesOfB.get(item.name)!, "here") === "differ")
        return { kind: "problem", problem: { kind: "size", axis: item.name, left: item.size, right: sizesOfB.get(item.name)! } };
    }
    const [onlyA, onlyB] = [a.filter((item) => !inB.has(axisKey(item))), b.filter((item) => !inA.has(axisKey(item)))];
    const isRow = (item: AxisItem) => item.kind === "row";
    const isOpenRow = (item: AxisItem) => item.kind === "row" && item.row.kind !== "rigid";
    if (onlyA.some(isOpenRow) || onlyB.some(isOpenRow)) return { kind: "uncertain" };
    const inOrder = b.filter((item) => inA.has(axisKey(item))).every((item, i) => axisKey(item) === axisKey(common[i]!));
    if (!inOrder) return { kind: "problem", problem: { kind: "order", left: a, right: b } };
    const merged = (axes: readonly AxisItem[]): Alignment => ({ kind: "axes", axes: axes.map((item) => this.#known(item, sizesOfB)) });
    if (onlyB.length === 0) return merged(a);
    if (onlyA.length === 0) return merged(b);
    // One row may be part of another: an obligation of whoever calls this function. An axis that is named here is in no row, for the names
    // in a row are the caller's.
    const [rowA, rowB] = [onlyA.some(isRow), onlyB.some(isRow)];
    if (rowA && rowB) {
      if (onlyB.every(isRow) && !onlyA.every(isRow)) return merged(a);
      if (onlyA.every(isRow) && !onlyB.every(isRow)) return merged(b);
      return { kind: "uncertain" };
    }
    const names = (items: readonly AxisItem[]) => items.flatMap((item) => (item.kind === "axis" ? [item.name] : []));
    return { kind: "problem", problem: { kind: "missing", inLeft: names(onlyB), inRight: names(onlyA) } };
  }
  // Of two sizes that are not seen to be equal, the one of which something is known.
  #known(item: AxisItem, others: ReadonlyMap<string, Size>): AxisItem {
    if (item.kind === "row") return item;
    const other = others.get(item.name);
    const size = this.size(item.size);
    return axis(item.name, isAny(size) && other ? this.size(other) : size);
  }
}

const mostBranches = 5;
// What a difference says when nothing can be solved. Sizes are positive, so a number other than 0 or a sum without subtraction is never 0.
// Any other equation between rigid variables may hold where the function is called: a duty of the caller. A choice differs if both its
// branches do.
function decide(difference: Size, depth: number): Verdict {
  const constant = constantOf(difference);
  if (constant) return constant.n === 0n ? "same" : "differ";
  if (isAny(difference) || variablesOf(difference).some((v) => v.kind !== "rigid")) return "open";
  if (!isConditional(difference)) return isNeverZero(difference) ? "differ" : "open";
  const [test] = testsOf(difference);
  if (!test || depth === mostBranches) return "open";
  const [yes, no] = [decide(withTest(difference, test, true), depth + 1), decide(withTest(difference, test, false), depth + 1)];
  return yes === no ? yes : "open";
}

/** A polynomial in rigid variables, without divisions, floors and choices. */
function isPlain(difference: Size): boolean {
  if (isConditional(difference) || isAny(difference) || variablesOf(difference).some((v) => v.kind !== "rigid")) return false;
  return (
    difference.numerator.length > 0 && difference.numerator.every((t) => t.coefficient.d === 1n && t.powers.every((p) => p.exponent > 0))
  );
}
function isNeverZero(difference: Size): boolean {
  const terms = difference.numerator;
  const positive = terms.filter((t) => t.coefficient.n > 0n).length;
  return positive === 0 || positive === terms.length;
}
