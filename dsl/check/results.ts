import type { Span } from "../span.ts";
import { describeSize } from "../types/printSize.ts";
import { type AxisItem, axisKey, describeType, isSilent, printType, type Type } from "../types/type.ts";
import { assign, CallState, type Mismatch } from "./match.ts";
import type { Session } from "./session.ts";

// What a body gives against what its signature promises. Here names count, not only positions: they are the contract with the caller.

export type ResultProblem = Mismatch | { readonly kind: "order" } | { readonly kind: "axes" };

/** Compares a value with the type that a state or result declares, by the names of the axes. */
export function assignResult(session: Session, want: Type, have: Type): Mismatch | null {
  if (isSilent(want) || isSilent(have)) return null;
  return assign(new CallState(session, new Set()), want, have);
}

export function checkResult(session: Session, want: Type, have: Type, span: Span, declaredAt: Span): void {
  const problem = compare(session, want, have);
  if (!problem) return;
  const { unifier } = session;
  const [found, expected] = [unifier.type(have), unifier.type(want)];
  const related = [{ span: declaredAt, label: "the declared result" }];
  const label = printType(found);
  reportResult(session, problem, { want, have, found, expected, span, related, label });
}

interface ResultPlace {
  readonly want: Type;
  readonly have: Type;
  readonly found: Type;
  readonly expected: Type;
  readonly span: Span;
  readonly related: readonly { readonly span: Span; readonly label: string }[];
  readonly label: string;
}
function reportResult(session: Session, problem: ResultProblem, place: ResultPlace): void {
  const { unifier } = session;
  const { want, found, expected, span, related, label } = place;
  switch (problem.kind) {
    case "order": {
      const names =
        want.kind === "tensor" ? unifier.axes(want.axes).map((item) => (item.kind === "row" ? `...${item.row.name}` : item.name)) : [];
      const help = `\`order(x, [${names.join(", ")}])\` puts them in the declared order`;
      session.report("shape/axis-order", span, { found: label, expected: printType(expected) }, { related, label, help });
      return;
    }
    case "axes":
    case "rank":
      session.report("shape/result-axes", span, { found: label, expected: printType(expected) }, { related, label });
      return;
    case "size":
      session.report(
        "shape/axis-mismatch",
        span,
        { axis: problem.axis, left: describeSize(problem.axis, problem.left), right: describeSize(problem.axis, problem.right) },
        { related, label },
      );
      return;
    case "field":
      session.report("type/missing-field", span, { name: problem.name }, { related, label });
      return;
    case "inField":
      if (problem.inner.kind === "size" || problem.inner.kind === "inField" || problem.inner.kind === "field") {
        reportResult(session, problem.inner, place);
        return;
      }
      session.report(
        "type/mismatch",
        span,
        { found: `\`${problem.name}: ${label}\``, expected: `\`${printType(expected)}\`` },
        { related },
      );
      return;
    default:
      session.report("type/mismatch", span, { found: describeType(found), expected: `\`${printType(expected)}\`` }, { related });
  }
}

function compare(session: Session, want: Type, have: Type): ResultProblem | null {
  if (isSilent(want) || isSilent(have)) return null;
  if (want.kind === "optional") return have.kind === "none" ? null : compare(session, want.of, have.kind === "optional" ? have.of : have);
  if (have.kind === "optional") return compare(session, want, have.of);
  if (want.kind === "tuple" && have.kind === "tuple" && want.elements.length === have.elements.length) {
    for (const [i, element] of want.elements.entries()) {
      const problem = compare(session, element, have.elements[i]!);
      if (problem) return problem;
    }
    return null;
  }
  if (want.kind === "record" && have.kind === "record") {
    for (const [name, field] of want.fields) {
      const other = have.fields.get(name);
      if (!other) {
        if (field.kind === "optional") continue;
        return { kind: "field", name, wanted: field };
      }
      const problem = assignResult(session, field, other);
      if (problem) return { kind: "inField", name, inner: problem };
    }
    return null;
  }
  if (want.kind === "list" && have.kind === "list") {
    for (const element of have.elements ?? [have.element]) if (kindsDiffer(want.element, element)) return { kind: "type" };
    return null;
  }
  // Names count: a tensor result is compared axis by axis, after the general question whether it suits at all.
  if (want.kind === "tensor" && have.kind === "tensor") {
    const problem = compareAxes(session, want.axes, have.axes);
    if (problem) return problem;
  }
  return want.kind === "tensor" && have.kind === "tensor"
    ? dtypeProblem(session, want, have)
    : assign(new CallState(session, new Set()), want, have);
}
function dtypeProblem(session: Session, want: Extract<Type, { kind: "tensor" }>, have: Extract<Type, { kind: "tensor" }>): Mismatch | null {
  return assign(new CallState(session, new Set()), { ...want, axes: [] }, { ...have, axes: [] });
}
function kindsDiffer(want: Type, have: Type): boolean {
  if (isSilent(want) || isSilent(have) || want.kind === "optional" || have.kind === "optional") return false;
  const number = ["int", "realNumber", "bool", "tensor", "schedule"];
  return want.kind !== have.kind && !(number.includes(want.kind) && number.includes(have.kind));
}

function compareAxes(session: Session, wanted: readonly AxisItem[], found: readonly AxisItem[]): ResultProblem | null {
  const { unifier } = session;
  const have = unifier.axes(found);
  const want = unifier.axes(wanted);
  const isOpenRow = (item: AxisItem) => item.kind === "row" && item.row.kind === "open";
  if (have.some((item) => item.kind === "row" && item.row.kind !== "rigid")) return null;
  const open = want.findIndex(isOpenRow);
  if (open >= 0) {
    // A row that the body makes: whatever is left between the named axes.
    const after = want.length - 1 - open;
    const item = want[open]!;
    if (have.length < want.length - 1) return have.some((a) => a.kind === "row") ? null : { kind: "axes" };
    if (item.kind === "row") unifier.solveRow(item.row, have.slice(open, have.length - after));
    return compareAxes(
      session,
      [...want.slice(0, open), ...want.slice(open + 1)],
      [...have.slice(0, open), ...have.slice(have.length - after)],
    );
  }
  const keys = (axes: readonly AxisItem[]) => axes.map(axisKey);
  const [wantKeys, haveKeys] = [keys(want), keys(have)];
  if (wantKeys.join() !== haveKeys.join()) {
    if (wantKeys.length === haveKeys.length && wantKeys.every((k) => haveKeys.includes(k))) return { kind: "order" };
    // One row may be part of another: an obligation of whoever calls.
    if (have.some((item) => item.kind === "row" && !wantKeys.includes(axisKey(item)))) return null;
    return { kind: "axes" };
  }
  for (const [i, item] of want.entries()) {
    const other = have[i]!;
    if (item.kind !== "axis" || other.kind !== "axis") continue;
    const before = unifier.size(item.size);
    if (unifier.equate(item.size, other.size, "here") === "differ")
      return { kind: "size", axis: item.name, left: unifier.size(other.size), right: before, wanted: item.size };
  }
  return null;
}
