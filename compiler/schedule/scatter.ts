import type { Region } from "../fuse/region.ts";
import { add, type Ix, ixVar, scale, unflatten } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import * as t from "../tile/build.ts";
import { type Emitter, VEC, vecIx } from "./emit.ts";
import { registerScalar } from "./halves.ts";
import { foldGrid, indexInOrder, type LoweredBody } from "./map.ts";
import { Scope } from "./scope.ts";
import { mapDefault, type ScheduleTarget } from "./target.ts";

// The index template: a scatter-add without atomics. Every element of the result looks through the positions and adds the updates meant for
// it, in order, so the result is the same in every run. Work is results times positions: right for tables with few positions.

export function lowerScatter(region: Region, emitter: Emitter, target: ScheduleTarget): LoweredBody {
  const anchor = region.anchors[0] as Extract<Value, { readonly op: "scatterAdd" }>;
  const [positions, updates] = anchor.args as [Value, Value];
  const { axis, batch } = anchor.attrs;
  const output = region.outputs[0]!;
  const total = anchor.shape.reduce((a, b) => a * b, 1);
  const width = total % 4 === 0 ? 4 : 1;
  const items = total / width;
  const { workgroup } = mapDefault({ items, types: output.value.dtype }, target);
  const { grid, number } = foldGrid(Math.ceil(items / workgroup), target.maxWorkgroupsPerDimension);
  const own = positions.shape.slice(batch);
  const count = own.reduce((a, b) => a * b, 1);

  const block = new t.Block();
  const at = block.let("g", t.add(t.mul(number, workgroup), t.lane()));
  const body = (inside: t.Block) => {
    const scope = new Scope(inside);
    emitter.define("g", at);
    const g = ixVar("g", 0, items - 1);
    const index = indexInOrder(width === 4 ? add(scale(g, 4), vecIx) : g, output);
    const place = emitter.wideIndex(index[axis]!, scope);
    const moves = index.some((ix) => ix.key.includes(VEC));
    const sum = inside.var("acc", t.lit(0, registerScalar(updates.dtype), moves ? 4 : 1));
    inside.for("j", 0, count, 1, (j, loop) => {
      const where = new Scope(loop, scope);
      const jIx = emitter.variable("j", j, 0, count - 1);
      const inner: readonly Ix[] = unflatten(jIx, own);
      const position = emitter.emit(positions, [...index.slice(0, batch), ...inner], where);
      const hit = t.eq(position, place);
      const update = emitter.emit(updates, [...index.slice(0, axis), ...inner, ...index.slice(axis + 1)], where);
      const wide = moves ? 4 : 1;
      loop.assign(sum, t.add(sum, t.select(t.widen(hit, wide), t.widen(update, wide), t.lit(0, update.type.scalar, wide))));
    });
    emitter.store(output, index, sum, scope);
  };
  if (grid[0] * grid[1] * workgroup === items) body(block);
  else block.if(t.lt(at, items), body);
  return { workgroupSize: workgroup, subgroupSize: null, grid, body: block.statements };
}
