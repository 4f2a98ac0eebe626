import { type Checked, type Files, realFiles } from "./files.ts";
import { isKind, PickleEnds, type PickleWorld, readPickle } from "./pickle.ts";
import { PickleProblem, type PickleTensor, type PickleValue } from "./pickleValues.ts";
import { torchWorld } from "./pickleWorld.ts";
import { type ReadStretch, reach, readView } from "./strided.ts";
import {
  damaged,
  damagedHelp,
  dtypeBytes,
  elementsOf,
  type FileBytes,
  gathered,
  openWith,
  Refused,
  type TensorEntry,
  type TensorFile,
} from "./tensorFile.ts";
import { tensorsIn } from "./torchTensors.ts";
import { readZip, type ZipRecord } from "./zipRecords.ts";

// Checkpoints of PyTorch: a zip archive with a pickle and a record for each storage, or the older form, pickles with the storages behind them.
// In: a file. Out: its tensors, each read from its storage when it is asked for. Nothing in the file is executed, whatever it asks for.

/** Numbers of one storage. */
interface Storage {
  readonly bytes: number;
  readonly read: ReadStretch;
}

const largestPickle = 256 * 1024 * 1024;
/** What a view that repeats its elements may grow to. */
const largestRepeated = 1 << 30;
const maliciousHelp =
  "do not use this file, and do not load it anywhere else; take the weights from their source, as safetensors if there is one";

/** Opens a checkpoint of either form. */
export function openTorch(path: string, files: Files = realFiles): Promise<Checked<TensorFile>> {
  return openWith(path, files, async (bytes) => {
    const head = await bytes.read(0, Math.min(2, bytes.size));
    return head[0] === 0x50 && head[1] === 0x4b ? readArchive(bytes) : readLegacy(bytes);
  });
}

/** Problems of a pickle that begins at byte `start` of the file, as refusals. */
function unpickled<T>(path: string, start: number, what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PickleEnds) throw new Refused("truncated", `${path}: ${what} ends before its pickle does`, damagedHelp);
    if (!(error instanceof PickleProblem)) throw error;
    const at = error.at === null ? "" : ` (byte ${start + error.at}${start === 0 && what !== "the file" ? ` of ${what}` : ""})`;
    throw new Refused(
      error.malicious ? "malicious" : "damaged",
      `${path}${at}: ${error.message}`,
      error.malicious ? maliciousHelp : damagedHelp,
    );
  }
}

const contentOf = (record: ZipRecord): Promise<Uint8Array> => gathered(record.read(0, record.size), record.size);

async function readArchive(bytes: FileBytes): Promise<TensorFile> {
  const { path } = bytes;
  const records = await readZip(bytes);
  const names = [...records.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name));
  const name = names[0];
  if (name === undefined || names.length > 1)
    return damaged(path, null, `the archive has ${names.length === 0 ? "no" : "more than one"} data.pkl: it is no checkpoint of PyTorch`);
  const root = name.slice(0, -"data.pkl".length);
  if (records.has(`${root}constants.pkl`))
    damaged(path, null, "the archive is a TorchScript program, not a checkpoint", "save the state_dict of the model instead");
  const record = records.get(name)!;
  if (record.size > largestPickle) damaged(path, null, `${name} has ${record.size} bytes`);
  const order = records.get(`${root}byteorder`);
  if (order !== undefined && order.size <= 16) {
    const text = new TextDecoder().decode(await contentOf(order));
    if (text !== "little") damaged(path, null, `its numbers are ${text}-endian`, "save it again on a little-endian machine");
  }
  const pickle = await contentOf(record);
  const found = unpickled(path, 0, name, () => tensorsIn(readPickle(pickle, 0, torchWorld).value));
  const storages = (key: string): Storage | undefined => {
    const found = records.get(`${root}data/${key}`);
    return found && { bytes: found.size, read: (at, length) => found.read(at, length) };
  };
  return tensorFileOf(bytes, "PyTorch archive", name, found, storages);
}

const magic = Uint8Array.of(0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e);
const firstWindow = 1 << 20;

async function readLegacy(bytes: FileBytes): Promise<TensorFile> {
  const { path, size } = bytes;
  // The pickles stand at the beginning; how long they are is known when they have been read.
  for (let window = Math.min(size, firstWindow); ; window = Math.min(size, 4 * window)) {
    const head = await bytes.read(0, window);
    try {
      return await readPickles(bytes, head);
    } catch (error) {
      if (!(error instanceof PickleEnds)) throw error;
      if (window === size) throw new Refused("truncated", `${path} ends at byte ${size}, before its pickles do`, damagedHelp);
      if (window >= largestPickle) damaged(path, window, "its pickles do not end");
    }
  }
}

async function readPickles(bytes: FileBytes, head: Uint8Array): Promise<TensorFile> {
  const { path, size } = bytes;
  let at = 0;
  // Each storage begins with its number of elements; how wide they are, the pickle says.
  const widths = new Map<string, number>();
  const world: PickleWorld = {
    ...torchWorld,
    persistent: (id) => {
      const value = torchWorld.persistent(id);
      if (isKind(value, "storage")) widths.set(value.key, dtypeBytes[value.dtype ?? "U8"]!);
      return value;
    },
  };
  const next = (): PickleValue => {
    try {
      const read = readPickle(head, at, world);
      at = read.end;
      return read.value;
    } catch (error) {
      if (error instanceof PickleEnds) throw error;
      return unpickled(path, 0, "the file", () => {
        throw error;
      });
    }
  };
  if (!magic.every((byte, i) => head[i] === byte)) {
    // Whatever the pickle holds, it is named if it would do harm.
    next();
    damaged(path, 0, "it is a pickle, but no checkpoint of PyTorch");
  }
  next(); // the magic number
  const version = next();
  if (version !== 1001) damaged(path, magic.length, `its format is ${String(version)}, not 1001`);
  const facts = next();
  const little = isKind(facts, "dict") ? facts.entries.find(([key]) => key === "little_endian")?.[1] : true;
  if (little !== true) damaged(path, magic.length, "its numbers are big-endian", "save it again on a little-endian machine");
  const value = next();
  const found = unpickled(path, 0, "the file", () => tensorsIn(value));
  const before = at;
  const keys = next();
  if (!isKind(keys, "list") || keys.items.some((key) => typeof key !== "string" && typeof key !== "number"))
    return damaged(path, before, "it has no list of storages");
  const storages = new Map<string, Storage>();
  let place = at;
  for (const item of keys.items) {
    const key = String(item);
    const width = widths.get(key);
    const count = new DataView((await bytes.read(place, 8)).buffer).getBigInt64(0, true);
    if (storages.has(key)) damaged(path, place, `the storage ${key} is there twice`);
    if (width === undefined) return damaged(path, place, `the storage ${key} is of no tensor, so its size is unknown`);
    const length = Number(count) * width;
    if (count < 0n || !Number.isSafeInteger(length)) damaged(path, place, `the storage ${key} would have ${count} elements`);
    if (place + 8 + length > size)
      throw new Refused(
        "truncated",
        `${path} ends at byte ${size}, inside the storage ${key}, which needs ${place + 8 + length}`,
        damagedHelp,
      );
    const from = place + 8;
    storages.set(key, { bytes: length, read: (offset, count) => bytes.pieces(from + offset, count) });
    place = from + length;
  }
  if (place < size) damaged(path, place, `there are ${size - place} bytes behind the last storage`);
  return tensorFileOf(bytes, "PyTorch (before 1.6)", "the file", found, (key) => storages.get(key));
}

async function tensorFileOf(
  bytes: FileBytes,
  format: string,
  what: string,
  found: ReadonlyMap<string, PickleTensor>,
  storageOf: (key: string) => Storage | undefined,
): Promise<TensorFile> {
  const { path } = bytes;
  const tensors = new Map<string, TensorEntry>();
  const places = new Map<string, { readonly tensor: PickleTensor; readonly storage: Storage }>();
  for (const [name, tensor] of found) {
    const storage = storageOf(tensor.storage.key);
    if (storage === undefined) return damaged(path, null, `${name} lies in the storage ${tensor.storage.key}, which is not there`);
    const width = dtypeBytes[tensor.dtype]!;
    const bad = (why: string): never => damaged(path, null, `byte ${tensor.at} of ${what}: ${why}`);
    const own = tensor.storage.elements * (tensor.storage.dtype === null ? 1 : dtypeBytes[tensor.storage.dtype]!);
    const start = tensor.storage.first * width;
    if (!Number.isSafeInteger(own + start) || start + own > storage.bytes)
      return bad(`the storage ${tensor.storage.key} is said to have ${own} bytes; ${storage.bytes} are there`);
    const end = reach({ width, offset: tensor.offset, shape: tensor.shape, strides: tensor.strides });
    const count = elementsOf(tensor.shape);
    if (!Number.isSafeInteger(end * width) || !Number.isSafeInteger(count * width) || end * width > own)
      return bad(`${name} [${tensor.shape.join(", ")}] reaches to element ${end} of a storage of ${own / width}`);
    if (count * width > Math.max(own, largestRepeated)) return bad(`${name} repeats a storage of ${own} bytes up to ${count * width}`);
    tensors.set(name, { name, dtype: tensor.dtype, shape: tensor.shape, bytes: count * width });
    places.set(name, { tensor, storage });
  }
  return {
    path,
    format,
    tensors,
    metadata: new Map(),
    async *read(name) {
      const place = places.get(name);
      if (place === undefined) throw new Error(`internal: a tensor of ${path} was asked for that it does not have`);
      const { tensor, storage } = place;
      const width = dtypeBytes[tensor.dtype]!;
      const view = { width, offset: tensor.storage.first + tensor.offset, shape: tensor.shape, strides: tensor.strides };
      yield* readView(view, storage.read);
    },
    close: () => bytes.close(),
  };
}
