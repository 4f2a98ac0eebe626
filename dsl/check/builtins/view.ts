import type { PatternItem } from "../../ast.ts";
import { printSize } from "../../types/printSize.ts";
import { anySize, constantSize, divideSizes, floorSize, multiplySizes, type Size, subtractSizes } from "../../types/size.ts";
import { type AxisItem, axis, errorType, printType, type TensorType, type Type, tensor, unknownType } from "../../types/type.ts";
import { argType } from "../arguments.ts";
import { hasOpenRow } from "../indexing.ts";
import { sizeOfNumber } from "../scope.ts";
import { hasRow, unique } from "./axes.ts";
import type { BuiltinCall, BuiltinRule } from "./call.ts";

// `view(x, pattern)`: axes are split, moved, repeated and joined in one step. Sizes of pieces are learnt from the left side.

function view(c: BuiltinCall): Type {
  const x = c.tensor("x");
  const patternArg = c.args.get("pattern");
  const pattern = patternArg?.source.kind === "expr" && patternArg.source.expr.kind === "pattern" ? patternArg.source.expr : null;
  const sizes = new Map<string, Size>();
  for (const arg of c.rest) {
    const name = arg.name ?? (arg.source.kind === "expr" && arg.source.expr.kind === "name" ? arg.source.expr.name : null);
    const named = arg.name === null && name !== null ? c.scope.size(name) : undefined;
    const size = named ?? sizeOfNumber(argType(arg));
    if (name !== null) sizes.set(name, size ?? anySize());
  }
  if (!x || !pattern) return c.silent("x");
  const { session } = c.scope;
  const fail = (problem: string, span = pattern.span): Type => {
    session.report("shape/pattern", span, { problem }, { label: printType(session.unifier.type(x)) });
    return errorType;
  };
  const axes = session.unifier.axes(x.axes);
  const fixed = pattern.left.filter((item) => item.kind !== "row").length;
  const rows = pattern.left.length - fixed;
  if (rows > 1) return fail("a side can have one row only");
  const hidden = hasOpenRow(axes);
  const named = axes.filter((a) => a.kind === "axis").length;
  if (!hidden && hasRow(axes) && (rows === 0 || named < fixed)) {
    if (rows === 0) return fail("its left side lacks the row of the tensor: write `...b` in front");
    return fail(`its left side has ${fixed} axes besides the row, but ${named === 1 ? "one is" : `${named} are`} named here`);
  }
  if (rows === 0 ? axes.length !== fixed : axes.length < fixed) {
    if (hidden) return unknownType;
    return fail(
      `its left side has ${fixed} ${fixed === 1 ? "axis" : "axes"}${rows ? " besides the row" : ""}, but there are ${axes.length}`,
    );
  }
  const rowAt = pattern.left.findIndex((item) => item.kind === "row");
  const rowLength = axes.length - fixed;
  const rowAxes = new Map<string, readonly AxisItem[]>();
  let at = 0;
  for (const item of pattern.left) {
    if (item.kind === "row") {
      rowAxes.set(item.name, axes.slice(rowAt, rowAt + rowLength));
      at += rowLength;
      continue;
    }
    const found = axes[at++]!;
    if (found.kind === "row") return unknownType;
    const problem = splitAxis(item, found, sizes, c);
    if (problem) return problem === "silent" ? errorType : fail(problem, item.span);
  }
  const learnt = pattern.left.flatMap((item) => (item.kind === "group" ? item.parts : item.kind === "axis" ? [item.name] : []));
  return buildRight(c, pattern.right, { rows: rowAxes, sizes, learnt }, x, fail);
}

/** Learns the sizes of the pieces of one axis; a text says what does not fit. */
function splitAxis(
  item: Exclude<PatternItem, { kind: "row" }>,
  found: Extract<AxisItem, { kind: "axis" }>,
  sizes: Map<string, Size>,
  c: BuiltinCall,
): string | null {
  const { session } = c.scope;
  const { unifier } = session;
  const mismatch = (left: Size, right: Size) => {
    session.report("shape/axis-mismatch", item.span, { axis: found.name, left: printSize(left), right: printSize(right) });
    return "silent";
  };
  if (item.name !== null && item.name !== found.name) return `it says \`${item.name}\` where the axis is \`${found.name}\``;
  switch (item.kind) {
    case "unit":
      return unifier.equate(found.size, constantSize(1)) === "differ" ? mismatch(found.size, constantSize(1)) : null;
    case "axis": {
      const given = sizes.get(item.name);
      if (given && unifier.equate(found.size, given) === "differ") return mismatch(found.size, given);
      sizes.set(item.name, found.size);
      return null;
    }
    case "group": {
      const open = item.parts.filter((p) => !sizes.has(p));
      const product = item.parts.reduce((n, p) => multiplySizes(n, sizes.get(p) ?? constantSize(1)), constantSize(1));
      if (open.length > 1) {
        session.report(
          "shape/not-determined",
          item.span,
          { size: open[1]! },
          { help: `of (${item.parts.join(" ")}) all sizes but one must be given: \`view(…, ${open[0]}: 4)\`` },
        );
        return "silent";
      }
      if (open.length === 0) return unifier.equate(found.size, product) === "differ" ? mismatch(found.size, product) : null;
      const rest = divideSizes(found.size, product);
      if (unifier.compare(subtractSizes(rest, floorSize(rest)), constantSize(0)) === "differ") {
        session.report("shape/does-not-divide", item.span, {
          axis: found.name,
          size: printSize(found.size),
          parts: item.parts.join(" "),
          product: printSize(product),
        });
        return "silent";
      }
      sizes.set(open[0]!, rest);
      return null;
    }
    default:
      return item satisfies never;
  }
}

/** What the left side of a pattern says. */
interface LeftSide {
  readonly rows: ReadonlyMap<string, readonly AxisItem[]>;
  readonly sizes: ReadonlyMap<string, Size>;
  readonly learnt: readonly string[];
}
function buildRight(
  c: BuiltinCall,
  items: readonly PatternItem[],
  { rows, sizes, learnt }: LeftSide,
  x: TensorType,
  fail: (problem: string, span?: PatternItem["span"]) => Type,
): Type {
  const axes: AxisItem[] = [];
  const placed = new Set(items.flatMap((item) => (item.kind === "group" ? item.parts : item.name === null ? [] : [item.name])));
  const parts = items.flatMap((item) => (item.kind === "group" ? item.parts : item.kind === "axis" ? [item.name] : []));
  const doubled = parts.find((name, i) => parts.indexOf(name) !== i);
  if (doubled !== undefined) return fail(`\`${doubled}\` stands twice on the right`);
  for (const name of learnt) {
    const size = sizes.get(name);
    if (placed.has(name) || !size || c.scope.session.unifier.equate(size, constantSize(1), "here") !== "differ") continue;
    return fail(`\`${name}\` of size ${printSize(size)} is missing on the right`);
  }
  for (const item of items) {
    switch (item.kind) {
      case "row": {
        const row = rows.get(item.name);
        if (!row) return fail(`the row \`...${item.name}\` stands on the right only`, item.span);
        axes.push(...row);
        break;
      }
      case "axis": {
        const size = sizes.get(item.name);
        if (!size) {
          c.scope.session.report(
            "shape/not-determined",
            item.span,
            { size: item.name },
            { help: `say it in the call: \`view(…, ${item.name}: 2)\`` },
          );
          return errorType;
        }
        axes.push(axis(item.name, size));
        break;
      }
      case "unit":
        if (item.name === null) return fail("a new axis of size 1 needs a name: `h=1`", item.span);
        axes.push(axis(item.name, constantSize(1)));
        break;
      case "group": {
        if (item.name === null) return fail("a joined axis needs a name: `c=(head d)`", item.span);
        let product = constantSize(1);
        for (const part of item.parts) {
          const row = part.startsWith("...") ? rows.get(part.slice(3)) : undefined;
          for (const a of row ?? []) product = multiplySizes(product, a.kind === "axis" ? a.size : anySize());
          const size = row ? constantSize(1) : sizes.get(part);
          if (!size) {
            c.scope.session.report(
              "shape/not-determined",
              item.span,
              { size: part },
              { help: `say it in the call: \`view(…, ${part}: 2)\`` },
            );
            return errorType;
          }
          product = multiplySizes(product, size);
        }
        axes.push(axis(item.name, product));
        break;
      }
      default:
        item satisfies never;
    }
  }
  return unique(c, axes, tensor(x.dtype, axes, x.time));
}

export const viewRules: Readonly<Record<string, BuiltinRule>> = { view: { params: "x pattern", rest: "sizes", type: view } };
