import { SingleBar } from "cli-progress";

// The progress of a run, for people: on a terminal one line that is drawn again, elsewhere a plain line every few seconds.

export interface ProgressState {
  readonly step: number;
  readonly loss: number | null;
}
export interface Progress {
  update(state: ProgressState): void;
  /** A line of its own. */
  note(text: string): void;
  stop(): void;
}
export interface ProgressOptions {
  readonly what: string; // `step`
  readonly total: number;
  readonly from: number;
  readonly stream: NodeJS.WriteStream;
  readonly now?: () => number; // milliseconds
}

const plainEvery = 5000;
/** Speed is measured over this time, so that the line follows a change but does not jump. */
const speedOver = 15_000;

/** `1:05`, `2:03:04`. */
export function clockText(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** Three digits that matter. */
export function shortNumber(value: number): string {
  if (value === 0) return "0";
  return Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3 ? value.toExponential(2) : value.toPrecision(value >= 1000 ? 5 : 4);
}

/** Steps per second over the last while. */
export class Speed {
  readonly #marks: { readonly at: number; readonly step: number }[] = [];

  mark(at: number, step: number): void {
    this.#marks.push({ at, step });
    while (this.#marks.length > 2 && this.#marks[1]!.at < at - speedOver) this.#marks.shift();
  }
  /** null until two steps have been seen. */
  perSecond(): number | null {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (first === undefined || last === undefined || last.at === first.at) return null;
    return (1000 * (last.step - first.step)) / (last.at - first.at);
  }
}

/** `loss 2.314, 12.3 steps/s, 1:05 left`. */
export function stateText(state: ProgressState, total: number, perSecond: number | null): string {
  const parts = [
    ...(state.loss === null ? [] : [`loss ${shortNumber(state.loss)}`]),
    ...(perSecond === null || perSecond <= 0
      ? []
      : [`${shortNumber(perSecond)} steps/s`, `${clockText((total - state.step) / perSecond)} left`]),
  ];
  return parts.join(", ");
}

/** A progress line on the given stream. */
export function openProgress(options: ProgressOptions): Progress {
  const now = options.now ?? (() => performance.now());
  const speed = new Speed();
  speed.mark(now(), options.from);
  if (!options.stream.isTTY) {
    let printed = now();
    return {
      update(state) {
        const at = now();
        speed.mark(at, state.step);
        if (at - printed < plainEvery) return;
        printed = at;
        options.stream.write(`${options.what} ${state.step} of ${options.total}, ${stateText(state, options.total, speed.perSecond())}\n`);
      },
      note: (text) => void options.stream.write(`${text}\n`),
      stop: () => undefined,
    };
  }
  const bar = new SingleBar({
    format: `${options.what} {value} of {total} {bar} {state}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    stream: options.stream,
    fps: 8,
  });
  bar.start(options.total, options.from, { state: "" });
  return {
    update(state) {
      speed.mark(now(), state.step);
      bar.update(state.step, { state: stateText(state, options.total, speed.perSecond()) });
    },
    note(text) {
      // The line is drawn again below the note.
      options.stream.write(`\r\u001b[K${text}\n`);
      bar.updateETA();
    },
    stop: () => bar.stop(),
  };
}

/** Shows nothing. */
export const noProgress: Progress = { update: () => undefined, note: () => undefined, stop: () => undefined };
