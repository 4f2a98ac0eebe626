import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { readTensors } from "./readTensors.ts";

// Recorded cases: a sidecar `<name>.json` beside `<name>.safetensors`. They are discovered, never listed; what a case is follows from its
// kind and config alone.

/** |x - ref| <= atol + rtol |ref|; `mathematically_zero` names tensors whose recorded values are rounding errors of 0. */
export interface Tolerance {
  readonly rtol?: number;
  readonly atol?: number | Readonly<Record<string, number>>;
  readonly mathematically_zero?: readonly string[];
}
export interface Case {
  readonly name: string;
  readonly group: string;
  readonly kind: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tolerance: Tolerance;
  readonly tensors: () => Promise<Readonly<Record<string, NdArray>>>;
}

/** All cases under a folder, by group and name. A sidecar that cannot be read is an error of its own. */
export function discoverCases(root: string): Case[] {
  const cases: Case[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder).sort()) {
      const file = path.join(folder, entry);
      if (statSync(file).isDirectory()) visit(file);
      else if (entry.endsWith(".json") && existsSync(file.replace(/\.json$/, ".safetensors"))) {
        const found = readCase(root, file);
        if (found) cases.push(found);
      }
    }
  };
  visit(root);
  return cases.sort((a, b) => (a.group === b.group ? (a.name < b.name ? -1 : 1) : a.group < b.group ? -1 : 1));
}

function readCase(root: string, file: string): Case | null {
  const sidecar = readSidecar(file);
  if (typeof sidecar.kind !== "string" || typeof sidecar.config !== "object" || sidecar.config === null) return null;
  const tolerance = sidecar.tolerance as Case["tolerance"] | undefined;
  const group = typeof sidecar.group === "string" ? sidecar.group : path.relative(root, path.dirname(file)) || path.basename(root);
  return {
    name: typeof sidecar.case === "string" ? sidecar.case : path.basename(file, ".json"),
    group,
    kind: sidecar.kind,
    config: sidecar.config as Case["config"],
    tolerance: tolerance ?? { rtol: 1e-4, atol: {} },
    tensors: async () => ({
      ...(await sharedParams(root, sidecar.params_from)),
      ...(await readTensors(file.replace(/\.json$/, ".safetensors"))),
    }),
  };
}

/** A case may have its parameters in another case's file, under the same names or those of that case's `key_map`. */
async function sharedParams(root: string, from: unknown): Promise<Readonly<Record<string, NdArray>>> {
  if (typeof from !== "object" || from === null) return {};
  const { case: other, mapping } = from as { readonly case: string; readonly mapping: string };
  const base = path.join(root, other);
  const params = Object.entries(await readTensors(`${base}.safetensors`)).filter(([name]) => name.startsWith("param."));
  if (mapping === "same_names") return Object.fromEntries(params);
  const names = readSidecar(`${base}.json`).key_map as Readonly<Record<string, { readonly diffusers: string }>>;
  return Object.fromEntries(params.map(([name, tensor]) => [`param.${names[name.slice("param.".length)]!.diffusers}`, tensor]));
}

function readSidecar(file: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`${file}: not a sidecar: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** How far a result is from the recording: null within its tolerance, else words. */
export function difference(one: Case, name: string, found: NdArray | undefined, wanted: NdArray): string | null {
  if (!found) return `${name} was not computed`;
  if (found.data.length !== wanted.data.length) return `${name} is [${found.shape.join(", ")}] instead of [${wanted.shape.join(", ")}]`;
  const { rtol: relative = 0, atol: given, mathematically_zero: zeros = [] } = one.tolerance;
  const largest = wanted.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const atol = (typeof given === "number" ? given : given?.[name]) ?? (given === undefined && relative > 0 ? 0 : 2e-6 * largest);
  // Of what is 0 in exact arithmetic only the noise is compared: it may be as large as the recorded one and its tolerance.
  const zero = zeros.includes(name);
  const rtol = zero ? 0 : relative;
  for (let i = 0; i < wanted.data.length; i++) {
    const expected = zero ? 0 : wanted.data[i]!;
    const off = Math.abs(found.data[i]! - expected);
    const allowed = zero ? atol + largest : atol + rtol * Math.abs(expected);
    if (!(off <= allowed) && found.data[i] !== expected && !(Number.isNaN(found.data[i]) && Number.isNaN(expected))) {
      return `${name}[${i}] is ${found.data[i]} instead of ${expected} (tolerance ${(zero ? allowed : atol).toExponential(1)} + ${rtol} relative)`;
    }
  }
  return null;
}
