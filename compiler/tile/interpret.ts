// Runs a kernel on the CPU. In: the kernel, the contents of its buffers by name (changed in place where it writes) and the uniform buffer.
// All lanes of a workgroup go through the body together, each statement for the lanes that are active; workgroups follow one another.
// What a device would do without telling is an error here: an index outside its buffer, a barrier or a subgroup operation that only some
// lanes reach, and two lanes touching the same element without a barrier between, at least one of them writing.
//
// The tree is compiled once to closures. An expression's closure fills an array of its own with the values of all lanes: a typed array of
// the expression's type, so that f32 results are rounded and integers wrap by being stored.

import { halfBits, halfValue } from "../plan/half.ts";
import { vectorOfPlace } from "../plan/operandTexture.ts";
import { philox4x32 } from "../plan/philox.ts";
import { binaryFunction, castFunction, unaryFunction } from "./arithmetic.ts";
import { expressionText } from "./print.ts";
import { Races } from "./races.ts";
import type { Scalar, TileExpr, TileKernel, TileStmt, TileType } from "./tile.ts";

/** 16-bit floats are given as their bits. */
export type Contents = Float32Array | Int32Array | Uint32Array | Uint16Array;
type Values = Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array;
/** One flag per lane: 1 where it is active. */
type Mask = Uint8Array;
type Evaluate = (mask: Mask) => Values;
type Execute = (mask: Mask) => void;

interface Memory {
  readonly name: string;
  readonly type: TileType;
  readonly length: number;
  readonly values: Values;
  readonly races: Races | null; // null: nobody writes it
  readonly half: boolean;
  readonly rowVectors?: number; // of a matrix in stripes
}

/** A device fault that the interpreter found, with the place in the kernel. */
export class KernelFault extends Error {}

export function interpretKernel(
  kernel: TileKernel,
  buffers: ReadonlyMap<string, Contents>,
  uniforms: Uint32Array = new Uint32Array(0),
): void {
  const machine = new Machine(kernel, buffers, uniforms);
  const [width, height, depth] = kernel.grid;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) machine.runWorkgroup(x, y, z);
    }
  }
}

function valuesOf(scalar: Scalar, length: number): Values {
  switch (scalar) {
    case "f32":
      return new Float32Array(length);
    case "i32":
      return new Int32Array(length);
    case "u32":
      return new Uint32Array(length);
    case "bool":
      return new Uint8Array(length);
    default:
      throw new Error(`internal: scalar ${scalar satisfies never}`);
  }
}

class Machine {
  readonly #kernel: TileKernel;
  readonly #lanes: number;
  readonly #group: [number, number, number] = [0, 0, 0];
  readonly #names = new Map<string, Values>();
  readonly #memory = new Map<string, Memory>();
  readonly #uniforms: Uint32Array;
  readonly #all: Mask;
  readonly #body: Execute;

  constructor(kernel: TileKernel, buffers: ReadonlyMap<string, Contents>, uniforms: Uint32Array) {
    this.#kernel = kernel;
    this.#lanes = kernel.workgroupSize;
    this.#uniforms = uniforms;
    this.#all = new Uint8Array(this.#lanes).fill(1);
    for (const { name, type, length, access, half, rowVectors } of kernel.buffers) {
      const values = buffers.get(name);
      const expected = half !== undefined ? "f16" : type.scalar === "bool" ? "u32" : type.scalar;
      const kind = expected === "f16" ? Uint16Array : valuesOf(expected, 0).constructor;
      if (values === undefined || values.length < length * type.width || !(values instanceof kind)) {
        throw new Error(`internal: buffer ${name} needs ${length * type.width} values of ${expected}`);
      }
      const races = access === "readWrite" ? new Races(name, length, "launch") : null;
      this.#memory.set(name, {
        name,
        type,
        length,
        values,
        races,
        half: half !== undefined,
        ...(rowVectors === undefined ? {} : { rowVectors }),
      });
    }
    for (const { name, type, length } of kernel.shared) {
      this.#memory.set(name, {
        name,
        type,
        length,
        values: valuesOf(type.scalar, length * type.width),
        races: new Races(name, length, "barrier"),
        half: false,
      });
    }
    this.#body = this.#block(kernel.body);
  }

  runWorkgroup(x: number, y: number, z: number): void {
    this.#group[0] = x;
    this.#group[1] = y;
    this.#group[2] = z;
    const [width, height] = this.#kernel.grid;
    const first = ((z * height + y) * width + x) * this.#lanes;
    for (const memory of this.#memory.values()) memory.races?.startWorkgroup(first);
    for (const { name } of this.#kernel.shared) this.#memory.get(name)!.values.fill(0);
    this.#body(this.#all);
  }

  #block(statements: readonly TileStmt[]): Execute {
    const steps = statements.map((s) => this.#statement(s));
    return (mask) => {
      for (const step of steps) step(mask);
    };
  }

  #name(name: string, type: TileType): Values {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const values = valuesOf(type.scalar, this.#lanes * type.width);
    this.#names.set(name, values);
    return values;
  }

  #statement(s: TileStmt): Execute {
    switch (s.kind) {
      case "let":
      case "var":
      case "assign": {
        const value = this.#expression(s.value);
        const target = this.#name(s.name, s.value.type);
        const { width } = s.value.type;
        return (mask) => copyWhere(mask, width, value(mask), target);
      }
      case "store":
      case "storeShared": {
        const memory = this.#memoryOf(s.kind === "store" ? s.buffer : s.array);
        const index = this.#expression(s.index);
        const value = this.#expression(s.value);
        const text = `${memory.name}[${expressionText(s.index)}]`;
        return (mask) => this.#store(memory, mask, index(mask), value(mask), text);
      }
      case "for":
        return this.#loop(s);
      case "if": {
        const condition = this.#expression(s.condition);
        const then = this.#block(s.then);
        const otherwise = this.#block(s.otherwise);
        const yes = new Uint8Array(this.#lanes);
        const no = new Uint8Array(this.#lanes);
        return (mask) => {
          const truth = condition(mask);
          for (let i = 0; i < mask.length; i++) {
            yes[i] = mask[i]! & truth[i]!;
            no[i] = mask[i]! & (1 - truth[i]!);
          }
          if (yes.includes(1)) then(yes);
          if (no.includes(1)) otherwise(no);
        };
      }
      case "barrier":
        return (mask) => {
          if (mask.includes(0)) throw new KernelFault("a barrier that only some lanes reach");
          for (const memory of this.#memory.values()) memory.races?.barrier();
        };
      default:
        throw new Error(`internal: tile statement ${JSON.stringify(s satisfies never)}`);
    }
  }

  #loop(s: Extract<TileStmt, { readonly kind: "for" }>): Execute {
    const from = this.#expression(s.from);
    const to = this.#expression(s.to);
    const counter = this.#name(s.name, s.from.type);
    const body = this.#block(s.body);
    const inside = new Uint8Array(this.#lanes);
    const ends = new Int32Array(this.#lanes);
    return (mask) => {
      copyWhere(mask, 1, from(mask), counter);
      copyWhere(mask, 1, to(mask), ends);
      for (;;) {
        for (let i = 0; i < mask.length; i++) inside[i] = mask[i]! & (counter[i]! < ends[i]! ? 1 : 0);
        if (!inside.includes(1)) return;
        body(inside);
        for (let i = 0; i < mask.length; i++) if (inside[i] === 1) counter[i]! += s.step;
      }
    };
  }

  #memoryOf(name: string): Memory {
    const memory = this.#memory.get(name);
    if (memory === undefined) throw new Error(`internal: the kernel has no buffer or array ${name}`);
    return memory;
  }

  #at(memory: Memory, place: number, lane: number, text: string): number {
    const index = memory.rowVectors === undefined ? place : vectorOfPlace(place, memory.rowVectors);
    if (index >= 0 && index < memory.length) return index;
    throw new KernelFault(
      `${text} is ${index} of length ${memory.length} in lane ${lane} of workgroup ${this.#group.join(",")} of ${this.#kernel.name}`,
    );
  }

  #store(memory: Memory, mask: Mask, index: Values, value: Values, text: string): void {
    const { width } = memory.type;
    for (let lane = 0; lane < mask.length; lane++) {
      if (mask[lane] === 0) continue;
      const at = this.#at(memory, index[lane]!, lane, text);
      const race = memory.races?.write(at, lane);
      if (race) throw new KernelFault(`${text}: ${race}`);
      for (let p = 0; p < width; p++) {
        const x = value[lane * width + p]!;
        memory.values[at * width + p] = memory.half ? halfBits(x) : x;
      }
    }
  }

  #load(e: Extract<TileExpr, { readonly kind: "load" | "shared" }>): Evaluate {
    const memory = this.#memoryOf(e.kind === "load" ? e.buffer : e.array);
    const { width, scalar } = memory.type;
    const index = this.#expression(e.index);
    const result = valuesOf(scalar, this.#lanes * width);
    const text = expressionText(e);
    return (mask) => {
      const indices = index(mask);
      for (let lane = 0; lane < mask.length; lane++) {
        if (mask[lane] === 0) continue;
        const at = this.#at(memory, indices[lane]!, lane, text);
        const race = memory.races?.read(at, lane);
        if (race) throw new KernelFault(`${text}: ${race}`);
        for (let p = 0; p < width; p++) {
          const stored = memory.values[at * width + p]!;
          result[lane * width + p] = memory.half ? halfValue(stored) : scalar === "bool" && stored !== 0 ? 1 : stored;
        }
      }
      return result;
    };
  }

  #expression(e: TileExpr): Evaluate {
    const { scalar, width } = e.type;
    const size = this.#lanes * width;
    const result = valuesOf(scalar, size);
    switch (e.kind) {
      case "lit":
        result.fill(e.value);
        return () => result;
      case "ref": {
        const values = this.#name(e.name, e.type);
        return () => values;
      }
      case "lane":
        for (let i = 0; i < size; i++) result[i] = i;
        return () => result;
      case "group":
        return () => result.fill(this.#group[e.axis]);
      case "uniform":
        return () => {
          if (e.index >= this.#uniforms.length) throw new KernelFault(`uniform ${e.index} of ${this.#uniforms.length}`);
          const bits = this.#uniforms.slice(e.index, e.index + 1);
          return result.fill(scalar === "f32" ? new Float32Array(bits.buffer)[0]! : bits[0]!);
        };
      case "unary":
        return this.#mapped(result, [e.arg], unaryFunction(e.op));
      case "cast":
        return this.#mapped(result, [e.arg], castFunction(e.arg.type.scalar, scalar));
      case "binary": {
        const operation = binaryFunction(e.op, e.left.type.scalar);
        if (e.op !== "idiv" && e.op !== "imod") return this.#mapped(result, [e.left, e.right], operation);
        const right = this.#expression(e.right);
        const divide = this.#mapped(result, [e.left, e.right], operation);
        return (mask) => {
          const divisors = right(mask);
          for (let i = 0; i < size; i++) {
            if (divisors[i] === 0 && mask[Math.floor(i / width)] === 1) throw new KernelFault(`division by zero in ${expressionText(e)}`);
          }
          return divide(mask);
        };
      }
      case "fma":
        return this.#mapped(result, [e.a, e.b, e.c], (a, b, c) => a * b + c);
      case "select": {
        const condition = this.#expression(e.condition);
        const spread = e.condition.type.width === 1 ? width : 1;
        const [then, otherwise] = [this.#expression(e.then), this.#expression(e.otherwise)];
        return (mask) => {
          const [truth, yes, no] = [condition(mask), then(mask), otherwise(mask)];
          for (let i = 0; i < size; i++) result[i] = truth[spread === 1 ? i : Math.floor(i / spread)] !== 0 ? yes[i]! : no[i]!;
          return result;
        };
      }
      case "splat": {
        const arg = this.#expression(e.arg);
        return (mask) => {
          const values = arg(mask);
          for (let i = 0; i < size; i++) result[i] = values[i >> 2]!;
          return result;
        };
      }
      case "vec": {
        const parts = e.parts.map((p) => this.#expression(p));
        return (mask) => {
          parts.forEach((part, p) => {
            const values = part(mask);
            for (let lane = 0; lane < this.#lanes; lane++) result[lane * 4 + p] = values[lane]!;
          });
          return result;
        };
      }
      case "part": {
        const arg = this.#expression(e.arg);
        return (mask) => {
          const values = arg(mask);
          for (let lane = 0; lane < this.#lanes; lane++) result[lane] = values[lane * 4 + e.index]!;
          return result;
        };
      }
      case "load":
      case "shared":
        return this.#load(e);
      case "fromLane": {
        const arg = this.#expression(e.arg);
        return (mask) => {
          const values = arg(mask);
          this.#bySubgroup(mask, width, (first, count, p) => {
            const value = values[(first + e.lane) * width + p]!;
            for (let i = first; i < first + count; i++) result[i * width + p] = value;
          });
          return result;
        };
      }
      case "reduceLanes": {
        const arg = this.#expression(e.arg);
        const combine = binaryFunction(e.op, scalar);
        const total = valuesOf(scalar, 1);
        return (mask) => {
          const values = arg(mask);
          this.#bySubgroup(mask, width, (first, count, p) => {
            total[0] = values[first * width + p]!;
            for (let i = first + 1; i < first + count; i++) total[0] = combine(total[0]!, values[i * width + p]!);
            for (let i = first; i < first + count; i++) result[i * width + p] = total[0]!;
          });
          return result;
        };
      }
      case "philox": {
        const [key, element, step] = [e.key1, e.element, e.step].map((x) => this.#expression(x)) as [Evaluate, Evaluate, Evaluate];
        return (mask) => {
          const [keys, elements, steps] = [key(mask), element(mask), step(mask)];
          for (let i = 0; i < size; i++) result[i] = philox4x32(e.key0, keys[i]!, elements[i]!, steps[i]!, e.word >>> 2, 0)[e.word & 3]!;
          return result;
        };
      }
      default:
        throw new Error(`internal: tile expression ${JSON.stringify(e satisfies never)}`);
    }
  }

  /** An operation on each element of operands of the result's width; lanes that are not active compute without effect. */
  #mapped(result: Values, operands: readonly TileExpr[], operation: (a: number, b: number, c: number) => number): Evaluate {
    const [first, second, third] = operands.map((operand) => this.#expression(operand));
    return (mask) => {
      const a = first!(mask);
      const b = second === undefined ? a : second(mask);
      const c = third === undefined ? a : third(mask);
      for (let i = 0; i < result.length; i++) result[i] = operation(a[i]!, b[i]!, c[i]!);
      return result;
    };
  }

  #bySubgroup(mask: Mask, width: number, body: (first: number, count: number, part: number) => void): void {
    const size = this.#kernel.subgroupSize;
    if (size === null) throw new Error("internal: a subgroup operation in a kernel without subgroups");
    if (mask.includes(0)) throw new KernelFault("a subgroup operation that only some lanes reach");
    for (let first = 0; first < this.#lanes; first += size) for (let p = 0; p < width; p++) body(first, size, p);
  }
}

function copyWhere(mask: Mask, width: number, from: Values, to: Values): void {
  for (let lane = 0; lane < mask.length; lane++) {
    if (mask[lane] === 0) continue;
    for (let i = lane * width; i < (lane + 1) * width; i++) to[i] = from[i]!;
  }
}
