// Results of the benchmark: rows for scripts (`--json`), and the same as a table for people.

export interface BenchRow {
  readonly workload: string;
  readonly adapter: string;
  readonly ms: number | null; // ours; null where we failed
  readonly spread: number | null; // half the distance of the quartiles, as a share of the median
  readonly peers: Readonly<Record<string, number>>; // ms
  readonly spreads: Readonly<Record<string, number>>; // of the peers' times
  /** Times of what is no peer: other hardware's way to the same result. */
  readonly bounds: Readonly<Record<string, number>>;
  /** Why a peer has no time. */
  readonly absent: Readonly<Record<string, string>>;
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
  readonly spreads?: Readonly<Record<string, number>>;
  readonly bounds?: Readonly<Record<string, number>>;
  readonly absent?: Readonly<Record<string, string>>;
  readonly flops: number;
  readonly note?: string;
}): BenchRow {
  const { workload, adapter, timing, peers, spreads = {}, bounds = {}, absent = {}, flops, note = "" } = about;
  const best = Object.values(peers).reduce((least, ms) => Math.min(least, ms), Number.POSITIVE_INFINITY);
  const ratio = (ms: number | undefined): number | null =>
    timing === null || ms === undefined || !Number.isFinite(ms) ? null : rounded(ms / timing.ms, 3);
  return {
    workload,
    adapter,
    ms: timing === null ? null : rounded(timing.ms, 4),
    spread: timing === null ? null : rounded(timing.spread, 3),
    peers: roundedAll(peers, 4),
    spreads: roundedAll(spreads, 3),
    bounds: roundedAll(bounds, 4),
    absent,
    ratioToBestPeer: ratio(best),
    ratioToHandWritten: ratio(peers.handWritten),
    gflops: timing === null || flops === 0 ? null : rounded(flops / timing.ms / 1e6, 2),
    note,
  };
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
const roundedAll = (values: Readonly<Record<string, number>>, digits: number): Record<string, number> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, rounded(value, digits)]));

/** One row of the table; `peers` are the columns after ours, peers and bounds alike. */
export function printRow(row: BenchRow, peers: readonly string[]): string {
  const number = (value: number | null | undefined, digits: number, width: number): string =>
    (value ?? null) === null ? "-".padStart(width) : value!.toFixed(digits).padStart(width);
  const spread = row.spread === null ? "" : `±${Math.round(100 * row.spread)}%`;
  const cells = [
    row.workload.padEnd(44),
    number(row.ms, 2, 10),
    spread.padStart(6),
    ...peers.map((peer) => (peer in row.absent ? "n/a" : number(row.peers[peer] ?? row.bounds[peer], 2, 0)).padStart(widthOf(peer))),
    number(row.ratioToHandWritten ?? row.ratioToBestPeer, 2, 8),
    number(row.gflops, 1, 8),
  ];
  return `${cells.join(" ")}${row.note === "" ? "" : `  ${row.note}`}`;
}

const widthOf = (peer: string): number => Math.max(12, peer.length + 1);

export function printHeader(peers: readonly string[], ratio: string): string {
  return [
    "workload".padEnd(44),
    "ours, ms".padStart(10),
    "".padStart(6),
    ...peers.map((peer) => peer.padStart(widthOf(peer))),
    ratio.padStart(8),
    "GF/s".padStart(8),
  ].join(" ");
}
