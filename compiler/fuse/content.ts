import { contentKey } from "../ir/builder.ts";
import type { OpName, Value } from "../ir/value.ts";
import type { Stored } from "./region.ts";

// What is computed from what, as a text that does not name any one tensor: equal for computations that do the same with tensors of the same
// types, shapes and orders, whatever the order of a sum's two terms or of a kernel's results. Networks repeat their layers; whoever decides
// by such a text decides once for all of them.

const commutative: ReadonlySet<OpName> = new Set(["add", "mul", "max", "min", "eq", "and", "or", "xor"]);

export class Content {
  readonly lines: string[] = [];
  /** The tensors in the order in which they are met. */
  readonly tensors: Stored[] = [];
  readonly #numberOf = new Map<string, number>();
  readonly #known = new Map<Value, number>();
  readonly #numbers = new Map<Value, number>();
  readonly #storedFor: (v: Value) => Stored | undefined;
  readonly #form: (s: Stored) => string;

  /** `form`: how a tensor's elements lie in memory. */
  constructor(storedFor: (v: Value) => Stored | undefined, form: (s: Stored) => string) {
    this.#storedFor = storedFor;
    this.#form = form;
  }

  tensor(s: Stored): number {
    let n = this.#numberOf.get(s.id);
    if (n === undefined) {
      n = this.tensors.length;
      this.#numberOf.set(s.id, n);
      this.tensors.push(s);
    }
    return n;
  }
  /** The line that says what a value is: a tensor read from memory, or computed from other lines. */
  enter(v: Value): number {
    const known = this.#known.get(v);
    if (known !== undefined) return known;
    const stored = this.#storedFor(v);
    return this.#add(
      v,
      stored ? `read ${this.tensor(stored)} ${this.#form(stored)} ${v.shape.join()} ${stored.order.join()}` : this.#computed(v),
    );
  }
  /** The same for a value that is computed here, whether it is stored or not. */
  compute(v: Value): number {
    return this.#known.get(v) ?? this.#add(v, this.#computed(v));
  }
  /** Values in an order that depends only on how they are computed, as far as a number for that tells them apart. */
  inOrder<T>(items: readonly T[], of: (item: T) => Value): readonly T[] {
    if (items.length < 2) return items;
    return [...items].sort((a, b) => this.#computation(of(a)) - this.#computation(of(b)));
  }
  #computed(v: Value): string {
    const args = commutative.has(v.op) ? this.inOrder(v.args, (a) => a) : v.args;
    return `${contentKey(v.op, [], v.attrs)} ${v.dtype} ${v.shape.join()} (${args.map((a) => this.enter(a)).join()})`;
  }
  /** A number for how a value is computed, the same for all that are computed alike. */
  #computation(v: Value): number {
    const known = this.#numbers.get(v);
    if (known !== undefined) return known;
    const stored = this.#storedFor(v);
    let number = hashed(
      2166136261,
      stored
        ? `read ${this.#form(stored)} ${v.shape.join()} ${stored.order.join()}`
        : `${contentKey(v.op, [], v.attrs)} ${v.dtype} ${v.shape.join()}`,
    );
    if (!stored) {
      const parts = v.args.map((a) => this.#computation(a));
      for (const part of commutative.has(v.op) ? parts.sort((a, b) => a - b) : parts) number = hashed(number, String(part));
    }
    this.#numbers.set(v, number);
    return number;
  }
  #add(v: Value, line: string): number {
    this.lines.push(line);
    this.#known.set(v, this.lines.length - 1);
    return this.lines.length - 1;
  }
}

/** FNV-1a over the characters of a text, going on from `start`. */
function hashed(start: number, text: string): number {
  let hash = start;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return hash >>> 0;
}
