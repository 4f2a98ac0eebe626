import { crc32 } from "node:zlib";

// Checkpoints of PyTorch written by hand, for tests: pickles by opcode, a stored zip archive, the older form.

const text = new TextEncoder();
export const bytes = (...parts: readonly (number | string | Uint8Array)[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === "number" ? Uint8Array.of(part) : typeof part === "string" ? text.encode(part) : part)),
  );
const u32 = (value: number): Buffer => {
  const four = Buffer.alloc(4);
  four.writeUInt32LE(value);
  return four;
};
export const str = (value: string): Buffer => bytes(0x58, u32(Buffer.byteLength(value)), value);
export const int = (value: number): Buffer => bytes(0x4a, u32(value >>> 0));
export const global = (module: string, name: string): Buffer => bytes("c", module, "\n", name, "\n");
export const tuple = (...items: readonly Uint8Array[]): Buffer => bytes("(", ...items, "t");
export const dict = (entries: Readonly<Record<string, Uint8Array>>): Buffer =>
  bytes("}(", ...Object.entries(entries).flatMap(([key, value]) => [str(key), value]), "u");
export const call = (callable: Uint8Array, ...args: readonly Uint8Array[]): Buffer => bytes(callable, tuple(...args), "R");
export const pickle = (value: Uint8Array): Buffer => bytes(0x80, 2, value, ".");

export interface Laid {
  readonly key: string;
  readonly elements: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly legacy?: boolean;
}
/** A tensor of f32. */
export const tensor = ({ key, elements, offset = 0, shape, strides, legacy = false }: Laid): Buffer =>
  call(
    global("torch._utils", "_rebuild_tensor_v2"),
    bytes(
      tuple(str("storage"), global("torch", "FloatStorage"), str(key), str("cpu"), int(elements), ...(legacy ? [bytes("N")] : [])),
      "Q",
    ),
    int(offset),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    Buffer.of(0x89),
    call(global("collections", "OrderedDict")),
  );
export const floats = (...values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);

/** An archive of stored records. */
export function zip(records: Readonly<Record<string, Uint8Array>>): Buffer {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(records)) {
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(content.length, 14);
    fields.writeUInt32LE(content.length, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    const local = bytes("PK\x03\x04", fields, name, content);
    central.push(bytes("PK\x01\x02", 20, 0, fields, tail, name));
    parts.push(local);
    at += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(central.length, 4);
  end.writeUInt16LE(central.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...parts, directory, bytes("PK\x05\x06", end)]);
}

/** An archive with a pickle and its storages. */
export const archive = (value: Uint8Array, storages: Readonly<Record<string, Uint8Array>>): Buffer =>
  zip({
    "archive/data.pkl": pickle(value),
    ...Object.fromEntries(Object.entries(storages).map(([key, content]) => [`archive/data/${key}`, content])),
  });

const magic = Buffer.from("80028a0a6cfc9c46f9206aa850192e", "hex");
/** The older form. */
export const legacy = (value: Uint8Array, storages: Readonly<Record<string, Uint8Array>>): Buffer =>
  bytes(
    magic,
    pickle(bytes(0x4d, 0xe9, 0x03)),
    pickle(bytes("}(", str("little_endian"), 0x88, "u")),
    pickle(value),
    pickle(bytes("](", ...Object.keys(storages).map(str), "e")),
    ...Object.values(storages).flatMap((content) => [u32(content.length / 4), u32(0), content]),
  );
