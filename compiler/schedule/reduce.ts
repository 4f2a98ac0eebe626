import type { Region } from "../fuse/region.ts";
import { add, type Ix, ixVar, scale, unflatten } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import * as t from "../tile/build.ts";
import type { TileExpr } from "../tile/tile.ts";
import { type Emitter, Scope, vecIx } from "./emit.ts";
import { foldGrid, type LoweredBody } from "./map.ts";
import { type ReduceSchedule, reduceSchedule, type ScheduleTarget } from "./target.ts";

// The reduce template: one loop nest of rows (the axes that stay) and an inner space (the axes that vanish). Reductions of a region share
// both; one may use another's result, then it runs over the row again. Outputs have one element per row, or the whole shape (a softmax or a
// normalisation writes its row back in the same kernel).

export type ReduceValue = Extract<Value, { readonly op: "sum" | "reduceMax" | "argmax" }>;

/** The axes of its argument that a reduction removes. */
export function reducedAxes(v: ReduceValue): readonly number[] {
  return v.op === "argmax" ? [v.attrs.axis] : v.attrs.axes;
}

const FIRST: Readonly<Record<ReduceValue["op"], number>> = { sum: 0, reduceMax: -Infinity, argmax: -Infinity };

export function lowerReduce(
  region: Region,
  emitter: Emitter,
  /** Axes of the argument's shape in the order in which memory holds its main operand. */
  order: readonly number[],
  target: ScheduleTarget,
  chosen?: ReduceSchedule,
): LoweredBody {
  const anchors = region.anchors as readonly ReduceValue[];
  const shape = anchors[0]!.args[0]!.shape;
  const gone = new Set(reducedAxes(anchors[0]!));
  const rowAxes = order.filter((a) => !gone.has(a));
  const innerAxes = order.filter((a) => gone.has(a));
  const rowShape = rowAxes.map((a) => shape[a]!);
  const innerShape = innerAxes.map((a) => shape[a]!);
  const rows = rowShape.reduce((a, b) => a * b, 1);
  const inner = innerShape.reduce((a, b) => a * b, 1);
  const innerContiguous = order.length === 0 || gone.has(order[order.length - 1]!);
  const argmax = anchors.some((a) => a.op === "argmax");
  const schedule = chosen ?? reduceSchedule({ rows, inner, innerContiguous, argmax }, target);
  const style = schedule.style;

  const rowWidth = style === "rowsInVectors" && rows % 4 === 0 ? 4 : 1;
  const innerWidth = style !== "rowsInVectors" && innerContiguous && inner % 4 === 0 && !argmax ? 4 : 1;
  const lanes = style === "rowPerSubgroup" ? schedule.workgroup : 1;
  const rowItems = rows / rowWidth;
  const innerItems = inner / innerWidth;
  const rowsPerGroup = style === "rowPerSubgroup" ? 1 : schedule.workgroup;
  const { grid, number } = foldGrid(Math.ceil(rowItems / rowsPerGroup), target.maxWorkgroupsPerDimension);
  const exact = grid[0] * grid[1] * rowsPerGroup === rowItems;

  const block = new t.Block();
  const row = block.let("row", lanes > 1 ? number : t.add(t.mul(number, rowsPerGroup), t.lane()));

  const writeRow = (body: t.Block, guarded: boolean) => {
    const scope = new Scope(body);
    // A guarded row of the last workgroup may lie behind the end: it computes the last row again and writes nothing.
    emitter.define("row", guarded ? body.let("safe", t.min(row, rowItems - 1)) : row);
    const r = ixVar("row", 0, rowItems - 1);
    const rowIndex = unflatten(rowWidth === 4 ? add(scale(r, 4), vecIx) : r, rowShape);
    const fullIndex = (e: Ix): Ix[] => {
      const index: Ix[] = [];
      for (const [i, axis] of rowAxes.entries()) index[axis] = rowIndex[i]!;
      for (const [i, ix] of unflatten(e, innerShape).entries()) index[innerAxes[i]!] = ix;
      return index;
    };
    const keptIndex = (): Ix[] =>
      shape
        .map((_, a) => a)
        .filter((a) => !gone.has(a))
        .map((a) => rowIndex[rowAxes.indexOf(a)]!);

    /** Runs over the inner space; `visit` gets the index of one element or vector of it. */
    const loop = (visit: (e: Ix, item: TileExpr, scope: Scope) => void) => {
      const step = (i: TileExpr, inside: t.Block, count: number) => {
        const at = lanes > 1 ? inside.let("e", t.add(t.mul(i, lanes), t.lane())) : i;
        const name = `e#${anonymous++}`;
        emitter.define(name, at);
        const e = ixVar(name, 0, innerItems - 1);
        const whole = innerWidth === 4 ? add(scale(e, 4), vecIx) : e;
        const run = (b: t.Block) => visit(whole, at, new Scope(b, scope));
        if (count * lanes === innerItems) run(inside);
        else inside.if(t.lt(at, innerItems), run);
      };
      const count = Math.ceil(innerItems / lanes);
      if (count === 1) step(t.i32(0), body, 1);
      else body.for("k", 0, count, 1, (i, inside) => step(i, inside, count));
    };

    // Reductions that need no other run in one pass; then those that need only these; and so on.
    for (const stage of stages(anchors)) {
      const state = stage.map((a) => {
        const scalar = a.op === "argmax" ? a.args[0]!.dtype : a.dtype;
        return {
          anchor: a,
          best: body.var(
            "acc",
            t.lit(scalar === "f32" ? FIRST[a.op] : a.op === "sum" ? 0 : -2147483648, scalar, rowWidth === 4 || innerWidth === 4 ? 4 : 1),
          ),
          place: a.op === "argmax" ? body.var("at", t.lit(0, "i32", rowWidth)) : null,
        };
      });
      loop((e, item, inside) => {
        for (const { anchor, best, place } of state) {
          const x = t.widen(emitter.emit(anchor.args[0]!, fullIndex(e), inside), best.type.width);
          if (place) {
            const better = inside.block.let("better", t.gt(x, best));
            inside.block.assign(place, t.select(better, t.widen(item, place.type.width), place));
            inside.block.assign(best, t.select(better, x, best));
          } else inside.block.assign(best, anchor.op === "sum" ? t.add(best, x) : t.max(best, x));
        }
      });
      for (const { anchor, best, place } of state) {
        const op = anchor.op === "sum" ? "add" : "max";
        let result: TileExpr = place ?? (innerWidth === 4 ? t.reduceParts(op, best) : best);
        if (lanes > 1) result = t.reduceLanes(op, result);
        const settled = body.let("r", result);
        emitter.bind(anchor, () => settled); // fusion has proven that it is read at this row only
      }
    }

    const perRow = region.outputs.filter((o) => o.value.shape.length !== shape.length);
    const perElement = region.outputs.filter((o) => o.value.shape.length === shape.length);
    if (perRow.length > 0) {
      const valuesIn = (at: Scope) => perRow.map((o) => emitter.emit(o.value, keptIndex(), at));
      // What the elements of the row need too is computed by every lane; otherwise it is the business of the lane that writes.
      const early = lanes > 1 && perElement.length === 0 ? null : valuesIn(scope);
      const write = (b: t.Block) => {
        const inside = new Scope(b, scope);
        for (const [i, value] of (early ?? valuesIn(inside)).entries()) emitter.store(perRow[i]!, keptIndex(), value, inside);
      };
      // What the other lanes have read so far they may, as far as the language says, read after the write.
      if (lanes > 1) for (const b of emitter.buffers) b.readsBack ||= b.loads.length > 0;
      const conditions = [...(lanes > 1 ? [t.eq(t.lane(), t.i32(0))] : []), ...(guarded ? [t.lt(row, rowItems)] : [])];
      if (conditions.length === 0) write(body);
      else body.if(t.allOf(conditions), write);
    }
    if (perElement.length > 0) {
      const write = (e: Ix, inside: Scope) => {
        const values = perElement.map((o) => emitter.emit(o.value, fullIndex(e), inside));
        for (const [i, output] of perElement.entries()) emitter.store(output, fullIndex(e), values[i]!, inside);
      };
      loop((e, _item, inside) => {
        if (!guarded) write(e, inside);
        else inside.block.if(t.lt(row, rowItems), (b) => write(e, new Scope(b, inside)));
      });
    }
  };
  let anonymous = 0;
  // Subgroup operations must not stand in a branch that lanes take differently; rows of one subgroup each are uniform but the proof is simpler without.
  if (exact) writeRow(block, false);
  else if (lanes > 1) writeRow(block, true);
  else block.if(t.lt(row, rowItems), (b) => writeRow(b, false));
  return {
    workgroupSize: lanes > 1 ? lanes : schedule.workgroup,
    subgroupSize: lanes > 1 ? lanes : null,
    grid,
    body: block.statements,
  };
}

/** Reductions grouped so that each group needs only results of earlier groups. */
export function stages(anchors: readonly ReduceValue[]): ReduceValue[][] {
  const level = new Map<Value, number>();
  const oldest = Math.min(...anchors.map((a) => a.id));
  const levelOf = (v: Value): number => {
    if (v.id <= oldest) return 0; // needs no anchor
    const known = level.get(v);
    if (known !== undefined) return known;
    let n = 0;
    for (const a of v.args) n = Math.max(n, levelOf(a) + ((anchors as readonly Value[]).includes(a) ? 1 : 0));
    level.set(v, n);
    return n;
  };
  for (const a of anchors) levelOf(a);
  const result: ReduceValue[][] = [];
  for (const a of anchors) {
    const n = level.get(a) ?? 0;
    while (result.length <= n) result.push([]);
    result[n]!.push(a);
  }
  return result.filter((s) => s.length > 0);
}
