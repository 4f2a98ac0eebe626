import type { Expr, KeysItem, PartPath, PathSegment, PatternLit, StringLit } from "../../dsl/ast.ts";
import { parse } from "../../dsl/parse.ts";
import type { Span } from "../../dsl/span.ts";
import type { PlanFileKey } from "../plan/plan.ts";
import { evaluate } from "./expressions.ts";
import { fail } from "./failure.ts";
import { checkpointKey } from "./leaves.ts";
import type { Leaf } from "./program.ts";
import type { Scope } from "./scope.ts";
import { compileNumber } from "./sizes.ts";
import { number } from "./values.ts";

// `keys`: which tensor of a file a parameter is. Rules apply outermost first, each replacing the part of the path that no outer rule has
// replaced; so the name of every parameter can be computed forwards, and a file is only asked for its header.

interface Token {
  readonly name: string;
  readonly indices: readonly number[];
  readonly text: string; // as in a checkpoint
}

interface Match {
  readonly end: number; // tokens matched
  readonly deep: number; // tokens that `**` stands for, from the start
  readonly variables: ReadonlyMap<string, number>;
  readonly chosen: readonly number[]; // which alternative each `{…}` took
}

/** The place of every leaf of a model in a file. Two parameters in one place are a mistake. */
export function fileKeys(item: KeysItem, model: string, leaves: readonly Leaf[], scope: Scope): readonly PlanFileKey[] {
  const prefix = item.under?.value ?? "";
  const taken = new Map<string, string>();
  return leaves.flatMap((leaf): readonly PlanFileKey[] => {
    if (!leaf.path.startsWith(`${model}.`) && !leaf.path.startsWith(`${model}[`)) return [];
    const path = leaf.path.slice(model.length).replace(/^\./, "");
    const found = keyOf(item, path, leaf.shape, scope);
    if (found.file === null) return [{ key: leaf.key, ...found }];
    const file = prefix + found.file;
    const other = taken.get(file);
    if (other !== undefined) fail("bind/two-for-one", item.name.span, { first: other, second: path, key: file });
    taken.set(file, path);
    return [{ key: leaf.key, file, shape: found.shape }];
  });
}

function tokensOf(path: string): Token[] {
  return path.split(".").map((part) => {
    const [name = "", ...rest] = part.split("[");
    return { name, indices: rest.map((r) => Number.parseInt(r, 10)), text: checkpointKey(part) };
  });
}

interface Found {
  readonly file: string | null;
  readonly shape: readonly number[];
}

function keyOf(item: KeysItem, path: string, shape: readonly number[], scope: Scope): Found {
  const tokens = tokensOf(path);
  // text that stands for a token, and whether a rule has put it there; a replaced token that is not the first of its stretch is empty
  const texts: (string | null)[] = tokens.map((t) => t.text);
  const replaced = tokens.map(() => false);
  const matches = item.rules
    .flatMap((rule) => {
      const match = matchPath(
        rule.path.segments,
        tokens,
        0,
        { end: 0, deep: 0, variables: new Map(), chosen: [] },
        scope,
        rule.path.segments[0]?.head.kind === "deep",
      );
      return match ? [{ rule, match }] : [];
    })
    .sort((a, b) => a.match.end - b.match.end);
  let result = shape;
  for (const { rule, match } of matches) {
    const from = replaced.findIndex((done, i) => !done && i >= match.deep && i < match.end);
    if (from < 0) continue;
    const text = fill(rule.template, match, scope);
    if (text === "" && match.end === tokens.length) return { file: null, shape };
    for (let i = from; i < match.end; i++) {
      texts[i] = i === from ? text : null;
      replaced[i] = true;
    }
    if (rule.as !== null) result = shapeInFile(rule.as, shape);
    if (text === "" && from === 0) return { file: null, shape };
  }
  return { file: texts.filter((t) => t !== null && t !== "").join("."), shape: result };
}

/** Matches segments against the tokens from `at`; a `**` at the front skips as few tokens as it can. */
function matchPath(
  segments: readonly PathSegment[],
  tokens: readonly Token[],
  at: number,
  so: Match,
  scope: Scope,
  first: boolean,
): Match | null {
  const [segment, ...rest] = segments;
  if (segment === undefined) return { ...so, end: at };
  const { head } = segment;
  if (head.kind === "deep") {
    for (let skip = at; skip < tokens.length; skip++) {
      const found = matchPath(rest, tokens, skip, { ...so, deep: first ? skip : so.deep }, scope, false);
      if (found) return found;
    }
    return null;
  }
  const token = tokens[at];
  if (token === undefined) return null;
  if (head.kind === "oneOf") {
    for (const [i, one] of head.paths.entries()) {
      const inner: PartPath = one;
      const found = matchPath([...inner.segments, ...rest], tokens, at, { ...so, chosen: [...so.chosen, i] }, scope, false);
      if (found) return found;
    }
    return null;
  }
  if (head.kind === "name" && head.name !== token.name) return null;
  if (segment.indices.length > token.indices.length) return null;
  const variables = new Map(so.variables);
  for (const [i, index] of segment.indices.entries()) {
    const actual = token.indices[i]!;
    if (index.value === null) continue;
    if (index.value.kind === "name" && scope.lookup(index.value.name) === undefined) {
      variables.set(index.value.name, actual);
      continue;
    }
    const value = evaluate(index.value, scope);
    if (value.kind === "range") {
      const from = compileNumber(value.from, index.span, scope, "an index");
      const to = value.to === null ? Number.POSITIVE_INFINITY : compileNumber(value.to, index.span, scope, "an index");
      if (actual < from || actual >= to) return null;
    } else if (compileNumber(value, index.span, scope, "an index") !== actual) return null;
  }
  return matchPath(rest, tokens, at + 1, { ...so, variables }, scope, false);
}

/** The template with its `{…}`: alternatives go with those of the path, counted from the back; anything else is a whole number. */
function fill(template: StringLit, match: Match, scope: Scope): string {
  const pieces = bracesOf(template);
  const groups = pieces.filter((p) => p.kind === "group");
  return pieces
    .map((piece) => {
      if (piece.kind === "text") return piece.text;
      if (piece.kind === "group") {
        const chosen = match.chosen.at(groups.indexOf(piece) - groups.length);
        const text = chosen === undefined ? undefined : piece.options[chosen];
        return text ?? fail("bind/template", template.span, { problem: `\`{${piece.options.join(",")}}\` has no counterpart in the path` });
      }
      const values = new Map([...match.variables].map(([name, value]) => [name, number(value)] as const));
      return String(compileNumber(evaluate(piece.expr, scope.child({ values })), template.span, scope, "an index of a key"));
    })
    .join("");
}

type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "group"; readonly options: readonly string[] }
  | { readonly kind: "expr"; readonly expr: Expr };

const piecesOf = new WeakMap<StringLit, readonly Piece[]>();

function bracesOf(template: StringLit): readonly Piece[] {
  const known = piecesOf.get(template);
  if (known) return known;
  const pieces: Piece[] = [];
  const text = template.value;
  for (let at = 0; at < text.length; ) {
    const open = text.indexOf("{", at);
    if (open !== at) pieces.push({ kind: "text", text: text.slice(at, open < 0 ? undefined : open) });
    if (open < 0) break;
    let depth = 0;
    let close = open;
    const commas: number[] = [];
    for (; close < text.length; close++) {
      const c = text[close];
      if (c === "{") depth++;
      else if (c === "}" && --depth === 0) break;
      else if (c === "," && depth === 1) commas.push(close);
    }
    if (depth !== 0) fail("bind/template", template.span, { problem: "a `{` is not closed" });
    const inner = text.slice(open + 1, close);
    if (commas.length > 0) pieces.push({ kind: "group", options: inner.split(",").map((option) => option.trim()) });
    else pieces.push({ kind: "expr", expr: parsed(inner, template.span) });
    at = close + 1;
  }
  piecesOf.set(template, pieces);
  return pieces;
}

function parsed(text: string, span: Span): Expr {
  const { file, diagnostics } = parse(span.file, `const key = ${text}`);
  const [item] = file.items;
  if (diagnostics.length > 0 || item?.kind !== "const") fail("bind/template", span, { problem: `\`{${text}}\` is no expression` });
  return item.value;
}

/** `as` patterns say how a parameter lies in the file: axes of size 1 come and go, everything else keeps its order. */
function shapeInFile(pattern: PatternLit, shape: readonly number[]): readonly number[] {
  const names = (side: PatternLit["left"]) => side.flatMap((item) => (item.kind === "axis" ? [item.name] : []));
  const plain = (side: PatternLit["left"]) => side.every((item) => item.kind === "axis" || item.kind === "unit");
  const { left, right } = pattern;
  if (!plain(left) || !plain(right) || left.length !== shape.length || names(left).join() !== names(right).join())
    fail("bind/template", pattern.span, {
      problem: "an `as` pattern names the parameter's axes in order and adds or drops axes of size 1",
    });
  const sizes = new Map(left.flatMap((item, i) => (item.kind === "axis" ? [[item.name, shape[i]!] as const] : [])));
  left.forEach((item, i) => {
    if (item.kind === "unit" && shape[i] !== 1) fail("bind/template", item.span, { problem: `this axis has size ${shape[i]}` });
  });
  return right.map((item) => (item.kind === "axis" ? sizes.get(item.name)! : 1));
}
