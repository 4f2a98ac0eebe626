import { expect } from "vitest";
import { format } from "../../dsl/format/index.ts";
import { parse } from "../../dsl/parse.ts";

/** A tree without its places. */
function withoutSpans(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSpans);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([name]) => name !== "span" && name !== "opSpan");
  return Object.fromEntries(fields.map(([name, field]) => [name, withoutSpans(field)]));
}
/** A text as the formatter writes it. */
export function formatted(text: string): string {
  const made = format("random.ada", text);
  if (!("text" in made)) throw new Error(made.diagnostics[0]!.message);
  return made.text;
}
/** The formatter keeps the tree, the comments and their order, and its own result. */
export function keepsEverything(text: string): void {
  const before = parse("random.ada", text);
  const made = formatted(text);
  const after = parse("random.ada", made);
  expect(after.diagnostics).toEqual(before.diagnostics.map((one) => expect.objectContaining({ code: one.code })));
  expect(withoutSpans(after.file)).toEqual(withoutSpans(before.file));
  const comments = (of: string, { comments: list }: typeof before) => list.map(({ span }) => of.slice(span.start, span.end).trimEnd());
  expect(comments(made, after)).toEqual(comments(text, before));
  expect(formatted(made)).toBe(made);
  expect(made).not.toMatch(/[ \t]+$/m);
}
