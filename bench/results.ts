// Results of the benchmark: rows for scripts (`--json`), and the same as a table for people.

export interface BenchRow {
  readonly workload: string;
  readonly adapter: string;
  readonly ms: number | null; // ours; null where we failed
  readonly spread: number | null; // half the distance of the quartiles, as a share of the median
  readonly peers: Readonly<Record<string, number>>; // ms
  readonly ratioToBestPeer: number | null; // above 1: we are faster
  readonly ratioToHandWritten: number | null;
  readonly gflops: number | null;
  /** Which hand-written kernel was the fastest, what was left out, or why we failed. */
  readonly note: string;
}

/** A row from times; the peer called `handWritten`, if any, is the one of `ratioToHandWritten`. */
export function rowOf(about: {
  readonly workload: string;
  readonly adapter: string;
  readonly timing: { readonly ms: number; readonly spread: number } | null;
  readonly peers: Readonly<Record<string, number>>;
  readonly flops: number;
  readonly note?: string;
}): BenchRow {
  const { workload, adapter, timing, peers, flops, note = "" } = about;
  const best = Object.values(peers).reduce((least, ms) => Math.min(least, ms), Number.POSITIVE_INFINITY);
  const ratio = (ms: number | undefined): number | null =>
    timing === null || ms === undefined || !Number.isFinite(ms) ? null : rounded(ms / timing.ms, 3);
  return {
    workload,
    adapter,
    ms: timing === null ? null : rounded(timing.ms, 4),
    spread: timing === null ? null : rounded(timing.spread, 3),
    peers: Object.fromEntries(Object.entries(peers).map(([name, ms]) => [name, rounded(ms, 4)])),
    ratioToBestPeer: ratio(best),
    ratioToHandWritten: ratio(peers.handWritten),
    gflops: timing === null || flops === 0 ? null : rounded(flops / timing.ms / 1e6, 2),
    note,
  };
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

/** One row of the table; `peers` are the columns after ours. */
export function printRow(row: BenchRow, peers: readonly string[]): string {
  const number = (value: number | null | undefined, digits: number, width: number): string =>
    (value ?? null) === null ? "-".padStart(width) : value!.toFixed(digits).padStart(width);
  const spread = row.spread === null ? "" : `±${Math.round(100 * row.spread)}%`;
  const cells = [
    row.workload.padEnd(44),
    number(row.ms, 2, 10),
    spread.padStart(6),
    ...peers.map((peer) => number(row.peers[peer], 2, 12)),
    number(row.ratioToHandWritten ?? row.ratioToBestPeer, 2, 8),
    number(row.gflops, 1, 8),
  ];
  return `${cells.join(" ")}${row.note === "" ? "" : `  ${row.note}`}`;
}

export function printHeader(peers: readonly string[], ratio: string): string {
  return [
    "workload".padEnd(44),
    "ours, ms".padStart(10),
    "".padStart(6),
    ...peers.map((peer) => peer.padStart(12)),
    ratio.padStart(8),
    "GF/s".padStart(8),
  ].join(" ");
}
