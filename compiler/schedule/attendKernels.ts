import type { Region } from "../fuse/region.ts";
import type { Value } from "../ir/value.ts";
import * as t from "../tile/build.ts";
import type { TileExpr } from "../tile/tile.ts";
import {
  type AttendFrame,
  type AttendOperands,
  type AttendValue,
  accumulate,
  accumulators,
  attendOperands,
  attendShape,
  type Chunk,
  overRows,
  ownNumber,
  ownVectors,
  productsWith,
  type Streamed,
  streamRows,
  writeRow,
} from "./attend.ts";
import type { Emitter } from "./emit.ts";
import type { LoweredBody } from "./map.ts";
import type { ScheduleTarget } from "./target.ts";

// The three kernels of attention. Forward: one pass over the keys with a running largest score (online softmax), which leaves the
// log-sum-exp. Backward: scores are computed again and turned into probabilities by the saved sums, once over the keys for the queries'
// gradients, once over the queries for those of keys and values; every sum has one order, nothing is added by two invocations.

/** Below every score but -inf: where a running maximum begins. A row that never rises above it has no softmax. */
const lowest = -3.4028234663852886e38;

export function lowerAttend(region: Region, emitter: Emitter, target: ScheduleTarget): LoweredBody {
  const anchors = region.anchors as readonly AttendValue[];
  const first = anchors[0]!;
  if (first.op === "attend") return forward(region, anchors, emitter, target);
  return first.attrs.part === "q" ? backwardQueries(region, first, emitter, target) : backwardKeys(region, anchors, emitter, target);
}

const partOf = (anchors: readonly AttendValue[], part: AttendValue["attrs"]["part"]): AttendValue | undefined =>
  anchors.find((a) => a.attrs.part === part);

/** The buffers that other lanes read too must not be written in place. */
function othersRead(emitter: Emitter): void {
  for (const b of emitter.buffers) b.readsBack ||= b.loads.length > 0;
}

function forward(region: Region, anchors: readonly AttendValue[], emitter: Emitter, target: ScheduleTarget): LoweredBody {
  const operands = attendOperands(anchors[0]!);
  const { q, k, v } = operands;
  const shape = attendShape(operands);
  const [out, sums] = [partOf(anchors, "out"), partOf(anchors, "sums")];
  return overRows(operands, { pass: "forward", registers: shape.d + (out ? shape.e : 0) }, target, emitter, (frame) => {
    const { block } = frame.scope;
    const own = frame.rows.map((row) => ownVectors(frame, q, row, anchors[0]!.attrs.scale));
    const top = frame.rows.map(() => block.var("top", t.f32(lowest)));
    const total = frame.rows.map(() => block.var("total", t.f32(0)));
    const results = out ? accumulators(frame, shape.e) : [];
    streamRows(frame, shape.keys, out ? [k, v] : [k], (chunk, load) => {
      const { block } = chunk.where;
      const scores = scoresOf(frame, chunk, operands, own, load(k));
      const weights = scores.map((list, i) => {
        const next = block.let(
          "next",
          list.reduce((a, b) => t.max(a, b), top[i]!),
        );
        const rescale = (where: t.Block): void => {
          const factor = where.let("factor", t.exp(t.sub(top[i]!, next)));
          where.assign(total[i]!, t.mul(total[i]!, factor));
          for (const o of results[i] ?? []) where.assign(o, t.mul(o, factor));
          where.assign(top[i]!, next);
        };
        // The largest score soon grows but seldom.
        if (frame.schedule.scaling === "lazy") block.if(t.gt(next, top[i]!), rescale);
        else rescale(block);
        const row = list.map((s) => block.let("w", t.exp(t.sub(s, next))));
        block.assign(total[i]!, t.sumOf([total[i]!, ...row]));
        return row;
      });
      if (out) accumulate(block, results, weights, load(v));
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

/** The scores of owned query rows with the keys of a chunk, the mask added. */
function scoresOf(
  frame: AttendFrame,
  chunk: Chunk,
  { mask }: AttendOperands,
  own: readonly (readonly TileExpr[])[],
  keys: Streamed,
): TileExpr[][] {
  const { block } = chunk.where;
  const products = productsWith(block, own, keys, 0, chunk.size);
  if (!mask) return products;
  return products.map((list, i) =>
    list.map((s, row) => {
      const at = [...frame.lead, frame.rows[i]!.row, chunk.rowAt(row)];
      return block.let("score", t.add(s, frame.emitter.emit(mask, at, chunk.where)));
    }),
  );
}

function backwardQueries(region: Region, anchor: AttendValue, emitter: Emitter, target: ScheduleTarget): LoweredBody {
  const operands = attendOperands(anchor);
  const { q, k, v } = operands;
  const [sums, delta, g] = [operands.sums!, operands.delta!, operands.g!];
  const shape = attendShape(operands);
  const factor = anchor.attrs.scale;
  return overRows(operands, { pass: "queries", registers: 2 * shape.d + shape.e }, target, emitter, (frame) => {
    const ownQ = frame.rows.map((row) => ownVectors(frame, q, row, factor));
    const ownG = frame.rows.map((row) => ownVectors(frame, g, row));
    const sumOf = frame.rows.map((row) => ownNumber(frame, sums, row));
    const deltaOf = frame.rows.map((row) => ownNumber(frame, delta, row));
    const results = accumulators(frame, shape.d);
    streamRows(frame, shape.keys, [k, v], (chunk, load) => {
      const { block } = chunk.where;
      const keys = load(k);
      const values = load(v);
      const scores = scoresOf(frame, chunk, operands, ownQ, keys);
      for (let row = 0; row < chunk.size; row++) {
        const dp = productsWith(block, ownG, values, row);
        const ds = dp.map(([x], i) => [block.let("ds", t.mul(t.exp(t.sub(scores[i]![row]!, sumOf[i]!)), t.sub(x!, deltaOf[i]!)))]);
        accumulate(block, results, ds, keys, row);
      }
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

function backwardKeys(region: Region, anchors: readonly AttendValue[], emitter: Emitter, target: ScheduleTarget): LoweredBody {
  const operands = attendOperands(anchors[0]!);
  const { q, k, v, mask } = operands;
  const [sums, delta, g] = [operands.sums!, operands.delta!, operands.g!];
  const shape = attendShape(operands);
  const [forK, forV] = [partOf(anchors, "k"), partOf(anchors, "v")];
  const factor = anchors[0]!.attrs.scale;
  const registers = shape.d + (forK ? shape.d + shape.e : 0) + (forV ? shape.e : 0);
  return overRows(operands, { pass: "keys", registers }, target, emitter, (frame) => {
    const ownK = frame.rows.map((row) => ownVectors(frame, k, row, factor));
    const ownV = forK ? frame.rows.map((row) => ownVectors(frame, v, row)) : [];
    const resultsK = forK ? accumulators(frame, shape.d) : [];
    const resultsV = forV ? accumulators(frame, shape.e) : [];
    streamRows(frame, shape.queries, [q, g], (chunk, load) => {
      const { block } = chunk.where;
      const queries = load(q);
      const cotangents = load(g);
      // One query after the other, so that what is known of it is used while it is at hand.
      for (let row = 0; row < chunk.size; row++) {
        const at = chunk.rowAt(row);
        const numberOf = (value: Value): TileExpr => emitter.emit(value, [...frame.lead, at], chunk.where);
        const sum = numberOf(sums);
        const p = productsWith(block, ownK, queries, row).map(([s], i) => {
          const score = mask ? t.add(s!, emitter.emit(mask, [...frame.lead, at, frame.rows[i]!.row], chunk.where)) : s!;
          return [block.let("p", t.exp(t.sub(score, sum)))];
        });
        if (forV) accumulate(block, resultsV, p, cotangents, row);
        if (!forK) continue;
        const deltaOf = numberOf(delta);
        const dp = productsWith(block, ownV, cotangents, row);
        const ds = p.map(([w], i) => [block.let("ds", t.mul(w!, t.sub(dp[i]![0]!, deltaOf)))]);
        accumulate(block, resultsK, ds, queries, row);
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
