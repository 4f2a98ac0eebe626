import type { Region, Stored } from "../fuse/region.ts";
import { add, addConst, clamp, dependsOn, type Ix, isMultipleOf, ixVar, mod, scale, strideOf, substitute, unflatten } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import * as t from "../tile/build.ts";
import type { TileExpr } from "../tile/tile.ts";
import { mainAccess } from "./access.ts";
import { contractSchedule } from "./candidates.ts";
import { type Emitter, Scope, VEC, vecIx } from "./emit.ts";
import { type At, alwaysHolds, type ContractValue, type Gemm, type GemmAxis, gemmOf, type Place, sizeOf, zero } from "./gemm.ts";
import { foldGrid, type LoweredBody } from "./map.ts";
import type { ScheduleTarget } from "./target.ts";

// The contract template: one register-tiled product for matrix products, convolutions and their gradients. A tile is `tileM` rows by
// `lanes * vectorsN` vectors of columns. The lanes of a subgroup load the rows' elements together, four at a time along an axis that is
// contiguous in memory (of the contraction, or of the rows), and hand them round by broadcast; each lane loads its own columns as vectors, or
// four columns' vectors along the contraction, which it turns (measured: 1.0 to 1.3 times as fast as repacking the operand first).
// Operands may be any expression over stored tensors (fuse on read), outputs any elementwise function of the result (fuse on write).

/** How the axes of a contraction are ordered for its operands' memory: what the loops and the vectors run along. */
export interface ContractShape {
  readonly gemm: Gemm;
  readonly m: readonly GemmAxis[];
  readonly n: readonly GemmAxis[]; // the last one is walked in vectors
  readonly k: readonly GemmAxis[];
  readonly alongM: boolean; // the left operand's vectors run along the last m axis instead of the last k axis
  readonly leftContiguous: boolean;
  /** What the right operand's vectors run along: its columns, or the contraction (then four columns are read and turned), or nothing. */
  readonly rightAlong: "n" | "k" | null;
}

const last = <T>(list: readonly T[]): T => list[list.length - 1]!;
const moveLast = (axes: readonly GemmAxis[], name: string): GemmAxis[] => [
  ...axes.filter((a) => a.name !== name),
  ...axes.filter((a) => a.name === name),
];

/** Whether four consecutive values of an axis are one aligned vector in memory. */
function isVectorAxis(
  axis: GemmAxis,
  value: Value,
  place: (at: At) => Place,
  all: readonly GemmAxis[],
  storedFor: (v: Value) => Stored | undefined,
): boolean {
  if (axis.size % 4 !== 0) return false;
  const at = new Map<string, Ix>(all.map((x) => [x.name, x.size === 1 ? zero : ixVar(x.name, 0, x.size - 1)]));
  at.set(axis.name, add(scale(ixVar(axis.name, 0, axis.size / 4 - 1), 4), vecIx));
  const access = mainAccess(value, place(at).index, storedFor);
  if (!access) return false;
  const size = access.stored.value.shape.reduce((a, b) => a * b, 1);
  return strideOf(access.flat, VEC) === 1 && size % 4 === 0 && isMultipleOf(access.flat, 4, VEC);
}

export function contractShape(anchor: ContractValue, storedFor: (v: Value) => Stored | undefined): ContractShape {
  const plain = shapeOf(gemmOf(anchor, false), storedFor);
  if (anchor.op === "conv") return plain;
  const swapped = shapeOf(gemmOf(anchor, true), storedFor);
  // The right operand should be read in vectors, best along its columns, and there should be at least a vector of them.
  const score = (s: ContractShape): number =>
    (s.rightAlong === null ? 0 : s.rightAlong === "n" ? 2.5 : 2) + (sizeOf(s.n) >= 4 ? 1 : 0) + (sizeOf(s.n) > 1 ? 1 : 0);
  return score(swapped) > score(plain) ? swapped : plain;
}
function shapeOf(gemm: Gemm, storedFor: (v: Value) => Stored | undefined): ContractShape {
  const all = [...gemm.batch, ...gemm.m, ...gemm.n, ...gemm.k];
  const alongK = gemm.k.find((axis) => isVectorAxis(axis, gemm.left, gemm.leftAt, all, storedFor));
  const alongM = alongK ? undefined : gemm.m.find((axis) => isVectorAxis(axis, gemm.left, gemm.leftAt, all, storedFor));
  const columns = gemm.n.find((axis) => isVectorAxis(axis, gemm.right, gemm.rightAt, all, storedFor));
  const turned = columns ? undefined : gemm.k.find((axis) => isVectorAxis(axis, gemm.right, gemm.rightAt, all, storedFor));
  // Both operands' vectors run along the innermost contraction axis, if they run along one.
  const rightK = turned && (!alongK || alongK.name === turned.name) ? turned : undefined;
  const innermost = alongK ?? rightK ?? [...gemm.k].sort((a, b) => b.size - a.size)[0];
  return {
    gemm,
    m: alongM ? moveLast(gemm.m, alongM.name) : gemm.m,
    n: columns ? moveLast(gemm.n, columns.name) : gemm.n,
    k: innermost ? moveLast(gemm.k, innermost.name) : gemm.k,
    alongM: alongM !== undefined,
    leftContiguous: alongK !== undefined || alongM !== undefined,
    rightAlong: columns ? "n" : rightK ? "k" : null,
  };
}

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
  const inner: GemmAxis = shape.k.length > 0 ? last(shape.k) : { name: "one", size: 1 };
  const outerK = shape.k.slice(0, -1);
  const { rightAlong } = shape;
  const types = `${gemm.left.dtype} ${gemm.right.dtype}`;
  const facts = { batch: sizeOf(gemm.batch), m: M, n: N, k: sizeOf(shape.k), innerK: inner.size, alongM, rightAlong, types };
  const schedule = contractSchedule(facts, target);
  if (schedule.operands === "buffer") emitter.readFromBuffers();
  const { lanes, tileM, vectorsN, chunkK } = schedule;
  const columns = Math.ceil(N / 4); // vectors
  const tilesN = Math.ceil(columns / (lanes > 1 ? lanes * vectorsN : vectorsN));
  const tilesM = Math.ceil(M / tileM);
  const tiles = tilesM * tilesN * sizeOf(gemm.batch);
  const perGroup = lanes > 1 ? 1 : schedule.workgroup;
  const { grid, number } = foldGrid(Math.ceil(tiles / perGroup), target.maxWorkgroupsPerDimension);
  const exact = grid[0] * grid[1] * perGroup === tiles;

  const block = new t.Block();
  const tileNumber = block.let("tile", lanes > 1 ? number : t.add(t.mul(number, perGroup), t.lane()));
  const body = (inside: t.Block) => {
    const scope = new Scope(inside);
    emitter.define("tile", tileNumber);
    const [batchIx, tileRow, tileColumn] = unflatten(ixVar("tile", 0, tiles - 1), [sizeOf(gemm.batch), tilesM, tilesN]) as [Ix, Ix, Ix];
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
    const firstRow = settle("m", scale(tileRow, tileM));

    // Loads of the left operand: `items` vectors of a chunk are spread over the lanes.
    const perRow = alongM ? tileM / 4 : chunkK / 4;
    const items = alongM ? chunkK * perRow : tileM * perRow;
    const useVectorRows = alongM && tileM % 4 === 0;
    if (alongM && !useVectorRows) throw new Error(`internal: rows of ${tileM} cannot be loaded in vectors`);
    const loads = Math.ceil(items / lanes);
    const laneIx = (load: number): Ix => (lanes > 1 ? addConst(ixVar("lane", 0, lanes - 1), load * lanes) : addConst(zero, load));
    emitter.define("lane", t.lane());
    const leftRows: { at: [string, Ix][]; step: Ix }[] = [];
    for (let load = 0; load < loads; load++) {
      const item = laneIx(load);
      const [slow, fast] = unflatten(item, [Math.ceil((loads * lanes) / perRow), perRow]) as [Ix, Ix];
      if (alongM) {
        const row = clamp(add(firstRow, scale(fast, 4)), 0, Math.max(0, Math.ceil(M / 4) * 4 - 4));
        const safe = M % 4 === 0 ? clamp(row, 0, M - 4) : row;
        const settled = settle("row", safe);
        // Vectors run along the last m axis; its size is a multiple of 4, so the whole vector has the other axes in common.
        leftRows.push({ at: along(shape.m, add(settled, vecIx)), step: settle("step", clamp(slow, 0, chunkK - 1)) });
      } else {
        const row = settle("row", clamp(add(firstRow, clamp(slow, 0, tileM - 1)), 0, M - 1));
        leftRows.push({
          at: along(shape.m, row).map(([name, ix]): [string, Ix] => [name, settle(name, ix)]),
          step: settle("step", scale(fast, 4)),
        });
      }
    }
    if (alongM) {
      for (const rows of leftRows) rows.at = rows.at.map(([name, ix]) => [name, alignedPart(ix, settle)]);
    }
    const columnVector = Array.from({ length: vectorsN }, (_, j) => {
      const base =
        lanes > 1
          ? add(scale(tileColumn, lanes * vectorsN), addConst(ixVar("lane", 0, lanes - 1), j * lanes))
          : addConst(scale(tileColumn, vectorsN), j);
      return settle("n", clamp(base, 0, columns - 1));
    });
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

    /** The right operand of a chunk, read along the contraction, four columns at a time: [step][vector of columns]. */
    const turnedColumns = (start: Ix, steps: number, rightAt: (k: Ix, nAt: readonly [string, Ix][]) => TileExpr): TileExpr[][] => {
      const rows = Array.from({ length: Math.ceil(steps / 4) }, (_, q) => {
        const k = clamp(addConst(start, 4 * q), 0, inner.size - 4);
        return columnVector.map((nv) =>
          [0, 1, 2, 3].map((l) => rightAt(add(k, vecIx), along(shape.n, clamp(addConst(scale(nv, 4), l), 0, N - 1)))),
        );
      });
      return Array.from({ length: steps }, (_, u) =>
        columnVector.map((_, j) => {
          const parts = rows[u >> 2]![j]!.map((column) => t.part(column, (u & 3) as 0 | 1 | 2 | 3));
          return t.vecOf(...(parts as [TileExpr, TileExpr, TileExpr, TileExpr]));
        }),
      );
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
      // All loads of the chunk stand before its arithmetic: worth 20 to 30 % where loads are textures, and nothing lost where not.
      const steps = Array.from({ length: chunkK }, (_, u) => u).filter((u) => start.min + u <= inner.size - 1);
      const rightAt = (k: Ix, nAt: readonly [string, Ix][]): TileExpr => {
        const place = gemm.rightAt(new Map([...batchAt, ...kAt, [inner.name, inner.size === 1 ? zero : k], ...nAt]));
        return t.widen(emitter.emit(gemm.right, place.index, where), 4);
      };
      // A step behind the end of the contraction has a left operand of 0; its right operand is read at the last step.
      const right =
        shape.rightAlong === "k"
          ? turnedColumns(start, steps.length, rightAt)
          : steps.map((u) => columnsAt.map((nAt) => rightAt(clamp(addConst(start, u), 0, inner.size - 1), nAt)));
      for (const [s, u] of steps.entries()) {
        for (let i = 0; i < tileM; i++) {
          const item = alongM ? u * perRow + (i >> 2) : i * perRow + (u >> 2);
          const vector = left[lanes > 1 ? Math.floor(item / lanes) : item]!;
          const element = t.part(vector, (alongM ? i & 3 : u & 3) as 0 | 1 | 2 | 3);
          const shared = lanes > 1 ? where.block.let("s", t.fromLane(element, item % lanes)) : element;
          for (let j = 0; j < vectorsN; j++)
            where.block.assign(accumulators[i]![j]!, t.fma(t.splat(shared), right[s]![j]!, accumulators[i]![j]!));
        }
      }
    };
    const loopK = (axes: readonly GemmAxis[], at: readonly [string, Ix][], where: Scope) => {
      const axis = axes[0];
      if (axis) {
        if (axis.size === 1) loopK(axes.slice(1), [...at, [axis.name, zero]], where);
        else {
          where.block.for(axis.name, 0, axis.size, 1, (i, b) =>
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
        const rowNumber = addConst(firstRow, i);
        const conditions: TileExpr[] = [];
        if (M % tileM !== 0) conditions.push(t.lt(emitter.index(rowNumber, scope), M));
        const wanted =
          lanes > 1
            ? add(scale(tileColumn, lanes * vectorsN), addConst(ixVar("lane", 0, lanes - 1), j * lanes))
            : addConst(scale(tileColumn, vectorsN), j);
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
  return { workgroupSize: schedule.workgroup, subgroupSize: lanes > 1 ? lanes : null, grid, body: block.statements };
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

/** Where an output that is the anchor followed by elementwise ops, permutations and reshapes lies, given the place in the anchor. */
export function outputIndex(output: Value, anchor: Value, index: readonly Ix[]): readonly Ix[] {
  const at = indexOnPath(output, anchor, index);
  if (!at) throw new Error(`internal: %${output.id} is not computed from %${anchor.id} element by element`);
  return at;
}
/** The same, or null where the way from the anchor to the output is not one of elementwise ops, permutations and reshapes. */
export function indexOnPath(output: Value, anchor: Value, index: readonly Ix[]): readonly Ix[] | null {
  const path = pathTo(output, anchor);
  if (!path) return null;
  let at = index;
  let shape = anchor.shape;
  for (const v of path) {
    if (v.op === "permute") at = v.attrs.order.map((from) => at[from]!);
    else if (v.op === "reshape") {
      const strides: number[] = [];
      let stride = 1;
      for (let a = shape.length - 1; a >= 0; a--) {
        strides[a] = stride;
        stride *= shape[a]!;
      }
      let flat: Ix = zero;
      for (const [a, ix] of at.entries()) flat = add(flat, scale(ix, strides[a]!));
      at = unflatten(flat, v.shape);
    } else if (v.shape.length !== shape.length || v.shape.some((size, a) => size !== shape[a])) return null;
    shape = v.shape;
  }
  return at;
}
/** The anchor from which an output is computed. */
export function anchorOf<T extends Value>(output: Value, anchors: readonly T[]): T | undefined {
  return anchors.find((anchor) => pathTo(output, anchor) !== null);
}
/** The values from just above the anchor to the output, or null if the output does not depend on it. */
function pathTo(output: Value, anchor: Value): Value[] | null {
  if (output === anchor) return [];
  const seen = new Set<Value>();
  const search = (v: Value): Value[] | null => {
    if (v === anchor) return [];
    // What is older than the anchor does not need it.
    if (v.id < anchor.id || seen.has(v)) return null;
    seen.add(v);
    for (const a of v.args) {
      const path = search(a);
      if (path) return [...path, v];
    }
    return null;
  };
  return search(output);
}
