import type { PlanTarget } from "../../compiler/plan/plan.ts";
import type { AdapterFacts } from "../device/adapterFacts.ts";

// What a tuner has found, as a JSON file that can be kept and shipped. In it: one entry per key, and per bucket of shapes the schedule. A key
// is everything that the finding depends on besides the bucket (shapes and types): adapter, driver, limits, features and the compiler's
// version; with any of them changed the entry is not used.

export interface TunedKey {
  readonly adapter: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string; // carries the driver's version
  readonly driver: string;
  readonly limits: Readonly<Record<string, number>>;
  readonly features: readonly string[];
  readonly compiler: string;
}
/** A schedule as its fields. The compiler knows which are lawful; anything else it does not use. */
export type ScheduleRecord = Readonly<Record<string, string | number>>;
export interface TunedBucket {
  readonly schedule: ScheduleRecord;
  readonly ms: number;
  readonly defaultMs: number;
}
export interface TunedEntry {
  readonly key: TunedKey;
  /** What kernels were made for: for plans that are made without a device. */
  readonly target: PlanTarget;
  readonly buckets: Readonly<Record<string, TunedBucket>>;
}
export interface Tuned {
  readonly format: 1;
  readonly entries: readonly TunedEntry[];
}

export const nothingTuned: Tuned = { format: 1, entries: [] };

/** The key of an open adapter. */
export function tunedKey(adapter: AdapterFacts, compiler: string): TunedKey {
  const { name, vendor, architecture, description, driver, limits, features } = adapter;
  return { adapter: name, vendor, architecture, description, driver, limits, features, compiler };
}

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
const sameKey = (a: TunedKey, b: TunedKey): boolean => textOf(a) === textOf(b);

/** The schedules by bucket for a key, or none. */
export function tunedFor(tuned: Tuned, key: TunedKey): ReadonlyMap<string, ScheduleRecord> {
  const entry = tuned.entries.find((e) => sameKey(e.key, key));
  return schedulesOf(entry === undefined ? [] : [entry]);
}
/** The schedules of all entries that were made for such a target by this compiler; of several for a bucket the first. */
export function tunedForTarget(tuned: Tuned, target: PlanTarget, compiler: string): ReadonlyMap<string, ScheduleRecord> {
  const fits = (e: TunedEntry): boolean =>
    e.key.compiler === compiler && e.target.adapterClass === target.adapterClass && e.target.subgroupSize === target.subgroupSize;
  return schedulesOf(tuned.entries.filter(fits));
}
function schedulesOf(entries: readonly TunedEntry[]): ReadonlyMap<string, ScheduleRecord> {
  const all = entries.flatMap((e) => Object.entries(e.buckets)).reverse();
  return new Map(all.map(([bucket, { schedule }]) => [bucket, schedule]));
}

/** With what was found added to the entry of its key, or in place of what was found before. */
export function withFound(tuned: Tuned, key: TunedKey, target: PlanTarget, found: Readonly<Record<string, TunedBucket>>): Tuned {
  const before = tuned.entries.find((e) => sameKey(e.key, key));
  const entry = { key, target, buckets: { ...before?.buckets, ...found } };
  return { format: 1, entries: [...tuned.entries.filter((e) => e !== before), entry] };
}

/** The file's content, or why it is none. */
export function parseTuned(text: string): { readonly ok: true; readonly value: Tuned } | { readonly ok: false; readonly reason: string } {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    return { ok: false, reason: `it is not JSON (${error instanceof Error ? error.message : String(error)})` };
  }
  if (!isRecord(data) || data.format !== 1) return { ok: false, reason: "it has no `format: 1`" };
  const { entries } = data;
  if (!Array.isArray(entries)) return { ok: false, reason: "it has no list of entries" };
  const broken = entries.findIndex((e) => !isEntry(e));
  if (broken >= 0) return { ok: false, reason: `entry ${broken} is damaged` };
  return { ok: true, value: { format: 1, entries: entries as TunedEntry[] } };
}

const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null && !Array.isArray(x);
function isEntry(x: unknown): boolean {
  return isRecord(x) && isRecord(x.key) && isRecord(x.target) && isRecord(x.buckets) && Object.values(x.buckets).every(isBucket);
}
function isBucket(x: unknown): boolean {
  if (!isRecord(x) || typeof x.ms !== "number" || typeof x.defaultMs !== "number" || !isRecord(x.schedule)) return false;
  return Object.values(x.schedule).every((field) => typeof field === "string" || typeof field === "number");
}

export function printTuned(tuned: Tuned): string {
  return `${JSON.stringify(tuned, null, 1)}\n`;
}
