import type { Region, Stored } from "../fuse/region.ts";
import { add, addConst, flatten, type Ix, ixVar, scale, stridesOf, unflatten } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import * as t from "../tile/build.ts";
import type { Scalar, TileExpr, TileType } from "../tile/tile.ts";
import { reduceSchedule } from "./candidates.ts";
import { type Emitter, vecIx } from "./emit.ts";
import { registerScalar } from "./halves.ts";
import { foldGrid, type LoweredBody } from "./map.ts";
import { longestStream, Moments, momentsOf } from "./moments.ts";
import { Scope } from "./scope.ts";
import type { ScheduleTarget } from "./target.ts";

// The reduce template: one loop nest of rows (the axes that stay) and an inner space (the axes that vanish). Reductions of a region share
// both; one may use another's result, then it runs over the row again, except that a variance is summed together with its mean. A subgroup may
// take several rows at once: what they have in common (a scale, a shift) is then loaded once for all. Outputs have one element per row, or the
// whole shape (a softmax or a normalisation writes its row back in the same kernel).

export type ReduceValue = Extract<Value, { readonly op: "sum" | "reduceMax" | "argmax" }>;

/** The axes of its argument that a reduction removes. */
export function reducedAxes(v: ReduceValue): readonly number[] {
  return v.op === "argmax" ? [v.attrs.axis] : v.attrs.axes;
}

/** What every element is at least: where largest values start. */
const least: Readonly<Record<Scalar, number>> = { f32: Number.NEGATIVE_INFINITY, i32: -2147483648, u32: 0, bool: 0 };

/**
 * Where a value that a reduction's kernel stores belongs: one element per row, one per element of the space, or nowhere. Its shape may be
 * another one of the same elements in row-major order, as after a reshape.
 */
export function placeInNest(shape: readonly number[], anchor: ReduceValue): "row" | "element" | null {
  const space = anchor.args[0]!.shape;
  const same = (x: readonly number[], y: readonly number[]): boolean => x.length === y.length && x.every((s, i) => s === y[i]);
  const count = (x: readonly number[]): number => x.reduce((a, b) => a * b, 1);
  if (same(shape, space)) return "element";
  if (same(shape, anchor.shape)) return "row";
  if (count(shape) === count(anchor.shape)) return "row";
  return count(shape) === count(space) ? "element" : null;
}
/** The index into a tensor of another shape with the same elements in row-major order. */
export function indexInShape(index: readonly Ix[], from: readonly number[], to: readonly number[]): readonly Ix[] {
  if (from.length === to.length && from.every((s, i) => s === to[i])) return index;
  return unflatten(flatten(index, stridesOf(from)), to);
}

export function lowerReduce(
  region: Region,
  emitter: Emitter,
  /** Axes of the argument's shape in the order in which memory holds its main operand. */
  order: readonly number[],
  target: ScheduleTarget,
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
  const schedule = reduceSchedule({ rows, inner, innerContiguous, argmax, types: anchors[0]!.args[0]!.dtype }, target);
  const style = schedule.style;

  const rowWidth = style === "rowsInVectors" && rows % 4 === 0 ? 4 : 1;
  const innerWidth = style !== "rowsInVectors" && innerContiguous && inner % 4 === 0 && !argmax ? 4 : 1;
  const width = rowWidth === 4 || innerWidth === 4 ? 4 : 1;
  const lanes = style === "rowPerSubgroup" || style === "rowPerWorkgroup" ? schedule.workgroup : 1;
  const shared: { readonly name: string; readonly type: TileType; readonly length: number }[] = [];
  const rowItems = rows / rowWidth;
  const innerItems = inner / innerWidth;
  const atOnce = lanes > 1 ? schedule.rowsAtOnce : 1;
  const units = Math.ceil(rowItems / atOnce);
  const unitsPerGroup = lanes > 1 ? 1 : schedule.workgroup;
  const { grid, number } = foldGrid(Math.ceil(units / unitsPerGroup), target.maxWorkgroupsPerDimension);
  const exact = grid[0] * grid[1] * unitsPerGroup * atOnce === rowItems;
  const moments = Math.ceil(innerItems / lanes) <= longestStream ? momentsOf(anchors) : new Map<ReduceValue, ReduceValue>();

  const block = new t.Block();
  const unit = block.let("row", lanes > 1 ? number : t.add(t.mul(number, unitsPerGroup), t.lane()));

  const writeRows = (body: t.Block, guarded: boolean) => {
    const scope = new Scope(body);
    emitter.define("row", unit);
    const u = ixVar("row", 0, units - 1);
    const rowNumbers = Array.from({ length: atOnce }, (_, j) => t.add(t.mul(unit, atOnce), j));
    const rowIndices = rowNumbers.map((rowNumber, j) => {
      // A guarded row of the last workgroup may lie behind the end: it computes the last row again and writes nothing.
      const r = guarded
        ? emitter.variable("safe", body.let("safe", t.min(rowNumber, rowItems - 1)), 0, rowItems - 1)
        : addConst(scale(u, atOnce), j);
      return unflatten(rowWidth === 4 ? add(scale(r, 4), vecIx) : r, rowShape);
    });
    const fullIndex = (j: number, e: Ix): Ix[] => {
      const index: Ix[] = [];
      for (const [i, axis] of rowAxes.entries()) index[axis] = rowIndices[j]![i]!;
      for (const [i, ix] of unflatten(e, innerShape).entries()) index[innerAxes[i]!] = ix;
      return index;
    };
    const keptIndex = (j: number): Ix[] =>
      shape
        .map((_, a) => a)
        .filter((a) => !gone.has(a))
        .map((a) => rowIndices[j]![rowAxes.indexOf(a)]!);

    const settled = rowNumbers.map(() => new Map<ReduceValue, TileExpr>());
    /** From now on what is emitted belongs to row `j`. Values of different rows have different indices, so none is taken for another. */
    const enter = (j: number) => {
      // Fusion has proven that a reduction is read at this row only.
      for (const [anchor, value] of settled[j]!) emitter.bind(anchor, () => value);
    };
    const eachRow = (visit: (j: number) => void) => {
      for (let j = 0; j < atOnce; j++) {
        enter(j);
        visit(j);
      }
    };

    const elementAt = (item: TileExpr): { e: Ix; name: string } => {
      const name = `e#${anonymous++}`;
      emitter.define(name, item);
      const e = ixVar(name, 0, innerItems - 1);
      return { e: innerWidth === 4 ? add(scale(e, 4), vecIx) : e, name };
    };
    /** Runs over the inner space; `visit` gets the index of one element or vector of it. */
    const loop = (visit: (e: Ix, item: TileExpr, scope: Scope) => void) => {
      const step = (i: TileExpr, inside: t.Block, count: number) => {
        const at = lanes > 1 ? inside.let("e", t.add(t.mul(i, lanes), t.lane())) : i;
        const { e, name } = elementAt(at);
        // What does not move with the element is computed once, before the loop; the one element of a row belongs to one lane.
        const run = (b: t.Block) => visit(e, at, new Scope(b, scope, innerItems === 1 ? null : name));
        if (count * lanes === innerItems) run(inside);
        else inside.if(t.lt(at, innerItems), run);
      };
      const count = Math.ceil(innerItems / lanes);
      if (count === 1) step(t.i32(0), body, 1);
      else body.for("k", 0, count, 1, (i, inside) => step(i, inside, count));
    };
    /** The first element of this lane's share of a row, and the elements of the share. */
    const firstElement = (): Ix => elementAt(lanes === 1 ? t.i32(0) : body.let("e", t.min(t.lane(), innerItems - 1))).e;
    const shareOfRow = (): TileExpr =>
      innerItems % lanes === 0 ? t.f32(innerItems / lanes) : t.cast(t.idiv(t.sub(innerItems + lanes - 1, t.lane()), lanes), "f32");
    /** Over all invocations of the workgroup, as a tree in its memory. */
    const throughMemory = (op: "add" | "max", value: TileExpr): TileExpr => {
      const name = `row_${value.type.scalar}`;
      const known = shared.find((array) => array.name === name);
      const array = known ?? { name, type: value.type, length: lanes };
      if (!known) shared.push(array);
      body.storeShared(array, t.lane(), value);
      body.barrier();
      for (let half = lanes / 2; half >= 1; half /= 2) {
        body.if(t.lt(t.lane(), half), (b) => {
          const other = t.loadShared(array, t.add(t.lane(), half));
          b.storeShared(array, t.lane(), t.binary(op, t.loadShared(array, t.lane()), other));
        });
        body.barrier();
      }
      const result = body.let("r", t.loadShared(array, 0));
      // The next reduction overwrites what others may still read.
      body.barrier();
      return result;
    };
    const acrossRow = (op: "add" | "max", value: TileExpr): TileExpr => {
      const own = innerWidth === 4 ? t.reduceParts(op, value) : value;
      if (lanes === 1) return own;
      return style === "rowPerSubgroup" ? t.reduceLanes(op, own) : throughMemory(op, own);
    };

    // Reductions that need no other run in one pass; then those that need only these; and so on.
    const inPass = new Set(moments.values());
    for (const stage of stages(anchors).map((s) => s.filter((a) => !inPass.has(a)))) {
      if (stage.length === 0) continue;
      const state = rowNumbers.map((_, j) =>
        stage.map((a) => {
          const scalar = registerScalar(a.op === "argmax" ? a.args[0]!.dtype : a.dtype);
          enter(j);
          return {
            anchor: a,
            best: body.var("acc", t.lit(a.op === "sum" ? 0 : least[scalar], scalar, width)),
            place: a.op === "argmax" ? body.var("at", t.lit(0, "i32", rowWidth)) : null,
            moments: moments.has(a) ? new Moments(body, emitter.emit(a.args[0]!, fullIndex(j, firstElement()), scope), width) : null,
          };
        }),
      );
      loop((e, item, inside) =>
        eachRow((j) => {
          for (const { anchor, best, place, moments: second } of state[j]!) {
            const x = t.widen(emitter.emit(anchor.args[0]!, fullIndex(j, e), inside), best.type.width);
            second?.add(inside.block, x);
            if (place) {
              const better = inside.block.let("better", t.gt(x, best));
              inside.block.assign(place, t.select(better, t.widen(item, place.type.width), place));
              inside.block.assign(best, t.select(better, x, best));
            } else inside.block.assign(best, anchor.op === "sum" ? t.add(best, x) : t.max(best, x));
          }
        }),
      );
      for (const [j, row] of state.entries()) {
        for (const { anchor, best, place, moments: second } of row) {
          const result = body.let("r", acrossRow(anchor.op === "sum" ? "add" : "max", place ?? best));
          settled[j]!.set(anchor, result);
          if (second === null) continue;
          const mean = body.let("mean", t.mul(result, 1 / inner));
          settled[j]!.set(moments.get(anchor)!, body.let("r", acrossRow("add", second.finish(body, shareOfRow(), mean))));
        }
      }
    }

    const rowSize = anchors[0]!.shape;
    const perRow = region.outputs.filter((o) => placeInNest(o.value.shape, anchors[0]!) === "row");
    const perElement = region.outputs.filter((o) => placeInNest(o.value.shape, anchors[0]!) === "element");
    const rowPlace = (j: number, o: Stored): readonly Ix[] => indexInShape(keptIndex(j), rowSize, o.value.shape);
    const elementPlace = (j: number, e: Ix, o: Stored): readonly Ix[] => indexInShape(fullIndex(j, e), shape, o.value.shape);
    // What lies behind the end is read again after the last row is written.
    if (guarded) for (const b of emitter.buffers) b.readsBack ||= b.loads.length > 0;
    if (perRow.length > 0) {
      eachRow((j) => {
        const valuesIn = (at: Scope) => perRow.map((o) => emitter.emitOutput(o, rowPlace(j, o), at));
        // What the elements of the row need too is computed by every lane; otherwise it is the business of the lane that writes.
        const early = lanes > 1 && perElement.length === 0 ? null : valuesIn(scope);
        const write = (b: t.Block) => {
          const inside = new Scope(b, scope);
          for (const [i, value] of (early ?? valuesIn(inside)).entries()) emitter.store(perRow[i]!, rowPlace(j, perRow[i]!), value, inside);
        };
        const conditions = [...(lanes > 1 ? [t.eq(t.lane(), t.i32(0))] : []), ...(guarded ? [t.lt(rowNumbers[j]!, rowItems)] : [])];
        if (conditions.length === 0) write(body);
        else body.if(t.allOf(conditions), write);
      });
      // What the other lanes have read so far they may, as far as the language says, read after the write.
      if (lanes > 1) for (const b of emitter.buffers) b.readsBack ||= b.loads.length > 0;
    }
    if (perElement.length > 0) {
      loop((e, _item, inside) =>
        eachRow((j) => {
          const values = perElement.map((o) => emitter.emitOutput(o, elementPlace(j, e, o), inside));
          const write = (to: Scope) => {
            for (const [i, output] of perElement.entries()) emitter.store(output, elementPlace(j, e, output), values[i]!, to);
          };
          if (!guarded) write(inside);
          else inside.block.if(t.lt(rowNumbers[j]!, rowItems), (b) => write(new Scope(b, inside)));
        }),
      );
    }
  };
  let anonymous = 0;
  // Subgroup operations must not stand in a branch that lanes take differently; rows of one subgroup each are uniform but the proof is simpler without.
  if (exact) writeRows(block, false);
  else if (lanes > 1) writeRows(block, true);
  else block.if(t.lt(unit, rowItems), (b) => writeRows(b, false));
  return {
    workgroupSize: lanes > 1 ? lanes : schedule.workgroup,
    subgroupSize: style === "rowPerSubgroup" ? lanes : null,
    shared,
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
