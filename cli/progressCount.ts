import { SingleBar } from "cli-progress";

/** Wait between plain progress lines, milliseconds. */
const plainEvery = 5000;

/** Shows how far a count has come: one updating line on a terminal, a plain line every five seconds elsewhere. */
export function countProgress(what: string): { update(done: number, total: number): void; stop(): void } {
  const started = performance.now();
  if (!process.stderr.isTTY) {
    let printed = started;
    return {
      update(done, total) {
        const now = performance.now();
        if (now - printed < plainEvery) return;
        printed = now;
        process.stderr.write(`${what}: ${done} of ${total}\n`);
      },
      stop: () => undefined,
    };
  }
  const bar = new SingleBar({
    format: `${what} {bar} {value} of {total}, {rate} a second, {eta_formatted} left`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 30,
    hideCursor: true,
  });
  let first: number | undefined;
  return {
    update(done, total) {
      const rate = () => Math.round((done - (first ?? done)) / Math.max(0.001, (performance.now() - started) / 1000));
      if (first === undefined) {
        first = done;
        bar.start(total, done, { rate: 0 });
      } else bar.update(done, { rate: rate() });
    },
    stop: () => bar.stop(),
  };
}
