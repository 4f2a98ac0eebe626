import type { Region, Stored } from "../fuse/region.ts";
import {
  add,
  addConst,
  clamp,
  dependsOn,
  div,
  type Ix,
  isMultipleOf,
  ixVar,
  mod,
  scale,
  strideOf,
  substitute,
  unflatten,
} from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import { stripeVectors } from "../plan/operandTexture.ts";
import * as t from "../tile/build.ts";
import type { TileExpr } from "../tile/tile.ts";
import { contractSchedule } from "./candidates.ts";
import { contractShape, rightMatrix } from "./contractShape.ts";
import { type Emitter, VEC, vecIx } from "./emit.ts";
import { alwaysHolds, type ContractValue, type GemmAxis, type Place, sizeOf, zero } from "./gemm.ts";
import { foldGrid, type LoweredBody } from "./map.ts";
import { outputIndex } from "./outputIndex.ts";
import { Scope } from "./scope.ts";
import type { ScheduleTarget } from "./target.ts";

// The contract template: one register-tiled product for matrix products, convolutions and their gradients. A tile is `tileM` rows by
// `lanes * vectorsN` vectors of columns. The lanes of a subgroup load the rows' elements together, four at a time along an axis that is
// contiguous in memory (of the contraction, or of the rows), and hand them round by broadcast; each lane loads its own columns as vectors, or
// four columns' vectors along the contraction, which it turns (measured: 1.0 to 1.3 times as fast as repacking the operand first).
// The schedule says who holds a chunk's operands: the lanes, as above; workgroup memory, filled by all invocations between two barriers, on
// adapters whose workgroups are wide; or each invocation what it needs itself.
// Operands may be any expression over stored tensors (fuse on read), outputs any elementwise function of the result (fuse on write).

/** Bytes of the right operand's columns that are taken to stay near while a tile of rows after the other needs them. */
const columnCache = 768 * 1024;
/** Bytes from which on the right operand lies in stripes: what is smaller stays in a cache however it lies. */
const stripedFrom = 2 * 1024 * 1024;
const elements = (v: Value): number => v.shape.reduce((a, b) => a * b, 1);

export function lowerContract(
  region: Region,
  emitter: Emitter,
  storedFor: (v: Value) => Stored | undefined,
  target: ScheduleTarget,
): LoweredBody {
  const anchor = region.anchors[0] as ContractValue;
  const shape = contractShape(anchor, storedFor);
  const { gemm, alongM } = shape;
  const M = sizeOf(shape.m);
  const N = sizeOf(shape.n);
  const inner: GemmAxis = shape.k.length > 0 ? shape.k[shape.k.length - 1]! : { name: "one", size: 1 };
  const outerK = shape.k.slice(0, -1);
  const { rightAlong } = shape;
  const types = `${gemm.left.dtype} ${gemm.right.dtype}`;
  const facts = { batch: sizeOf(gemm.batch), m: M, n: N, k: sizeOf(shape.k), innerK: inner.size, alongM, rightAlong, types };
  const schedule = contractSchedule(facts, target);
  if (schedule.operands === "buffer") emitter.readFromBuffers();
  // Sums are f32 in any case.
  const ofHalves = emitter.multipliesHalves(gemm.left, gemm.right);
  const multiplyAdd = (a: TileExpr, b: TileExpr, sum: TileExpr): TileExpr => (ofHalves ? t.add(t.mulHalf(a, b), sum) : t.fma(a, b, sum));
  const { holder, across, tileM, vectorsN, chunkK } = schedule;
  const matrix = across === stripeVectors ? rightMatrix(shape, storedFor) : null;
  if (matrix !== null && 4 * elements(matrix.value) >= stripedFrom) emitter.readInStripes(matrix);
  const columns = Math.ceil(N / 4); // vectors
  // A tile is that of all invocations that share operands: `across` side by side, and as many one below the other as there are left.
  const sharing = holder === "workgroup" ? schedule.workgroup : across;
  const tileRows = (sharing / across) * tileM;
  const tileColumns = across * vectorsN;
  const tilesN = Math.ceil(columns / tileColumns);
  const tilesM = Math.ceil(M / tileRows);
  const tiles = tilesM * tilesN * sizeOf(gemm.batch);
  // Tiles that share columns follow each other where these columns stay in a cache and the right operand would otherwise be read again more often
  // than the left one is now: 1.1 to 1.4 times as fast on lavapipe for products with large weights.
  const columnBytes = 16 * tileColumns * sizeOf(shape.k);
  const downward = columnBytes <= columnCache && tilesM * elements(gemm.right) > tilesN * elements(gemm.left);
  const perGroup = holder === "invocation" ? schedule.workgroup : 1;
  const { grid, number } = foldGrid(Math.ceil(tiles / perGroup), target.maxWorkgroupsPerDimension);
  const exact = grid[0] * grid[1] * perGroup === tiles;

  /** A chunk of both operands in workgroup memory: the left one as its vectors lie, the right one as [step][vector of columns]. */
  const held =
    holder === "workgroup"
      ? {
          left: { name: "left", type: t.typeOf("f32", 4), length: (tileRows * chunkK) / 4 },
          right: { name: "right", type: t.typeOf("f32", 4), length: chunkK * tileColumns },
        }
      : null;

  const block = new t.Block();
  const tileNumber = block.let("tile", holder === "invocation" ? t.add(t.mul(number, perGroup), t.lane()) : number);
  const body = (inside: t.Block) => {
    const scope = new Scope(inside);
    emitter.define("tile", tileNumber);
    const batch = sizeOf(gemm.batch);
    const [batchIx, outer, nested] = unflatten(
      ixVar("tile", 0, tiles - 1),
      downward ? [batch, tilesN, tilesM] : [batch, tilesM, tilesN],
    ) as [Ix, Ix, Ix];
    const [tileRow, tileColumn] = downward ? [nested, outer] : [outer, nested];
    /** Computes an index once and makes it a variable. */
    const settle = (wish: string, ix: Ix, where: Scope = scope): Ix => {
      if (
        ix.terms.length === 0 ||
        (ix.terms.length === 1 && ix.terms[0]!.atom.kind === "var" && ix.terms[0]!.coeff === 1 && ix.constant === 0)
      )
        return ix;
      return emitter.variable(wish, where.block.let(wish, emitter.index(ix, where)), ix.min, ix.max);
    };
    const along = (axes: readonly GemmAxis[], flat: Ix): [string, Ix][] =>
      unflatten(
        flat,
        axes.map((a) => a.size),
      ).map((ix, i) => [axes[i]!.name, axes[i]!.size === 1 ? zero : ix]);
    const batchAt = along(gemm.batch, batchIx).map(([name, ix]): [string, Ix] => [name, settle(name, ix)]);
    const firstRow = settle("m", scale(tileRow, tileRows));
    emitter.define("lane", t.lane());
    const lane = ixVar("lane", 0, sharing - 1);
    // This invocation's part of the tile.
    const ownColumn = holder === "workgroup" ? settle("column", mod(lane, across)) : lane;
    const ownBand = holder === "workgroup" ? settle("band", div(lane, across)) : zero; // tileM rows each

    // Loads of the left operand: `items` vectors of a chunk are spread over those that share them.
    const perRow = alongM ? tileRows / 4 : chunkK / 4;
    const items = alongM ? chunkK * perRow : tileRows * perRow;
    const useVectorRows = alongM && tileM % 4 === 0;
    if (alongM && !useVectorRows) throw new Error(`internal: rows of ${tileM} cannot be loaded in vectors`);
    const loads = Math.ceil(items / sharing);
    const laneIx = (load: number): Ix => addConst(lane, load * sharing);
    const leftRows: { at: [string, Ix][]; step: Ix }[] = [];
    for (let load = 0; load < loads; load++) {
      const item = laneIx(load);
      const [slow, fast] = unflatten(item, [Math.ceil((loads * sharing) / perRow), perRow]) as [Ix, Ix];
      if (alongM) {
        // Vectors run along the last m axis; its size is a multiple of 4, so the whole vector has the other axes in common. Rows are counted in
        // fours, so that this stays visible.
        const quarter = settle("row", clamp(add(scale(tileRow, tileRows / 4), fast), 0, M / 4 - 1));
        leftRows.push({ at: along(shape.m, add(scale(quarter, 4), vecIx)), step: settle("step", clamp(slow, 0, chunkK - 1)) });
      } else {
        const row = settle("row", clamp(add(firstRow, clamp(slow, 0, tileRows - 1)), 0, M - 1));
        leftRows.push({
          at: along(shape.m, row).map(([name, ix]): [string, Ix] => [name, settle(name, ix)]),
          step: settle("step", scale(fast, 4)),
        });
      }
    }
    if (alongM) {
      for (const rows of leftRows) rows.at = rows.at.map(([name, ix]) => [name, alignedPart(ix, settle)]);
    }
    /** The number of this invocation's vector `j` of columns; it may lie behind the end. */
    const columnNumber = (j: number): Ix => add(scale(tileColumn, tileColumns), addConst(ownColumn, j * across));
    const columnVector = Array.from({ length: vectorsN }, (_, j) => settle("n", clamp(columnNumber(j), 0, columns - 1)));
    const columnsAt = columnVector.map((nv) =>
      along(shape.n, clamp(add(scale(nv, 4), vecIx), 0, N - 1)).map(([name, ix]): [string, Ix] => [name, ix]),
    );

    const accumulators = Array.from({ length: tileM }, () => Array.from({ length: vectorsN }, () => inside.var("c", t.f32(0, 4))));
    const read = (value: Value, place: Place, where: Scope): TileExpr => {
      const conditions = place.conditions.filter((c) => !alwaysHolds(c));
      if (conditions.length === 0) return emitter.emit(value, place.index, where);
      if (conditions.some((c) => dependsOn(c.ix, VEC))) {
        return t.vecOf(...([0, 1, 2, 3].map((l) => read(value, partOf(place, l), where)) as [TileExpr, TileExpr, TileExpr, TileExpr]));
      }
      const holds = where.block.let("ok", t.allOf(conditions.map((c) => conditionHolds(c, emitter, where))));
      const x = emitter.emit(value, place.index, where);
      return where.block.let("x", t.select(holds, x, t.f32(0, x.type.width)));
    };

    /** Four steps of the right operand from `k`, which is a multiple of 4, one vector along the contraction for each of four columns. */
    const fourColumns = (k: Ix, nv: Ix, rightAt: (k: Ix, nAt: readonly [string, Ix][]) => TileExpr): TileExpr[] => {
      const from = clamp(k, 0, inner.size - 4);
      return [0, 1, 2, 3].map((l) => rightAt(add(from, vecIx), along(shape.n, clamp(addConst(scale(nv, 4), l), 0, N - 1))));
    };
    /** The right operand of a chunk, read along the contraction, four columns at a time: [step][vector of columns]. */
    const turnedColumns = (start: Ix, steps: number, rightAt: (k: Ix, nAt: readonly [string, Ix][]) => TileExpr): TileExpr[][] => {
      const rows = Array.from({ length: Math.ceil(steps / 4) }, (_, q) =>
        columnVector.map((nv) => fourColumns(addConst(start, 4 * q), nv, rightAt)),
      );
      return Array.from({ length: steps }, (_, u) =>
        columnVector.map((_, j) => {
          const parts = rows[u >> 2]![j]!.map((column) => t.part(column, (u & 3) as 0 | 1 | 2 | 3));
          return t.vecOf(...(parts as [TileExpr, TileExpr, TileExpr, TileExpr]));
        }),
      );
    };
    /** Loads of the right operand into workgroup memory: which steps and which columns are this invocation's. */
    const turned = shape.rightAlong === "k";
    const rightItems = (turned ? chunkK / 4 : chunkK) * tileColumns;
    const rightLoads = Array.from({ length: held ? Math.ceil(rightItems / sharing) : 0 }, (_, load) => {
      const item = laneIx(load);
      const [step, column] = unflatten(item, [Math.ceil(((load + 1) * sharing) / tileColumns), tileColumns]) as [Ix, Ix];
      const nv = settle("n", clamp(add(scale(tileColumn, tileColumns), column), 0, columns - 1));
      return { item, step: settle("step", scale(step, turned ? 4 : 1)), column: settle("column", column), nv };
    });
    const chunkFromWorkgroup = (
      memory: NonNullable<typeof held>,
      left: readonly TileExpr[],
      start: Ix,
      rightAt: (k: Ix, nAt: readonly [string, Ix][]) => TileExpr,
      where: Scope,
    ) => {
      /** Stores what belongs to item `item` of `count`, unless there is no such item. */
      const keep = (item: Ix, count: number, store: (b: t.Block, scope: Scope) => void) => {
        if (item.max < count) store(where.block, where);
        else where.block.if(t.lt(emitter.index(item, where), count), (b) => store(b, new Scope(b, where)));
      };
      const right = rightLoads.map(({ step, nv }) => {
        const k = add(start, step);
        if (!turned) return [rightAt(clamp(k, 0, inner.size - 1), along(shape.n, clamp(add(scale(nv, 4), vecIx), 0, N - 1)))];
        const parts = fourColumns(k, nv, rightAt).map((column) => t.partsOf(where.block.let("w", column)));
        return [0, 1, 2, 3].map((u) => where.block.let("w", t.vecOf(parts[0]![u]!, parts[1]![u]!, parts[2]![u]!, parts[3]![u]!)));
      });
      for (const [load, vector] of left.entries()) {
        const item = laneIx(load);
        keep(item, items, (b, scope) => b.storeShared(memory.left, emitter.index(item, scope), vector));
      }
      for (const [load, { item, step, column }] of rightLoads.entries()) {
        keep(item, rightItems, (b, scope) => {
          for (const [u, vector] of right[load]!.entries())
            b.storeShared(memory.right, emitter.index(add(scale(addConst(step, u), tileColumns), column), scope), vector);
        });
      }
      where.block.barrier();
      const fourSteps = (q: Ix, b: t.Block) => {
        const scope = new Scope(b, where);
        const at = (ix: Ix): TileExpr => emitter.index(ix, scope);
        const rowsOf = (r: number, quarter: Ix): TileExpr =>
          b.let("a", t.loadShared(memory.left, at(add(scale(addConst(scale(ownBand, tileM), r), perRow), quarter))));
        const stepOf = (step: Ix, quarter: number): TileExpr =>
          b.let("a", t.loadShared(memory.left, at(add(scale(step, perRow), addConst(scale(ownBand, tileM / 4), quarter)))));
        const rows = alongM ? [] : Array.from({ length: tileM }, (_, r) => rowsOf(r, q));
        for (const u of [0, 1, 2, 3] as const) {
          const step = addConst(scale(q, 4), u);
          const quarters = alongM ? Array.from({ length: tileM / 4 }, (_, quarter) => stepOf(step, quarter)) : [];
          for (let j = 0; j < vectorsN; j++) {
            const w = b.let("w", t.loadShared(memory.right, at(add(scale(step, tileColumns), addConst(ownColumn, j * across)))));
            for (let i = 0; i < tileM; i++) {
              const element = alongM ? t.part(quarters[i >> 2]!, (i & 3) as 0 | 1 | 2 | 3) : t.part(rows[i]!, u);
              b.assign(accumulators[i]![j]!, multiplyAdd(t.splat(element), w, accumulators[i]![j]!));
            }
          }
        }
      };
      if (chunkK === 4) fourSteps(zero, where.block);
      else where.block.for("q", 0, chunkK / 4, 1, (i, b) => fourSteps(emitter.variable("q", i, 0, chunkK / 4 - 1), b));
      // The next chunk overwrites what others may still read.
      where.block.barrier();
    };
    const chunk = (start: Ix, kAt: readonly [string, Ix][], where: Scope) => {
      const exactChunk = inner.size % chunkK === 0;
      const kIndex = (offset: Ix): { ix: Ix; valid: Place["conditions"] } => {
        const at = add(start, offset);
        if (exactChunk) return { ix: at, valid: [] };
        return { ix: clamp(at, 0, inner.size - 1), valid: [{ ix: at, low: 0, high: inner.size, multipleOf: 1 }] };
      };
      const left = leftRows.map((rows) => {
        const k = kIndex(alongM ? rows.step : add(rows.step, vecIx));
        const place = gemm.leftAt(new Map([...batchAt, ...kAt, [inner.name, inner.size === 1 ? zero : k.ix], ...rows.at]));
        return where.block.let(
          "a",
          t.widen(read(gemm.left, { index: place.index, conditions: [...place.conditions, ...k.valid] }, where), 4),
        );
      });
      const rightAt = (k: Ix, nAt: readonly [string, Ix][]): TileExpr => {
        const place = gemm.rightAt(new Map([...batchAt, ...kAt, [inner.name, inner.size === 1 ? zero : k], ...nAt]));
        return t.widen(emitter.emit(gemm.right, place.index, where), 4);
      };
      if (held) {
        chunkFromWorkgroup(held, left, start, rightAt, where);
        return;
      }
      // All loads of the chunk stand before its arithmetic: worth 20 to 30 % where loads are textures, and nothing lost where not.
      const steps = Array.from({ length: chunkK }, (_, u) => u).filter((u) => start.min + u <= inner.size - 1);
      // A step behind the end of the contraction has a left operand of 0; its right operand is read at the last step.
      const right =
        shape.rightAlong === "k"
          ? turnedColumns(start, steps.length, rightAt)
          : steps.map((u) => columnsAt.map((nAt) => rightAt(clamp(addConst(start, u), 0, inner.size - 1), nAt)));
      // All steps of a row follow each other: its accumulators, which are more than a CPU has registers, are then loaded and kept once per chunk
      // (5 to 10 % on lavapipe, nothing lost on SwiftShader).
      for (let i = 0; i < tileM; i++) {
        for (const [s, u] of steps.entries()) {
          const item = alongM ? u * perRow + (i >> 2) : i * perRow + (u >> 2);
          const vector = left[Math.floor(item / across)]!;
          const element = t.part(vector, (alongM ? i & 3 : u & 3) as 0 | 1 | 2 | 3);
          const shared = holder === "subgroup" ? where.block.let("s", t.fromLane(element, item % across)) : element;
          for (let j = 0; j < vectorsN; j++)
            where.block.assign(accumulators[i]![j]!, multiplyAdd(t.splat(shared), right[s]![j]!, accumulators[i]![j]!));
        }
      }
    };
    const loopK = (axes: readonly GemmAxis[], at: readonly [string, Ix][], where: Scope) => {
      const axis = axes[0];
      if (axis) {
        if (axis.size === 1) loopK(axes.slice(1), [...at, [axis.name, zero]], where);
        else {
          const places = axis.count ? emitter.index(axis.count(new Map(batchAt)), where) : axis.size;
          where.block.for(axis.name, 0, places, 1, (i, b) =>
            loopK(axes.slice(1), [...at, [axis.name, emitter.variable(axis.name, i, 0, axis.size - 1)]], new Scope(b, where)),
          );
        }
        return;
      }
      const steps = Math.ceil(inner.size / chunkK);
      if (steps === 1) chunk(zero, at, where);
      else {
        // The loop counts chunks, so that an index is visibly a multiple of the chunk.
        where.block.for("k", 0, steps, 1, (i, b) => chunk(scale(emitter.variable("k", i, 0, steps - 1), chunkK), at, new Scope(b, where)));
      }
    };
    loopK(outerK, [], scope);
    // Operands are read by other lanes and tiles too.
    for (const b of emitter.buffers) b.readsBack ||= b.loads.length > 0;

    for (let i = 0; i < tileM; i++) {
      for (let j = 0; j < vectorsN; j++) {
        const rowNumber = addConst(add(firstRow, scale(ownBand, tileM)), i);
        const conditions: TileExpr[] = [];
        if (M % tileRows !== 0) conditions.push(t.lt(emitter.index(rowNumber, scope), M));
        const wanted = columnNumber(j);
        if (wanted.max >= columns) conditions.push(t.lt(emitter.index(wanted, scope), columns));
        const write = (b: t.Block) => {
          const where = new Scope(b, scope);
          const row = settle("row", clamp(rowNumber, 0, M - 1), where);
          const result = accumulators[i]![j]!;
          const at = (nAt: readonly [string, Ix][]): readonly Ix[] => gemm.resultAt(new Map([...batchAt, ...along(shape.m, row), ...nAt]));
          const put = (index: readonly Ix[], value: TileExpr, to: Scope) => {
            emitter.bind(anchor, () => value); // fusion has proven that the outputs read it at this place only
            const values = region.outputs.map((o) => emitter.emitOutput(o, outputIndex(o.value, anchor, index), to));
            for (const [o, output] of region.outputs.entries())
              emitter.store(output, outputIndex(output.value, anchor, index), values[o]!, to);
          };
          if (N % 4 === 0) put(at(along(shape.n, add(scale(columnVector[j]!, 4), vecIx))), result, where);
          else {
            // Columns of the last vector may lie behind the end: part by part.
            for (const l of [0, 1, 2, 3] as const) {
              const column = addConst(scale(columnVector[j]!, 4), l);
              const one = (c: t.Block) => put(at(along(shape.n, clamp(column, 0, N - 1))), t.part(result, l), new Scope(c, where));
              if (column.max < N) one(where.block);
              else where.block.if(t.lt(emitter.index(column, where), N), one);
            }
          }
        };
        if (conditions.length === 0) write(inside);
        else inside.if(t.allOf(conditions), write);
      }
    }
  };
  if (exact) body(block);
  else block.if(t.lt(tileNumber, tiles), body);
  return {
    workgroupSize: schedule.workgroup,
    subgroupSize: holder === "subgroup" ? across : null,
    grid,
    body: block.statements,
    shared: held ? [held.left, held.right] : [],
  };
}

/** Splits what a vector index has in common from its moving part, and computes the former once. */
function alignedPart(ix: Ix, settle: (wish: string, ix: Ix) => Ix): Ix {
  if (!dependsOn(ix, VEC)) return settle("i", ix);
  if (strideOf(ix, VEC) !== 1) return ix;
  const base = substitute(ix, VEC, zero);
  if (!isMultipleOf(base, 4, VEC)) return ix;
  // Kept as 4 * (base / 4) + v, so that the multiple of 4 stays visible.
  const quarter = settle("q", divideBy4(base));
  return add(scale(quarter, 4), vecIx);
}
function divideBy4(ix: Ix): Ix {
  let result = addConst(zero, ix.constant / 4);
  for (const { coeff, atom } of ix.terms)
    result = add(result, scale({ constant: 0, terms: [{ coeff: 1, atom }], min: atom.min, max: atom.max, key: atom.key }, coeff / 4));
  return result;
}
function partOf(place: Place, l: number): Place {
  const at = addConst(zero, l);
  return {
    index: place.index.map((ix) => substitute(ix, VEC, at)),
    conditions: place.conditions.map((c) => ({ ...c, ix: substitute(c.ix, VEC, at) })),
  };
}
function conditionHolds(c: Place["conditions"][number], emitter: Emitter, scope: Scope): TileExpr {
  const range = emitter.within(c.ix, c.low, c.high, scope);
  if (c.multipleOf === 1) return range;
  const rest = mod(c.ix, c.multipleOf);
  return t.and(range, rest.terms.length === 0 ? t.bool(rest.constant === 0) : t.eq(emitter.index(rest, scope), t.i32(0)));
}
