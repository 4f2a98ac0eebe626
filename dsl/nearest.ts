import type { DiagnosticExtra } from "./diagnostics.ts";
import type { Span } from "./span.ts";

// «Did you mean …?»: the known name nearest to one that is not known.

/** Number of insertions, deletions, replacements and swaps of neighbours between two words; stops counting above `limit`. */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(replace, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, beforeLast[j - 2]! + 1);
      row.push(best);
    }
    if (Math.min(...row) > limit) return limit + 1;
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** The candidate that was probably meant, or nothing. Ties go to the earlier candidate, so the order of candidates is the order of preference. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > 60) return undefined;
  const plain = (word: string) => word.toLowerCase().replaceAll("_", "");
  const limit = Math.max(1, Math.floor(name.length / 3));
  let best: { readonly candidate: string; readonly distance: number } | undefined;
  for (const candidate of candidates) {
    if (candidate === name) continue;
    // Spelling that differs only in case or underscores counts as half an edit.
    const edits = plain(candidate) === plain(name) ? 0.5 : editDistance(name, candidate, limit);
    // Among equals the one with the same first letter.
    const distance = edits + (candidate[0] === name[0] ? 0 : 0.25);
    if (distance < limit + 0.5 && distance < Math.max(name.length, candidate.length) && (!best || distance < best.distance))
      best = { candidate, distance };
  }
  return best?.candidate;
}

/** The help line for an unknown name, or nothing when no known name is near. */
export function didYouMean(name: string, candidates: Iterable<string>): string | undefined {
  const found = nearest(name, candidates);
  return found === undefined ? undefined : `did you mean \`${found}\`?`;
}

/** Shorter names are near to too many others. */
const shortestCertain = 3;
/** Help for a name that is not known, and the fix where one name alone is one slip away. */
export function meant(name: string, candidates: Iterable<string>, span: Span, otherwise?: string): Pick<DiagnosticExtra, "help" | "fix"> {
  const known = [...new Set(candidates)];
  const found = nearest(name, known);
  if (found === undefined) return otherwise === undefined ? {} : { help: otherwise };
  const help = `did you mean \`${found}\`?`;
  const near = known.filter((one) => one !== name && editDistance(name, one, 1) <= 1);
  const isCertain = name.length >= shortestCertain && near.length === 1 && near[0] === found;
  return isCertain ? { help, fix: { span, text: found } } : { help };
}
