import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { NdArray } from "../compiler/ir/ops/row.ts";
import { array } from "../compiler/reference/ndarray.ts";

// Recorded cases: inputs, parameters, outputs and gradients of programs that are not ours. ADA_GOLDEN names their folder; tests that need
// them say that they were skipped when it is not set.

export interface GoldenCase {
  readonly name: string;
  readonly kind: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tolerance: { readonly rtol: number; readonly atol: Readonly<Record<string, number>> };
  readonly tensors: () => Readonly<Record<string, NdArray>>;
}

export const goldenFolder = process.env.ADA_GOLDEN;

/** `title`, or the same with the reason why nothing is run. */
export function goldenTitle(title: string): string {
  return goldenFolder === undefined ? `${title} (skipped: ADA_GOLDEN is not set)` : title;
}

/** All cases of a folder whose kind is one of these; none without the recordings. */
export function goldenCases(folder: string, kinds: readonly string[]): GoldenCase[] {
  if (goldenFolder === undefined) return [];
  const place = path.join(goldenFolder, folder);
  return readdirSync(place)
    .filter((file) => file.endsWith(".json"))
    .map((file) => ({ file, sidecar: JSON.parse(readFileSync(path.join(place, file), "utf8")) as Omit<GoldenCase, "name" | "tensors"> }))
    .filter(({ sidecar }) => kinds.includes(sidecar.kind))
    .map(({ file, sidecar }) => ({
      name: file.replace(/\.json$/, ""),
      kind: sidecar.kind,
      config: sidecar.config,
      tolerance: sidecar.tolerance,
      tensors: () => readTensors(path.join(place, file.replace(/\.json$/, ".safetensors"))),
    }));
}

function readTensors(file: string): Record<string, NdArray> {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(header)
      .filter(([name]) => name !== "__metadata__")
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [start, end],
          },
        ]) => {
          const at = (i: number) => 8 + length + start + 4 * i;
          const data = Array.from({ length: (end - start) / 4 }, (_, i) =>
            dtype === "I32" ? bytes.readInt32LE(at(i)) : bytes.readFloatLE(at(i)),
          );
          return [name, array(shape, data, dtype === "I32" ? "i32" : "f32")];
        },
      ),
  );
}

/** Where `found` first leaves the tolerance of the recorded tensor `name`; nothing when it never does. */
export function firstDifference(one: GoldenCase, name: string, found: ArrayLike<number>, wanted: ArrayLike<number>): string | undefined {
  if (found.length !== wanted.length) return `${name} has ${found.length} elements instead of ${wanted.length}`;
  const atol = one.tolerance.atol[name];
  if (atol === undefined) return `${name} has no tolerance`;
  for (let i = 0; i < wanted.length; i++) {
    if (!(Math.abs(found[i]! - wanted[i]!) <= atol + one.tolerance.rtol * Math.abs(wanted[i]!)))
      return `${name}[${i}] is ${found[i]} instead of ${wanted[i]}`;
  }
  return undefined;
}
