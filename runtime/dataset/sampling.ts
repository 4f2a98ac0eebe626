import { Draws, permutation } from "../../compiler/plan/philox.ts";
import { pickIndex } from "../../compiler/plan/pick.ts";
import type { PlanOrder } from "../../compiler/plan/plan.ts";
import type { DatasetItem } from "./folder.ts";

// Which item each place of a data set shows. In: the items of all sources in their order, the data set's order, a seed. Out: place -> item, a
// pure function, so that a run goes on from an integer and no thread's timing matters. Places are numbered from 0 through all batches.

/** Permutations that are kept: a batch and those ahead of it touch few rounds. */
const keptRounds = 16;

export class Sampler {
  readonly #items: readonly DatasetItem[];
  readonly #order: PlanOrder;
  readonly #seed: number;
  readonly #bySource: readonly (readonly number[])[];
  readonly #bySubject: readonly (readonly number[])[];
  readonly #rounds = new Map<string, Uint32Array>();

  constructor(items: readonly DatasetItem[], order: PlanOrder, seed: number) {
    this.#items = items;
    this.#order = order;
    this.#seed = seed;
    this.#bySource = grouped(items.map((item) => item.source));
    this.#bySubject = grouped(items.map((item) => item.subjectIndex));
  }

  /** The item at a place. */
  at(place: number): number {
    const order = this.#order;
    const count = this.#items.length;
    if (order === "sequential") return place % count;
    if (order === "shuffled") return this.#shuffled("dataset/order", count, place);
    if (order === "weighted") return new Draws(this.#seed, "dataset/weighted", place).integer(count);
    if (order.kind === "drawn") {
      const groups = order.of === "source" ? this.#bySource : this.#bySubject;
      const draws = new Draws(this.#seed, `dataset/${order.of}`, place);
      const group = groups[order.weights === null ? draws.integer(groups.length) : pickIndex(order.weights, draws.uniform())]!;
      return group[draws.integer(group.length)]!;
    }
    const turn = Math.floor(place / order.run);
    const source = turn % this.#bySource.length;
    const own = this.#bySource[source]!;
    const at = Math.floor(turn / this.#bySource.length) * order.run + (place % order.run);
    return own[this.#shuffled(`dataset/order/${source}`, own.length, at)]!;
  }

  #shuffled(stream: string, count: number, place: number): number {
    const round = Math.floor(place / count);
    const key = `${stream}#${round}`;
    let order = this.#rounds.get(key);
    if (order === undefined) {
      order = permutation(count, this.#seed, stream, round);
      if (this.#rounds.size >= keptRounds) this.#rounds.delete(this.#rounds.keys().next().value!);
      this.#rounds.set(key, order);
    }
    return order[place % count]!;
  }
}

/** The positions of each number from 0 on. */
function grouped(numbers: readonly number[]): number[][] {
  const groups: number[][] = [];
  for (const [i, n] of numbers.entries()) {
    groups[n] ??= [];
    groups[n].push(i);
  }
  return groups;
}
