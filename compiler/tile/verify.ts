// The verifier of Tile IR. In: a kernel and the limits of the device it is for. Out: everything that is wrong with it; an empty list means
// that types fit, names are bound once and used in their scope, every index is proven to stay in its buffer, no divisor is zero, barriers
// and subgroup operations are reached by all lanes, and the kernel fits the device. Kernels run without the driver's own bounds checks, so
// a kernel with a problem must not be launched: it is a bug of the compiler, not of the user.

import { halfBytes } from "../plan/half.ts";
import { canLieInStripes, maxTextures, stripePlaces, stripesKind, stripeVectors, texelBytesOf } from "../plan/operandTexture.ts";
import type { PlanTarget } from "../plan/plan.ts";
import { Ranges } from "./bounds.ts";
import { Divergence } from "./divergence.ts";
import { isNothing } from "./interval.ts";
import { expressionText } from "./print.ts";
import type { TileBuffer, TileExpr, TileKernel, TileStmt, TileType } from "./tile.ts";
import { sameType, typeOf, typeProblem, typeText } from "./typing.ts";
import { blocksOf, expressionsOf, operandsOf, visitExpressions } from "./walk.ts";

export interface KernelLimits {
  readonly maxWorkgroupSize: number; // invocations
  readonly maxSharedBytes: number;
  readonly maxStorageBuffers: number;
  readonly maxStorageTextures: number;
  readonly maxWorkgroupsPerDimension: number;
  readonly maxBindingBytes: number;
  /** Size of the adapter's subgroups; null where it has none that kernels may use. */
  readonly subgroupSize: number | null;
}
/** What kernels for a target may take. Of what a plan's target does not say: as much as every adapter offers. */
export function kernelLimits(target: PlanTarget): KernelLimits {
  const { maxStorageBuffers, maxWorkgroupsPerDimension, maxBindingBytes, subgroupSize } = target;
  return {
    maxWorkgroupSize: 256,
    maxSharedBytes: 16384,
    maxStorageBuffers,
    maxStorageTextures: maxTextures,
    maxWorkgroupsPerDimension,
    maxBindingBytes,
    subgroupSize,
  };
}
export interface VerifyProblem {
  readonly kernel: string;
  readonly message: string;
}

/** The bytes that elements of a type take in memory; bool is stored as u32. */
export const bytesOf = (type: TileType, length: number): number => 4 * type.width * length;
const bufferBytes = (b: TileBuffer): number => (b.half === undefined ? bytesOf(b.type, b.length) : halfBytes(b.type.width * b.length));

export function verifyKernel(kernel: TileKernel, limits: KernelLimits): readonly VerifyProblem[] {
  const verifier = new Verifier(kernel);
  verifier.launch(limits);
  verifier.declarations();
  verifier.block(kernel.body, Ranges.of(kernel), new Map(), false);
  return verifier.problems.map((message) => ({ kernel: kernel.name, message }));
}

interface Bound {
  readonly type: TileType;
  readonly kind: "let" | "var" | "loop";
}
type Scope = Map<string, Bound>;

class Verifier {
  readonly problems: string[] = [];
  readonly #kernel: TileKernel;
  readonly #buffers: ReadonlyMap<string, TileBuffer>;
  readonly #shared: ReadonlyMap<string, TileKernel["shared"][number]>;
  readonly #divergence: Divergence;
  readonly #names = new Set<string>();

  constructor(kernel: TileKernel) {
    this.#kernel = kernel;
    this.#buffers = new Map(kernel.buffers.map((b) => [b.name, b]));
    this.#shared = new Map(kernel.shared.map((s) => [s.name, s]));
    this.#divergence = new Divergence(kernel);
  }

  #refuse(holds: boolean, message: () => string): void {
    if (!holds) this.problems.push(message());
  }

  /** Sizes against what the device offers. */
  launch(limits: KernelLimits): void {
    const { workgroupSize, subgroupSize, grid, buffers, shared } = this.#kernel;
    const whole = (n: number, low: number, high: number): boolean => Number.isInteger(n) && n >= low && n <= high;
    this.#refuse(whole(workgroupSize, 1, limits.maxWorkgroupSize), () => `workgroup size ${workgroupSize} of ${limits.maxWorkgroupSize}`);
    this.#refuse(
      grid.every((n) => whole(n, 1, limits.maxWorkgroupsPerDimension)),
      () => `grid ${grid.join("x")}: at most ${limits.maxWorkgroupsPerDimension} per dimension`,
    );
    const bytes = shared.reduce((sum, s) => sum + Math.ceil(bytesOf(s.type, s.length) / 16) * 16, 0);
    this.#refuse(bytes <= limits.maxSharedBytes, () => `${bytes} bytes of workgroup memory of ${limits.maxSharedBytes}`);
    const textures = buffers.filter((b) => b.storage === "texture").length;
    this.#refuse(textures <= limits.maxStorageTextures, () => `${textures} textures of ${limits.maxStorageTextures}`);
    const plain = buffers.length - textures;
    this.#refuse(plain <= limits.maxStorageBuffers, () => `${plain} buffers of ${limits.maxStorageBuffers}`);
    for (const b of buffers) {
      const size = bufferBytes(b);
      this.#refuse(size <= limits.maxBindingBytes, () => `buffer ${b.name} has ${size} bytes of ${limits.maxBindingBytes}`);
    }
    if (subgroupSize === null) return;
    this.#refuse(
      subgroupSize === limits.subgroupSize,
      () => `subgroups of ${subgroupSize} on a device with ${limits.subgroupSize ?? "none"}`,
    );
    this.#refuse(workgroupSize % subgroupSize === 0, () => `workgroup size ${workgroupSize} is not whole subgroups of ${subgroupSize}`);
  }

  /** Buffers, arrays and the uniform buffer: names, lengths, and that each is used. */
  declarations(): void {
    const { buffers, shared, body, usesUniforms } = this.#kernel;
    const touched = new Set<string>();
    let uniforms = false;
    visitExpressions(body, (e) => {
      if (e.kind === "load") touched.add(e.buffer);
      if (e.kind === "shared") touched.add(e.array);
      if (e.kind === "uniform") uniforms = true;
    });
    noteStores(body, touched);
    for (const b of [...buffers, ...shared]) {
      this.#bindName(b.name);
      this.#refuse(Number.isInteger(b.length) && b.length > 0, () => `${b.name} has length ${b.length}`);
      this.#refuse(touched.has(b.name), () => `${b.name} is bound but not used`);
    }
    for (const b of buffers) {
      if (b.half !== undefined) this.#refuse(b.type.scalar === "f32", () => `${b.name} holds 16-bit floats as ${typeText(b.type)}`);
      if (b.storage !== "texture") continue;
      this.#refuse(b.access === "read" && sameType(b.type, typeOf("f32", 4)), () => `texture ${b.name} must be read only, of f32x4`);
      if (b.rowVectors === undefined) continue;
      const kind = stripesKind(b.half !== undefined);
      const [bytes, rowBytes] = [b.length, b.rowVectors].map((vectors) => vectors * texelBytesOf[kind]) as [number, number];
      this.#refuse(canLieInStripes(bytes, rowBytes, kind), () => `${b.name} cannot lie in stripes of rows of ${b.rowVectors}`);
    }
    this.#refuse(
      uniforms === usesUniforms,
      () => `usesUniforms is ${usesUniforms}, but the body ${uniforms ? "reads" : "reads no"} uniforms`,
    );
  }

  #bindName(name: string): void {
    this.#refuse(!this.#names.has(name), () => `${name} is bound twice`);
    this.#names.add(name);
  }

  block(statements: readonly TileStmt[], ranges: Ranges, outer: Scope, divergent: boolean): void {
    const scope: Scope = new Map(outer);
    for (const s of statements) this.#statement(s, ranges, scope, divergent);
  }

  #statement(s: TileStmt, ranges: Ranges, scope: Scope, divergent: boolean): void {
    const seen = new Set<TileExpr>();
    for (const e of expressionsOf(s)) this.#expression(e, ranges, scope, divergent, seen);
    switch (s.kind) {
      case "let":
        this.#bindName(s.name);
        scope.set(s.name, { type: s.value.type, kind: "let" });
        ranges.bindLet(s.name, s.value);
        return;
      case "var":
        this.#bindName(s.name);
        this.#refuse(sameType(s.type, s.value.type), () => `var ${s.name}: ${typeText(s.type)} starts as ${typeText(s.value.type)}`);
        scope.set(s.name, { type: s.type, kind: "var" });
        return;
      case "assign": {
        const bound = scope.get(s.name);
        const fits = bound !== undefined && bound.kind === "var" && sameType(bound.type, s.value.type);
        this.#refuse(
          fits,
          () =>
            `${typeText(s.value.type)} assigned to ${bound === undefined ? "unknown" : `${bound.kind} ${typeText(bound.type)}`} ${s.name}`,
        );
        return;
      }
      case "store": {
        const buffer = this.#buffers.get(s.buffer);
        if (buffer === undefined) this.problems.push(`store to unknown buffer ${s.buffer}`);
        else this.#store(buffer, s.index, s.value, ranges);
        this.#refuse(buffer?.access !== "read", () => `store to ${s.buffer}, which is read only`);
        const whole = buffer?.half !== "packed" || buffer.type.width === 4;
        this.#refuse(whole, () => `store of a part of a word of ${s.buffer}: its other part may be another invocation's`);
        return;
      }
      case "storeShared": {
        const array = this.#shared.get(s.array);
        if (array === undefined) this.problems.push(`store to unknown array ${s.array}`);
        else this.#store(array, s.index, s.value, ranges);
        return;
      }
      case "for":
        this.#loop(s, ranges, scope, divergent);
        return;
      case "if": {
        this.#refuse(sameType(s.condition.type, typeOf("bool")), () => `if ${typeText(s.condition.type)}`);
        const inside = divergent || this.#divergence.differs(s.condition);
        this.block(s.then, ranges.assuming(s.condition, true), scope, inside);
        this.block(s.otherwise, ranges.assuming(s.condition, false), scope, inside);
        return;
      }
      case "barrier":
        this.#refuse(!divergent, () => "barrier that only some lanes may reach");
        return;
      default:
        throw new Error(`internal: tile statement ${JSON.stringify(s satisfies never)}`);
    }
  }

  #store(
    target: { readonly name: string; readonly type: TileType; readonly length: number },
    index: TileExpr,
    value: TileExpr,
    ranges: Ranges,
  ): void {
    this.#refuse(sameType(target.type, value.type), () => `${typeText(value.type)} stored to ${target.name} of ${typeText(target.type)}`);
    this.#refuse(sameType(index.type, typeOf("i32")), () => `store index of type ${typeText(index.type)}`);
    this.#inBounds(target, index, ranges);
  }

  #inBounds(
    target: { readonly name: string; readonly length: number; readonly rowVectors?: number },
    index: TileExpr,
    ranges: Ranges,
  ): void {
    const range = ranges.range(index);
    if (isNothing(range)) return; // control cannot come here
    const places = target.rowVectors === undefined ? target.length : (target.rowVectors / stripeVectors) * stripePlaces;
    this.#refuse(
      range.low >= 0 && range.high < places,
      () => `${target.name}[${expressionText(index)}] is not proven: ${range.low} to ${range.high} of length ${places}`,
    );
  }

  #loop(s: Extract<TileStmt, { kind: "for" }>, ranges: Ranges, scope: Scope, divergent: boolean): void {
    this.#bindName(s.name);
    const i32 = typeOf("i32");
    this.#refuse(sameType(s.from.type, i32) && sameType(s.to.type, i32), () => `loop ${s.name} over other than i32`);
    this.#refuse(Number.isInteger(s.step) && s.step > 0, () => `loop ${s.name} has step ${s.step}`);
    this.#refuse(this.#isFixed(s.to, scope), () => `loop ${s.name}: its end ${expressionText(s.to)} may change while it runs`);
    const end = ranges.range(s.to);
    this.#refuse(
      isNothing(end) || end.high + s.step <= 2147483647,
      () => `loop ${s.name} may run past the integers: ${expressionText(s.to)}`,
    );
    const inside = ranges.bindLoop(s.name, s.from, s.to, s.step);
    const body: Scope = new Map(scope).set(s.name, { type: i32, kind: "loop" });
    const differs = this.#divergence.differs(s.from) || this.#divergence.differs(s.to);
    this.block(s.body, inside, body, divergent || differs);
  }

  /** The end of a loop is evaluated again and again, so nothing in it may change. */
  #isFixed(e: TileExpr, scope: Scope): boolean {
    if (e.kind === "ref") return scope.get(e.name)?.kind !== "var";
    if (e.kind === "shared" || e.kind === "fromLane" || e.kind === "reduceLanes") return false;
    if (e.kind === "load" && this.#buffers.get(e.buffer)?.access !== "read") return false;
    return operandsOf(e).every((operand) => this.#isFixed(operand, scope));
  }

  #expression(e: TileExpr, ranges: Ranges, scope: Scope, divergent: boolean, seen: Set<TileExpr>): void {
    if (seen.has(e)) return;
    seen.add(e);
    for (const operand of operandsOf(e)) this.#expression(operand, ranges, scope, divergent, seen);
    const typed = typeProblem(e);
    if (typed !== null) this.problems.push(typed);
    else this.#meaning(e, ranges, scope, divergent);
  }

  /** What a well typed node needs beside its type. */
  #meaning(e: TileExpr, ranges: Ranges, scope: Scope, divergent: boolean): void {
    switch (e.kind) {
      case "ref": {
        const bound = scope.get(e.name);
        const fits = bound !== undefined && sameType(bound.type, e.type);
        this.#refuse(fits, () => `${e.name}: ${typeText(e.type)} is ${bound === undefined ? "not bound here" : typeText(bound.type)}`);
        return;
      }
      case "load":
      case "shared": {
        const [name, target] = e.kind === "load" ? [e.buffer, this.#buffers.get(e.buffer)] : [e.array, this.#shared.get(e.array)];
        if (target === undefined) {
          this.problems.push(`load from unknown ${name}`);
          return;
        }
        this.#refuse(sameType(target.type, e.type), () => `${name} of ${typeText(target.type)} loaded as ${typeText(e.type)}`);
        this.#inBounds(target, e.index, ranges);
        return;
      }
      case "binary":
        if (e.op === "idiv" || e.op === "imod") this.#divisor(e.right, ranges);
        if (e.op === "shl" || e.op === "shr") this.#shiftCount(e.right, ranges);
        return;
      case "fromLane":
      case "reduceLanes": {
        const size = this.#kernel.subgroupSize;
        this.#refuse(size !== null, () => `${e.kind} in a kernel without subgroups`);
        this.#refuse(!divergent, () => `${e.kind} that only some lanes may reach`);
        if (e.kind === "fromLane" && size !== null) {
          this.#refuse(Number.isInteger(e.lane) && e.lane >= 0 && e.lane < size, () => `no lane ${e.lane} in subgroups of ${size}`);
        }
        return;
      }
      default:
        return;
    }
  }

  #divisor(e: TileExpr, ranges: Ranges): void {
    if (e.type.width === 4 && e.kind === "lit") {
      this.#refuse(e.value !== 0, () => "division by zero");
      return;
    }
    if (isGuardedDivisor(e)) return;
    const range = ranges.range(e);
    this.#refuse(isNothing(range) || range.low > 0 || range.high < 0, () => `division by ${expressionText(e)}, which may be zero`);
  }

  #shiftCount(e: TileExpr, ranges: Ranges): void {
    // A vector of distances that a template has cut to five bits.
    if (e.kind === "binary" && e.op === "and" && e.right.kind === "lit" && e.right.value >= 0 && e.right.value < 32) return;
    const range = e.kind === "lit" ? { low: e.value, high: e.value } : ranges.range(e);
    this.#refuse(range.low >= 0 && range.high < 32, () => `shift by ${expressionText(e)}, which may leave 0 to 31`);
  }
}

function noteStores(statements: readonly TileStmt[], into: Set<string>): void {
  for (const s of statements) {
    if (s.kind === "store") into.add(s.buffer);
    if (s.kind === "storeShared") into.add(s.array);
    for (const block of blocksOf(s)) noteStores(block, into);
  }
}

/** `select(x == 0, n, x)` with n not 0: the divisor that a template makes of a value it knows nothing of. */
function isGuardedDivisor(e: TileExpr): boolean {
  if (e.kind === "vec") return e.parts.every(isGuardedDivisor);
  if (e.kind !== "select" || e.then.kind !== "lit" || e.then.value === 0) return false;
  const { condition, otherwise } = e;
  if (condition.kind !== "binary" || condition.op !== "eq" || condition.right.kind !== "lit" || condition.right.value !== 0) return false;
  return condition.left.kind === "ref" && otherwise.kind === "ref" && condition.left.name === otherwise.name;
}
