import type { PartPath, PathSegment } from "../../dsl/ast.ts";
import type { Value } from "../ir/value.ts";
import { evaluate } from "./expressions.ts";
import { attempt, Failure } from "./failure.ts";
import type { Instance, LeafEntry, ModelRoot } from "./instance.ts";
import { instancesIn, leafInit, ownLeaves } from "./modules.ts";
import type { ArenaLayout, Leaf } from "./program.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { compileNumber } from "./sizes.ts";
import { plainAxis } from "./values.ts";

// The leaves of the models that a program uses, the paths that name them, and where the trained ones lie in the flat arenas.

/** `encoder.layer[0][1].weight` in checkpoint spelling: `encoder.layer.0.1.weight`. */
export function checkpointKey(path: string): string {
  return path.replace(/\[(\d+)\]/g, ".$1");
}

interface Found {
  readonly instance: Instance;
  readonly entry: LeafEntry;
}

/** All leaves in the order of declaration. A part that nothing uses and whose sizes nothing determines has none; in a trained model that is an error. */
function findLeaves(models: readonly ModelRoot[]): Found[] {
  const found: Found[] = [];
  for (const model of models) {
    for (const instance of instancesIn(model.value)) {
      const own = attempt(() => [...ownLeaves(instance)]);
      if (own.ok) found.push(...own.value.map((entry) => ({ instance, entry })));
      else if (model.trained) throw new Failure(own.diagnostic);
    }
  }
  return found;
}

/** The models in the order of their declaration. */
export function modelsInOrder(session: Session): ModelRoot[] {
  return [...session.models.values()].sort((a, b) =>
    a.span.file === b.span.file ? a.span.start - b.span.start : a.span.file < b.span.file ? -1 : 1,
  );
}

/** The program's leaves; `group` says which optimiser group a path belongs to. */
export function collectLeaves(session: Session, group: (path: string) => number): Leaf[] {
  return findLeaves(modelsInOrder(session)).map(({ instance, entry }) => {
    const trained = instance.trained && entry.decl.role === "param";
    return {
      path: entry.path,
      key: checkpointKey(entry.path),
      role: entry.decl.role,
      shape: entry.shape,
      labels: entry.axes.map(plainAxis),
      trained,
      group: trained ? group(entry.path) : 0,
      init: leafInit(instance, entry),
      span: entry.decl.span,
    };
  });
}

/** The paths of trained parameters that a loss depends on with a derivative. */
export function reachedParams(losses: readonly Value[], trained: ReadonlySet<string>): Set<string> {
  const reached = new Set<string>();
  const seen = new Set<Value>(losses);
  const queue = [...losses];
  for (let value = queue.pop(); value !== undefined; value = queue.pop()) {
    if (value.dtype !== "f32" || value.op === "stop") continue;
    if (value.op === "input" && value.attrs.role === "param" && trained.has(value.attrs.name)) reached.add(value.attrs.name);
    for (const arg of value.args) {
      if (seen.has(arg)) continue;
      seen.add(arg);
      queue.push(arg);
    }
  }
  return reached;
}

/** Slices begin at multiples of this many elements, so that each can be bound on any adapter (256 bytes). */
const arenaAlignment = 64;
const alignUp = (n: number) => Math.ceil(n / arenaAlignment) * arenaAlignment;

/** The flat arena: parameters by group, then by declaration. */
export function layOutArena(leaves: readonly Leaf[], reached: ReadonlySet<string>, groupCount: number): ArenaLayout {
  const slices: { path: string; offset: number; size: number; shape: readonly number[] }[] = [];
  const groups: { start: number; end: number }[] = [];
  let offset = 0;
  for (let group = 0; group < groupCount; group++) {
    const start = offset;
    for (const leaf of leaves) {
      if (leaf.group !== group || !reached.has(leaf.path)) continue;
      const size = leaf.shape.reduce((n, s) => n * s, 1);
      slices.push({ path: leaf.path, offset, size, shape: leaf.shape });
      offset = alignUp(offset + size);
    }
    groups.push({ start, end: offset });
  }
  return { size: Math.max(offset, arenaAlignment), slices, groups };
}

// ---- part paths --------------------------------------------------------------------------------------------------------------------

interface PathToken {
  readonly name: string;
  readonly indices: readonly number[];
}

function tokens(path: string): PathToken[] {
  return path.split(".").map((part) => {
    const [name = "", ...rest] = part.split("[");
    return { name, indices: rest.map((r) => Number.parseInt(r, 10)) };
  });
}

/** Whether `**.bias` or `encoder.layers[0..6].**` names this leaf. A segment without indices stands for all of them. */
export function pathMatches(pattern: PartPath, path: string, scope: Scope): boolean {
  return matchSegments(pattern.segments, tokens(path), scope);
}

function matchSegments(segments: readonly PathSegment[], path: readonly PathToken[], scope: Scope): boolean {
  const [segment, ...others] = segments;
  if (segment === undefined) return path.length === 0;
  const { head } = segment;
  if (head.kind === "deep") return path.some((_, i) => matchSegments(others, path.slice(i), scope)) || matchSegments(others, [], scope);
  if (head.kind === "oneOf") return head.paths.some((one) => matchSegments([...one.segments, ...others], path, scope));
  const [token, ...rest] = path;
  if (token === undefined) return false;
  if (head.kind === "name" && head.name !== token.name) return false;
  return indicesMatch(segment, token, scope) && matchSegments(others, rest, scope);
}

function indicesMatch(segment: PathSegment, token: PathToken, scope: Scope): boolean {
  if (segment.indices.length > token.indices.length) return false;
  return segment.indices.every((index, i) => {
    if (index.value === null) return true;
    const at = token.indices[i]!;
    const value = evaluate(index.value, scope);
    if (value.kind !== "range") return compileNumber(value, index.span, scope, "an index") === at;
    const from = compileNumber(value.from, index.span, scope, "an index");
    const to = value.to === null ? Number.POSITIVE_INFINITY : compileNumber(value.to, index.span, scope, "an index");
    return at >= from && at < to;
  });
}
