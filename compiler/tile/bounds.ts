// What is known about the integers of a kernel: in goes an expression, out comes an interval that holds all its values. Facts come from
// the grid, the workgroup size, loop bounds, `let`s, and the conditions of enclosing `if`s, which `assuming` adds. The verifier proves
// bounds with it, the WGSL printer leaves out the care for negative numbers with it. Facts are kept only about expressions that cannot
// change: none with a `var`, workgroup memory or a writable buffer in it. A `var` itself may hold anything.
import * as interval from "./interval.ts";
import { clip, everything, fits, type Interval, isNothing, join, nothing, progression, single } from "./interval.ts";
import type { TileExpr, TileKernel } from "./tile.ts";
import { operandsOf } from "./walk.ts";

type Binary = Extract<TileExpr, { readonly kind: "binary" }>;

/** What belongs to the kernel as a whole: names are bound once, so bindings need no scopes. */
interface KernelFacts {
  readonly kernel: TileKernel;
  /** By name: the range, and the value if it is a `let`. A name that is missing is a `var`. */
  readonly bindings: Map<string, { readonly range: Interval; readonly value: TileExpr | null }>;
  readonly writable: ReadonlySet<string>;
  /** A number per expression, equal for equal ones; null for an expression whose value may change. */
  readonly identity: WeakMap<TileExpr, number | null>;
  readonly numbers: Map<string, number>;
}

export class Ranges {
  readonly #shared: KernelFacts;
  readonly #outer: Ranges | null;
  readonly #facts = new Map<number, readonly [number, number]>();
  #memo = new Map<TileExpr, Interval>();

  private constructor(shared: KernelFacts, outer: Ranges | null) {
    this.#shared = shared;
    this.#outer = outer;
  }

  /** The facts at the start of a kernel. */
  static of(kernel: TileKernel): Ranges {
    const writable = new Set(kernel.buffers.filter((b) => b.access === "readWrite").map((b) => b.name));
    return new Ranges({ kernel, bindings: new Map(), writable, identity: new WeakMap(), numbers: new Map() }, null);
  }

  /** Tells the value of a `let`. */
  bindLet(name: string, value: TileExpr): void {
    const range = value.type.width === 1 ? this.range(value) : everything(value.type.scalar);
    this.#shared.bindings.set(name, { range, value });
  }

  /** Tells a loop variable; the result holds inside the body. */
  bindLoop(name: string, from: TileExpr, to: TileExpr, step: number): Ranges {
    const start = this.range(from);
    const end = this.range(to);
    const reach = isNothing(start) || isNothing(end) ? nothing : progression(start.low, end.high - 1, interval.gcd(start.step, step));
    this.#shared.bindings.set(name, { range: reach, value: null });
    const counter: TileExpr = { kind: "ref", type: from.type, name };
    const inside = new Ranges(this.#shared, this);
    inside.#assumeOrder(counter, to, 1);
    inside.#assumeOrder(from, counter, 0);
    return inside;
  }

  /** The facts where a condition holds, or does not. */
  assuming(condition: TileExpr, holds: boolean): Ranges {
    const inside = new Ranges(this.#shared, this);
    inside.#assume(condition, holds);
    return inside;
  }

  /** All values that an integer or bool expression of width 1 can have here. */
  range(e: TileExpr): Interval {
    const known = this.#memo.get(e);
    if (known !== undefined) return known;
    let range = this.#derived(e);
    const identity = this.#hasFacts() ? this.#identity(e) : null;
    if (identity !== null) {
      for (let scope: Ranges | null = this; scope !== null; scope = scope.#outer) {
        const fact = scope.#facts.get(identity);
        if (fact !== undefined) range = clip(range, fact[0], fact[1]);
      }
    }
    this.#memo.set(e, range);
    return range;
  }

  #hasFacts(): boolean {
    for (let scope: Ranges | null = this; scope !== null; scope = scope.#outer) if (scope.#facts.size > 0) return true;
    return false;
  }

  #root(): Ranges {
    let scope: Ranges = this;
    while (scope.#outer !== null) scope = scope.#outer;
    return scope;
  }

  /** The range by the expression's form, from the ranges of its operands. */
  #derived(e: TileExpr): Interval {
    const { scalar, width } = e.type;
    if (scalar === "f32" || width === 4) return everything(scalar);
    switch (e.kind) {
      case "lit":
        return single(e.value);
      case "ref": {
        const binding = this.#shared.bindings.get(e.name);
        if (binding === undefined) return everything(scalar);
        // Facts learnt since the binding may narrow what it was made of.
        return binding.value === null || !this.#hasFacts() ? binding.range : interval.meet(binding.range, this.range(binding.value));
      }
      case "lane":
        return progression(0, this.#shared.kernel.workgroupSize - 1, 1);
      case "group":
        return progression(0, this.#shared.kernel.grid[e.axis] - 1, 1);
      case "unary": {
        const arg = this.range(e.arg);
        if (e.op === "neg") return interval.negated(arg, scalar);
        return e.op === "abs" ? interval.absolute(arg, scalar) : everything(scalar);
      }
      case "binary":
        return this.#ofBinary(e);
      case "select":
        return this.#ofSelect(e.condition, e.then, e.otherwise);
      case "cast": {
        if (e.arg.type.scalar === "f32") return everything(scalar);
        const arg = this.range(e.arg);
        return isNothing(arg) || fits(arg, scalar) ? arg : everything(scalar);
      }
      case "part":
        return e.arg.kind === "vec" ? this.range(e.arg.parts[e.index]) : everything(scalar);
      case "fromLane":
        return this.#root().range(e.arg); // another lane need not have passed the conditions that this one has
      case "reduceLanes": {
        const arg = this.#root().range(e.arg);
        return e.op === "add" ? interval.times(arg, single(this.#shared.kernel.subgroupSize ?? 1), scalar) : arg;
      }
      case "uniform":
      case "load":
      case "shared":
      case "philox":
      case "fma":
      case "splat":
      case "vec":
        return everything(scalar);
      default:
        throw new Error(`internal: tile expression ${JSON.stringify(e satisfies never)}`);
    }
  }

  #ofSelect(condition: TileExpr, then: TileExpr, otherwise: TileExpr): Interval {
    if (condition.type.width === 4) return join(this.range(then), this.range(otherwise));
    const yes = this.assuming(condition, true);
    const no = this.assuming(condition, false);
    return join(yes.range(then), no.range(otherwise));
  }

  #ofBinary(e: Binary): Interval {
    const { scalar } = e.left.type;
    if (scalar === "f32") return everything(e.type.scalar);
    const left = this.range(e.left);
    const right = this.range(e.right);
    switch (e.op) {
      case "add":
        return interval.plus(left, right, scalar);
      case "sub":
        return interval.minus(left, right, scalar);
      case "mul":
        return interval.times(left, right, scalar);
      case "idiv":
        return interval.floorDivided(left, right, scalar);
      case "imod":
        return interval.remainder(left, right, scalar);
      case "max":
        return interval.larger(left, right, scalar);
      case "min":
        return interval.smaller(left, right, scalar);
      case "and":
        return interval.masked(left, right, scalar);
      case "or":
      case "xor":
        return interval.mixed(left, right, scalar);
      case "shl":
      case "shr": {
        if (right.step !== 0 || right.low < 0 || right.low > 30) return everything(scalar);
        const power = single(2 ** right.low);
        return e.op === "shl" ? interval.times(left, power, scalar) : interval.floorDivided(left, power, scalar);
      }
      case "lt":
      case "le":
      case "eq":
        return everything("bool");
      case "div":
      case "pow":
      case "mulHalf":
        return everything(scalar);
      default:
        throw new Error(`internal: tile operation ${e.op satisfies never}`);
    }
  }

  #assume(condition: TileExpr, holds: boolean): void {
    if (condition.type.width === 4) return;
    if (condition.kind === "ref") {
      const value = this.#shared.bindings.get(condition.name)?.value ?? null;
      if (value !== null && this.#identity(value) !== null) this.#assume(value, holds);
      return;
    }
    if (condition.kind === "unary" && condition.op === "not") this.#assume(condition.arg, !holds);
    if (condition.kind !== "binary") return;
    const { op, left, right } = condition;
    if (left.type.scalar === "bool") {
      if (op === (holds ? "and" : "or")) {
        this.#assume(left, holds);
        this.#assume(right, holds);
      }
      return;
    }
    if (left.type.scalar === "f32") return;
    if (op === "lt" || op === "le") {
      const gap = op === "lt" ? 1 : 0;
      if (holds) this.#assumeOrder(left, right, gap);
      else this.#assumeOrder(right, left, gap === 1 ? 0 : 1);
    } else if (op === "eq" && holds) {
      this.#assumeOrder(left, right, 0);
      this.#assumeOrder(right, left, 0);
    }
  }

  /** a + gap <= b. */
  #assumeOrder(a: TileExpr, b: TileExpr, gap: 0 | 1): void {
    const low = this.range(a);
    const high = this.range(b);
    if (isNothing(low) || isNothing(high)) return;
    this.#learn(a, low.low, high.high - gap);
    this.#learn(b, low.low + gap, high.high);
  }

  /** Notes low <= e <= high, and what follows from it for the parts of `e` as long as nothing can wrap. */
  #learn(e: TileExpr, low: number, high: number): void {
    if (e.kind === "lit") return;
    const before = this.range(e);
    if (isNothing(before) || (low <= before.low && high >= before.high)) return;
    const identity = this.#identity(e);
    if (identity === null) return;
    const fact = this.#facts.get(identity);
    this.#facts.set(identity, fact === undefined ? [low, high] : [Math.max(low, fact[0]), Math.min(high, fact[1])]);
    this.#memo = new Map();
    if (e.kind === "ref") {
      const value = this.#shared.bindings.get(e.name)?.value ?? null;
      if (value !== null && this.#identity(value) !== null) this.#learn(value, low, high);
    }
    if (e.kind === "binary") this.#learnOperands(e, low, high);
  }

  #learnOperands(e: Binary, low: number, high: number): void {
    const { op, left, right } = e;
    const { scalar } = e.type;
    const a = this.range(left);
    const b = this.range(right);
    if (isNothing(a) || isNothing(b)) return;
    const by = right.kind === "lit" ? right.value : 0;
    const exact = (x: number, y: number): boolean => fits({ low: x, high: y, step: 1 }, scalar);
    if (op === "add" && exact(a.low + b.low, a.high + b.high)) {
      this.#learn(left, low - b.high, high - b.low);
      this.#learn(right, low - a.high, high - a.low);
    } else if (op === "sub" && exact(a.low - b.high, a.high - b.low)) {
      this.#learn(left, low + b.low, high + b.high);
      this.#learn(right, a.low - high, a.high - low);
    } else if (op === "mul" && by > 0 && exact(a.low * by, a.high * by)) {
      this.#learn(left, Math.ceil(low / by), Math.floor(high / by));
    } else if (op === "idiv" && by > 0) {
      this.#learn(left, low * by, high * by + by - 1);
    } else if (op === "min") {
      this.#learn(left, low, a.high);
      this.#learn(right, low, b.high);
    } else if (op === "max") {
      this.#learn(left, a.low, high);
      this.#learn(right, b.low, high);
    }
  }

  #identity(e: TileExpr): number | null {
    const known = this.#shared.identity.get(e);
    if (known !== undefined) return known;
    const parts = operandsOf(e).map((operand) => this.#identity(operand));
    const changes =
      parts.includes(null) ||
      e.kind === "shared" ||
      (e.kind === "load" && this.#shared.writable.has(e.buffer)) ||
      (e.kind === "ref" && !this.#shared.bindings.has(e.name));
    const identity = changes ? null : this.#number(`${label(e)}(${parts.join(",")})`);
    this.#shared.identity.set(e, identity);
    return identity;
  }

  #number(form: string): number {
    const { numbers } = this.#shared;
    const known = numbers.get(form) ?? numbers.size;
    numbers.set(form, known);
    return known;
  }
}

/** An expression's own words, without its operands. */
function label(e: TileExpr): string {
  const type = `${e.type.scalar}${e.type.width}`;
  switch (e.kind) {
    case "lit":
      return `lit ${type} ${Object.is(e.value, -0) ? "-0" : e.value}`;
    case "ref":
      return `ref ${e.name}`;
    case "group":
      return `group ${e.axis}`;
    case "uniform":
      return `uniform ${type} ${e.index}`;
    case "unary":
    case "binary":
    case "reduceLanes":
      return `${e.kind} ${e.op}`;
    case "part":
      return `part ${e.index}`;
    case "load":
      return `load ${e.buffer}`;
    case "shared":
      return `shared ${e.array}`;
    case "fromLane":
      return `fromLane ${e.lane}`;
    case "philox":
      return `philox ${e.key0} ${e.word}`;
    case "lane":
    case "fma":
    case "select":
    case "cast":
    case "splat":
    case "vec":
      return `${e.kind} ${type}`;
    default:
      throw new Error(`internal: tile expression ${JSON.stringify(e satisfies never)}`);
  }
}
