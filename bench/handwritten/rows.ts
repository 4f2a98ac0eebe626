// Layer norm, softmax and an elementwise chain for software adapters. Rows: one subgroup takes four rows, walks them in vectors and reduces
// across its lanes. Elementwise: few workgroups with long loops, or the reverse; the benchmark takes what is faster on the adapter at hand.
import type { HandKernel } from "./kernel.ts";

export interface RowShape {
  readonly rows: number;
  readonly columns: number;
}

const rowsPerGroup = 4;
const each = (line: (row: number) => string): string => Array.from({ length: rowsPerGroup }, (_, row) => line(row)).join("\n");

/** (x - mean) / sqrt(variance + 1e-5) * scale + shift over each row. */
export function layerNormKernel({ rows, columns }: RowShape, lanes: number): HandKernel {
  const width = columns / 4;
  return {
    name: `layer norm, subgroup per ${rowsPerGroup} rows`,
    bindings: [{ kind: "read" }, { kind: "read" }, { kind: "read" }, { kind: "readWrite" }],
    grid: [rows / rowsPerGroup, 1, 1],
    wgsl: `enable subgroups;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> scale: array<vec4f>;
@group(0) @binding(2) var<storage, read> shift: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = group.x * ${rowsPerGroup * width}u + lane;
${each((r) => `  var sum${r} = vec4f(); var squares${r} = vec4f();`)}
  for (var i = 0u; i < ${width}u; i += ${lanes}u) {
${each((r) => `    let x${r} = x[start + ${r * width}u + i]; sum${r} += x${r}; squares${r} = fma(x${r}, x${r}, squares${r});`)}
  }
${each(
  (r) => `  let mean${r} = subgroupAdd(dot(sum${r}, vec4f(1))) / ${columns}.0;
  let rate${r} = inverseSqrt(max(subgroupAdd(dot(squares${r}, vec4f(1))) / ${columns}.0 - mean${r} * mean${r}, 0.0) + 1e-5);`,
)}
  for (var i = 0u; i < ${width}u; i += ${lanes}u) {
    let a = scale[lane + i];
    let b = shift[lane + i];
${each((r) => `    result[start + ${r * width}u + i] = fma((x[start + ${r * width}u + i] - mean${r}) * rate${r}, a, b);`)}
  }
}
`,
  };
}

/** exp(x) / sum exp(x) over each row, by way of the row's maximum. */
export function softmaxKernel({ rows, columns }: RowShape, lanes: number): HandKernel {
  const width = columns / 4;
  const at = (r: number): string => `start + ${r * width}u + i`;
  return {
    name: `softmax, subgroup per ${rowsPerGroup} rows`,
    bindings: [{ kind: "read" }, { kind: "readWrite" }],
    grid: [rows / rowsPerGroup, 1, 1],
    wgsl: `enable subgroups;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = group.x * ${rowsPerGroup * width}u + lane;
${each((r) => `  var most${r} = vec4f(-3e38); var sum${r} = vec4f();`)}
  for (var i = 0u; i < ${width}u; i += ${lanes}u) {
${each((r) => `    most${r} = max(most${r}, x[${at(r)}]);`)}
  }
${each((r) => `  let top${r} = subgroupMax(max(max(most${r}.x, most${r}.y), max(most${r}.z, most${r}.w)));`)}
  for (var i = 0u; i < ${width}u; i += ${lanes}u) {
${each((r) => `    sum${r} += exp(x[${at(r)}] - top${r});`)}
  }
${each((r) => `  let rate${r} = 1.0 / subgroupAdd(dot(sum${r}, vec4f(1)));`)}
  for (var i = 0u; i < ${width}u; i += ${lanes}u) {
${each((r) => `    result[${at(r)}] = exp(x[${at(r)}] - top${r}) * rate${r};`)}
  }
}
`,
  };
}

/** The chain's eight operations on one value, as text; `zero` is the text of 0 in its type. */
export const chainText = (zero: string): string =>
  `var y = x * 1.01; y = y + 0.1; y = y * x; y = y - 0.5; y = max(y, ${zero}); y = y * y; y = y + x; y = y * 0.5;`;

export function chainAt(x: number): number {
  const y = Math.max((x * 1.01 + 0.1) * x - 0.5, 0);
  return (y * y + x) * 0.5;
}

/** Every invocation of a workgroup makes `vectors` vectors, a workgroup apart. */
export function chainKernel(length: number, workgroup: number, vectors: number): HandKernel {
  const groups = length / 4 / (workgroup * vectors);
  const across = Math.min(groups, 32768);
  return {
    name: `chain, ${vectors} vectors per invocation of ${workgroup}`,
    bindings: [{ kind: "read" }, { kind: "readWrite" }],
    grid: [across, groups / across, 1],
    wgsl: `@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * ${across}u + group.x) * ${workgroup * vectors}u + lane;
  for (var i = 0u; i < ${vectors}u; i++) {
    let at = start + i * ${workgroup}u;
    let x = input[at];
    ${chainText("vec4f()")}
    result[at] = y;
  }
}
`,
  };
}
