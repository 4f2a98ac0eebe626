import type { Expr, Param, TypeNode } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import { isOrderedSubset, showAxes } from "./axes.ts";
import { fail } from "./failure.ts";
import type { Instance } from "./instance.ts";
import type { Scope } from "./scope.ts";
import { namesIn, sizeOf } from "./sizes.ts";
import { type AxisItem, plainAxis } from "./values.ts";

// What one call binds: sizes, rows, and how the caller's axis names and the callee's correspond.

export interface Callee {
  readonly name: string;
  readonly params: readonly Param[];
  readonly result: TypeNode | null;
  readonly scope: Scope; // where the body stands
  readonly owner: Instance | null; // whose sizes a signature may solve
  /** A function written inside a body: its size names are its own, whatever they mean around it, so it may take maps of different size. */
  readonly ownSizes?: true;
  /** Axis names that the body uses: a row axis of that name is renamed while inside. */
  readonly localNames: ReadonlySet<string>;
}

export interface RowPiece {
  readonly axes: readonly AxisItem[];
  readonly span: Span;
}

/** The sizes, rows and names that one call binds. */
export class CallNames {
  readonly sizes = new Map<string, { readonly value: number; readonly span: Span }>();
  readonly rows = new Map<string, readonly AxisItem[]>(); // under the callee's names
  readonly toCallee = new Map<string, string>();
  readonly toCaller = new Map<string, string>();
  readonly axesValues = new Map<string, readonly AxisItem[]>();
  readonly callee: Callee;
  sizeScope: Scope;

  constructor(callee: Callee) {
    this.callee = callee;
    this.sizeScope = callee.scope;
  }

  /** What an axis of a row is called inside. An axis of the caller that another argument gives a declared name is the same axis inside. */
  rowAxis(name: string, taken: ReadonlySet<string>): string {
    const known = this.toCallee.get(name);
    if (known !== undefined) return known;
    const inner = taken.has(name) ? `${plainAxis(name)}~${this.callee.scope.session.freshAxes++}` : name;
    this.toCallee.set(name, inner);
    this.toCaller.set(inner, name);
    return inner;
  }

  /** Binds or checks the size that a signature writes for an axis. */
  bindSize(expr: Expr, axis: string, actual: number, span: Span, shown: string): void {
    if (expr.kind !== "name") {
      const wanted = this.trySize(expr);
      if (wanted !== undefined && wanted !== actual) this.mismatch(axis, actual, wanted, span, shown, expr.span, describeSize(expr));
      return;
    }
    const { name } = expr;
    const { owner, scope } = this.callee;
    const bound = this.sizes.get(name);
    if (bound) {
      if (bound.value !== actual) this.mismatch(axis, actual, bound.value, span, shown, bound.span, `this made \`${name}\` ${bound.value}`);
      return;
    }
    if (owner?.sizeNames.has(name)) {
      const solved = owner.sizes.get(name);
      if (solved && solved.value !== actual) {
        fail(
          "shape/reused-with-two-sizes",
          span,
          { size: name, left: solved.value, right: actual },
          {
            label: `\`${name}\` is ${actual} here`,
            related: [{ span: solved.span, label: `the first use made it ${solved.value}` }],
            help: `the parameters of this \`${owner.module.name.name}\` have one shape; a second one needs a part of its own`,
          },
        );
      }
      if (!solved) owner.sizes.set(name, { value: actual, span });
      this.sizes.set(name, { value: actual, span });
      return;
    }
    const known = this.callee.ownSizes ? undefined : scope.lookupSize(name);
    if (known !== undefined && known !== actual) this.mismatch(axis, actual, known, span, shown, expr.span, `\`${name}\` is ${known}`);
    this.sizes.set(name, { value: actual, span });
  }

  private mismatch(axis: string, left: number, right: number, span: Span, shown: string, there: Span, label: string): never {
    fail("shape/axis-mismatch", span, { axis, left, right }, { label: shown, related: [{ span: there, label }] });
  }

  private trySize(expr: Expr): number | undefined {
    const scope = this.sizeScope.child({ sizes: new Map([...this.sizes].map(([name, s]) => [name, s.value])) });
    if (!namesIn(expr).every((name) => scope.lookup(name) !== undefined)) return undefined;
    return sizeOf(expr, scope);
  }
}

function describeSize(expr: Expr): string {
  return expr.kind === "number" ? `declared as ${expr.value}` : "declared here";
}

/** The row of all arguments that share it: the longest, of which the others are ordered subsets. Names that the callee uses are changed. */
export function joinRow(names: CallNames, parts: readonly RowPiece[], taken: ReadonlySet<string>): AxisItem[] {
  if (parts.length === 0) return [];
  let longest = parts[0]!;
  for (const part of parts) if (part.axes.length > longest.axes.length) longest = part;
  for (const part of parts) {
    if (
      !isOrderedSubset(
        part.axes.map((a) => a.name),
        longest.axes.map((a) => a.name),
      )
    ) {
      fail(
        "shape/not-a-subset",
        part.span,
        { left: showAxes(part.axes), right: showAxes(longest.axes) },
        {
          label: "these leading axes",
          related: [{ span: longest.span, label: "should line up with these" }],
          help: "arguments that share a row are aligned by name: rename one, or `expand` it",
        },
      );
    }
    for (const axis of part.axes) {
      const other = longest.axes.find((a) => a.name === axis.name)!;
      if (other.size !== axis.size) {
        fail(
          "shape/axis-mismatch",
          part.span,
          { axis: plainAxis(axis.name), left: axis.size!, right: other.size! },
          { related: [{ span: longest.span, label: showAxes(longest.axes) }] },
        );
      }
    }
  }
  return longest.axes.map((axis) => {
    // an axis of the caller that another argument gives a declared name is the same axis inside
    return { name: names.rowAxis(axis.name, taken), size: axis.size };
  });
}
