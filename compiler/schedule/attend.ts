import type { Region, Stored } from "../fuse/region.ts";
import { add, addConst, clamp, div, type Ix, isMultipleOf, ixVar, mod, scale, strideOf, unflatten } from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import * as t from "../tile/build.ts";
import type { TileExpr } from "../tile/tile.ts";
import { mainAccess } from "./access.ts";
import { attendSchedule } from "./candidates.ts";
import { type Emitter, VEC, vecIx } from "./emit.ts";
import { zero } from "./gemm.ts";
import { foldGrid, type LoweredBody } from "./map.ts";
import { anchorOf, outputIndex } from "./outputIndex.ts";
import { Scope } from "./scope.ts";
import type { AttendFacts, AttendSchedule, ScheduleTarget } from "./target.ts";

// The attend template, what its three kernels share. A lane owns whole rows (of queries, or of keys for their gradients) and holds them in
// registers; the rows of the other side stream past in chunks, loaded once per subgroup, four numbers by each lane, and handed round by
// broadcast (without subgroups each invocation loads all of them). A score exists in a register only, for the time of one chunk.
// Operands may be any expression over stored tensors, outputs any elementwise function of a result.

export type AttendValue = Extract<Value, { readonly op: "attend" | "attendGrad" }>;

export interface AttendOperands {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly mask: Value | undefined;
  readonly sums: Value | undefined;
  readonly delta: Value | undefined;
  readonly g: Value | undefined;
}
export interface AttendShape {
  readonly lead: readonly number[];
  readonly queries: number;
  readonly keys: number;
  readonly d: number;
  readonly e: number;
}

/** The arguments of a call by name. */
export function attendOperands(anchor: AttendValue): AttendOperands {
  const [q, k, v] = anchor.args as [Value, Value, Value];
  const [sums, delta, g] = anchor.op === "attendGrad" ? anchor.args.slice(3) : [];
  return { q, k, v, sums, delta, g, mask: maskOf(anchor) };
}
/** The mask of a call, its last argument, if it has one. */
export function maskOf(anchor: AttendValue): Value | undefined {
  return anchor.args[anchor.op === "attend" ? 3 : 6];
}
export function attendShape({ q, k, v }: Pick<AttendOperands, "q" | "k" | "v">): AttendShape {
  const [queries, d] = q.shape.slice(-2) as [number, number];
  return { lead: q.shape.slice(0, -2), queries, keys: k.shape[k.shape.length - 2]!, d, e: lastOf(v.shape) };
}
const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** Which operands stream past, and so are read often: the other side of the rows that lanes own. */
export function streamedOperands(anchor: AttendValue): readonly Value[] {
  const { q, k, v, g } = attendOperands(anchor);
  return anchor.op === "attendGrad" && anchor.attrs.part !== "q" ? [q, g!] : [k, v];
}
/** Whether the rows of an operand lie in memory so that they can be read in vectors, or are not in memory at all. */
export function hasVectorRows(operand: Value, storedFor: (v: Value) => Stored | undefined): boolean {
  const width = lastOf(operand.shape);
  const index = operand.shape.slice(0, -1).map((size, axis) => ixVar(`s${axis}`, 0, size - 1));
  const access = mainAccess(operand, [...index, add(scale(ixVar("c", 0, Math.ceil(width / 4) - 1), 4), vecIx)], storedFor);
  return !access || (strideOf(access.flat, VEC) === 1 && isMultipleOf(access.flat, 4, VEC) && product(access.stored.value.shape) % 4 === 0);
}
/** Multiplications and additions of one call. */
export function attendFlops(anchor: AttendValue): number {
  const { lead, queries, keys, d, e } = attendShape(attendOperands(anchor));
  const perScore = anchor.op === "attend" ? (anchor.attrs.part === "out" ? d + e : 0) : anchor.attrs.part === "v" ? d + e : 2 * d + e;
  return 2 * product(lead) * queries * keys * perScore;
}

/** Vectors beyond which a row no longer lives in registers in any useful sense. */
const mostVectors = 64;

/** Whether the template can compute a call on this device; if not, its body is computed instead. */
export function attendFits(anchor: AttendValue, maxBuffers: number): boolean {
  const { d, e } = attendShape(attendOperands(anchor));
  return Math.ceil(Math.max(d, e) / 4) <= mostVectors && new Set(anchor.args).size + 1 <= maxBuffers;
}

/** Rows that a lane owns, in one batch; `at` gives the index of an element of a value with the same leading axes. */
export interface OwnRow {
  readonly row: Ix; // within the value, for reads
  readonly inside: TileExpr | null; // null: always
}
export interface AttendFrame {
  readonly emitter: Emitter;
  readonly scope: Scope;
  readonly lanes: number;
  readonly schedule: AttendSchedule;
  readonly shape: AttendShape;
  readonly lead: readonly Ix[];
  readonly rows: readonly OwnRow[];
}

/** Spreads rows over workgroups and lanes, and lets `body` write the kernel of one tile of them. */
export function overRows(
  operands: AttendOperands,
  use: { readonly pass: AttendFacts["pass"]; readonly registers: number },
  target: ScheduleTarget,
  emitter: Emitter,
  body: (frame: AttendFrame) => void,
): LoweredBody {
  const shape = attendShape(operands);
  const [size, streamed] = use.pass === "keys" ? [shape.keys, shape.queries] : [shape.queries, shape.keys];
  const types = [operands.q, operands.k, operands.v].map((x) => x.dtype).join(" ");
  const vectors = vectorsOf(Math.max(shape.d, shape.e));
  const schedule = attendSchedule({ batch: product(shape.lead), rows: size, streamed, vectors, types, ...use }, target);
  const { lanes, rows } = schedule;
  const tilesPerBatch = Math.ceil(size / (lanes * rows));
  const tiles = product(shape.lead) * tilesPerBatch;
  const perGroup = lanes > 1 ? 1 : schedule.workgroup;
  const { grid, number } = foldGrid(Math.ceil(tiles / perGroup), target.maxWorkgroupsPerDimension);
  const exact = grid[0] * grid[1] * perGroup === tiles;
  const block = new t.Block();
  const wanted = block.let("tile", lanes > 1 ? number : t.add(t.mul(number, perGroup), t.lane()));
  const make = (inside: t.Block, tile: TileExpr) => {
    const scope = new Scope(inside);
    emitter.define("tile", tile);
    emitter.define("lane", t.lane());
    const [batch, tileRow] = unflatten(ixVar("tile", 0, tiles - 1), [product(shape.lead), tilesPerBatch]) as [Ix, Ix];
    const settle = settler(emitter, scope);
    const lead = unflatten(batch, shape.lead).map((ix) => settle("b", ix));
    const first = settle("row", scale(tileRow, lanes * rows));
    const own = Array.from({ length: rows }, (_, i): OwnRow => {
      const row = addConst(lanes > 1 ? add(first, ixVar("lane", 0, lanes - 1)) : first, i * lanes);
      const at = settle("row", clamp(row, 0, size - 1));
      return { row: at, inside: row.max < size ? null : inside.let("inside", t.lt(emitter.index(row, scope), size)) };
    });
    body({ emitter, scope, lanes, schedule, shape, lead, rows: own });
  };
  if (exact) make(block, wanted);
  else block.if(t.lt(wanted, tiles), (inside) => make(inside, wanted));
  return { workgroupSize: lanes > 1 ? lanes : schedule.workgroup, subgroupSize: lanes > 1 ? lanes : null, grid, body: block.statements };
}

/** Computes an index once and makes it a variable. */
export function settler(emitter: Emitter, scope: Scope): (wish: string, ix: Ix) => Ix {
  return (wish, ix) => {
    const plain =
      ix.terms.length === 0 || (ix.terms.length === 1 && ix.constant === 0 && ix.terms[0]!.atom.kind === "var" && ix.terms[0]!.coeff === 1);
    return plain ? ix : emitter.variable(wish, scope.block.let(wish, emitter.index(ix, scope)), ix.min, ix.max);
  };
}

const lastOf = (shape: readonly number[]): number => shape[shape.length - 1]!;
const vectorsOf = (width: number): number => Math.ceil(width / 4);

/** The vectors of a row that a lane owns; parts behind the row's end are 0. */
export function ownVectors(frame: AttendFrame, value: Value, row: OwnRow, factor = 1): TileExpr[] {
  const width = lastOf(value.shape);
  const { emitter, scope, lead } = frame;
  return Array.from({ length: vectorsOf(width) }, (_, c) => {
    let x = t.widen(emitter.emit(value, [...lead, row.row, clamp(addConst(vecIx, 4 * c), 0, width - 1)], scope), 4);
    if (4 * c + 4 > width) {
      const parts = t.partsOf(x).map((part, l) => (4 * c + l < width ? part : t.f32(0)));
      x = t.vecOf(...(parts as [TileExpr, TileExpr, TileExpr, TileExpr]));
    }
    return scope.block.let("own", factor === 1 ? x : t.mul(x, factor));
  });
}
/** The number that belongs to a row that a lane owns. */
export function ownNumber(frame: AttendFrame, value: Value, row: OwnRow): TileExpr {
  return frame.emitter.emit(value, [...frame.lead, row.row], frame.scope);
}

/** A vector of a streamed row, known to all lanes: `row` within the chunk, `c` within the row. */
export type Streamed = (row: number, c: number) => TileExpr;
/** Rows of one chunk of the other side. */
export interface Chunk {
  readonly where: Scope;
  readonly size: number;
  readonly rowAt: (row: number) => Ix;
}
interface Stream {
  readonly value: Value;
  readonly row: Ix[]; // by load: row within the chunk
  readonly vector: Ix[]; // by load: vector within the row
}

/** Runs over `size` rows of values in chunks, what is left over row by row; what does not depend on the chunk is computed before. */
export function streamRows(
  frame: AttendFrame,
  size: number,
  values: readonly Value[],
  visit: (chunk: Chunk, load: (value: Value) => Streamed) => void,
): void {
  const { emitter, scope } = frame;
  const pass = (first: number, rows: number, count: number): void => {
    if (count === 0) return;
    const streams = values.map((value) => streamOf(frame, value, rows));
    const run = (start: Ix, where: Scope): void =>
      visit({ where, size: rows, rowAt: (row) => addConst(start, row) }, (value) =>
        loadChunk(frame, streams.find((s) => s.value === value)!, start, rows, where),
      );
    if (count === 1) run(addConst(zero, first), scope);
    else {
      scope.block.for("i", 0, count, 1, (i, inside) =>
        run(addConst(scale(emitter.variable("i", i, 0, count - 1), rows), first), new Scope(inside, scope)),
      );
    }
  };
  const length = Math.min(frame.schedule.chunk, size);
  const chunks = Math.floor(size / length);
  pass(0, length, chunks);
  pass(chunks * length, 1, size - chunks * length);
}

/** Which vectors of a chunk of rows a lane loads. */
function streamOf(frame: AttendFrame, value: Value, rows: number): Stream {
  const { lanes } = frame;
  if (lanes === 1) return { value, row: [], vector: [] };
  const settle = settler(frame.emitter, frame.scope);
  const vectors = vectorsOf(lastOf(value.shape));
  const items = rows * vectors;
  const loads = Array.from({ length: Math.ceil(items / lanes) }, (_, j) =>
    clamp(addConst(ixVar("lane", 0, lanes - 1), j * lanes), 0, items - 1),
  );
  return { value, row: loads.map((item) => settle("r", div(item, vectors))), vector: loads.map((item) => settle("c", mod(item, vectors))) };
}
/** Loads a chunk; parts behind the end of a row are 0. */
function loadChunk(frame: AttendFrame, stream: Stream, start: Ix, rows: number, where: Scope): Streamed {
  const { emitter, lanes, lead } = frame;
  const { value } = stream;
  const width = lastOf(value.shape);
  const vectors = vectorsOf(width);
  const read = (row: Ix, vector: Ix): TileExpr => {
    const column = add(scale(vector, 4), vecIx);
    let x = t.widen(emitter.emit(value, [...lead, add(start, row), clamp(column, 0, width - 1)], where), 4);
    if (column.max >= width) x = t.select(t.lt(emitter.wideIndex(column, where), t.lit(width, "i32", 4)), x, t.f32(0, 4));
    return where.block.let("x", x);
  };
  if (lanes === 1) return (row, c) => read(addConst(zero, row), addConst(zero, c));
  const loaded = stream.row.map((row, j) => read(clamp(row, 0, rows - 1), stream.vector[j]!));
  const known = new Map<number, TileExpr>();
  return (row, c) => {
    const item = row * vectors + c;
    let x = known.get(item);
    if (!x) {
      x = where.block.let("s", t.fromLane(loaded[Math.floor(item / lanes)]!, item % lanes));
      known.set(item, x);
    }
    return x;
  };
}

/** Sums that run side by side hide how long one addition takes; from this many on each needs no more than one register. */
const enoughSums = 8;

/** For each owned row its products with the streamed rows `first` to `first + count`. */
export function productsWith(
  block: t.Block,
  own: readonly (readonly TileExpr[])[],
  streamed: Streamed,
  first: number,
  count = 1,
): TileExpr[][] {
  const step = (x: TileExpr, y: TileExpr, sum: TileExpr | undefined): TileExpr => block.let("d", sum ? t.fma(x, y, sum) : t.mul(x, y));
  const sums: TileExpr[][] = own.map(() => []);
  if (own.length * count >= enoughSums) {
    // Column after column, so that an element of either side, once at hand, serves all sums.
    for (let c = 0; c < own[0]!.length; c++)
      for (const l of [0, 1, 2, 3] as const)
        for (let row = 0; row < count; row++)
          for (const [i, vectors] of own.entries())
            sums[i]![row] = step(t.part(vectors[c]!, l), t.part(streamed(first + row, c), l), sums[i]![row]);
    return sums;
  }
  // Else four sums each, of every fourth column.
  for (let row = 0; row < count; row++) {
    const running: (TileExpr | undefined)[] = own.map(() => undefined);
    for (let c = 0; c < own[0]!.length; c++)
      for (const [i, vectors] of own.entries()) running[i] = step(vectors[c]!, streamed(first + row, c), running[i]);
    for (const [i, sum] of running.entries()) sums[i]![row] = block.let("d", t.reduceParts("add", sum!));
  }
  return sums;
}

type Variable = ReturnType<t.Block["var"]>;

/** Vectors that gather a weighted sum of streamed rows. */
export function accumulators(frame: AttendFrame, width: number): Variable[][] {
  return frame.rows.map(() => Array.from({ length: vectorsOf(width) }, () => frame.scope.block.var("o", t.f32(0, 4))));
}
/** Adds weight · row for each row of a chunk; `weights` by owned row, then by row of the chunk. */
export function accumulate(
  block: t.Block,
  into: readonly (readonly Variable[])[],
  weights: readonly (readonly TileExpr[])[],
  streamed: Streamed,
  first = 0,
): void {
  for (let c = 0; c < into[0]!.length; c++) {
    const running: TileExpr[] = into.map((vectors) => vectors[c]!);
    for (let row = 0; row < weights[0]!.length; row++) {
      const x = streamed(first + row, c);
      for (const [i, sum] of running.entries()) running[i] = t.fma(t.splat(weights[i]![row]!), x, sum);
    }
    for (const [i, sum] of running.entries()) block.assign(into[i]![c]!, sum);
  }
}

/** Writes one result of a row, a vector at a time, through whatever the outputs make of it. */
export function writeRow(
  frame: AttendFrame,
  region: Region,
  anchor: AttendValue,
  row: OwnRow,
  result: readonly TileExpr[] | TileExpr,
): void {
  const { emitter, scope, lead } = frame;
  const outputs = region.outputs.filter((o) => anchorOf(o.value, region.anchors) === anchor);
  const write = (block: t.Block) => {
    const where = new Scope(block, scope);
    const put = (index: readonly Ix[], value: TileExpr) => {
      emitter.bind(anchor, () => value); // fusion has proven that the outputs read it at this place only
      const values = outputs.map((o) => emitter.emitOutput(o, outputIndex(o.value, anchor, index), where));
      for (const [i, output] of outputs.entries()) emitter.store(output, outputIndex(output.value, anchor, index), values[i]!, where);
    };
    if (!Array.isArray(result)) {
      put([...lead, row.row], result as TileExpr);
      return;
    }
    const width = lastOf(anchor.shape);
    for (const [c, vector] of (result as readonly TileExpr[]).entries()) {
      if (width % 4 === 0) put([...lead, row.row, addConst(vecIx, 4 * c)], vector);
      else
        for (const l of [0, 1, 2, 3] as const) if (4 * c + l < width) put([...lead, row.row, addConst(zero, 4 * c + l)], t.part(vector, l));
    }
  };
  if (row.inside === null) write(scope.block);
  else scope.block.if(row.inside, write);
}
