import type { PatternItem, PatternLit } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import { axisItems, requireUnique } from "./axes.ts";
import { fail } from "./failure.ts";
import type { Session } from "./session.ts";
import { type AxisItem, describeTensor, plainAxis, type TensorVal, tensor } from "./values.ts";

// `view(x, pattern)`: axes are split, moved, repeated and joined in one step. The left side names the pieces, the right side says where
// they go; a piece that only the right side names is a repetition.

/** The pieces of one side in order, groups taken apart. */
interface Piece {
  readonly name: string;
  readonly size: number;
}

export function applyView(session: Session, x: TensorVal, pattern: PatternLit, sizes: ReadonlyMap<string, number>, span: Span): TensorVal {
  const { builder } = session;
  const rows = new Map<string, readonly AxisItem[]>();
  const left = splitLeft(x, pattern, sizes, rows, span);
  const known = new Map(left.map((p) => [p.name, p.size]));
  const placed: Piece[] = [];
  const result: { readonly name: string; readonly size: number }[] = [];
  const need = (name: string, at: Span): Piece => {
    const size = known.get(name) ?? sizes.get(name);
    if (size === undefined) fail("shape/not-determined", at, { size: name }, { help: `say it in the call: \`view(…, ${name}: 2)\`` });
    return { name, size };
  };
  for (const item of pattern.right) {
    switch (item.kind) {
      case "row": {
        const row = rows.get(item.name);
        if (!row) fail("shape/pattern", item.span, { problem: `the row \`...${item.name}\` stands on the right only` });
        for (const axis of row) {
          placed.push({ name: axis.name, size: axis.size! });
          result.push({ name: axis.name, size: axis.size! });
        }
        break;
      }
      case "axis": {
        const piece = need(item.name, item.span);
        placed.push(piece);
        result.push(piece);
        break;
      }
      case "unit":
        if (item.name === null) fail("shape/pattern", item.span, { problem: "a new axis of size 1 needs a name: `h=1`" });
        result.push({ name: item.name, size: 1 });
        break;
      case "group": {
        if (item.name === null) fail("shape/pattern", item.span, { problem: "a joined axis needs a name: `c=(head d)`" });
        const parts = item.parts.flatMap((name): readonly Piece[] => {
          const row = name.startsWith("...") ? rows.get(name.slice(3)) : undefined;
          return row ? row.map((a) => ({ name: a.name, size: a.size! })) : [need(name, item.span)];
        });
        placed.push(...parts);
        result.push({ name: item.name, size: parts.reduce((n, p) => n * p.size, 1) });
        break;
      }
      default:
        item satisfies never;
    }
  }
  requireUnique(
    placed.map((p) => p.name),
    pattern.span,
  );
  requireUnique(
    result.map((r) => r.name),
    pattern.span,
  );
  const dropped = left.filter((p) => !placed.some((q) => q.name === p.name));
  for (const piece of dropped) {
    if (piece.size !== 1)
      fail(
        "shape/pattern",
        pattern.span,
        { problem: `\`${plainAxis(piece.name)}\` of size ${piece.size} is missing on the right` },
        { label: describeTensor(x) },
      );
  }
  const kept = left.filter((p) => !dropped.includes(p));
  return session.at(span, () => {
    let value = builder.reshape(
      x.value,
      kept.map((p) => p.size),
      kept.map((p) => plainAxis(p.name)),
    );
    const moved = placed.filter((p) => kept.some((k) => k.name === p.name));
    value = builder.permute(
      value,
      moved.map((p) => kept.findIndex((k) => k.name === p.name)),
    );
    const places = moved.map((p) => placed.indexOf(p));
    value = builder.make(
      "broadcast",
      [value],
      { shape: placed.map((p) => p.size), axes: places },
      { labels: placed.map((p) => plainAxis(p.name)) },
    );
    value = builder.reshape(
      value,
      result.map((r) => r.size),
      result.map((r) => plainAxis(r.name)),
    );
    return tensor(
      value,
      result.map((r) => r.name),
    );
  });
}

function splitLeft(
  x: TensorVal,
  pattern: PatternLit,
  sizes: ReadonlyMap<string, number>,
  rows: Map<string, readonly AxisItem[]>,
  span: Span,
): Piece[] {
  const items = axisItems(x);
  const rowCount = pattern.left.filter((item) => item.kind === "row").length;
  const rowLength = items.length - (pattern.left.length - rowCount);
  if (rowCount > 1) fail("shape/pattern", pattern.span, { problem: "a side can have one row only" });
  if (rowCount === 1 ? rowLength < 0 : rowLength !== 0) {
    fail(
      "shape/pattern",
      pattern.span,
      { problem: `its left side has ${pattern.left.length - rowCount} axes${rowCount ? " besides the row" : ""}` },
      { label: describeTensor(x) },
    );
  }
  const pieces: Piece[] = [];
  let at = 0;
  for (const item of pattern.left) {
    if (item.kind === "row") {
      const row = items.slice(at, at + rowLength);
      rows.set(item.name, row);
      pieces.push(...row.map((a) => ({ name: a.name, size: a.size! })));
      at += rowLength;
      continue;
    }
    const axis = items[at++]!;
    pieces.push(...splitAxis(item, axis, sizes, span));
  }
  return pieces;
}

function splitAxis(item: Exclude<PatternItem, { kind: "row" }>, axis: AxisItem, sizes: ReadonlyMap<string, number>, span: Span): Piece[] {
  const size = axis.size!;
  const named = item.name;
  if (item.kind !== "group" ? named !== null && named !== axis.name : named !== null && named !== axis.name) {
    fail("shape/pattern", item.span, { problem: `it says \`${named}\` where the axis is \`${plainAxis(axis.name)}\`` });
  }
  switch (item.kind) {
    case "unit":
      if (size !== 1) fail("shape/axis-mismatch", item.span, { axis: plainAxis(axis.name), left: size, right: 1 });
      return [];
    case "axis": {
      const given = sizes.get(item.name);
      if (given !== undefined && given !== size) fail("shape/axis-mismatch", span, { axis: item.name, left: size, right: given });
      return [{ name: item.name, size }];
    }
    case "group": {
      const unknown = item.parts.filter((name) => !sizes.has(name));
      const product = item.parts.reduce((n, name) => n * (sizes.get(name) ?? 1), 1);
      if (unknown.length > 1)
        fail(
          "shape/not-determined",
          item.span,
          { size: unknown[1]! },
          { help: `of (${item.parts.join(" ")}) all sizes but one must be given: \`view(…, ${unknown[0]}: 4)\`` },
        );
      if (unknown.length === 0 ? product !== size : size % product !== 0) {
        fail("shape/does-not-divide", item.span, { axis: plainAxis(axis.name), size, parts: item.parts.join(" "), product });
      }
      return item.parts.map((name) => ({ name, size: sizes.get(name) ?? size / product }));
    }
  }
}
