import type { PlanTarget } from "../plan/plan.ts";

// Schedules are records: how the same meaning is spread over invocations. Each template asks for one by the facts of its shape; the answer is
// the default of the adapter's class, or what a tuner has found for that bucket of shapes, if it is a candidate there (`candidates.ts`).

/** What kernels are made for, and what is known to be good there. */
export type ScheduleTarget = PlanTarget & {
  readonly schedules?: ScheduleBook;
  /** Hears what the templates ask. */
  readonly onSchedule?: (question: ScheduleQuestion) => void;
};
/** Schedules by bucket of shapes; plain data, as it is part of what a kept plan is known by. */
export type ScheduleBook = Readonly<Record<string, KernelSchedule>>;
export type KernelSchedule = MapSchedule | ReduceSchedule | ContractSchedule | AttendSchedule;

export interface MapFacts {
  readonly items: number;
  readonly types: string;
}
export interface ReduceFacts {
  readonly rows: number;
  readonly inner: number;
  readonly innerContiguous: boolean;
  readonly argmax: boolean;
  readonly types: string;
}
export interface ContractFacts {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly innerK: number;
  readonly alongM: boolean;
  readonly rightAlong: "n" | "k" | null;
  readonly types: string;
}
export interface AttendFacts {
  readonly pass: "forward" | "queries" | "keys"; // what the rows that lanes own are for
  readonly batch: number;
  readonly rows: number; // that lanes own
  readonly streamed: number; // rows of the other side
  readonly vectors: number; // of such a row
  readonly registers: number; // numbers of a row that a lane holds
  readonly types: string;
}
/** What a template asks: the facts of its shape. Equal facts are one bucket. */
export type ScheduleQuestion =
  | { readonly kind: "map"; readonly facts: MapFacts }
  | { readonly kind: "reduce"; readonly facts: ReduceFacts }
  | { readonly kind: "contract"; readonly facts: ContractFacts }
  | { readonly kind: "attend"; readonly facts: AttendFacts };

/** The name of a bucket: all its facts. */
export function bucketOf({ kind, facts }: ScheduleQuestion): string {
  return `${kind} ${Object.entries(facts)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ")}`;
}

export interface MapSchedule {
  readonly kind: "map";
  readonly workgroup: number;
  readonly perInvocation: number; // vectors (or scalars) that one invocation makes
}
export interface ReduceSchedule {
  readonly kind: "reduce";
  readonly style: "rowPerSubgroup" | "rowPerWorkgroup" | "rowPerInvocation" | "rowsInVectors";
  readonly workgroup: number;
  readonly rowsAtOnce: number; // rows that a subgroup takes together: what they share is loaded once
}
export interface ContractSchedule {
  readonly kind: "contract";
  /** Who holds a chunk of the operands: the lanes of a subgroup, which is the workgroup; workgroup memory; or each invocation its own. */
  readonly holder: "subgroup" | "workgroup" | "invocation";
  readonly across: number; // invocations side by side that share rows of the left operand; 1 where each holds its own
  readonly workgroup: number;
  /** Where operands that are read often live, if they can. */
  readonly operands: "buffer" | "texture";
  readonly tileM: number; // rows of an invocation
  readonly vectorsN: number; // vectors of columns of an invocation
  readonly chunkK: number; // contraction steps whose loads are issued together
}

export interface AttendSchedule {
  readonly kind: "attend";
  readonly lanes: number; // invocations that share the streamed rows through subgroup broadcasts; 1: each loads its own
  readonly workgroup: number;
  readonly rows: number; // rows that one lane owns
  readonly chunk: number; // rows that stream past together
  readonly scaling: "lazy" | "eager"; // forward: what was gathered is scaled only where the largest score has grown, or always
}

/** The size of one workgroup's worth of independent invocations. */
function workgroup(target: ScheduleTarget): number {
  return target.adapterClass === "gpu" ? 64 : 8;
}

/**
 * Elementwise: on CPU adapters few workgroups with long loops (a workgroup costs about 0.1 us there, a load far more), on GPUs one vector
 * per invocation until the device is full.
 */
export function mapDefault({ items }: MapFacts, target: ScheduleTarget): MapSchedule {
  const size = workgroup(target);
  const wanted = target.adapterClass === "gpu" ? 2048 : 16; // workgroups that keep the device busy
  const limit = target.adapterClass === "gpu" ? 4 : 64;
  const perInvocation = Math.max(1, Math.min(limit, Math.floor(items / (size * wanted))));
  return { kind: "map", workgroup: size, perInvocation };
}

export function reduceDefault(shape: ReduceFacts, target: ScheduleTarget): ReduceSchedule {
  const size = workgroup(target);
  const alone = { kind: "reduce", workgroup: size, rowsAtOnce: 1 } as const;
  if (shape.argmax) return { style: "rowPerInvocation", ...alone };
  if (!shape.innerContiguous) return { style: shape.rows % 4 === 0 ? "rowsInVectors" : "rowPerInvocation", ...alone };
  // On a GPU whose subgroups have no one size, neighbours still read neighbouring elements.
  if (target.adapterClass === "gpu" && target.subgroupSize === null && shape.inner >= 64)
    return { kind: "reduce", style: "rowPerWorkgroup", workgroup: shape.inner >= 2048 ? 256 : 64, rowsAtOnce: 1 };
  if (target.subgroupSize === null || (shape.inner <= 32 && shape.rows >= 4 * size)) return { style: "rowPerInvocation", ...alone };
  // Little work is not worth the larger kernel, and few units of it leave a core idle.
  const rowsAtOnce = shape.rows * shape.inner < 2 ** 15 ? 1 : shape.rows >= 64 ? 4 : 1;
  return { kind: "reduce", style: "rowPerSubgroup", workgroup: target.subgroupSize, rowsAtOnce };
}

/**
 * Contractions on CPU adapters: one subgroup per tile, no barriers. Measured on SwiftShader (4 lanes, buffers): 16 rows by as many columns as
 * there are, up to 64, chunks of 4 (8.5 GFLOP/s at 512 cubed; 8 rows cost 2 to 8 %, 4 rows a third, chunks of 8 a tenth and twice the time
 * to compile); on lavapipe (8 lanes, textures) 16 rows by 32 columns (59 GFLOP/s; 64 columns only compile slower).
 */
export function contractDefault(shape: ContractFacts, target: ScheduleTarget): ContractSchedule {
  const lanes =
    target.adapterClass === "cpu-subgroups" && target.subgroupSize !== null && target.subgroupSize >= 4 ? target.subgroupSize : 1;
  const tile = target.adapterClass === "gpu" ? workgroupTile(shape) : null;
  if (tile) return tile;
  const columns = Math.ceil(shape.n / 4);
  const chunkK = 4;
  let vectorsN = 1;
  if (lanes === 4) while (vectorsN < 4 && columns % (2 * vectorsN * lanes) === 0) vectorsN *= 2;
  if (lanes === 1 && columns % 2 === 0) vectorsN = 2;
  let tileM = lanes === 1 ? 4 : 16;
  while (tileM > 4 && tileM / 2 >= shape.m) tileM /= 2;
  // Few tiles leave a core idle.
  while (tileM > 4 && Math.ceil(shape.m / tileM) * Math.ceil(columns / (lanes * vectorsN)) < 8) tileM /= 2;
  if (lanes > 1) while ((tileM * chunkK) / 4 < lanes) tileM *= 2;
  // Twice the rows take half the loads of columns, but twice as long to compile: 12 to 18 % where a product takes 50 ms and more.
  const flops = 2 * shape.batch * shape.m * shape.n * shape.k;
  if (lanes === 8 && target.textureOperands && tileM === 16 && shape.m >= 256 && flops >= 3e9) tileM = 32;
  const operands = target.textureOperands ? "texture" : "buffer";
  const holder = lanes === 1 ? "invocation" : "subgroup";
  return { kind: "contract", holder, across: lanes, workgroup: lanes === 1 ? workgroup(target) : lanes, operands, tileM, vectorsN, chunkK };
}

/**
 * Contractions on GPUs: tiles of 64 by 64 by 256 invocations with 4 by 4 elements each, both operands in workgroup memory in chunks of 16; smaller
 * tiles by 64 invocations where there would be too few to fill a device. Too thin for that: null. Chosen by what such devices are known to
 * like; a tuner on the device knows better.
 */
function workgroupTile({ batch, m, n, innerK }: ContractFacts): ContractSchedule | null {
  if (m < 16 || n < 16) return null;
  const large = batch * Math.ceil(m / 64) * Math.ceil(n / 64) >= 64;
  let chunkK = 16;
  while (chunkK > 4 && chunkK / 2 >= innerK) chunkK /= 2;
  const size = large ? { across: 16, workgroup: 256 } : { across: 8, workgroup: 64 };
  return { kind: "contract", holder: "workgroup", ...size, operands: "buffer", tileM: 4, vectorsN: 1, chunkK };
}

/**
 * Attention: on CPU adapters one subgroup per tile, several rows a lane, so that what is handed round serves them all. Lanes of 8 (lavapipe,
 * textures) hold two rows while these stay near (a row of 160 with all that its gradients need fills the first cache alone; four rows are as
 * fast and compile three times as long). Forward wants chunks of 2 (56 GFLOP/s at 64 wide; chunks of 1 36, of 4 53), of 4 where only these
 * are whole loads (at 40 wide 48 GFLOP/s, else 38); the gradients chunks of 2, of 1 where a chunk's vectors beside the rows no longer fit
 * (at 64 wide 1.2 to 1.3 times as fast as one row in chunks of 2, at 160 1.2 to 1.4 times). What was gathered is scaled always in chunks of 4,
 * where the question costs more than it spares (a tenth), else only where a score has grown (lazy; a seventh). Lanes of 4 (SwiftShader) want
 * four rows, two where these are wide, chunks of 4 forward (lazy scaling costs a third) and of 2 for gradients (of 1: a tenth to a quarter
 * slower).
 */
export function attendDefault(shape: AttendFacts, target: ScheduleTarget): AttendSchedule {
  const lanes =
    target.adapterClass === "cpu-subgroups" && target.subgroupSize !== null && target.subgroupSize >= 4 ? target.subgroupSize : 1;
  const choice = lanes > 4 ? manyLanes(shape, lanes) : fewLanes(shape, lanes);
  let { rows } = choice;
  // Rows that do not exist cost as much as others, and few tiles leave a core idle.
  while (rows > 1 && (shape.rows < rows * lanes || shape.batch * Math.ceil(shape.rows / (rows * lanes)) < 8)) rows /= 2;
  return { kind: "attend", lanes, workgroup: lanes === 1 ? workgroup(target) : lanes, ...choice, rows };
}

type AttendChoice = Pick<AttendSchedule, "rows" | "chunk" | "scaling">;

function manyLanes({ pass, registers, vectors }: AttendFacts, lanes: number): AttendChoice {
  const narrow = registers <= 160;
  if (pass !== "forward") return { rows: registers <= 320 ? 2 : 1, chunk: narrow ? 2 : 1, scaling: "lazy" };
  const whole = (chunk: number): boolean => (chunk * vectors) % lanes === 0;
  const chunk = narrow && !whole(2) && whole(4) ? 4 : 2;
  return { rows: narrow ? 2 : 1, chunk, scaling: chunk === 4 ? "eager" : "lazy" };
}

function fewLanes({ pass, registers }: AttendFacts, lanes: number): AttendChoice {
  const wide = registers > 160;
  return { rows: lanes === 1 ? 1 : wide ? 2 : 4, chunk: pass === "forward" && !wide ? 4 : 2, scaling: "eager" };
}
