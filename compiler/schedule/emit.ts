import { rowLength, type Stored } from "../fuse/region.ts";
import {
  add,
  addConst,
  clamp,
  dependsOn,
  div,
  flatten,
  type Ix,
  isConst,
  isMultipleOf,
  ixConst,
  ixVar,
  mod,
  scale,
  strideOf,
  stridesOf,
  substitute,
  unflatten,
} from "../index/ix.ts";
import type { Value } from "../ir/value.ts";
import { canLieInStripes, stripePlaces, stripesKind, stripeVectors, texelBytesOf } from "../plan/operandTexture.ts";
import { isWidening } from "../precision.ts";
import * as t from "../tile/build.ts";
import type { TileBuffer, TileExpr } from "../tile/tile.ts";
import { type HalfForms, registerScalar } from "./halves.ts";
import { BINARY, safeOperand, UNARY, uniformScalar } from "./operations.ts";
import type { Scope } from "./scope.ts";

// The engine under every template: writes «the value of this tensor at this index» as Tile IR. Movement ops only change the index, map ops
// become arithmetic, stored tensors become loads, and what the template computes itself (`bind`) is taken from there. The variable VEC, if
// an index contains it, stands for the four parts of a vector: a value that moves with it comes out four wide, loaded as one vec4 where its
// memory is contiguous and aligned, else part by part.

/** Index variable of the parts of a vector, 0..3. */
export const VEC = "v";
export const vecIx: Ix = ixVar(VEC, 0, 3);

/** A buffer of the kernel and what it holds. One stored tensor may be seen as scalars and as vectors, through two bindings. */
export interface KernelBuffer {
  readonly tile: TileBuffer;
  readonly stored: Stored;
  /** Positions read and written, in elements of the tensor: they decide whether an output may take over an input's memory. */
  readonly loads: string[];
  readonly stores: string[];
  /** Whether a position may be read after it was written: by a later statement, or by an invocation that does not write it. */
  readsBack: boolean;
}

export interface EmitEnvironment {
  /** The memory form in which this region reads a value, if it is not computed in the region. */
  readonly storedFor: (value: Value) => Stored | undefined;
  readonly uniformIndex: (name: string) => number;
  readonly halves: HalfForms;
  /** Stored tensors (by id) that are read as vectors through a texture, the cheaper load on some adapters. */
  readonly textures: ReadonlySet<string>;
  /** Stored tensors (by id) that are read as scalars only, so that each is one binding. */
  readonly scalars: ReadonlySet<string>;
}

export class Emitter {
  readonly buffers: KernelBuffer[] = [];
  usesUniforms = false;
  /** Packed tensors (by id) of which a single element would have to be written: such a kernel must not run. */
  readonly partWords = new Set<string>();
  readonly #environment: EmitEnvironment;
  #textures: ReadonlySet<string>;
  #striped: { readonly id: string; readonly rowVectors: number } | null = null;
  readonly #bound = new Map<Value, (index: readonly Ix[], scope: Scope) => TileExpr>();
  readonly #variables = new Map<string, TileExpr>();
  #serial = 0;

  readonly #taken: ReadonlyMap<string, Stored>;

  /** `taken`: stored inputs (by id) whose memory an output takes over; they are read through the output's binding. */
  constructor(environment: EmitEnvironment, taken: ReadonlyMap<string, Stored> = new Map()) {
    this.#environment = environment;
    this.#textures = environment.textures;
    this.#taken = taken;
  }

  /** No tensor is read through a texture. To be said before anything is read. */
  readFromBuffers(): void {
    this.#textures = new Set();
  }
  /** A matrix that is read through a texture lies there in stripes, if it can. To be said before it is read. */
  readInStripes(stored: Stored): void {
    if (!this.#textures.has(stored.id)) return;
    const rowVectors = rowLength(stored) / 4;
    const form = this.#environment.halves.of(stored);
    const kind = stripesKind(form === "native" || form === "packed");
    const bytes = (stored.value.shape.reduce((a, b) => a * b, 1) / 4) * texelBytesOf[kind];
    if (canLieInStripes(bytes, rowVectors * texelBytesOf[kind], kind)) this.#striped = { id: stored.id, rowVectors };
  }
  /** Gives an index variable its meaning. */
  define(name: string, value: TileExpr): void {
    this.#variables.set(name, value);
  }
  /** A new index variable whose value is `expr`, known to lie in min..max. */
  variable(wish: string, expr: TileExpr, min: number, max: number): Ix {
    const name = `${wish}#${this.#serial++}`;
    this.#variables.set(name, expr);
    return ixVar(name, min, max);
  }
  /** From now on `value` is what the template says. */
  bind(value: Value, at: (index: readonly Ix[], scope: Scope) => TileExpr): void {
    this.#bound.set(value, at);
  }

  /** An index without VEC as an i32 expression. */
  index(ix: Ix, scope: Scope): TileExpr {
    let sum: TileExpr | null = null;
    for (const { coeff, atom } of ix.terms) {
      let part: TileExpr;
      if (atom.kind === "var") {
        const value = this.#variables.get(atom.name);
        if (!value) throw new Error(`internal: index variable ${atom.name} has no meaning in this kernel`);
        part = value;
      } else {
        const key = `ix ${atom.key}`;
        const known = scope.lookup(key);
        if (known) part = known;
        else {
          const arg = this.index(atom.arg, scope);
          const value =
            atom.kind === "div" ? t.idiv(arg, atom.by) : atom.kind === "mod" ? t.imod(arg, atom.by) : t.min(t.max(arg, atom.min), atom.max);
          part = scope.block.let("i", value);
          scope.known.set(key, part);
        }
      }
      const term = t.mul(part, coeff);
      sum = sum ? t.add(sum, term) : term;
    }
    if (!sum) return t.i32(ix.constant);
    return ix.constant === 0 ? sum : t.add(sum, ix.constant);
  }
  /** An index that may contain VEC, one or four wide. */
  wideIndex(ix: Ix, scope: Scope): TileExpr {
    if (!dependsOn(ix, VEC)) return this.index(ix, scope);
    const stride = strideOf(ix, VEC);
    const base = this.index(substitute(ix, VEC, ixConst(0)), scope);
    if (stride === null) return this.#parts((l) => this.index(substitute(ix, VEC, ixConst(l)), scope));
    return t.add(t.splat(base), t.vecOf(t.i32(0), t.i32(stride), t.i32(2 * stride), t.i32(3 * stride)));
  }
  #parts(part: (l: number) => TileExpr): TileExpr {
    return t.vecOf(part(0), part(1), part(2), part(3));
  }

  /** low <= ix < high; a literal when the range decides it. */
  within(ix: Ix, low: number, high: number, scope: Scope): TileExpr {
    if (ix.min >= low && ix.max < high) return t.bool(true);
    if (ix.max < low || ix.min >= high) return t.bool(false);
    const value = this.index(ix, scope);
    const conditions: TileExpr[] = [];
    if (ix.min < low) conditions.push(t.ge(value, low));
    if (ix.max >= high) conditions.push(t.lt(value, high));
    return t.allOf(conditions);
  }

  /** The value at an index: one wide, or four wide if it moves with VEC. */
  emit(value: Value, index: readonly Ix[], wanted: Scope): TileExpr {
    const scope = wanted.homeOf(index);
    const bound = this.#bound.get(value);
    if (bound) return bound(index, scope);
    const key = `${value.id}@${index.map((ix) => ix.key).join(",")}`;
    const known = scope.lookup(key);
    if (known) return known;
    const result = scope.block.let(value.op.slice(0, 3), this.#compute(value, index, scope));
    scope.known.set(key, result);
    return result;
  }

  /** The value to store at an index; where the store rounds by itself, before the rounding. */
  emitOutput(output: Stored, index: readonly Ix[], scope: Scope): TileExpr {
    const { value } = output;
    const form = this.#environment.halves.of(output);
    // (A copy in another order reads the rounded value.)
    const copied = this.#environment.storedFor(value) !== undefined;
    const rounds = value.op === "cast" && !copied && (form === "native" || form === "packed");
    return this.emit(rounds ? value.args[0]! : value, index, scope);
  }

  #compute(value: Value, index: readonly Ix[], scope: Scope): TileExpr {
    const stored = this.#environment.storedFor(value);
    if (stored) return this.load(stored, index, scope);
    const scalarised = () =>
      this.#parts((l) =>
        this.emit(
          value,
          index.map((ix) => substitute(ix, VEC, ixConst(l))),
          scope,
        ),
      );
    switch (value.op) {
      case "input":
        if (value.attrs.role !== "uniform") throw new Error(`internal: input ${value.attrs.name} is not in memory`);
        this.usesUniforms = true;
        return t.uniform(this.#environment.uniformIndex(value.attrs.name), uniformScalar(value.dtype));
      case "const":
        return t.lit(value.attrs.value, registerScalar(value.dtype));
      case "iota":
        return this.wideIndex(index[0]!, scope);
      case "random": {
        const element = this.wideIndex(flatten(index, stridesOf(value.shape)), scope);
        const step = this.emit(value.args[0]!, [], scope);
        const own = t.lit(value.attrs.key1, "u32");
        const key1 = value.args[1] ? t.xor(own, this.emit(value.args[1], [], scope)) : own;
        return t.philox(value.attrs.key0, key1, value.attrs.word, t.cast(element, "u32"), step);
      }
      case "reshape": {
        const argument = value.args[0]!;
        return this.emit(argument, unflatten(flatten(index, stridesOf(value.shape)), argument.shape), scope);
      }
      case "permute": {
        const argument: Ix[] = [];
        for (const [axis, from] of value.attrs.order.entries()) argument[from] = index[axis]!;
        return this.emit(value.args[0]!, argument, scope);
      }
      case "broadcast":
        return this.emit(
          value.args[0]!,
          value.attrs.axes.map((to, axis) => (value.args[0]!.shape[axis] === 1 ? ixConst(0) : index[to]!)),
          scope,
        );
      case "slice": {
        const { start, step } = value.attrs;
        return this.emit(
          value.args[0]!,
          index.map((ix, axis) => addConst(scale(ix, step[axis]!), start[axis]!)),
          scope,
        );
      }
      case "pad": {
        const argument = value.args[0]!;
        const conditions: TileExpr[] = [];
        const inner: Ix[] = [];
        for (const [axis, ix] of index.entries()) {
          const pitch = value.attrs.interior[axis]! + 1;
          const size = argument.shape[axis]!;
          const at = addConst(ix, -value.attrs.low[axis]!);
          const inRange = at.min >= 0 && at.max <= (size - 1) * pitch;
          if (dependsOn(ix, VEC) && (!inRange || pitch > 1)) return scalarised();
          conditions.push(this.within(at, 0, (size - 1) * pitch + 1, scope));
          if (pitch > 1) {
            const remainder = mod(at, pitch);
            conditions.push(isConst(remainder) ? t.bool(remainder.constant === 0) : t.eq(this.index(remainder, scope), t.i32(0)));
          }
          inner.push(clamp(div(at, pitch), 0, size - 1));
        }
        const outside = t.lit(value.attrs.value, registerScalar(value.dtype));
        const condition = t.allOf(conditions);
        if (condition.kind === "lit" && condition.value === 0) return outside;
        const inside = this.emit(argument, inner, scope);
        return condition.kind === "lit" ? inside : t.select(condition, inside, t.widen(outside, inside.type.width));
      }
      case "concat": {
        const axis = value.attrs.axis;
        const at = index[axis]!;
        const ends: number[] = [];
        for (const argument of value.args) ends.push((ends[ends.length - 1] ?? 0) + argument.shape[axis]!);
        const moves = dependsOn(at, VEC);
        const whole = strideOf(at, VEC) === 1 && isMultipleOf(at, 4, VEC) && ends.every((end) => end % 4 === 0);
        if (moves && !whole) return scalarised();
        const first = moves ? substitute(at, VEC, ixConst(0)) : at;
        let result: TileExpr | null = null;
        for (let i = value.args.length - 1; i >= 0; i--) {
          const start = ends[i]! - value.args[i]!.shape[axis]!;
          if (first.min >= ends[i]! || first.max < start) continue;
          const inner = addConst(first, -start);
          const last = value.args[i]!.shape[axis]! - (moves ? 4 : 1);
          const inside = moves ? add(scale(clamp(div(inner, 4), 0, last / 4), 4), vecIx) : clamp(inner, 0, last);
          const part = this.emit(
            value.args[i]!,
            index.map((ix, a) => (a === axis ? inside : ix)),
            scope,
          );
          const width: 1 | 4 = result ? (Math.max(part.type.width, result.type.width) as 1 | 4) : part.type.width;
          result = result ? t.select(this.within(first, -1, ends[i]!, scope), t.widen(part, width), t.widen(result, width)) : part;
        }
        return result!;
      }
      case "gather": {
        const [source, positions] = value.args as [Value, Value];
        const { axis, batch } = value.attrs;
        const own = positions.shape.length - batch;
        const at = this.emit(positions, [...index.slice(0, batch), ...index.slice(axis, axis + own)], scope);
        if (at.type.width === 4) return scalarised();
        const size = source.shape[axis]!;
        const position = this.variable("at", scope.block.let("at", t.min(t.max(at, 0), size - 1)), 0, size - 1);
        if (position.terms[0]?.atom.kind === "var") scope.moving?.push(position.terms[0].atom.name);
        return this.emit(source, [...index.slice(0, axis), position, ...index.slice(axis + own)], scope);
      }
      case "stop":
      case "gradScale":
      case "again":
      case "save":
      case "tap":
        return this.emit(value.args[0]!, index, scope);
      case "cast": {
        const argument = this.emit(value.args[0]!, index, scope);
        return value.dtype === "f16" ? t.unary("half", argument) : t.cast(argument, registerScalar(value.dtype));
      }
      case "where": {
        const [condition, a, b] = value.args.map((arg) => this.emit(arg, index, scope)) as [TileExpr, TileExpr, TileExpr];
        const width = Math.max(condition.type.width, a.type.width, b.type.width) as 1 | 4;
        return t.select(t.widen(condition, width), t.widen(a, width), t.widen(b, width));
      }
      default: {
        const args = value.args.map((arg) => this.emit(arg, index, scope));
        const unary = UNARY[value.op];
        if (unary) return t.unary(unary, args[0]!);
        const binary = BINARY[value.op];
        if (!binary) throw new Error(`internal: %${value.id} (${value.op}) is neither stored nor computed by this kernel's template`);
        const width = Math.max(args[0]!.type.width, args[1]!.type.width) as 1 | 4;
        return t.binary(binary, t.widen(args[0]!, width), t.widen(safeOperand(binary, args[1]!, scope), width));
      }
    }
  }

  /** A read of a stored tensor. */
  load(stored: Stored, index: readonly Ix[], scope: Scope): TileExpr {
    const size = stored.value.shape.reduce((a, b) => a * b, 1);
    const flat = clamp(flatten(index, stridesOf(stored.value.shape, stored.order)), 0, size - 1);
    if (!dependsOn(flat, VEC)) return this.#loadAt(this.buffer(stored, 1, "read"), flat, scope);
    if (strideOf(flat, VEC) === 1 && size % 4 === 0 && isMultipleOf(flat, 4, VEC) && !this.#environment.scalars.has(stored.id)) {
      return this.#loadAt(this.buffer(stored, 4, "read"), flat, scope);
    }
    return this.#parts((l) => this.#loadAt(this.buffer(stored, 1, "read"), substitute(flat, VEC, ixConst(l)), scope));
  }
  #loadAt(buffer: KernelBuffer, flat: Ix, scope: Scope): TileExpr {
    const key = `load ${buffer.tile.name} ${flat.key}`;
    const known = scope.lookup(key);
    if (known) return known;
    buffer.loads.push(flat.key);
    if (buffer.stores.includes(flat.key)) buffer.readsBack = true;
    const vector = buffer.tile.type.width === 4 ? div(substitute(flat, VEC, ixConst(0)), 4) : flat;
    const at = buffer.tile.rowVectors === undefined ? vector : placeInStripes(vector, buffer.tile.rowVectors);
    const value = scope.block.let("x", t.load(buffer.tile, this.index(at, scope)));
    scope.known.set(key, value);
    return value;
  }

  /** A write. `value` is four wide or (where all parts are equal) one wide if the index contains VEC. */
  store(stored: Stored, index: readonly Ix[], value: TileExpr, scope: Scope): void {
    const size = stored.value.shape.reduce((a, b) => a * b, 1);
    const flat = flatten(index, stridesOf(stored.value.shape, stored.order));
    if (!dependsOn(flat, VEC)) {
      const buffer = this.#elements(stored);
      buffer.stores.push(flat.key);
      scope.block.store(buffer.tile, this.index(flat, scope), value);
    } else if (strideOf(flat, VEC) === 1 && size % 4 === 0 && isMultipleOf(flat, 4, VEC)) {
      const buffer = this.buffer(stored, 4, "readWrite");
      buffer.stores.push(flat.key);
      scope.block.store(buffer.tile, this.index(div(substitute(flat, VEC, ixConst(0)), 4), scope), t.widen(value, 4));
    } else {
      const buffer = this.#elements(stored);
      buffer.stores.push(flat.key);
      const wide = scope.block.let("y", t.widen(value, 4));
      for (const l of [0, 1, 2, 3] as const) {
        scope.block.store(buffer.tile, this.index(substitute(flat, VEC, ixConst(l)), scope), t.part(wide, l));
      }
    }
  }
  /** Writes a vector of a packed tensor whose last vector may be filled up with anything. `at` counts vectors. */
  storeWhole(stored: Stored, at: Ix, value: TileExpr, scope: Scope): void {
    const buffer = this.buffer(stored, 4, "readWrite");
    buffer.stores.push(`whole ${at.key}`);
    scope.block.store(buffer.tile, this.index(at, scope), t.widen(value, 4));
  }
  /** The view of an output that is written element by element. */
  #elements(stored: Stored): KernelBuffer {
    if (this.#environment.halves.of(stored) === "packed") this.partWords.add(stored.id);
    return this.buffer(stored, 1, "readWrite");
  }
  /** Whether two operands of a contraction are multiplied as 16-bit floats: both are read from such. */
  multipliesHalves(left: Value, right: Value): boolean {
    return this.#environment.halves.multiplied && isWidening(left) && isWidening(right);
  }
  isPacked(stored: Stored): boolean {
    return this.#environment.halves.of(stored) === "packed";
  }
  /** The kernel's view of a stored tensor as scalars or vectors. */
  buffer(asked: Stored, width: 1 | 4, wish: "read" | "readWrite"): KernelBuffer {
    const heir = wish === "read" ? this.#taken.get(asked.id) : undefined;
    const stored = heir ?? asked;
    const access = heir ? "readWrite" : wish;
    const known = this.buffers.find((b) => b.stored.id === stored.id && b.tile.type.width === width && b.tile.access === access);
    if (known) return known;
    const size = stored.value.shape.reduce((a, b) => a * b, 1);
    const form = this.#environment.halves.of(stored);
    const inTexture = access === "read" && width === 4 && this.#textures.has(stored.id);
    const tile: TileBuffer = {
      name: `b${this.buffers.length}`,
      type: t.typeOf(registerScalar(stored.value.dtype), width),
      access,
      storage: inTexture ? "texture" : "buffer",
      ...(inTexture && this.#striped?.id === stored.id ? { rowVectors: this.#striped.rowVectors } : {}),
      length: Math.ceil(size / width),
      ...(form === "native" || form === "packed" ? { half: form } : {}),
    };
    const buffer: KernelBuffer = { tile, stored, loads: [], stores: [], readsBack: false };
    this.buffers.push(buffer);
    return buffer;
  }
}

/** Where a vector of a matrix lies in its stripes (plan/operandTexture.ts). */
function placeInStripes(vector: Ix, rowVectors: number): Ix {
  const column = mod(vector, rowVectors);
  const inStripe = add(scale(div(vector, rowVectors), stripeVectors), mod(column, stripeVectors));
  return add(scale(div(column, stripeVectors), stripePlaces), inStripe);
}
