import type { Reporter, TestModule, TestRunEndReason } from "vitest/node";

// Prints the line that ends a run of tests: `N passed, N failed`. A module that could not be loaded, an error outside of any test, and a run
// that was cut off each count as a failure, so that the line never looks better than the exit status.

/** The vitest reporter of `npm test`. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const { passed, failed } = countTests(modules, errors.length, reason);
    // After all other reporters: they may still be writing their summaries.
    process.once("exit", () => process.stdout.write(`${passed} passed, ${failed} failed\n`));
  }
}

type CountedModule = {
  readonly children: { allTests(): Iterable<{ result(): { readonly state: string } }> };
  errors(): readonly unknown[];
};

/** Passed and failed tests of a run. */
export function countTests(
  modules: readonly CountedModule[],
  outside: number,
  reason: string,
): { readonly passed: number; readonly failed: number } {
  let passed = 0;
  let failed = outside;
  for (const module of modules) {
    failed += module.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed++;
      else if (state === "failed") failed++;
    }
  }
  return { passed, failed: reason === "passed" || failed > 0 ? failed : 1 };
}
