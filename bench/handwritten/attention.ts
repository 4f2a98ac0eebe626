// Attention for software adapters: a lane owns queries, rows of keys and values are loaded by all lanes of a subgroup together, four keys at a
// time, and handed round by broadcast; one pass with a running maximum (flash attention).
import type { AttentionShape } from "../workloads/workload.ts";
import { bindingOf, declare, type HandKernel, type Operand, type OperandStorage, read } from "./kernel.ts";

const list = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

/** softmax(q kᵀ / sqrt(size)) v for each head; `perLane` queries for each lane. */
export function attentionKernel(shape: AttentionShape, lanes: number, perLane: number, storage: OperandStorage): HandKernel {
  const { heads, queries, keys, width: size } = shape;
  const vectors = size / 4;
  const total = heads * keys * vectors;
  // Four keys' vectors follow each other: an operand is one long row, which a texture cuts where it must.
  const operand = (name: string): Operand => ({ name, width: 1, rows: total, storage });
  const [k, v] = [operand("k"), operand("v")];
  const loads = Math.ceil((4 * vectors) / lanes);
  const part = (i: number): string => "xyzw"[i & 3]!;
  const load = (from: Operand, j: number): string => {
    const flat = `min(first + ${j * lanes}u, ${total - 1}u)`;
    return from.storage === "buffer" ? `${from.name}[${flat}]` : read(from, flat, "0u");
  };
  const shared = (name: string, key: number, d: number): string => {
    const item = key * vectors + (d >> 2);
    return `subgroupBroadcast(${name}${Math.floor(item / lanes)}.${part(d)}, ${item % lanes}u)`;
  };
  const own = list(perLane, (i) => i);
  const tail = keys % 4 !== 0;
  const lines: string[] = [];
  for (const i of own) {
    lines.push(`  let row${i} = head * ${queries}u + min(start + ${i * lanes}u, ${queries - 1}u);`);
    lines.push(`  var most${i} = -1e30; var sum${i} = 0.0;`);
    for (let c = 0; c < vectors; c++)
      lines.push(`  let q${i}_${c} = q[row${i} * ${vectors}u + ${c}u] * ${1 / Math.sqrt(size)}; var o${i}_${c} = vec4f();`);
  }
  lines.push(`  for (var group = 0u; group < ${Math.ceil(keys / 4)}u; group++) {`);
  lines.push(`    let first = (head * ${keys}u + group * 4u) * ${vectors}u + lane;`);
  lines.push(...list(loads, (j) => `    let k${j} = ${load(k, j)};`));
  for (let key = 0; key < 4; key++) {
    lines.push(...own.map((i) => `    var s${i}_${key} = 0.0;`));
    for (let d = 0; d < size; d++) {
      const sums = own.map((i) => `s${i}_${key} = fma(q${i}_${d >> 2}.${part(d)}, x, s${i}_${key});`);
      lines.push(`    { let x = ${shared("k", key, d)}; ${sums.join(" ")} }`);
    }
    if (tail) lines.push(...own.map((i) => `    s${i}_${key} = select(-1e30, s${i}_${key}, group * 4u + ${key}u < ${keys}u);`));
  }
  lines.push(...list(loads, (j) => `    let v${j} = ${load(v, j)};`));
  for (const i of own) {
    lines.push(`    let next${i} = max(most${i}, max(max(s${i}_0, s${i}_1), max(s${i}_2, s${i}_3)));`);
    lines.push(`    let factor${i} = exp(most${i} - next${i}); most${i} = next${i};`);
    for (let key = 0; key < 4; key++) lines.push(`    let p${i}_${key} = exp(s${i}_${key} - next${i});`);
    lines.push(`    sum${i} = sum${i} * factor${i} + p${i}_0 + p${i}_1 + p${i}_2 + p${i}_3;`);
  }
  for (let d = 0; d < size; d++) {
    const at = (i: number): string => `o${i}_${d >> 2}.${part(d)}`;
    lines.push(...own.map((i) => `    var t${i}_${d} = ${at(i)} * factor${i};`));
    for (let key = 0; key < 4; key++) {
      const sums = own.map((i) => `t${i}_${d} = fma(p${i}_${key}, x, t${i}_${d});`);
      lines.push(`    { let x = ${shared("v", key, d)}; ${sums.join(" ")} }`);
    }
    lines.push(...own.map((i) => `    ${at(i)} = t${i}_${d};`));
  }
  lines.push("  }");
  for (const i of own) {
    const stores = list(vectors, (c) => `result[row${i} * ${vectors}u + ${c}u] = o${i}_${c} / sum${i};`);
    lines.push(`  if (start + ${i * lanes}u < ${queries}u) { ${stores.join(" ")} }`);
  }
  return {
    name: `attention, ${perLane} queries a lane, ${storage}s`,
    bindings: [{ kind: "read" }, bindingOf(k), bindingOf(v), { kind: "readWrite" }],
    grid: [Math.ceil(queries / (lanes * perLane)), heads, 1],
    wgsl: `enable subgroups;
@group(0) @binding(0) var<storage, read> q: array<vec4f>;
${declare(k, 1)}
${declare(v, 2)}
@group(0) @binding(3) var<storage, read_write> result: array<vec4f>;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group_id.y;
  let start = group_id.x * ${lanes * perLane}u + lane;
${lines.join("\n")}
}
`,
  };
}
