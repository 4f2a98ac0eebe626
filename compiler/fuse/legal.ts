import { type Ix, ixVar } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import { argumentIndex } from "../schedule/access.ts";
import { indexOnPath } from "../schedule/outputIndex.ts";
import { indexInShape, placeInNest, type ReduceValue, reducedAxes } from "../schedule/reduce.ts";

// What may be fused. A value computed in a kernel's registers may be used there only at the place where it has just been computed; these
// functions prove that by following indices symbolically from the result back to the value.

export type Inlined = (v: Value) => boolean; // computed inside the kernel, neither stored before nor the value asked about

/** All distinct indices at which `target` is read when `from` is wanted at `index`, through values that the kernel computes itself. */
export function readsOf(target: Value, from: Value, index: readonly Ix[], inlined: Inlined): Set<string> | null {
  const reads = new Set<string>();
  const seen = new Set<string>();
  let budget = 4000;
  const visit = (v: Value, at: readonly Ix[]): boolean => {
    if (budget-- <= 0) return false;
    const key = `${v.id}@${at.map((ix) => ix.key).join()}`;
    if (seen.has(key)) return true;
    seen.add(key);
    if (v === target) {
      reads.add(at.map((ix) => ix.key).join());
      return reads.size <= 1;
    }
    if (v !== from && !inlined(v)) return true;
    const into = argumentIndex(v, at);
    for (const [i, argument] of v.args.entries()) {
      // What is older than the target does not need it.
      if (argument !== target && (argument.id < target.id || !inlined(argument))) continue;
      const inner = into(i);
      if (!inner) {
        if (argument === target || dependsOn(argument, target, inlined)) return false;
        continue;
      }
      // A gather asks for its source at a place that only the device knows.
      if (v.op === "gather" && i === 0 && (argument === target || dependsOn(argument, target, inlined))) return false;
      if (!visit(argument, inner)) return false;
    }
    return true;
  };
  return visit(from, index) ? reads : null;
}

/** Whether a value needs the target through values that the kernel computes itself. */
export function dependsOn(v: Value, target: Value, inlined: Inlined): boolean {
  const seen = new Set<Value>();
  const search = (x: Value): boolean => {
    if (x === target) return true;
    if (x.id < target.id || seen.has(x) || (x !== v && !inlined(x))) return false;
    seen.add(x);
    return x.args.some(search);
  };
  return search(v);
}

const symbols = (shape: readonly number[], prefix: string): Ix[] => shape.map((size, axis) => ixVar(`${prefix}${axis}`, 0, size - 1));
const keyOf = (index: readonly Ix[]): string => index.map((ix) => ix.key).join();

/** Whether `output` may be written where the contraction or per-row reduction `anchor` has its result: same elements, one to one. */
export function isEpilogue(output: Value, anchor: Value, inlined: Inlined): boolean {
  if (output === anchor) return true;
  if (output.shape.reduce((a, b) => a * b, 1) !== anchor.shape.reduce((a, b) => a * b, 1)) return false;
  if (!dependsOn(output, anchor, inlined)) return false;
  const at = symbols(anchor.shape, "a");
  const index = viaPath(output, anchor, at);
  if (!index) return false;
  const reads = readsOf(anchor, output, index, inlined);
  return reads !== null && reads.size === 1 && reads.has(keyOf(at));
}
function viaPath(output: Value, anchor: Value, at: readonly Ix[]): readonly Ix[] | null {
  const index = indexOnPath(output, anchor, at);
  return index?.every((ix, a) => ix.min >= 0 && ix.max < output.shape[a]!) ? index : null;
}

/** Whether two values may be made by one map kernel: they have one shape, and `reader` needs `read` at its own place only, or not at all. */
export function isPointwise(reader: Value, read: Value, inlined: Inlined): boolean {
  if (reader.shape.length !== read.shape.length || reader.shape.some((s, a) => s !== read.shape[a])) return false;
  const at = symbols(reader.shape, "p");
  const reads = readsOf(read, reader, at, inlined);
  return reads !== null && (reads.size === 0 || (reads.size === 1 && reads.has(keyOf(at))));
}

/** Whether a value of the space's shape, or one per row, may be computed in the loop nest of a reduction: it reads the result at its own row only. */
export function isInRow(reader: Value, anchor: ReduceValue, inlined: Inlined): boolean {
  const space = anchor.args[0]!.shape;
  const gone = new Set(reducedAxes(anchor));
  const at = symbols(space, "s");
  const row = at.filter((_, a) => !gone.has(a));
  const place = placeInNest(reader.shape, anchor);
  const index =
    place === "element" ? indexInShape(at, space, reader.shape) : place === "row" ? indexInShape(row, anchor.shape, reader.shape) : null;
  if (!index) return false;
  const reads = readsOf(anchor, reader, index, inlined);
  return reads !== null && (reads.size === 0 || (reads.size === 1 && reads.has(keyOf(row))));
}
/** The same for a second reduction over the same space. */
export function isReductionInRow(reader: ReduceValue, anchor: ReduceValue, inlined: Inlined): boolean {
  if (!sameSpace(reader, anchor)) return false;
  const gone = new Set(reducedAxes(anchor));
  const at = symbols(anchor.args[0]!.shape, "s");
  const reads = readsOf(anchor, reader.args[0]!, at, (v) => v === reader.args[0] || inlined(v));
  return reads !== null && (reads.size === 0 || (reads.size === 1 && reads.has(keyOf(at.filter((_, a) => !gone.has(a))))));
}
/** Whether two reductions run over the same elements in the same rows. */
export function sameSpace(a: ReduceValue, b: ReduceValue): boolean {
  const x = a.args[0]!.shape;
  const y = b.args[0]!.shape;
  return x.length === y.length && x.every((s, i) => s === y[i]) && [...reducedAxes(a)].sort().join() === [...reducedAxes(b)].sort().join();
}
