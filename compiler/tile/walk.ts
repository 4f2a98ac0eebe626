// Going over Tile IR trees: the parts of an expression, and the expressions and blocks of a statement.
import type { TileExpr, TileStmt } from "./tile.ts";

/** The operands of an expression, in the order in which they are printed. */
export function operandsOf(e: TileExpr): readonly TileExpr[] {
  switch (e.kind) {
    case "lit":
    case "ref":
    case "lane":
    case "group":
    case "uniform":
      return [];
    case "unary":
    case "cast":
    case "splat":
    case "part":
    case "fromLane":
    case "reduceLanes":
      return [e.arg];
    case "binary":
      return [e.left, e.right];
    case "fma":
      return [e.a, e.b, e.c];
    case "select":
      return [e.condition, e.then, e.otherwise];
    case "vec":
      return e.parts;
    case "load":
    case "shared":
      return [e.index];
    case "philox":
      return [e.key1, e.element, e.step];
    default:
      throw new Error(`internal: tile expression ${JSON.stringify(e satisfies never)}`);
  }
}

/** The expressions that a statement itself evaluates, without those of its blocks. */
export function expressionsOf(s: TileStmt): readonly TileExpr[] {
  switch (s.kind) {
    case "let":
    case "var":
    case "assign":
      return [s.value];
    case "store":
    case "storeShared":
      return [s.index, s.value];
    case "for":
      return [s.from, s.to];
    case "if":
      return [s.condition];
    case "barrier":
      return [];
    default:
      throw new Error(`internal: tile statement ${JSON.stringify(s satisfies never)}`);
  }
}

/** The blocks inside a statement. */
export function blocksOf(s: TileStmt): readonly (readonly TileStmt[])[] {
  if (s.kind === "for") return [s.body];
  return s.kind === "if" ? [s.then, s.otherwise] : [];
}

/** Calls `visit` once for every distinct expression node that a body evaluates. */
export function visitExpressions(body: readonly TileStmt[], visit: (e: TileExpr) => void, seen = new Set<TileExpr>()): void {
  const go = (e: TileExpr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    visit(e);
    for (const operand of operandsOf(e)) go(operand);
  };
  for (const statement of body) {
    expressionsOf(statement).forEach(go);
    for (const block of blocksOf(statement)) visitExpressions(block, visit, seen);
  }
}
