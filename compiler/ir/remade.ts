import { rowOf } from "./ops.ts";
import type { Value } from "./value.ts";
import { topologicalOrder } from "./walk.ts";

/** Which values cost nothing to make a second time once their arguments are there: what is only moved or converted, and what is made of
 * constants, draws and host numbers. */
export class Remade {
  readonly #free = new Map<Value, boolean>();

  has(v: Value): boolean {
    if (v.args.length === 0 || rowOf(v.op).class === "movement" || rowOf(v.op).class === "marker" || v.op === "cast") return true;
    if (!this.#free.has(v))
      for (const x of topologicalOrder([v], (y) => this.#free.has(y))) {
        const inMemory = x.op === "table" || (x.op === "input" && x.attrs.role !== "uniform");
        this.#free.set(x, !inMemory && x.op !== "loop" && x.args.every((a) => this.#free.get(a)));
      }
    return this.#free.get(v)!;
  }
}
