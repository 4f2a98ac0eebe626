import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { runCases } from "./cases.ts";
import type { Prepare } from "./run.ts";

// Tests of the recorded cases, one per group. The recordings are found through ADA_GOLDEN; without it there is one test, which is skipped and
// says so.

/** `of`: which groups there are tests of. `prepare` is asked for when a test begins. */
export function testGroups(title: string, of: (group: string) => boolean, prepare: () => Prepare): void {
  const root = process.env.ADA_GOLDEN;
  if (root === undefined) {
    const reason = "skipped: there are no recorded cases (ADA_GOLDEN is not set)";
    console.log(`${title}: ${reason}`);
    test.skip(`${title} (${reason})`, () => {});
    return;
  }
  const groups = readdirSync(root).filter((entry) => statSync(path.join(root, entry)).isDirectory() && of(entry));
  describe(title, () => {
    test.for(groups)("no case of %s fails", { timeout: 300_000 }, async (group, { skip }) => {
      const result = (await runCases(root, prepare(), { group }))[group];
      const { passed = 0, failed = 0, unsupported = 0, cases = [] } = result ?? {};
      console.log(`${title}, ${group}: ${passed} passed, ${failed} failed, ${unsupported} not yet supported`);
      expect(cases.filter((one) => one.status === "failed")).toEqual([]);
      if (unsupported === cases.length) skip("no kind of this group is supported yet");
      expect(passed).toBeGreaterThan(0);
    });
  });
}
