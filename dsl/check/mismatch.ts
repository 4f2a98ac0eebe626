import type { Span } from "../span.ts";
import { describeSize, printSize } from "../types/printSize.ts";
import { describeType, printType, type Type } from "../types/type.ts";
import type { AlignProblem } from "../types/unify.ts";
import { type Mismatch, showAxes } from "./match.ts";
import type { Session } from "./session.ts";

// Mismatches as messages: what stands here, what was expected, and where the expectation came from.

export interface MismatchPlace {
  readonly span: Span;
  readonly have: Type;
  readonly want: Type;
  readonly name: string; // of the parameter
  readonly declaredAt: Span;
  /** What was called; null for declarations. */
  readonly callee: string | null;
}

/** Reports why an argument does not suit its parameter. */
export function reportMismatch(session: Session, problem: Mismatch, place: MismatchPlace): void {
  const { unifier } = session;
  const label = printType(unifier.type(place.have));
  const wanted = printType(unifier.type(place.want));
  const declaration = place.callee === null ? "declared here" : `\`${place.callee}\` declares \`${place.name}: ${printType(place.want)}\``;
  const related = [{ span: place.declaredAt, label: declaration }];
  switch (problem.kind) {
    case "type": {
      const help = typeHelp(place.have, place.want);
      session.report(
        "type/mismatch",
        place.span,
        { found: describeType(place.have), expected: `\`${wanted}\`` },
        { related, ...(help ? { help } : {}) },
      );
      return;
    }
    case "rank":
      session.report("shape/rank", place.span, { found: label, expected: wanted }, { related, label });
      return;
    case "size": {
      const first = session.firstUse(problem.wanted);
      if (first) {
        const { name, span, module } = first;
        const help = `the parameters of this \`${module}\` have one shape; a second one needs a part of its own`;
        const args = { size: name, left: printSize(problem.right), right: printSize(problem.left) };
        session.report("shape/reused-with-two-sizes", place.span, args, {
          label,
          help,
          related: [{ span, label: `this use made \`${name}\` ${printSize(problem.right)}` }],
        });
        return;
      }
      if (problem.axis === "") {
        session.report("type/mismatch", place.span, { found: printSize(problem.left), expected: printSize(problem.right) }, { related });
        return;
      }
      session.report(
        "shape/axis-mismatch",
        place.span,
        { axis: problem.axis, left: describeSize(problem.axis, problem.left), right: describeSize(problem.axis, problem.right) },
        { related, label },
      );
      return;
    }
    case "row":
      reportAlign(session, problem.problem, {
        span: place.span,
        left: problem.before,
        right: problem.now,
        leftSpan: place.declaredAt,
        leftLabel: `arguments before it have the axes ${showAxes(problem.before)}`,
      });
      return;
    case "host":
      session.report("time/host-value-needed", place.span, { what: problem.what }, { related, label: `device value, ${label}` });
      return;
    case "whole":
      session.report("type/mismatch", place.span, { found: printSize(problem.value), expected: "a whole number" }, { related });
      return;
    case "slot": {
      const expected = `a prompt with the slot \`{${problem.name}:${problem.count}}\``;
      session.report("type/mismatch", place.span, { found: describeType(unifier.type(place.have)), expected }, { related });
      return;
    }
    case "field":
      session.report("type/missing-field", place.span, { name: problem.name }, { related, label });
      return;
    case "inField": {
      const field = (type: Type) => (type.kind === "record" ? (type.fields.get(problem.name) ?? type) : type);
      reportMismatch(session, problem.inner, {
        ...place,
        have: field(place.have),
        want: field(place.want),
        name: `${place.name}.${problem.name}`,
      });
      return;
    }
    case "element": {
      const element = (type: Type) => (type.kind === "list" ? (type.elements?.[problem.index] ?? type.element) : type);
      reportMismatch(session, problem.inner, {
        ...place,
        have: element(place.have),
        want: element(place.want),
        name: `${place.name}[${problem.index}]`,
      });
      return;
    }
    default:
      problem satisfies never;
  }
}

function typeHelp(have: Type, want: Type): string | undefined {
  if (want.kind === "tensor" && want.dtype === "i32" && have.kind === "tensor") return "`floor`, `ceil` or `round` make whole numbers";
  if (want.kind === "tensor" && want.dtype === "bool" && have.kind === "tensor") return "a comparison makes a condition: `x > 0`";
  if (have.kind === "promptKind") return `give its arguments: \`${have.item.name.name}(…)\``;
  if (have.kind === "moduleKind") return `give its arguments: \`${have.item.name.name}()\``;
  if (have.kind === "function") return `call it: \`${have.item.name.name}(…)\``;
  return undefined;
}

export interface AlignPlace {
  readonly span: Span;
  readonly left: Extract<AlignProblem, { kind: "order" }>["left"];
  readonly right: Extract<AlignProblem, { kind: "order" }>["right"];
  readonly leftSpan: Span;
  readonly leftLabel: string;
}
/** Reports why two operands cannot be aligned; the second one carries the carets. */
export function reportAlign(session: Session, problem: AlignProblem, place: AlignPlace): void {
  const { unifier } = session;
  const [left, right] = [unifier.axes(place.left), unifier.axes(place.right)];
  const related = [{ span: place.leftSpan, label: place.leftLabel }];
  const label = showAxes(right);
  switch (problem.kind) {
    case "size": {
      const [a, b] = [describeSize(problem.axis, unifier.size(problem.right)), describeSize(problem.axis, unifier.size(problem.left))];
      const stretch =
        a === "1" || b === "1" ? { help: "an axis of size 1 is not stretched: take it away with `x[axis: 0]`, then it repeats" } : {};
      session.report("shape/axis-mismatch", place.span, { axis: problem.axis, left: a, right: b }, { label, related, ...stretch });
      return;
    }
    case "order": {
      const shared = left.flatMap((item) => (item.kind === "row" ? [`...${item.row.name}`] : [item.name]));
      const order = shared.filter((name) => right.some((item) => (item.kind === "row" ? `...${item.row.name}` : item.name) === name));
      session.report(
        "shape/axis-order",
        place.span,
        { found: label, expected: showAxes(left) },
        { label, related, help: `\`order(x, [${order.join(", ")}])\` puts them in that order` },
      );
      return;
    }
    case "missing": {
      const [alien] = problem.inLeft;
      const [lacking] = problem.inRight;
      const one = problem.inLeft.length === 1 && problem.inRight.length === 1;
      const help = one
        ? `if \`${alien}\` and \`${lacking}\` are the same axis: \`rename(x, ${alien}: ${lacking})\`; for all pairs: \`expand(x, […])\``
        : "`rename` gives an axis the other's name; `expand(x, […])` repeats along missing axes";
      session.report("shape/not-a-subset", place.span, { left: label, right: showAxes(left) }, { label, related, help });
      return;
    }
    default:
      problem satisfies never;
  }
}
