import { PickleProblem, type PickleValue, tuple } from "./pickleValues.ts";

// Reads a pickle without executing anything: opcodes build lists, dictionaries and numbers; a global is only a name, and what a call of it
// means is a row of the table given. In: bytes. Out: the value that the pickle builds, and where it ends. Every mistake has its byte.

export interface PickleWorld {
  /** What a name stands for; a name that no honest file has is refused by throwing. */
  readonly global: (module: string, name: string) => PickleValue;
  /** What calling a value gives; `at` is the byte of the call. */
  readonly call: (callable: PickleValue, args: readonly PickleValue[], at: number) => PickleValue;
  /** What is made of a value by setting its state. */
  readonly build: (object: PickleValue, state: PickleValue) => void;
  /** What a persistent id stands for. */
  readonly persistent: (id: PickleValue) => PickleValue;
}
export interface PickleResult {
  readonly value: PickleValue;
  /** The first byte behind it. */
  readonly end: number;
}

/** There is more to read than the bytes given. */
export class PickleEnds extends Error {}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
const longestLong = 1024;

/** A little-endian two's complement number of any length. */
function longOf(bytes: Uint8Array): number | bigint {
  let value = 0n;
  for (const byte of [...bytes].reverse()) value = (value << 8n) | BigInt(byte);
  if (bytes.length > 0 && bytes[bytes.length - 1]! >= 0x80) value -= 1n << BigInt(8 * bytes.length);
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #world: PickleWorld;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  at: number;

  constructor(bytes: Uint8Array, start: number, world: PickleWorld) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#world = world;
    this.at = start;
  }

  // ---- reading
  take(count: number): Uint8Array {
    if (count > this.#bytes.length - this.at) throw new PickleEnds();
    const found = this.#bytes.subarray(this.at, this.at + count);
    this.at += count;
    return found;
  }
  #number(count: 1 | 2 | 4): number {
    const at = this.at;
    this.take(count);
    return count === 1 ? this.#view.getUint8(at) : count === 2 ? this.#view.getUint16(at, true) : this.#view.getUint32(at, true);
  }
  #signed(): number {
    return this.#number(4) | 0;
  }
  #double(): number {
    const at = this.at;
    this.take(8);
    return this.#view.getFloat64(at, false);
  }
  /** A length of 8 bytes. */
  #wide(): number {
    const at = this.at;
    this.take(8);
    const length = this.#view.getBigUint64(at, true);
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw new PickleProblem(`something of ${length} bytes is announced`);
    return Number(length);
  }
  #line(): string {
    const end = this.#bytes.indexOf(10, this.at);
    if (end < 0) throw new PickleEnds();
    const line = utf8.decode(this.#bytes.subarray(this.at, end));
    this.at = end + 1;
    return line;
  }
  #text(count: number): void {
    this.push(utf8.decode(this.take(count)));
  }
  #data(count: number): void {
    this.push(this.take(count).slice());
  }
  #long(count: number): void {
    if (count > longestLong) throw new PickleProblem(`a number of ${count} bytes is announced`);
    this.push(longOf(this.take(count)));
  }

  // ---- the stack
  push(value: PickleValue): void {
    this.#stack.push(value);
  }
  pop(): PickleValue {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }
  #top(): PickleValue {
    const floor = this.#marks.at(-1) ?? 0;
    if (this.#stack.length <= floor) throw new PickleProblem("a value is taken from an empty stack");
    return this.#stack.at(-1)!;
  }
  #sinceMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new PickleProblem("there is no mark");
    return this.#stack.splice(mark);
  }

  // ---- what opcodes do
  #append(items: readonly PickleValue[]): void {
    const list = this.#top();
    if (isKind(list, "list") || isKind(list, "set")) for (const item of items) list.items.push(item);
    else if (!isKind(list, "object")) throw new PickleProblem("something is appended to what is no list");
  }
  #set(items: readonly PickleValue[]): void {
    const dict = this.#top();
    if (items.length % 2 !== 0) throw new PickleProblem("a key has no value");
    if (isKind(dict, "dict")) for (let i = 0; i < items.length; i += 2) dict.entries.push([items[i]!, items[i + 1]!]);
    else if (!isKind(dict, "object")) throw new PickleProblem("something is set in what is no dictionary");
  }
  #call(callable: PickleValue, args: PickleValue): void {
    if (!isKind(args, "tuple")) throw new PickleProblem("a call has no tuple of arguments");
    this.push(this.#world.call(callable, args.items, this.at - 1));
  }
  #remember(index: number): void {
    this.#memo.set(index, this.#top());
  }
  #recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw new PickleProblem(`nothing was remembered as ${index}`);
    this.push(value);
  }
  #decimal(text: string): number | bigint {
    const digits = text.replace(/L$/, "");
    if (!/^[+-]?\d{1,5000}$/.test(digits)) throw new PickleProblem(`\`${text.slice(0, 40)}\` is no number`);
    const value = BigInt(digits);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  /** Carries out one opcode; true at the last. */
  step(code: number): boolean {
    switch (code) {
      case 0x80: // PROTO
        if (this.#number(1) > 5) throw new PickleProblem("it has a protocol above 5");
        break;
      case 0x2e: // STOP
        return true;
      case 0x28: // MARK
        this.#marks.push(this.#stack.length);
        break;
      case 0x30: // POP
        if (this.#marks.length > 0 && this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
        else this.pop();
        break;
      case 0x31: // POP_MARK
        this.#sinceMark();
        break;
      case 0x32: // DUP
        this.push(this.#top());
        break;
      case 0x4e: // NONE
        this.push(null);
        break;
      case 0x88: // NEWTRUE
        this.push(true);
        break;
      case 0x89: // NEWFALSE
        this.push(false);
        break;
      case 0x4a: // BININT
        this.push(this.#signed());
        break;
      case 0x4b: // BININT1
        this.push(this.#number(1));
        break;
      case 0x4d: // BININT2
        this.push(this.#number(2));
        break;
      case 0x49: {
        // INT
        const line = this.#line();
        this.push(line === "00" ? false : line === "01" ? true : this.#decimal(line));
        break;
      }
      case 0x4c: // LONG
        this.push(this.#decimal(this.#line()));
        break;
      case 0x8a: // LONG1
        this.#long(this.#number(1));
        break;
      case 0x8b: // LONG4
        this.#long(this.#number(4));
        break;
      case 0x46: // FLOAT
        this.push(Number(this.#line()));
        break;
      case 0x47: // BINFLOAT
        this.push(this.#double());
        break;
      case 0x53: // STRING
        this.push(this.#line().replace(/^(['"])(.*)\1$/s, "$2"));
        break;
      case 0x56: // UNICODE
        this.push(this.#line());
        break;
      case 0x55: // SHORT_BINSTRING
        this.push(latin1(this.take(this.#number(1))));
        break;
      case 0x54: // BINSTRING
        this.push(latin1(this.take(this.#number(4))));
        break;
      case 0x58: // BINUNICODE
        this.#text(this.#number(4));
        break;
      case 0x8c: // SHORT_BINUNICODE
        this.#text(this.#number(1));
        break;
      case 0x8d: // BINUNICODE8
        this.#text(this.#wide());
        break;
      case 0x43: // SHORT_BINBYTES
        this.#data(this.#number(1));
        break;
      case 0x42: // BINBYTES
        this.#data(this.#number(4));
        break;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        this.#data(this.#wide());
        break;
      case 0x7d: // EMPTY_DICT
        this.push({ kind: "dict", entries: [] });
        break;
      case 0x5d: // EMPTY_LIST
        this.push({ kind: "list", items: [] });
        break;
      case 0x29: // EMPTY_TUPLE
        this.push(tuple([]));
        break;
      case 0x8f: // EMPTY_SET
        this.push({ kind: "set", items: [] });
        break;
      case 0x74: // TUPLE
        this.push(tuple(this.#sinceMark()));
        break;
      case 0x85: // TUPLE1
        this.push(tuple([this.pop()]));
        break;
      case 0x86: {
        // TUPLE2
        const b = this.pop();
        this.push(tuple([this.pop(), b]));
        break;
      }
      case 0x87: {
        // TUPLE3
        const c = this.pop();
        const b = this.pop();
        this.push(tuple([this.pop(), b, c]));
        break;
      }
      case 0x6c: // LIST
        this.push({ kind: "list", items: this.#sinceMark() });
        break;
      case 0x64: {
        // DICT
        const items = this.#sinceMark();
        this.push({ kind: "dict", entries: [] });
        this.#set(items);
        break;
      }
      case 0x91: // FROZENSET
        this.push({ kind: "set", items: this.#sinceMark() });
        break;
      case 0x61: {
        // APPEND
        const item = this.pop();
        this.#append([item]);
        break;
      }
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        this.#append(this.#sinceMark());
        break;
      case 0x73: {
        // SETITEM
        const value = this.pop();
        const key = this.pop();
        this.#set([key, value]);
        break;
      }
      case 0x75: // SETITEMS
        this.#set(this.#sinceMark());
        break;
      case 0x63: {
        // GLOBAL
        const module = this.#line();
        this.push(this.#world.global(module, this.#line()));
        break;
      }
      case 0x93: {
        // STACK_GLOBAL
        const name = this.pop();
        const module = this.pop();
        if (typeof name !== "string" || typeof module !== "string") throw new PickleProblem("a global has no name");
        this.push(this.#world.global(module, name));
        break;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const args = this.pop();
        this.#call(this.pop(), args);
        break;
      }
      case 0x92: {
        // NEWOBJ_EX
        this.pop(); // keyword arguments
        const args = this.pop();
        this.#call(this.pop(), args);
        break;
      }
      case 0x69: {
        // INST
        const module = this.#line();
        const callable = this.#world.global(module, this.#line());
        this.#call(callable, tuple(this.#sinceMark()));
        break;
      }
      case 0x6f: {
        // OBJ
        const [callable, ...args] = this.#sinceMark();
        if (callable === undefined) throw new PickleProblem("a call has nothing to call");
        this.#call(callable, tuple(args));
        break;
      }
      case 0x62: {
        // BUILD
        const state = this.pop();
        this.#world.build(this.#top(), state);
        break;
      }
      case 0x51: // BINPERSID
        this.push(this.#world.persistent(this.pop()));
        break;
      case 0x50: // PERSID
        this.push(this.#world.persistent(this.#line()));
        break;
      case 0x71: // BINPUT
        this.#remember(this.#number(1));
        break;
      case 0x72: // LONG_BINPUT
        this.#remember(this.#number(4));
        break;
      case 0x70: // PUT
        this.#remember(Number(this.#decimal(this.#line())));
        break;
      case 0x94: // MEMOIZE
        this.#remember(this.#memo.size);
        break;
      case 0x68: // BINGET
        this.#recall(this.#number(1));
        break;
      case 0x6a: // LONG_BINGET
        this.#recall(this.#number(4));
        break;
      case 0x67: // GET
        this.#recall(Number(this.#decimal(this.#line())));
        break;
      case 0x95: // FRAME
        this.take(8);
        break;
      default:
        throw new PickleProblem(`0x${code.toString(16)} is no opcode that this reader knows`);
    }
    return false;
  }
}

type Kinds = Exclude<PickleValue, null | boolean | number | bigint | string | Uint8Array>;

/** Whether a value is of one of the kinds that have one. */
export function isKind<K extends Kinds["kind"]>(value: PickleValue | undefined, kind: K): value is Extract<Kinds, { kind: K }> {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array) && value.kind === kind;
}

/** Reads the pickle that begins at a byte. `PickleEnds` is thrown where the bytes end before it does, `PickleProblem` with its place else. */
export function readPickle(bytes: Uint8Array, start: number, world: PickleWorld): PickleResult {
  const machine = new Machine(bytes, start, world);
  for (;;) {
    const at = machine.at;
    try {
      if (machine.step(machine.take(1)[0]!)) return { value: machine.pop(), end: machine.at };
    } catch (error) {
      if (error instanceof PickleProblem && error.at === null) error.at = at;
      throw error;
    }
  }
}
