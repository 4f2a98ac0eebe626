import { expect, test } from "vitest";
import { diagnose, diagnosticTable } from "./diagnostics.ts";

const span = { file: "t.ada", start: 0, end: 1 };

test("a row's templates are filled with the named arguments", () => {
  const one = diagnose("import/not-found", span, { path: "./a.ada", looked: "/p/a.ada" });
  expect(one).toEqual({
    code: "import/not-found",
    severity: "error",
    message: 'there is no file "./a.ada"',
    help: "looked for /p/a.ada",
    span,
    related: [],
  });
});
test("doubled braces are literal", () => {
  expect(diagnose("syntax/if-without-else", span, {}).help).toBe("add `else { … }`; only an element of a list may be left out");
});
test("help can be replaced", () => {
  expect(diagnose("name/unknown", span, { name: "a" }, { help: "did you mean `b`?" }).help).toBe("did you mean `b`?");
  expect("help" in diagnose("name/unknown", span, { name: "a" })).toBe(false);
});
test("arguments are checked against the template", () => {
  // @ts-expect-error a missing argument
  expect(() => diagnose("name/unknown", span, {})).toThrow("internal");
  // @ts-expect-error an argument that the message does not have
  diagnose("name/unknown", span, { name: "a", other: "b" });
  // @ts-expect-error a code that is not in the table
  expect(() => diagnose("name/unheard-of", span, {})).toThrow();
});
test("codes are words in two parts, messages are sentences without a full stop", () => {
  for (const [code, row] of Object.entries(diagnosticTable)) {
    expect(code).toMatch(/^[a-z]+\/[a-z]+(-[a-z]+)*$/);
    expect(row.message).not.toMatch(/\.$/);
  }
});
