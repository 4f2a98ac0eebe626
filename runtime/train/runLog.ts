import { join } from "node:path";
import type { LogWindow } from "../checkpoint/checkpoint.ts";
import { MetricsWriter } from "../log/jsonl.ts";
import { EventWriter } from "../log/tensorboard.ts";
import { MeanWindow } from "./window.ts";

// What a run writes down of itself: means since the last row, as lines of metrics.jsonl and as events for TensorBoard. In: numbers and events
// of steps that are done. Out: the two files, which go on behind the step that a run is resumed from.

const eventFileName = "events.out.tfevents.ada";
export const metricsFileName = "metrics.jsonl";

export class RunLog {
  readonly window: MeanWindow;
  readonly #from: number;
  readonly #metrics: MetricsWriter;
  readonly #events: EventWriter;
  readonly #started = performance.now();

  private constructor(window: MeanWindow, from: number, metrics: MetricsWriter, events: EventWriter) {
    this.window = window;
    this.#from = from;
    this.#metrics = metrics;
    this.#events = events;
  }

  /** Opens the files of a run that begins or goes on at a micro-step; `state` is what its checkpoint has of the means. */
  static async open(folder: string, from: number, state?: LogWindow): Promise<RunLog> {
    const metrics = await MetricsWriter.open(join(folder, metricsFileName), from);
    try {
      const events = await EventWriter.open(join(folder, eventFileName), from, Date.now() / 1000);
      return new RunLog(new MeanWindow(state), from, metrics, events);
    } catch (error) {
      await metrics.close();
      throw error;
    }
  }

  /** Writes a row: the means, and what is known of the step. */
  async write(step: number, update: number, known: Readonly<Record<string, number>>): Promise<void> {
    const seconds = (performance.now() - this.#started) / 1000;
    const values = { ...this.window.take(), ...known };
    const time = { seconds, stepsPerSecond: (step - this.#from) / seconds };
    await this.#metrics.write({ step, update, values, time });
    await this.#events.write({ wallTime: Date.now() / 1000, step, values: { ...values, "time/steps_per_second": time.stepsPerSecond } });
  }

  async close(): Promise<void> {
    // On a failure there may be nothing left to write to; what is in the files stays.
    await this.#metrics.close().catch(() => undefined);
    await this.#events.close().catch(() => undefined);
  }
}
