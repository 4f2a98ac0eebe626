import { contentKey } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import type { Stored } from "./region.ts";

// What is computed from what, as a text that does not name any one tensor: equal for computations that do the same with tensors of the same
// types, shapes and orders. Networks repeat their layers; whoever decides by such a text decides once for all of them.

export class Content {
  readonly lines: string[] = [];
  /** The tensors in the order in which they are met. */
  readonly tensors: Stored[] = [];
  readonly #numberOf = new Map<string, number>();
  readonly #known = new Map<Value, number>();
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
  #computed(v: Value): string {
    return `${contentKey(v.op, [], v.attrs)} ${v.dtype} ${v.shape.join()} (${v.args.map((a) => this.enter(a)).join()})`;
  }
  #add(v: Value, line: string): number {
    this.lines.push(line);
    this.#known.set(v, this.lines.length - 1);
    return this.lines.length - 1;
  }
}
