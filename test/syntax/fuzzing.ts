import fc from "fast-check";
import { everyConstruct } from "./programs.ts";
import { randomProgram, randomWords } from "./randomPrograms.ts";
import { endsSafely, tokenTexts } from "./safely.ts";

// Kinds of texts that nobody writes on purpose, for the parser, the checker and the formatter together.

const bytes = fc.uint8Array({ maxLength: 600 }).map((data) => Buffer.from(data).toString("latin1"));
const brokenUtf8 = fc.uint8Array({ maxLength: 600 }).map((data) => Buffer.from(data).toString("utf8"));
const soup = fc.array(fc.constantFrom(...tokenTexts), { maxLength: 200 }).map((words) => words.join(" "));
const written = fc.constant(everyConstruct);
const truncated = fc
  .tuple(fc.oneof(randomProgram, written), fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean())
  .map(([text, share, fromStart]) => {
    const at = Math.floor(share * text.length);
    return fromStart ? text.slice(0, at) : text.slice(at);
  });
const mutated = fc
  .tuple(
    fc.oneof(randomProgram, written),
    fc.array(fc.tuple(fc.nat(9999), fc.nat(20), fc.constantFrom("", ...tokenTexts)), { minLength: 1, maxLength: 5 }),
  )
  .map(([text, changes]) =>
    changes.reduce((now, [at, length, instead]) => {
      const start = at % (now.length + 1);
      return now.slice(0, start) + instead + now.slice(start + length);
    }, text),
  );
const shuffled = fc.tuple(randomWords, fc.array(fc.tuple(fc.nat(9999), fc.nat(9999)), { maxLength: 6 })).map(([words, swaps]) => {
  const changed = [...words];
  for (const [a, b] of swaps) {
    const [i, j] = [a % changed.length, b % changed.length];
    [changed[i], changed[j]] = [changed[j]!, changed[i]!];
  }
  return changed.join(" ");
});

export const fuzzing: readonly [what: string, texts: fc.Arbitrary<string>, test: (text: string) => void][] = [
  ["random bytes", bytes, endsSafely],
  ["broken UTF-8", brokenUtf8, endsSafely],
  ["token soup", soup, endsSafely],
  ["random programs", randomProgram, endsSafely],
  ["random programs, cut", truncated, endsSafely],
  ["random programs, changed", mutated, endsSafely],
  ["random programs, words swapped", shuffled, endsSafely],
];
