import type { LogWindow } from "../checkpoint/checkpoint.ts";

// Means of what was logged since the last row. It can be put into a checkpoint and taken out again, so that a run that is resumed between
// two rows writes the same next row.

export class MeanWindow {
  readonly #sums = new Map<string, { sum: number; count: number }>();

  constructor(from: LogWindow = { sums: {} }) {
    for (const [name, { sum, count }] of Object.entries(from.sums)) this.#sums.set(name, { sum, count });
  }
  add(name: string, value: number): void {
    const row = this.#sums.get(name);
    if (row === undefined) this.#sums.set(name, { sum: value, count: 1 });
    else {
      row.sum += value;
      row.count++;
    }
  }
  /** How often something happened since the last row. */
  count(name: string): void {
    const row = this.#sums.get(name);
    if (row === undefined) this.#sums.set(name, { sum: 1, count: 1 });
    else row.sum++;
  }
  /** The means so far, by name; the window is empty afterwards. */
  take(): Record<string, number> {
    const means = Object.fromEntries([...this.#sums].map(([name, { sum, count }]) => [name, sum / count]));
    this.#sums.clear();
    return means;
  }
  state(): LogWindow {
    return { sums: Object.fromEntries(this.#sums) };
  }
}
