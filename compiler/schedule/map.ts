import type { Region, Stored } from "../fuse/region.ts";
import { add, clamp, type Ix, ixVar, scale, unflatten } from "../index/ix.ts";
import * as t from "../tile/build.ts";
import type { TileKernel, TileStmt } from "../tile/tile.ts";
import { mapSchedule } from "./candidates.ts";
import { type Emitter, vecIx } from "./emit.ts";
import { Scope } from "./scope.ts";
import type { ScheduleTarget } from "./target.ts";

// The map template: every element of the outputs by itself. All outputs have one shape and one axis order; memory is walked in that order,
// four elements at a time where the count allows.

export interface LoweredBody {
  readonly workgroupSize: number;
  readonly subgroupSize: number | null;
  readonly grid: readonly [number, number, number];
  readonly body: readonly TileStmt[];
  readonly shared?: TileKernel["shared"]; // workgroup memory
}

/** One index per axis of a tensor that is walked in its axis order. */
export function indexInOrder(flat: Ix, stored: Stored): Ix[] {
  const physical = unflatten(
    flat,
    stored.order.map((axis) => stored.value.shape[axis]!),
  );
  const index: Ix[] = [];
  for (const [i, axis] of stored.order.entries()) index[axis] = physical[i]!;
  return index;
}

/** Folds a count of workgroups into a grid within the limit per dimension. */
export function foldGrid(groups: number, limit: number): { grid: [number, number, number]; number: ReturnType<typeof t.group> } {
  if (groups <= limit) return { grid: [groups, 1, 1], number: t.group(0) };
  const y = Math.ceil(groups / limit);
  const x = Math.ceil(groups / y);
  return { grid: [x, y, 1], number: t.add(t.mul(t.group(1), x), t.group(0)) };
}

export function lowerMap(region: Region, emitter: Emitter, target: ScheduleTarget): LoweredBody {
  const shape = region.outputs[0]!;
  const total = shape.value.shape.reduce((a, b) => a * b, 1);
  // Packed outputs are written in whole vectors: the last one repeats the last element.
  const filled = total % 4 !== 0 && region.outputs.some((o) => emitter.isPacked(o));
  const width = total % 4 === 0 || filled ? 4 : 1;
  const items = Math.ceil(total / width);
  const { workgroup, perInvocation } = mapSchedule({ items, types: region.outputs.map((o) => o.value.dtype).join() }, target);
  const groups = Math.ceil(items / (workgroup * perInvocation));
  const { grid, number } = foldGrid(groups, target.maxWorkgroupsPerDimension);
  const exact = grid[0] * grid[1] * workgroup * perInvocation === items;
  const block = new t.Block();

  const element = (i: ReturnType<typeof t.i32>, body: t.Block) => {
    const at = body.let("g", t.add(t.mul(t.add(t.mul(number, perInvocation), i), workgroup), t.lane()));
    const write = (inner: t.Block) => {
      const scope = new Scope(inner);
      emitter.define("g", at);
      const g = ixVar("g", 0, items - 1);
      const vectors = width === 4 ? add(scale(g, 4), vecIx) : g;
      const flat = filled ? clamp(vectors, 0, total - 1) : vectors;
      const values = region.outputs.map((o) => emitter.emitOutput(o, indexInOrder(flat, shape), scope));
      for (const [k, output] of region.outputs.entries()) {
        if (filled && emitter.isPacked(output)) emitter.storeWhole(output, g, values[k]!, scope);
        else emitter.store(output, indexInOrder(flat, output), values[k]!, scope);
      }
    };
    if (exact) write(body);
    else body.if(t.lt(at, items), write);
  };
  if (perInvocation === 1) element(t.i32(0), block);
  else block.for("i", 0, perInvocation, 1, element);
  return { workgroupSize: workgroup, subgroupSize: null, grid, body: block.statements };
}
