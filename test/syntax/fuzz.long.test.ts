import fc from "fast-check";
import { describe, test } from "vitest";
import { hasErrors } from "../../dsl/diagnostics.ts";
import { parse } from "../../dsl/parse.ts";
import { fuzzing } from "./fuzzing.ts";
import { keepsEverything } from "./keeps.ts";
import { randomProgram } from "./randomPrograms.ts";

// The same as the short runs, thousands of times.

describe("any text", () => {
  test.each(fuzzing)("%s", (_, texts, run) => {
    fc.assert(fc.property(texts, run), { seed: 101, numRuns: 5000 });
  });
});
test("formatting random programs", () => {
  fc.assert(
    fc.property(randomProgram, (text) => {
      if (!hasErrors(parse("random.ada", text).diagnostics)) keepsEverything(text);
    }),
    { seed: 102, numRuns: 10_000 },
  );
});
