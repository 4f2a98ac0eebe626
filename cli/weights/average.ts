import { type Checked, fail } from "../../runtime/checkpoint/files.ts";
import { floatTypes, readFloats } from "../../runtime/checkpoint/floats.ts";
import type { TensorSource } from "../../runtime/checkpoint/safetensors.ts";
import type { TensorFile } from "../../runtime/checkpoint/tensorFile.ts";
import { type FloatType, floatsOf, halvesOf, some, sourceOf, withFiles, writeTensors } from "./sources.ts";

// The weighted mean of checkpoints, tensor by tensor, summed in double precision. What is no float is the first file's.

export interface AverageRequest {
  readonly files: readonly string[];
  readonly out: string;
  /** One per file; equal ones by default. */
  readonly shares?: readonly number[];
  /** By default each tensor has the first file's type. */
  readonly to?: FloatType;
}

/** The numbers of several streams side by side, in pieces of one length. */
async function* together(streams: readonly AsyncGenerator<Uint8Array>[]): AsyncGenerator<readonly Float32Array[]> {
  const waiting: Float32Array[] = streams.map(() => new Float32Array());
  for (;;) {
    for (const [i, stream] of streams.entries()) {
      if (waiting[i]!.length > 0) continue;
      const next = await stream.next();
      if (next.done) return;
      waiting[i] = floatsOf(next.value);
    }
    const length = Math.min(...waiting.map((one) => one.length));
    yield waiting.map((one) => one.subarray(0, length));
    for (const [i, one] of waiting.entries()) waiting[i] = one.subarray(length);
  }
}

async function* meanOf(files: readonly TensorFile[], key: string, shares: readonly number[], dtype: string): AsyncGenerator<Uint8Array> {
  for await (const pieces of together(files.map((file) => readFloats(file, key)))) {
    const sum = new Float64Array(pieces[0]!.length);
    for (const [k, piece] of pieces.entries()) for (let i = 0; i < sum.length; i++) sum[i]! += shares[k]! * piece[i]!;
    yield bytesOf(sum, dtype);
  }
}
function bytesOf(values: Float64Array, dtype: string): Uint8Array {
  switch (dtype) {
    case "F64":
      return new Uint8Array(values.buffer);
    case "F16":
      return halvesOf(values);
    case "BF16": {
      const bits = new Uint32Array(new Float32Array(values).buffer);
      const upper = new Uint16Array(bits.length);
      // To the nearest, ties to even.
      for (let i = 0; i < bits.length; i++) upper[i] = (bits[i]! + 0x7fff + ((bits[i]! >>> 16) & 1)) >>> 16;
      return new Uint8Array(upper.buffer);
    }
    default:
      return new Uint8Array(new Float32Array(values).buffer);
  }
}

/** Averages; gives the size of what is written. */
export function averageWeights({ files: paths, out, shares, to }: AverageRequest): Promise<Checked<number>> {
  return withFiles(paths, async (files) => {
    const total = (shares ?? files.map(() => 1)).reduce((a, b) => a + b, 0);
    if ((shares ?? files).length !== files.length || !(total > 0))
      return fail(
        "damaged",
        `${shares?.length} shares for ${files.length} files, with the sum ${total}`,
        "give one share per file, as in --shares 0.3,0.7",
      );
    const parts = (shares ?? files.map(() => 1)).map((share) => share / total);
    const [first, ...rest] = files as readonly [TensorFile, ...TensorFile[]];
    const sources: TensorSource[] = [];
    for (const other of rest) {
      const missing = [...first.tensors.keys()].filter((key) => !other.tensors.has(key));
      const extra = [...other.tensors.keys()].filter((key) => !first.tensors.has(key));
      if (missing.length + extra.length > 0)
        return fail(
          "missing tensor",
          `${first.path} and ${other.path} hold different tensors: ${some([...missing, ...extra])}`,
          "average checkpoints of one model; `adac weights diff` shows how they differ",
        );
    }
    for (const entry of first.tensors.values()) {
      const wrong = rest.find((file) => file.tensors.get(entry.name)!.shape.join() !== entry.shape.join());
      if (wrong !== undefined)
        return fail(
          "wrong shape",
          `${entry.name} is [${entry.shape.join(", ")}] in ${first.path} and [${wrong.tensors.get(entry.name)!.shape.join(", ")}] in ${wrong.path}`,
          "average checkpoints of one model",
        );
      const all = files.every((file) => floatTypes.includes(file.tensors.get(entry.name)!.dtype));
      const dtype = to ?? entry.dtype;
      sources.push(
        all
          ? { name: entry.name, dtype, shape: entry.shape, read: () => meanOf(files, entry.name, parts, dtype) }
          : sourceOf(first, entry.name),
      );
    }
    return writeTensors(out, sources, first.metadata);
  });
}
