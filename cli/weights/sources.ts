import { toHalves } from "../../compiler/plan/half.ts";
import { type Checked, codeOf, fail, good, realFiles, writeError } from "../../runtime/checkpoint/files.ts";
import { floatTypes, readFloats } from "../../runtime/checkpoint/floats.ts";
import { openTensorFile } from "../../runtime/checkpoint/open.ts";
import { saveSafetensors, type TensorSource } from "../../runtime/checkpoint/safetensors.ts";
import { Refused, type TensorFile } from "../../runtime/checkpoint/tensorFile.ts";
import { countProgress } from "../progressCount.ts";

// What the tools for checkpoints share: tensors on their way from files to a file, one after the other, and the writing, which leaves the old
// file or the new one.

export type FloatType = "F16" | "F32";

/** f16 bytes of numbers, without what fills up the memory of a device. */
export const halvesOf = (values: ArrayLike<number>): Uint8Array => new Uint8Array(toHalves(values).buffer, 0, 2 * values.length);
/** The numbers of f32 bytes, wherever these lie. */
export const floatsOf = (piece: Uint8Array): Float32Array =>
  piece.byteOffset % 4 === 0
    ? new Float32Array(piece.buffer, piece.byteOffset, piece.length / 4)
    : new Float32Array(Uint8Array.from(piece).buffer);

async function* converted(file: TensorFile, name: string, to: FloatType): AsyncGenerator<Uint8Array> {
  for await (const piece of readFloats(file, name)) yield to === "F32" ? piece : halvesOf(floatsOf(piece));
}

export interface TensorChange {
  readonly name?: string;
  readonly shape?: readonly number[];
  /** What floats become; whole numbers stay. */
  readonly to?: FloatType | undefined;
}

/** A tensor of a file as one to be written: as it is, bit for bit, unless its type changes. */
export function sourceOf(file: TensorFile, key: string, { name = key, shape, to }: TensorChange = {}): TensorSource {
  const entry = file.tensors.get(key);
  if (entry === undefined) throw new Error(`internal: a tensor of ${file.path} was asked for that it does not have`);
  const changes = to !== undefined && to !== entry.dtype && floatTypes.includes(entry.dtype);
  return {
    name,
    dtype: changes ? to : entry.dtype,
    shape: shape ?? entry.shape,
    read: () => (changes ? converted(file, key, to) : file.read(key)),
  };
}

/** Opens files, does something with them, and closes them, whatever happens. What shows only while reading is an error as well. */
export async function withFiles<T>(
  paths: readonly string[],
  work: (files: readonly TensorFile[]) => Promise<Checked<T>>,
): Promise<Checked<T>> {
  const files: TensorFile[] = [];
  try {
    for (const path of paths) {
      const opened = await openTensorFile(path);
      if (!opened.ok) return opened;
      files.push(opened.value);
    }
    return await work(files);
  } catch (error) {
    if (error instanceof Refused) return { ok: false, error: error.error };
    throw error;
  } finally {
    for (const file of files) await file.close();
  }
}

/** Writes a file, with a progress bar; gives its size in bytes. */
export async function writeTensors(
  out: string,
  sources: readonly TensorSource[],
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<Checked<number>> {
  if (!out.endsWith(".safetensors"))
    return fail(
      "unwritable",
      `${out} is no name of a safetensors file`,
      "checkpoints are written as safetensors: end the name in .safetensors",
    );
  const names = new Set<string>();
  for (const { name } of sources) {
    if (names.has(name)) return fail("damaged", `two tensors would be called ${name}`, "the files do not go together");
    names.add(name);
  }
  const progress = countProgress(`writing ${out}: tensors`);
  let done = 0;
  const counted = sources.map((source) => ({
    ...source,
    read: async function* () {
      progress.update(done++, sources.length);
      yield* source.read();
    },
  }));
  try {
    const facts = await saveSafetensors(out, counted, Object.fromEntries(metadata), realFiles);
    return good(facts.bytes);
  } catch (error) {
    if (codeOf(error) !== "") return writeError("the checkpoint", out, error);
    throw error;
  } finally {
    progress.stop();
  }
}

/** A name without the dictionary that training runs wrap a model in: in a file of tensors alone it says nothing. */
export const unwrapped = (name: string): string => name.replace(/^state_dict\./, "");

/** Some names, and how many more there are. */
export const some = (names: readonly string[]): string =>
  names.length <= 4 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
