import path from "node:path";
import { type Case, difference, discoverCases } from "./conformance/case.ts";

// Recorded cases for tests in the pure tier, found through ADA_GOLDEN. Without it a test says in its title that it skipped.

export type GoldenCase = Case;
export const goldenFolder = process.env.ADA_GOLDEN;

/** `title`, or the same with the reason why nothing is run. */
export function goldenTitle(title: string): string {
  return goldenFolder === undefined ? `${title} (skipped: ADA_GOLDEN is not set)` : title;
}

/** All cases of a folder whose kind is one of these; none without the recordings. */
export function goldenCases(folder: string, kinds: readonly string[]): GoldenCase[] {
  if (goldenFolder === undefined) return [];
  return discoverCases(path.join(goldenFolder, folder)).filter((one) => kinds.includes(one.kind));
}

/** Where `found` first leaves the tolerance of the recorded tensor `name`; nothing when it never does. */
export function firstDifference(one: GoldenCase, name: string, found: ArrayLike<number>, wanted: ArrayLike<number>): string | undefined {
  const whole = (data: ArrayLike<number>) => ({ dtype: "f32", shape: [data.length], data: Float64Array.from(data) }) as const;
  return difference(one, name, whole(found), whole(wanted)) ?? undefined;
}
