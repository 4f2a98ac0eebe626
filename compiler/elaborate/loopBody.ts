import type { Builder } from "../ir/builder.ts";
import type { DType, Value } from "../ir/value.ts";
import type { HostExpr } from "../plan/host.ts";
import { itemKey, sameHost } from "./hostExpr.ts";

// The body of a loop while it is elaborated, once for many runs. What differs from run to run is an item: a placeholder of the graph and the
// host expressions that it stands for. Where the body needs to know an item (a condition, a size), the loop goes on only for as long as it is
// what it was in the first run.

/** Unwinds to the `fold` whose body is not one for its runs; it is unrolled then. Never leaves `compiler/elaborate`. */
export class NoLoop {}

/** A fold is a loop from so many runs on that save so many contractions, reductions and scatters in the plan. */
export interface LoopRule {
  readonly runs: number;
  readonly saved: number;
}
export const worthALoop: LoopRule = { runs: 4, saved: 32 };

type Item = Extract<HostExpr, { readonly kind: "perRun" }>;

export class LoopBody {
  readonly number: number;
  /** Stands for the run's number in names of streams. */
  readonly mark: string;
  /** Numbers of the runs in the list. */
  readonly runs: readonly number[];
  /** How many of the runs the body is right for. */
  count: number;
  readonly #least: number;
  readonly #builder: Builder;
  readonly items = new Map<Value, { readonly of: readonly HostExpr[]; readonly dtype: DType }>();
  readonly #byKey = new Map<string, Value>();

  constructor(builder: Builder, number: number, runs: readonly number[], least: number) {
    this.#builder = builder;
    this.number = number;
    this.mark = `[\u0001${number}]`;
    this.runs = runs;
    this.count = runs.length;
    this.#least = least;
  }

  /** The placeholder of an item. */
  item(expr: Item, dtype: "f32" | "i32" | "u32"): Value {
    const key = `${dtype} ${itemKey(expr.of)}`;
    let value = this.#byKey.get(key);
    if (!value) {
      value = this.#builder.input(`${this.mark}item${this.items.size}`, [], { role: "uniform", dtype });
      this.#byKey.set(key, value);
      this.items.set(value, { of: expr.of, dtype });
    }
    return value;
  }

  /** The placeholder of a carried value. */
  carry(k: number, start: Value): Value {
    return this.#builder.input(`${this.mark}carry${k}`, start.shape, { role: "data", dtype: start.dtype, labels: start.labels });
  }

  /** What an item is in the first run; later runs in which it is something else are not of this loop. */
  assume(expr: Item): HostExpr {
    const first = expr.of[0]!;
    const other = expr.of.findIndex((one) => !sameHost(one, first));
    if (other >= 0) this.count = Math.min(this.count, other);
    if (this.count < this.#least) throw new NoLoop();
    return first;
  }
}

/** An item inside of something else, an expression or a text: nobody could say what it is in each run. */
export function refuseItems(value: unknown): void {
  if (JSON.stringify(value).includes('"kind":"perRun"')) throw new NoLoop();
}
