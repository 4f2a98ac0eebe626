import fc from "fast-check";
import { Builder } from "../../compiler/ir/builder.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { elementCount } from "../../compiler/ir/ops/row.ts";
import type { OpClass } from "../../compiler/ir/ops.ts";
import { OPS, opNames } from "../../compiler/ir/ops.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import type { DType, Graph, OpName, Value } from "../../compiler/ir/value.ts";
import { topologicalOrder } from "../../compiler/ir/walk.ts";
import { philox4x32 } from "../../compiler/plan/philox.ts";
import { evaluateOne } from "../../compiler/reference/evaluate.ts";
import { type Choice, programSteps } from "./programSteps.ts";

// Random well-typed tensor programs over all primitive classes. In: fast-check's choices. Out: a graph, its inputs and its builder.
// Sizes include 1 and numbers that no vector width divides. Values stay tame: f32 results are finite and at most 4 in size (else they are scaled down
// by a power of two), and no step is taken within `gap` of a jump or a kink, so that a device in f32 and finite differences see the same branch.
// With `special` inputs hold NaN and infinities; what compares or rounds them to whole numbers is left out, since WGSL gives it no meaning.
// A counterexample prints as IR text, ready for `parseGraph`.

/** No f32 comparison, rounding or maximum is decided by less than this. */
export const gap = 1e-2;
const largest = 4;
const mostElements = 400;
const specials = [Number.POSITIVE_INFINITY, Number.NaN, Number.NEGATIVE_INFINITY] as const;

export interface Program {
  readonly b: Builder;
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, NdArray>>;
  /** The f32 inputs. */
  readonly params: readonly Value[];
}

export interface ProgramOptions {
  readonly steps?: number;
  /** Primitives that the programs may not use. */
  readonly without?: readonly OpName[];
  /** Whether f32 inputs hold NaN and infinities here and there. */
  readonly special?: boolean;
}

/** How often the primitives of a class come up: what has templates and index arithmetic more often than its number. */
const weights: Readonly<Record<OpClass, number>> = { leaf: 1, map: 1, reduce: 3, movement: 3, index: 4, contract: 4, call: 2, marker: 1 };

/** Random programs; shrinking leaves steps out. */
export function programs({ steps = 12, without = [], special = false }: ProgramOptions = {}): fc.Arbitrary<Program> {
  const number = fc.nat({ max: 9999 });
  const choice: fc.Arbitrary<Choice> = fc.tuple(number, number, number, number, number, number);
  const allowed = opNames.filter((op) => !without.includes(op));
  const weighted = allowed.flatMap((op) => Array.from({ length: weights[OPS[op].class] }, () => op));
  return fc.array(choice, { minLength: 1, maxLength: steps }).map((choices) => {
    const draft = new Draft(special);
    draft.freshInput([2, 3], "f32");
    draft.freshInput([3], "i32");
    for (const chosen of choices) {
      const made = programSteps[weighted[chosen[0] % weighted.length]!](draft, chosen);
      if (made) draft.accept(made);
    }
    return draft.finish();
  });
}

/** A program being made: its values, what they are worth, and ways to find operands. */
export class Draft {
  readonly b = new Builder();
  readonly pool: Value[] = [];
  readonly inputs: Record<string, NdArray> = {};
  private readonly arrays = new Map<Value, NdArray>();
  private readonly special: boolean;

  constructor(special = false) {
    this.special = special;
  }

  /** The values of a dtype (and of a rank) made so far. */
  candidates(dtype: DType, rank?: number): Value[] {
    return this.pool.filter((v) => v.dtype === dtype && (rank === undefined || v.shape.length === rank));
  }

  /** Some value of the dtype; a fresh input when there is none. */
  pick(dtype: DType, choice: number): Value {
    const list = this.candidates(dtype);
    return list.length > 0 ? list[choice % list.length]! : this.freshInput([3, 2], dtype);
  }

  /** Some value of exactly this shape: one that is there, a broadcast scalar, or a fresh input. */
  shaped(shape: readonly number[], dtype: DType, choice: number): Value {
    const same = this.candidates(dtype).filter((v) => v.shape.join() === shape.join());
    const at = choice % (same.length + 2);
    if (at < same.length) return same[at]!;
    if (at === same.length && dtype === "f32") {
      const smaller = this.candidates(dtype).filter((v) => v.shape.length === 1 && shape.includes(v.shape[0]!));
      const x = smaller[choice % Math.max(1, smaller.length)];
      if (x) return this.b.broadcastInDim(x, shape, [shape.indexOf(x.shape[0]!)]);
    }
    return this.freshInput(shape, dtype);
  }

  /** A new input with fixed values: f32 within ±2 (exact f32 numbers), whole numbers from -4 to 9. */
  freshInput(shape: readonly number[], dtype: DType): Value {
    const name = `x${Object.keys(this.inputs).length}`;
    const seed = Object.keys(this.inputs).length;
    const data = Float64Array.from({ length: elementCount(shape) }, (_, i) => {
      const wave = Math.sin((i + 1) * 7.13 + seed * 3.7 + 0.4);
      if (dtype === "f32" && this.special && (i + seed) % 5 === 2) return specials[(i + 3 * seed) % specials.length]!;
      if (dtype === "f32") return Math.fround(2 * wave);
      if (dtype === "bool") return wave > 0 ? 1 : 0;
      return dtype === "i32" ? Math.round(wave * 6.5 + 2.5) : Math.round(Math.abs(wave) * 9);
    });
    this.inputs[name] = { dtype, shape, data };
    const value = this.b.input(name, shape, {
      dtype,
      role: dtype === "f32" ? "param" : "data",
      labels: shape.map((_, i) => (i === 0 ? "rows" : "")),
    });
    this.pool.push(value);
    return value;
  }

  /** What a value is worth at the inputs. */
  arrayOf(v: Value): NdArray {
    const context = { input: (name: string) => this.inputs[name]!, philox: philox4x32 };
    for (const each of topologicalOrder([v])) {
      if (!this.arrays.has(each))
        this.arrays.set(
          each,
          evaluateOne(
            each,
            each.args.map((a) => this.arrays.get(a)!),
            context,
          ),
        );
    }
    return this.arrays.get(v)!;
  }

  /** Whether every element is at least `gap` from the nearest number that `jumps` gives for it. */
  clear(v: Value, jumps: (x: number) => number): boolean {
    return this.arrayOf(v).data.every((x) => Math.abs(x - jumps(x)) >= gap);
  }

  /** Whether no finite element is near zero. */
  awayFromZero(v: Value): boolean {
    return this.arrayOf(v).data.every((x) => !Number.isFinite(x) || Math.abs(x) >= gap);
  }

  /** Whether two values differ by at least `gap` everywhere. */
  apart(x: Value, y: Value): boolean {
    const other = this.arrayOf(y).data;
    return x.dtype !== "f32" || this.arrayOf(x).data.every((e, i) => Math.abs(e - other[i]!) >= gap);
  }

  /** Whether along an axis the largest is clear of the rest. */
  oneLargest(v: Value, axis: number): boolean {
    const { data, shape } = this.arrayOf(v);
    const inner = elementCount(shape.slice(axis + 1));
    const size = shape[axis]!;
    for (let start = 0; start < data.length; start++) {
      if (Math.floor(start / inner) % size !== 0) continue;
      const line = Array.from({ length: size }, (_, i) => data[start + i * inner]!);
      if (line.some(Number.isNaN)) return false;
      line.sort((p, q) => q - p);
      if (size > 1 && line[0]! - line[1]! < gap) return false;
    }
    return true;
  }

  /** Takes a value into the pool, scaled down if it is large; drops it when it is too big or not finite. */
  accept(v: Value): void {
    if (elementCount(v.shape) > mostElements) return;
    if (v.dtype === "f32") {
      const { data } = this.arrayOf(v);
      if (!this.special && !data.every(Number.isFinite)) return;
      const size = data.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 0);
      if (size >= 1e6) return;
      const tame = size > largest ? this.b.mul(v, 2 ** -Math.ceil(Math.log2(size / largest))) : v;
      if (!this.pool.includes(tame)) this.pool.push(tame);
    } else if (!this.pool.includes(v)) this.pool.push(v);
  }

  /** The program whose results are the values that no other uses (at most six, the last ones). */
  finish(): Program {
    const used = new Set(topologicalOrder(this.pool).flatMap((v) => v.args));
    const ends = this.pool.filter((v) => !used.has(v) && v.op !== "input").slice(-6);
    const results = (ends.length > 0 ? ends : this.pool.slice(-1)).map((value, i) => ({ name: `r${i}`, value }));
    const graph: Graph = { name: "program", results };
    const params = this.pool.filter((v) => v.op === "input" && v.dtype === "f32");
    const program: Program = { b: this.b, graph, inputs: this.inputs, params };
    return Object.assign(program, { [fc.toStringMethod]: () => `\n${printGraph(graph)}` });
  }
}
