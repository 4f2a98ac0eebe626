import { Draws } from "../../compiler/plan/philox.ts";

// Verification: can two pictures be told to show one person or two by the cosine of their embeddings alone? In: one embedding and one
// subject per row. Out: the curve of hits over false alarms, what is read off it, and the pairs worth looking at. Pairs are all there are or,
// when there are too many, a sample with as many of one subject as of two: a pure function of the rows either way.

export interface Pair {
  readonly a: number; // rows
  readonly b: number;
  readonly cosine: number;
  readonly same: boolean;
}
export interface RocPoint {
  readonly falseAccepts: number; // share of the pairs of two subjects that are taken for one
  readonly trueAccepts: number; // share of the pairs of one subject that are taken for one
  readonly threshold: number;
}
export interface Verification {
  readonly auc: number;
  readonly equalErrorRate: number;
  readonly trueAcceptsAtOnePercent: number;
  readonly bestAccuracy: number;
  readonly bestThreshold: number;
  readonly samePairs: number;
  readonly differentPairs: number;
  readonly sampled: boolean;
  readonly roc: readonly RocPoint[];
  /** Share of the pairs in each bin of cosines from -1 to 1. */
  readonly histogram: { readonly edges: readonly number[]; readonly same: readonly number[]; readonly different: readonly number[] };
  readonly examples: {
    readonly hits: readonly Pair[];
    readonly rejections: readonly Pair[];
    readonly falseAccepts: readonly Pair[];
    readonly falseRejections: readonly Pair[];
  };
}
export type VerificationResult = { readonly ok: true; readonly value: Verification } | { readonly ok: false; readonly message: string };

export interface VerificationOptions {
  readonly maxPairs?: number;
  readonly examples?: number;
}

const defaultMaxPairs = 2_000_000;
const bins = 60;
const rocPoints = 256;

/** Rows as unit vectors in doubles. */
function unitRows(embeddings: Float32Array, width: number): Float64Array {
  const unit = new Float64Array(embeddings.length);
  for (let from = 0; from < embeddings.length; from += width) {
    let sum = 0;
    for (let k = from; k < from + width; k++) sum += embeddings[k]! ** 2;
    const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0;
    for (let k = from; k < from + width; k++) unit[k] = embeddings[k]! * scale;
  }
  return unit;
}

/** Measures how well cosines tell pairs of one subject from pairs of two. */
export function verify(embeddings: Float32Array, subjects: ArrayLike<number>, options: VerificationOptions = {}): VerificationResult {
  const rows = subjects.length;
  if (rows === 0) return { ok: false, message: "there are no rows to compare" };
  const width = embeddings.length / rows;
  if (!Number.isInteger(width)) throw new Error(`internal: ${embeddings.length} numbers for ${rows} rows`);
  if (!embeddings.every(Number.isFinite)) return { ok: false, message: "an embedding has values that are not finite" };
  const unit = unitRows(embeddings, width);
  const cosine = (a: number, b: number) => {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += unit[a * width + k]! * unit[b * width + k]!;
    return sum;
  };
  const pairs = choosePairs(subjects, options.maxPairs ?? defaultMaxPairs);
  if (pairs.same.length === 0) return { ok: false, message: "no subject has two pictures: there are no pairs of one subject" };
  if (pairs.different.length === 0) return { ok: false, message: "there is only one subject: there are no pairs of two" };
  const score = (list: Uint32Array) => Float64Array.from({ length: list.length / 2 }, (_, i) => cosine(list[2 * i]!, list[2 * i + 1]!));
  const same = score(pairs.same);
  const different = score(pairs.different);
  const curve = readCurve(same, different);
  const list = (which: "same" | "different", i: number): Pair => {
    const from = pairs[which];
    return { a: from[2 * i]!, b: from[2 * i + 1]!, cosine: (which === "same" ? same : different)[i]!, same: which === "same" };
  };
  const count = options.examples ?? 6;
  const take = (which: "same" | "different", order: readonly number[]) => order.slice(0, count).map((i) => list(which, i));
  const wrongSame = indicesWhere(same, (c) => c < curve.bestThreshold).sort((a, b) => same[a]! - same[b]!);
  const wrongDifferent = indicesWhere(different, (c) => c >= curve.bestThreshold).sort((a, b) => different[b]! - different[a]!);
  const value: Verification = {
    ...curve,
    samePairs: same.length,
    differentPairs: different.length,
    sampled: pairs.sampled,
    histogram: histogram(same, different),
    examples: {
      hits: take(
        "same",
        spread(
          indicesWhere(same, (c) => c >= curve.bestThreshold),
          count,
        ),
      ),
      rejections: take(
        "different",
        spread(
          indicesWhere(different, (c) => c < curve.bestThreshold),
          count,
        ),
      ),
      falseAccepts: take("different", wrongDifferent),
      falseRejections: take("same", wrongSame),
    },
  };
  return { ok: true, value };
}

function indicesWhere(values: Float64Array, holds: (value: number) => boolean): number[] {
  const found: number[] = [];
  for (let i = 0; i < values.length; i++) if (holds(values[i]!)) found.push(i);
  return found;
}

/** Some of a list, drawn without looking at their scores: what is typical, not what is best. */
function spread(list: readonly number[], count: number): number[] {
  const draws = new Draws(0, "verification/examples", list.length);
  const chosen = new Set<number>();
  for (let tries = 0; chosen.size < Math.min(count, list.length) && tries < 50 * count; tries++) chosen.add(draws.pick(list));
  return [...chosen];
}

interface PairLists {
  /** Two rows each. */
  readonly same: Uint32Array;
  readonly different: Uint32Array;
  readonly sampled: boolean;
}

function choosePairs(subjects: ArrayLike<number>, maxPairs: number): PairLists {
  const rows = subjects.length;
  const bySubject = new Map<number, number[]>();
  for (let row = 0; row < rows; row++) {
    const subject = subjects[row]!;
    const own = bySubject.get(subject);
    if (own === undefined) bySubject.set(subject, [row]);
    else own.push(row);
  }
  const groups = [...bySubject.values()];
  const all = (rows * (rows - 1)) / 2;
  const samePairs = groups.reduce((sum, group) => sum + (group.length * (group.length - 1)) / 2, 0);
  if (all <= maxPairs) {
    const same = new Uint32Array(2 * samePairs);
    const different = new Uint32Array(2 * (all - samePairs));
    let [s, d] = [0, 0];
    for (let a = 0; a < rows; a++)
      for (let b = a + 1; b < rows; b++) {
        if (subjects[a] === subjects[b]) {
          same[s++] = a;
          same[s++] = b;
        } else {
          different[d++] = a;
          different[d++] = b;
        }
      }
    return { same, different, sampled: false };
  }
  const half = Math.floor(maxPairs / 2);
  return { same: sampleSame(groups, samePairs, half), different: sampleDifferent(subjects, groups.length, half), sampled: true };
}

/** Pairs of one subject, each as likely as any other; all of them when there are no more than wanted. */
function sampleSame(groups: readonly (readonly number[])[], total: number, wanted: number): Uint32Array {
  if (total <= wanted)
    return Uint32Array.from(groups.flatMap((group) => group.flatMap((a, i) => group.slice(i + 1).flatMap((b) => [a, b]))));
  const ends: number[] = [];
  let sum = 0;
  for (const group of groups) {
    sum += 0.5 * group.length * (group.length - 1);
    ends.push(sum);
  }
  const draws = new Draws(0, "verification/same");
  const pairs = new Uint32Array(2 * wanted);
  for (let i = 0; i < wanted; i++) {
    const at = draws.integer(total);
    let [low, high] = [0, ends.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle]! <= at) low = middle + 1;
      else high = middle;
    }
    const group = groups[low]!;
    const a = draws.integer(group.length);
    const b = (a + 1 + draws.integer(group.length - 1)) % group.length;
    pairs[2 * i] = group[a]!;
    pairs[2 * i + 1] = group[b]!;
  }
  return pairs;
}

function sampleDifferent(subjects: ArrayLike<number>, groups: number, wanted: number): Uint32Array {
  if (groups < 2) return new Uint32Array(0);
  const draws = new Draws(0, "verification/different");
  const pairs = new Uint32Array(2 * wanted);
  for (let i = 0; i < wanted; ) {
    const a = draws.integer(subjects.length);
    const b = draws.integer(subjects.length);
    if (subjects[a] === subjects[b]) continue;
    pairs[2 * i] = a;
    pairs[2 * i + 1] = b;
    i++;
  }
  return pairs;
}

type Curve = Pick<Verification, "auc" | "equalErrorRate" | "trueAcceptsAtOnePercent" | "bestAccuracy" | "bestThreshold" | "roc">;

/** Lowers the threshold from above the highest score and reads everything off the way. Equal scores are passed together. */
function readCurve(same: Float64Array, different: Float64Array): Curve {
  const s = Float64Array.from(same).sort().reverse();
  const d = Float64Array.from(different).sort().reverse();
  let [i, j] = [0, 0];
  let area = 0;
  let equalErrorRate: number | null = null;
  let trueAcceptsAtOnePercent = 0;
  let best = { accuracy: 0.5, threshold: 1 + 1e-9 };
  const whole: RocPoint[] = [{ falseAccepts: 0, trueAccepts: 0, threshold: 1 }];
  while (i < s.length || j < d.length) {
    const threshold = Math.max(s[i] ?? Number.NEGATIVE_INFINITY, d[j] ?? Number.NEGATIVE_INFINITY);
    const before = { tar: i / s.length, far: j / d.length };
    while (i < s.length && s[i]! >= threshold) i++;
    while (j < d.length && d[j]! >= threshold) j++;
    const [tar, far] = [i / s.length, j / d.length];
    area += (far - before.far) * (tar + before.tar) * 0.5;
    if (far <= 0.01) trueAcceptsAtOnePercent = tar;
    if (equalErrorRate === null && far >= 1 - tar) {
      // Between the two points false alarms rise and misses fall along straight lines.
      const rise = far - before.far + (tar - before.tar);
      const share = rise > 0 ? (1 - before.tar - before.far) / rise : 0;
      equalErrorRate = before.far + share * (far - before.far);
    }
    // Balanced: as if there were as many pairs of one subject as of two.
    const accuracy = (tar + 1 - far) / 2;
    if (accuracy > best.accuracy) best = { accuracy, threshold };
    whole.push({ falseAccepts: far, trueAccepts: tar, threshold });
  }
  return {
    auc: area,
    equalErrorRate: equalErrorRate ?? 1,
    trueAcceptsAtOnePercent,
    bestAccuracy: best.accuracy,
    bestThreshold: best.threshold,
    roc: thinned(whole),
  };
}

/** At most so many points of a curve that a drawing of it looks the same: evenly along its length, which is 2 at most. */
function thinned(points: readonly RocPoint[]): RocPoint[] {
  const kept: RocPoint[] = [];
  let next = 0;
  for (const [i, point] of points.entries()) {
    const along = point.falseAccepts + point.trueAccepts;
    if (along < next && i < points.length - 1) continue;
    kept.push(point);
    next = along + 2 / rocPoints;
  }
  return kept;
}

function histogram(same: Float64Array, different: Float64Array): Verification["histogram"] {
  const shares = (values: Float64Array) => {
    const counts = new Array<number>(bins).fill(0);
    for (const value of values) counts[Math.min(bins - 1, Math.max(0, Math.floor(((value + 1) / 2) * bins)))]! += 1 / values.length;
    return counts;
  };
  return { edges: Array.from({ length: bins + 1 }, (_, i) => -1 + (2 * i) / bins), same: shares(same), different: shares(different) };
}
