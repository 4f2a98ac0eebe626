import type { Region } from "../fuse/region.ts";
import * as t from "../tile/build.ts";
import type { TileExpr } from "../tile/tile.ts";
import {
  type AttendFrame,
  type AttendOperands,
  type AttendValue,
  accumulate,
  accumulateRow,
  accumulators,
  attendOperands,
  attendShape,
  type Chunk,
  overRows,
  ownNumber,
  ownVectors,
  products,
  productsWith,
  streamRows,
  writeRow,
} from "./attend.ts";
import type { Emitter } from "./emit.ts";
import type { LoweredBody } from "./map.ts";
import type { AttendSchedule, ScheduleTarget } from "./target.ts";

// The three kernels of attention. Forward: one pass over the keys with a running largest score (online softmax), which leaves the
// log-sum-exp. Backward: scores are computed again and turned into probabilities by the saved sums, once over the keys for the queries'
// gradients, once over the queries for those of keys and values; every sum has one order, nothing is added by two invocations.

/** Below every score but -inf: where a running maximum begins. A row that never rises above it has no softmax. */
const lowest = -3.4028234663852886e38;

export function lowerAttend(region: Region, emitter: Emitter, target: ScheduleTarget, chosen?: AttendSchedule): LoweredBody {
  const anchors = region.anchors as readonly AttendValue[];
  const first = anchors[0]!;
  if (first.op === "attend") return forward(region, anchors, emitter, target, chosen);
  return first.attrs.part === "q"
    ? backwardQueries(region, first, emitter, target, chosen)
    : backwardKeys(region, anchors, emitter, target, chosen);
}

const partOf = (anchors: readonly AttendValue[], part: AttendValue["attrs"]["part"]): AttendValue | undefined =>
  anchors.find((a) => a.attrs.part === part);

/** The buffers that other lanes read too must not be written in place. */
function othersRead(emitter: Emitter): void {
  for (const b of emitter.buffers) b.readsBack ||= b.loads.length > 0;
}

function forward(
  region: Region,
  anchors: readonly AttendValue[],
  emitter: Emitter,
  target: ScheduleTarget,
  chosen: AttendSchedule | undefined,
): LoweredBody {
  const operands = attendOperands(anchors[0]!);
  const { q, k, v } = operands;
  const shape = attendShape(operands);
  const [out, sums] = [partOf(anchors, "out"), partOf(anchors, "sums")];
  return overRows(shape, shape.queries, target, emitter, chosen, shape.d + (out ? shape.e : 0), (frame) => {
    const { block } = frame.scope;
    const own = frame.rows.map((row) => ownVectors(frame, q, row, anchors[0]!.attrs.scale));
    const top = frame.rows.map(() => block.var("top", t.f32(lowest)));
    const total = frame.rows.map(() => block.var("total", t.f32(0)));
    const results = out ? accumulators(frame, shape.e) : [];
    streamRows(frame, shape.keys, out ? [k, v] : [k], (chunk, load) => {
      const { block } = chunk.where;
      const scores = products(chunk, own, load(k)).map((list, i) => list.map((s, four) => masked(frame, chunk, operands, i, four, s)));
      const factors: TileExpr[] = [];
      const weights = scores.map((list, i) => {
        const largest = list.map((s) => t.reduceParts("max", s)).reduce((a, b) => t.max(a, b));
        const next = block.let("next", t.max(top[i]!, largest));
        const factor = block.let("factor", t.exp(t.sub(top[i]!, next)));
        block.assign(top[i]!, next);
        factors.push(factor);
        const list4 = list.map((s) => block.let("w", t.exp(t.sub(s, next))));
        const sum = list4.map((w) => t.reduceParts("add", w)).reduce((a, b) => t.add(a, b));
        block.assign(total[i]!, t.fma(total[i]!, factor, sum));
        return list4;
      });
      if (out) accumulate(chunk, results, weights, load(v), factors);
    });
    othersRead(emitter);
    for (const [i, row] of frame.rows.entries()) {
      const known = block.let("known", t.gt(top[i]!, lowest));
      const nothing = t.f32(Number.NaN);
      if (out) {
        const inverse = block.let("inverse", t.select(known, t.div(t.f32(1), total[i]!), nothing));
        writeRow(
          frame,
          region,
          out,
          row,
          results[i]!.map((o) => t.mul(o, inverse)),
        );
      }
      if (sums) writeRow(frame, region, sums, row, t.select(known, t.add(top[i]!, t.log(total[i]!)), nothing));
    }
  });
}

/** Four scores of an owned query row with the mask added. */
function masked(frame: AttendFrame, chunk: Chunk, { mask }: AttendOperands, i: number, four: number, s: TileExpr): TileExpr {
  if (!mask) return s;
  const index = [...frame.lead, frame.rows[i]!.row, chunk.rowsAt(four)];
  return chunk.where.block.let("score", t.add(s, t.widen(frame.emitter.emit(mask, index, chunk.where), 4)));
}

function backwardQueries(
  region: Region,
  anchor: AttendValue,
  emitter: Emitter,
  target: ScheduleTarget,
  chosen: AttendSchedule | undefined,
): LoweredBody {
  const operands = attendOperands(anchor);
  const { q, k, v } = operands;
  const [sums, delta, g] = [operands.sums!, operands.delta!, operands.g!];
  const shape = attendShape(operands);
  const factor = anchor.attrs.scale;
  return overRows(shape, shape.queries, target, emitter, chosen, 2 * shape.d + shape.e, (frame) => {
    const ownQ = frame.rows.map((row) => ownVectors(frame, q, row, factor));
    const ownG = frame.rows.map((row) => ownVectors(frame, g, row));
    const sumOf = frame.rows.map((row) => ownNumber(frame, sums, row));
    const deltaOf = frame.rows.map((row) => ownNumber(frame, delta, row));
    const results = accumulators(frame, shape.d);
    streamRows(frame, shape.keys, [k, v], (chunk, load) => {
      const { block } = chunk.where;
      const keys = load(k);
      const scores = products(chunk, ownQ, keys).map((list, i) => list.map((s, four) => masked(frame, chunk, operands, i, four, s)));
      const dp = products(chunk, ownG, load(v));
      const ds = scores.map((list, i) =>
        list.map((s, four) => block.let("ds", t.mul(t.exp(t.sub(s, sumOf[i]!)), t.sub(dp[i]![four]!, deltaOf[i]!)))),
      );
      accumulate(chunk, results, ds, keys);
    });
    othersRead(emitter);
    for (const [i, row] of frame.rows.entries())
      writeRow(
        frame,
        region,
        anchor,
        row,
        results[i]!.map((o) => t.mul(o, factor)),
      );
  });
}

function backwardKeys(
  region: Region,
  anchors: readonly AttendValue[],
  emitter: Emitter,
  target: ScheduleTarget,
  chosen: AttendSchedule | undefined,
): LoweredBody {
  const operands = attendOperands(anchors[0]!);
  const { q, k, v, mask } = operands;
  const [sums, delta, g] = [operands.sums!, operands.delta!, operands.g!];
  const shape = attendShape(operands);
  const [forK, forV] = [partOf(anchors, "k"), partOf(anchors, "v")];
  const factor = anchors[0]!.attrs.scale;
  const registers = shape.d + (forK ? shape.d + shape.e : 0) + (forV ? shape.e : 0);
  return overRows(shape, shape.keys, target, emitter, chosen, registers, (frame) => {
    const ownK = frame.rows.map((row) => ownVectors(frame, k, row, factor));
    const ownV = forK ? frame.rows.map((row) => ownVectors(frame, v, row)) : [];
    const resultsK = forK ? accumulators(frame, shape.d) : [];
    const resultsV = forV ? accumulators(frame, shape.e) : [];
    streamRows(frame, shape.queries, [q, g], (chunk, load) => {
      const { block } = chunk.where;
      const four = Array.from({ length: Math.ceil(chunk.size / 4) }, (_, f) => f);
      const numbers = (value: typeof sums): TileExpr[] =>
        four.map((f) => t.widen(emitter.emit(value, [...frame.lead, chunk.rowsAt(f)], chunk.where), 4));
      const sumOf = numbers(sums);
      const queries = load(q);
      const cotangents = load(g);
      const deltaOf = forK ? numbers(delta) : [];
      const masks = frame.rows.map((row) =>
        mask ? four.map((f) => t.widen(emitter.emit(mask, [...frame.lead, chunk.rowsAt(f), row.row], chunk.where), 4)) : [],
      );
      const partOfRow = (list: readonly TileExpr[], row: number): TileExpr => t.part(list[row >> 2]!, (row & 3) as 0 | 1 | 2 | 3);
      // One query after the other, so that what is known of it is used while it is at hand.
      for (let row = 0; row < chunk.size; row++) {
        const p = productsWith(block, ownK, queries, row).map((s, i) => {
          const score = mask ? t.add(s, partOfRow(masks[i]!, row)) : s;
          return block.let("p", t.exp(t.sub(score, partOfRow(sumOf, row))));
        });
        if (forV) accumulateRow(block, resultsV, p, cotangents, row);
        if (!forK) continue;
        const dp = productsWith(block, ownV, cotangents, row);
        const ds = p.map((w, i) => block.let("ds", t.mul(w, t.sub(dp[i]!, partOfRow(deltaOf, row)))));
        accumulateRow(block, resultsK, ds, queries, row);
      }
    });
    othersRead(emitter);
    for (const [i, row] of frame.rows.entries()) {
      if (forK)
        writeRow(
          frame,
          region,
          forK,
          row,
          resultsK[i]!.map((o) => t.mul(o, factor)),
        );
      if (forV) writeRow(frame, region, forV, row, resultsV[i]!);
    }
  });
}
