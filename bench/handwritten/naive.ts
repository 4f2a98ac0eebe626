// The kernels everybody writes first: one invocation for each element of the result, plain loops, one value a load.
import type { AttentionShape } from "../workloads/workload.ts";
import type { HandKernel } from "./kernel.ts";
import type { ConvShape } from "./products.ts";
import { chainText, type RowShape } from "./rows.ts";

const workgroup = 64;
const acrossMost = 32768;

/** `body` computes `value` for the element `i` of the result; `share` leaves out all but the first of them. */
function naiveKernel(name: string, operands: readonly string[], length: number, body: string, share: number): HandKernel {
  const groups = Math.max(1, Math.floor((length / workgroup) * share));
  const across = Math.min(groups, acrossMost);
  const declared = operands.map((operand, i) => `@group(0) @binding(${i}) var<storage, read> ${operand}: array<f32>;`);
  return {
    name: `${name}, naive`,
    share: Math.min(1, (groups * workgroup) / length),
    bindings: [...operands.map(() => ({ kind: "read" as const })), { kind: "readWrite" }],
    grid: [across, Math.ceil(groups / across), 1],
    wgsl: `${declared.join("\n")}
@group(0) @binding(${operands.length}) var<storage, read_write> result: array<f32>;
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * ${across}u + group.x) * ${workgroup}u + lane;
  if (i >= ${length}u) { return; }
  ${body}
  result[i] = value;
}
`,
  };
}

export function naiveMatmul({ m, n, k }: { readonly m: number; readonly n: number; readonly k: number }, share: number): HandKernel {
  const body = `var value = 0.0;
  for (var k = 0u; k < ${k}u; k++) { value += left[(i / ${n}u) * ${k}u + k] * right[k * ${n}u + i % ${n}u]; }`;
  return naiveKernel("matmul", ["left", "right"], m * n, body, share);
}

/** Loops over the taps whose pixel lies in the picture. */
const taps = ({ height, width }: ConvShape, sign: "+" | "-", inner: string): string => `for (var tap = 0; tap < 9; tap++) {
    let row = y ${sign} (tap / 3 - 1);
    let column = x ${sign} (tap % 3 - 1);
    if (row < 0 || row >= ${height} || column < 0 || column >= ${width}) { continue; }
    let pixel = u32((picture * ${height} + row) * ${width} + column);
    ${inner}
  }`;
const pixelOf = ({ height, width }: ConvShape, channels: number): string => `let channel = i % ${channels}u;
  let x = i32(i / ${channels}u) % ${width};
  let y = (i32(i / ${channels}u) / ${width}) % ${height};
  let picture = i32(i / ${channels * height * width}u);
  var value = 0.0;`;

export function naiveConv(shape: ConvShape, share: number): HandKernel {
  const { batch, height, width, inputs, outputs } = shape;
  const inner = `for (var c = 0u; c < ${inputs}u; c++) { value += pictures[pixel * ${inputs}u + c] * weights[(u32(tap) * ${inputs}u + c) * ${outputs}u + channel]; }`;
  const body = `${pixelOf(shape, outputs)}\n  ${taps(shape, "+", inner)}`;
  return naiveKernel("conv", ["pictures", "weights"], batch * height * width * outputs, body, share);
}

export function naiveDataGrad(shape: ConvShape, share: number): HandKernel {
  const { batch, height, width, inputs, outputs } = shape;
  const inner = `for (var c = 0u; c < ${outputs}u; c++) { value += gradient[pixel * ${outputs}u + c] * weights[(u32(tap) * ${inputs}u + channel) * ${outputs}u + c]; }`;
  const body = `${pixelOf(shape, inputs)}\n  ${taps(shape, "-", inner)}`;
  return naiveKernel("conv data gradient", ["gradient", "weights"], batch * height * width * inputs, body, share);
}

export function naiveWeightGrad({ batch, height, width, inputs, outputs }: ConvShape, share: number): HandKernel {
  const body = `let output = i % ${outputs}u;
  let input = (i / ${outputs}u) % ${inputs}u;
  let tap = i32(i / ${inputs * outputs}u);
  var value = 0.0;
  for (var pixel = 0; pixel < ${batch * height * width}; pixel++) {
    let row = (pixel / ${width}) % ${height} + tap / 3 - 1;
    let column = pixel % ${width} + tap % 3 - 1;
    if (row < 0 || row >= ${height} || column < 0 || column >= ${width}) { continue; }
    let neighbour = u32(pixel + (tap / 3 - 1) * ${width} + tap % 3 - 1);
    value += pictures[neighbour * ${inputs}u + input] * gradient[u32(pixel) * ${outputs}u + output];
  }`;
  return naiveKernel("conv weight gradient", ["pictures", "gradient"], 9 * inputs * outputs, body, share);
}

export function naiveLayerNorm({ rows, columns }: RowShape, share: number): HandKernel {
  const body = `let row = i / ${columns}u * ${columns}u;
  var sum = 0.0;
  var squares = 0.0;
  for (var c = 0u; c < ${columns}u; c++) { sum += x[row + c]; squares += x[row + c] * x[row + c]; }
  let mean = sum / ${columns}.0;
  let value = (x[i] - mean) * inverseSqrt(max(squares / ${columns}.0 - mean * mean, 0.0) + 1e-5) * scale[i % ${columns}u] + shift[i % ${columns}u];`;
  return naiveKernel("layer norm", ["x", "scale", "shift"], rows * columns, body, share);
}

export function naiveSoftmax({ rows, columns }: RowShape, share: number): HandKernel {
  const body = `let row = i / ${columns}u * ${columns}u;
  var most = -3e38;
  for (var c = 0u; c < ${columns}u; c++) { most = max(most, x[row + c]); }
  var sum = 0.0;
  for (var c = 0u; c < ${columns}u; c++) { sum += exp(x[row + c] - most); }
  let value = exp(x[i] - most) / sum;`;
  return naiveKernel("softmax", ["x"], rows * columns, body, share);
}

export function naiveChain(length: number, share: number): HandKernel {
  return naiveKernel("chain", ["input"], length, `let x = input[i];\n  ${chainText("0.0")}\n  let value = y;`, share);
}

/** One invocation for each query: the largest score first, then the weighted sum. */
export function naiveAttention({ heads, queries, keys, width: size }: AttentionShape, share: number): HandKernel {
  const rows = heads * queries;
  const groups = Math.max(1, Math.floor((rows / workgroup) * share));
  return {
    name: "attention, naive",
    share: Math.min(1, (groups * workgroup) / rows),
    bindings: [{ kind: "read" }, { kind: "read" }, { kind: "read" }, { kind: "readWrite" }],
    grid: [groups, 1, 1],
    wgsl: `${["q", "k", "v"].map((name, i) => `@group(0) @binding(${i}) var<storage, read> ${name}: array<f32>;`).join("\n")}
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
fn score(row: u32, key: u32) -> f32 {
  var sum = 0.0;
  for (var d = 0u; d < ${size}u; d++) { sum += q[row * ${size}u + d] * k[key * ${size}u + d]; }
  return sum * ${1 / Math.sqrt(size)};
}
@compute @workgroup_size(${workgroup})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= ${rows}u) { return; }
  let first = row / ${queries}u * ${keys}u;
  var most = -3e38;
  for (var key = 0u; key < ${keys}u; key++) { most = max(most, score(row, first + key)); }
  var sum = 0.0;
  var values: array<f32, ${size}>;
  for (var key = 0u; key < ${keys}u; key++) {
    let p = exp(score(row, first + key) - most);
    sum += p;
    for (var d = 0u; d < ${size}u; d++) { values[d] += p * v[(first + key) * ${size}u + d]; }
  }
  for (var d = 0u; d < ${size}u; d++) { result[row * ${size}u + d] = values[d] / sum; }
}
`,
  };
}
