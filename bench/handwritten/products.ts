// Matrix product, 3x3 convolution and the convolution's weight gradient, written for software adapters: one subgroup is one workgroup and
// owns a tile of rows by columns in registers. The lanes load the left operand's chunk together, four values each, and hand every value
// round by broadcast; each lane loads its own columns of the right operand. No barrier, no workgroup memory.
import { bindingOf, declare, type HandKernel, type Operand, type OperandStorage, read } from "./kernel.ts";

export interface Tile {
  readonly lanes: number; // the subgroup size
  readonly tileM: number; // rows
  readonly vectors: number; // vectors of four columns for each lane
  readonly chunkK: number; // steps of the contraction whose left operand is loaded at once
  readonly hoist: boolean; // load the chunk's right operand before its first multiplication
  readonly storage: OperandStorage;
}

export const tileName = (tile: Tile): string =>
  `${tile.tileM}x${4 * tile.lanes * tile.vectors}, k ${tile.chunkK}, ${tile.hoist ? "hoisted, " : ""}${tile.storage}s`;

/** Whether the lanes can load a chunk of the left operand evenly, and whether the right one has that many columns. */
export function tileFits(tile: Tile, shape: { readonly m: number; readonly n: number; readonly k: number }): boolean {
  const vectorsOfChunk = (tile.tileM * tile.chunkK) / 4;
  const columns = 4 * tile.lanes * tile.vectors;
  return (
    vectorsOfChunk % tile.lanes === 0 &&
    shape.m % tile.tileM === 0 &&
    shape.k % tile.chunkK === 0 &&
    (shape.n % columns === 0 || (shape.n < columns && tile.vectors === 1))
  );
}

const component = (i: number): string => "xyzw"[i]!;

/** How a lane's columns of the right operand are read: as vectors of columns, or as vectors of steps that are then turned in registers. */
type RightAt =
  | { readonly along: "columns"; readonly at: (step: number, vector: number) => string }
  | { readonly along: "steps"; readonly at: (quad: number, vector: number, column: number) => string };

/** Multiplies one chunk into the accumulators. `along` says what the four values of a left vector run along: steps, or rows. */
function multiplyChunk(tile: Tile, along: "steps" | "rows", right: RightAt): string[] {
  const lines: string[] = [];
  const loadRight = (step: number) => {
    for (let j = 0; j < tile.vectors; j++) {
      if (right.along === "columns") {
        lines.push(`let b${step}_${j} = ${right.at(step, j)};`);
        continue;
      }
      const quad = step >> 2;
      if (step % 4 === 0) for (let i = 0; i < 4; i++) lines.push(`let t${quad}_${j}_${i} = ${right.at(quad, j, i)};`);
      lines.push(`let b${step}_${j} = vec4f(${[0, 1, 2, 3].map((i) => `t${quad}_${j}_${i}.${component(step & 3)}`).join(", ")});`);
    }
  };
  if (tile.hoist) for (let step = 0; step < tile.chunkK; step++) loadRight(step);
  for (let step = 0; step < tile.chunkK; step++) {
    if (!tile.hoist) loadRight(step);
    for (let row = 0; row < tile.tileM; row++) {
      const item = along === "steps" ? (row * tile.chunkK) / 4 + (step >> 2) : (step * tile.tileM) / 4 + (row >> 2);
      const part = component((along === "steps" ? step : row) & 3);
      lines.push(`let s${step}_${row} = vec4f(subgroupBroadcast(a${Math.floor(item / tile.lanes)}.${part}, ${item % tile.lanes}u));`);
      for (let j = 0; j < tile.vectors; j++) lines.push(`c${row}_${j} = fma(s${step}_${row}, b${step}_${j}, c${row}_${j});`);
    }
  }
  return lines;
}

function eachAccumulator(tile: Tile, line: (row: number, vector: number) => string): string[] {
  const rows = Array.from({ length: tile.tileM }, (_, i) => i);
  return rows.flatMap((row) => Array.from({ length: tile.vectors }, (_, j) => line(row, j)));
}

function head(tile: Tile, left: Operand, right: Operand): string[] {
  return [
    "enable subgroups;",
    declare(left, 0),
    declare(right, 1),
    "@group(0) @binding(2) var<storage, read_write> result: array<vec4f>;",
    `@compute @workgroup_size(${tile.lanes})`,
    "fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {",
  ];
}

const loadsOf = (tile: Tile): number[] => Array.from({ length: (tile.tileM * tile.chunkK) / 4 / tile.lanes }, (_, i) => i);

/** Columns a tile is wide; lanes beyond the last column repeat its work and store the same values. */
function columnText(tile: Tile, columns: number): string {
  const wide = tile.lanes * tile.vectors;
  return columns % wide === 0 ? `group.x * ${wide}u + lane` : `min(group.x * ${wide}u + lane, ${columns - 1}u)`;
}

function finish(name: string, tile: Tile, left: Operand, right: Operand, lines: readonly string[], grid: HandKernel["grid"]): HandKernel {
  return {
    name: `${name} ${tileName(tile)}`,
    wgsl: `${[...head(tile, left, right), ...lines, "}"].join("\n")}\n`,
    bindings: [bindingOf(left), bindingOf(right), { kind: "readWrite" }],
    grid,
  };
}

/** result[m, n] = left[m, k] right[k, n], all row by row. */
export function matmulKernel(shape: { readonly m: number; readonly n: number; readonly k: number }, tile: Tile): HandKernel {
  const { m, n, k } = shape;
  const left: Operand = { name: "left", width: k / 4, rows: m, storage: tile.storage };
  const right: Operand = { name: "right", width: n / 4, rows: k, storage: tile.storage };
  const perRow = tile.chunkK / 4;
  const rowsPerLoad = tile.lanes / perRow;
  const lines = [
    `let row = group.y * ${tile.tileM}u;`,
    `let column = ${columnText(tile, n / 4)};`,
    `let loadRow = row + lane / ${perRow}u;`,
    `let loadStep = lane % ${perRow}u;`,
    ...eachAccumulator(tile, (i, j) => `var c${i}_${j} = vec4f();`),
    `for (var k = 0u; k < ${k}u; k += ${tile.chunkK}u) {`,
    ...loadsOf(tile).map((i) => `let a${i} = ${read(left, `loadRow + ${i * rowsPerLoad}u`, "k / 4u + loadStep")};`),
    ...multiplyChunk(tile, "steps", { along: "columns", at: (step, j) => read(right, `k + ${step}u`, `column + ${j * tile.lanes}u`) }),
    "}",
    ...eachAccumulator(tile, (i, j) => `result[(row + ${i}u) * ${n / 4}u + column + ${j * tile.lanes}u] = c${i}_${j};`),
  ];
  return finish("matmul", tile, left, right, lines, [Math.ceil(n / (4 * tile.lanes * tile.vectors)), m / tile.tileM, 1]);
}

export interface ConvShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** 3x3, stride 1, padding 1. Pictures are [batch, height, width, channel], the weights [tap, input, output]. */
export function convKernel(shape: ConvShape, tile: Tile): HandKernel {
  return slidingKernel("conv", shape, tile, "forward");
}

/** The gradient of `convKernel`'s picture, from the gradient of the result and the same weights. */
export function dataGradKernel(shape: ConvShape, tile: Tile): HandKernel {
  return slidingKernel("conv data gradient", { ...shape, inputs: shape.outputs, outputs: shape.inputs }, tile, "turned");
}

/** `turned`: weights are [tap, output, input] of what is computed here, and taps count from the end. */
function slidingKernel(name: string, shape: ConvShape, tile: Tile, weights: "forward" | "turned"): HandKernel {
  const { height, width, inputs, outputs } = shape;
  const pixels = shape.batch * height * width;
  const left: Operand = { name: "picture", width: inputs / 4, rows: pixels, storage: tile.storage };
  const forward = weights === "forward";
  const right: Operand = {
    name: "weights",
    width: (forward ? outputs : inputs) / 4,
    rows: 9 * (forward ? inputs : outputs),
    storage: tile.storage,
  };
  const rightAt: RightAt = forward
    ? { along: "columns", at: (step, j) => read(right, `weightRow + ${step}u`, `column + ${j * tile.lanes}u`) }
    : { along: "steps", at: (quad, j, i) => read(right, `weightRow + ${4 * j * tile.lanes + i}u`, `k / 4u + ${quad}u`) };
  const perRow = tile.chunkK / 4;
  const rowsPerLoad = tile.lanes / perRow;
  const lines = [
    `let first = group.y * ${tile.tileM}u;`,
    `let column = ${columnText(tile, outputs / 4)};`,
    `let loadStep = lane % ${perRow}u;`,
    ...loadsOf(tile).flatMap((i) => [
      `let pixel${i} = i32(first + lane / ${perRow}u) + ${i * rowsPerLoad};`,
      `let x${i} = pixel${i} % ${width};`,
      `let y${i} = (pixel${i} / ${width}) % ${height};`,
    ]),
    ...eachAccumulator(tile, (i, j) => `var c${i}_${j} = vec4f();`),
    "for (var tap = 0; tap < 9; tap++) {",
    "let down = tap / 3 - 1;",
    "let along = tap % 3 - 1;",
    ...loadsOf(tile).flatMap((i) => [
      `let inside${i} = u32(x${i} + along) < ${width}u && u32(y${i} + down) < ${height}u;`,
      `let from${i} = u32(select(0, pixel${i} + down * ${width} + along, inside${i}));`,
      `let keep${i} = select(0.0, 1.0, inside${i});`,
    ]),
    `for (var k = 0u; k < ${inputs}u; k += ${tile.chunkK}u) {`,
    forward ? `let weightRow = u32(tap) * ${inputs}u + k;` : `let weightRow = u32(8 - tap) * ${outputs}u + column * 4u;`,
    ...loadsOf(tile).map((i) => `let a${i} = keep${i} * ${read(left, `from${i}`, "k / 4u + loadStep")};`),
    ...multiplyChunk(tile, "steps", rightAt),
    "}",
    "}",
    ...eachAccumulator(tile, (i, j) => `result[(first + ${i}u) * ${outputs / 4}u + column + ${j * tile.lanes}u] = c${i}_${j};`),
  ];
  return finish(name, tile, left, right, lines, [Math.ceil(outputs / (4 * tile.lanes * tile.vectors)), pixels / tile.tileM, 1]);
}

/** The gradient of `convKernel`'s weights, [tap, input, output], from the picture and the gradient of the result. */
export function weightGradKernel(shape: ConvShape, tile: Tile): HandKernel {
  const { batch, height, width, inputs, outputs } = shape;
  const pixels = batch * height * width;
  const left: Operand = { name: "picture", width: inputs / 4, rows: pixels, storage: tile.storage };
  const right: Operand = { name: "gradient", width: outputs / 4, rows: pixels, storage: tile.storage };
  const perStep = tile.tileM / 4;
  const loads = loadsOf(tile);
  const lines = [
    `let first = group.y * ${tile.tileM}u;`,
    `let column = ${columnText(tile, outputs / 4)};`,
    "let down = i32(group.z) / 3 - 1;",
    "let along = i32(group.z) % 3 - 1;",
    ...loads.flatMap((i) => [
      `let step${i} = i32((lane + ${i * tile.lanes}u) / ${perStep}u) + along;`,
      `let part${i} = first / 4u + (lane + ${i * tile.lanes}u) % ${perStep}u;`,
    ]),
    ...eachAccumulator(tile, (i, j) => `var c${i}_${j} = vec4f();`),
    `for (var line = 0; line < ${batch * height}; line++) {`,
    `if (u32(line % ${height} + down) >= ${height}u) { continue; }`,
    `for (var x = 0; x < ${width}; x += ${tile.chunkK}) {`,
    `let pixel = u32(line * ${width} + x);`,
    ...loads.flatMap((i) => [
      `let inside${i} = u32(x + step${i}) < ${width}u;`,
      `let from${i} = u32(select(0, (line + down) * ${width} + x + step${i}, inside${i}));`,
      `let a${i} = select(0.0, 1.0, inside${i}) * ${read(left, `from${i}`, `part${i}`)};`,
    ]),
    ...multiplyChunk(tile, "rows", { along: "columns", at: (step, j) => read(right, `pixel + ${step}u`, `column + ${j * tile.lanes}u`) }),
    "}",
    "}",
    `let to = group.z * ${inputs}u + first;`,
    ...eachAccumulator(tile, (i, j) => `result[(to + ${i}u) * ${outputs / 4}u + column + ${j * tile.lanes}u] = c${i}_${j};`),
  ];
  return finish("conv weight gradient", tile, left, right, lines, [
    Math.ceil(outputs / (4 * tile.lanes * tile.vectors)),
    inputs / tile.tileM,
    9,
  ]);
}
