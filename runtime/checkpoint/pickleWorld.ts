import { isKind, type PickleWorld } from "./pickle.ts";
import { type PickleObject, PickleProblem, type PickleStorage, type PickleTensor, type PickleValue, tuple } from "./pickleValues.ts";

// What the names in a checkpoint's pickle mean: rows for those that rebuild tensors and containers. Any other class or function is a
// stand-in that keeps what it was made with and is never called; names that only a file meant to do harm has are refused outright.

type Row = (args: readonly PickleValue[], at: number) => PickleValue;

/** torch's storage classes: element types by the name before `Storage`. */
const storageTypes: Readonly<Record<string, string | null>> = {
  Float: "F32",
  Double: "F64",
  Half: "F16",
  BFloat16: "BF16",
  Long: "I64",
  Int: "I32",
  Short: "I16",
  Char: "I8",
  Byte: "U8",
  Bool: "BOOL",
  ComplexFloat: "C64",
  ComplexDouble: "C128",
  Untyped: null,
};
/** torch's dtypes. */
const dtypes: Readonly<Record<string, string>> = {
  float32: "F32",
  float: "F32",
  float64: "F64",
  double: "F64",
  float16: "F16",
  half: "F16",
  bfloat16: "BF16",
  int64: "I64",
  long: "I64",
  int32: "I32",
  int: "I32",
  int16: "I16",
  short: "I16",
  int8: "I8",
  uint8: "U8",
  uint16: "U16",
  uint32: "U32",
  uint64: "U64",
  bool: "BOOL",
  complex64: "C64",
  complex128: "C128",
  float8_e5m2: "F8_E5M2",
  float8_e4m3fn: "F8_E4M3",
};

/** Modules whose names a checkpoint has no use for, except to run something. */
const harmful = new Set(
  `os posix nt subprocess sys shutil socket runpy importlib ctypes code codeop pty commands webbrowser pickle _pickle cPickle pip timeit
   cProfile profile pdb bdb asyncio multiprocessing concurrent signal http urllib urllib2 requests ftplib smtplib telnetlib inspect imp zipimport
   pkgutil distutils setuptools trace doctest venv idlelib lib2to3 site ensurepip _posixsubprocess _winapi winreg gc tempfile glob fileinput`
    .split(/\s+/)
    .filter((name) => name !== ""),
);
const harmfulNames = new Set([
  ..."eval exec execfile compile open file getattr setattr delattr __import__ input raw_input globals locals vars breakpoint apply reload exit quit help"
    .split(" ")
    .flatMap((name) => [`builtins ${name}`, `__builtin__ ${name}`]),
  "operator attrgetter",
  "operator methodcaller",
  "torch.hub load",
  "torch load",
  "torch.serialization load",
  "numpy load",
  "numpy.testing._private.utils runstring",
  "types CodeType",
  "types FunctionType",
]);

const counts = (value: PickleValue | undefined, what: string): readonly number[] => {
  if (!isKind(value, "tuple") && !isKind(value, "list")) throw new PickleProblem(`a tensor has no ${what}`);
  return value.items.map((item) => {
    if (typeof item !== "number" || !Number.isSafeInteger(item) || item < 0)
      throw new PickleProblem(`a tensor has a ${what} with ${String(item)} in it`);
    return item;
  });
};

/** A view of a storage, with its numbers looked at. */
function tensorOf(args: readonly PickleValue[], dtype: string | null, at: number): PickleTensor {
  const [storage, offset] = args;
  if (!isKind(storage, "storage")) throw new PickleProblem("a tensor has no storage");
  if (typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0)
    throw new PickleProblem(`a tensor begins at element ${String(offset)} of its storage`);
  const shape = counts(args[2], "shape");
  const strides = counts(args[3], "list of strides");
  if (shape.length !== strides.length) throw new PickleProblem(`a tensor has ${shape.length} sizes and ${strides.length} strides`);
  const type = dtype ?? storage.dtype;
  if (type === null) throw new PickleProblem("a tensor has no type");
  return { kind: "tensor", dtype: type, storage, offset, shape, strides, at };
}

const list: Row = ([items]) => ({ kind: "list", items: items === undefined ? [] : [...itemsOf(items)] });
const set: Row = ([items]) => ({ kind: "set", items: items === undefined ? [] : [...itemsOf(items)] });
const itemsOf = (value: PickleValue): readonly PickleValue[] => {
  if (isKind(value, "list") || isKind(value, "tuple") || isKind(value, "set")) return value.items;
  if (isKind(value, "dict")) return value.entries.map(([key]) => key);
  throw new PickleProblem("a container is made of what is none");
};
const dict: Row = ([entries]) => ({
  kind: "dict",
  entries:
    entries === undefined
      ? []
      : isKind(entries, "dict")
        ? [...entries.entries]
        : itemsOf(entries).map((pair): [PickleValue, PickleValue] => {
            const items = itemsOf(pair);
            if (items.length !== 2) throw new PickleProblem("a dictionary is made of what are no pairs");
            return [items[0]!, items[1]!];
          }),
});
const parameter: Row = ([data]) => data ?? null;
const bytesOf: Row = ([text]) => {
  if (text instanceof Uint8Array) return text;
  if (typeof text !== "string") return new Uint8Array();
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 0xff);
};

const builtins: Readonly<Record<string, Row>> = {
  set,
  frozenset: set,
  list,
  tuple: (args) => tuple(args[0] === undefined ? [] : itemsOf(args[0])),
  dict,
  bytearray: bytesOf,
  bytes: bytesOf,
};
const rows: Readonly<Record<string, Row>> = {
  "collections OrderedDict": dict,
  "collections defaultdict": ([, entries], at) => dict(entries === undefined ? [] : [entries], at),
  "torch Size": ([sizes]) => tuple(sizes === undefined ? [] : itemsOf(sizes)),
  "_codecs encode": bytesOf,
  "torch._utils _rebuild_tensor": (args, at) => tensorOf(args, null, at),
  "torch._utils _rebuild_tensor_v2": (args, at) => tensorOf(args, null, at),
  "torch._utils _rebuild_tensor_v3": (args, at) => {
    const dtype = args[6];
    return tensorOf(args, isKind(dtype, "global") ? (dtypes[dtype.name] ?? null) : null, at);
  },
  "torch._utils _rebuild_parameter": parameter,
  "torch._utils _rebuild_parameter_with_state": parameter,
  "torch.nn.parameter Parameter": parameter,
  "torch.nn.parameter Buffer": parameter,
  ...Object.fromEntries(
    Object.entries(builtins).flatMap(([name, row]) => [
      [`builtins ${name}`, row],
      [`__builtin__ ${name}`, row],
    ]),
  ),
};
const rowOf = (name: string): Row | undefined => (Object.hasOwn(rows, name) ? rows[name] : undefined);

/** Functions that make tensors of a kind that is not read; whether that matters depends on who asks for the result. */
export const makesTensor = (made: string): boolean => /^torch\._(utils|tensor|subclasses)\S* _?rebuild/.test(made);

const standIn = (made: string, args: readonly PickleValue[]): PickleObject => ({ kind: "object", made, args, state: [] });

function call(callable: PickleValue, args: readonly PickleValue[], at: number): PickleValue {
  if (!isKind(callable, "global")) return standIn(isKind(callable, "object") ? callable.made : "?", args);
  const name = `${callable.module} ${callable.name}`;
  const row = rowOf(name);
  if (row !== undefined) return row(args, at);
  // An object of a class, as older protocols make it.
  if (name === "copyreg _reconstructor" || name === "copy_reg _reconstructor" || name === "copyreg __newobj__") {
    const [of, ...rest] = args;
    return call(of ?? null, name.endsWith("__newobj__") ? rest : [], at);
  }
  if (name === "torch._tensor _rebuild_from_type_v2") {
    const [inner, , more] = args;
    return call(inner ?? null, isKind(more, "tuple") ? more.items : [], at);
  }
  return standIn(name, args);
}

function storageClass(value: PickleValue): string | null {
  const found = isKind(value, "global") ? /^(\w+)Storage$/.exec(value.name)?.[1] : undefined;
  if (found === undefined || !Object.hasOwn(storageTypes, found)) throw new PickleProblem("a storage is of an unknown class");
  return storageTypes[found]!;
}
const isCount = (value: PickleValue | undefined): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

function persistent(id: PickleValue): PickleValue {
  if (!isKind(id, "tuple")) throw new PickleProblem("a storage is named by what is no tuple");
  const [what, type, key, , elements, view] = id.items;
  // Old files carry the source text of classes beside them.
  if (what === "module") return type ?? null;
  if (what !== "storage" || type === undefined || (typeof key !== "string" && typeof key !== "number") || !isCount(elements))
    throw new PickleProblem("a storage is named in an unknown way");
  const [, first, own] = isKind(view, "tuple") ? view.items : [null, 0, elements];
  if (!isCount(first) || !isCount(own)) throw new PickleProblem("a storage begins nowhere");
  const storage: PickleStorage = { kind: "storage", dtype: storageClass(type), key: String(key), elements: own, first };
  return storage;
}

/** The world of torch's checkpoints. */
export const torchWorld: PickleWorld = {
  global: (module, name) => {
    const full = `${module} ${name}`;
    // `os`, and what a dotted name reaches through something harmless.
    if (harmful.has(module.split(".")[0]!) || harmfulNames.has(full) || name.split(".").some((part) => harmful.has(part)))
      throw new PickleProblem(`this pickle would run ${module}.${name} on whoever loads it; nothing was run`, true);
    return { kind: "global", module, name };
  },
  call,
  build: (object, state) => {
    if (isKind(object, "object")) object.state.push(state);
  },
  persistent,
};
