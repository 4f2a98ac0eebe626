import type { Piece } from "./pieces.ts";

// Spaces within a line: how many stand between two neighbouring tokens. Most pairs have one; the tables list the others.

const never: ReadonlySet<string> = new Set();
/** Marks that cling to what stands before them, and those that what follows clings to. */
const clingsLeft: ReadonlySet<string> = new Set([",", ")", "]", ".", "..", "?", ":", "^"]);
const clingsRight: ReadonlySet<string> = new Set(["(", "[", ".", "..", "...", "^"]);
/** Rules in which an opening bracket follows its callee, its name or its word at once. */
const tightOpeners: Readonly<Record<string, ReadonlySet<string>>> = {
  "(": new Set(["args", "params", "distinct", "fnExpr", "optimizerGroup", "stepItem"]),
  "[": new Set(["indices", "axes", "segment"]),
};
/** `List<Int>`: the marks of a type's arguments, as against comparisons. */
const isTypeMark = (piece: Piece): boolean => piece.rule === "type" && (piece.image === "<" || piece.image === ">");
/** `{fc1,fc2}` in a path of parts. */
const isPathMark = (piece: Piece): boolean =>
  piece.rule === "segment" && (piece.image === "{" || piece.image === "}" || piece.image === ",");

/** The spaces between two tokens of one line. */
export function spacesBetween(before: Piece, after: Piece): number {
  if (clingsLeft.has(after.image) || clingsRight.has(before.image)) return 0;
  if (isTypeMark(after) || (isTypeMark(before) && before.image === "<")) return 0;
  if ((tightOpeners[after.image] ?? never).has(after.rule)) return 0;
  if (before.rule === "unary" && before.image === "-") return 0;
  if (isPathMark(before) && before.image !== "}") return 0;
  if (isPathMark(after) && after.image === "}") return 0;
  return 1;
}
