import { describe, expect, test } from "vitest";
import { diagnose } from "./diagnostics.ts";
import { diagnosticsToJson, positionAt, renderDiagnostic, renderDiagnostics } from "./render.ts";

const text = "fn f() -> real {\r\n\treturn lineer(1)\n}\n";
const at = (part: string, file = "a/b.ada") => ({ file, start: text.indexOf(part), end: text.indexOf(part) + part.length });
const textOf = (file: string) => (file === "a/b.ada" ? text : undefined);
const unknown = diagnose(
  "name/unknown",
  at("lineer"),
  { name: "lineer" },
  { label: "used here", help: "did you mean `linear`?", related: [{ span: at("fn"), label: "in this" }] },
);

describe("frames", () => {
  test("source lines with marks, related places and help", () => {
    expect(renderDiagnostic(unknown, textOf)).toBe(
      [
        "error name/unknown: nothing here is called `lineer`",
        "  ┌ a/b.ada:2:9",
        "  │   return lineer(1)",
        "  │          ^^^^^^ used here",
        "  ┌ a/b.ada:1:1",
        "  │ fn f() -> real {",
        "  │ -- in this",
        "  help: did you mean `linear`?",
      ].join("\n"),
    );
  });
  test("no colour unless asked", () => {
    const hasEscapes = (shown: string): boolean => shown.includes("\u001b[");
    expect(hasEscapes(renderDiagnostic(unknown, textOf))).toBe(false);
    expect(hasEscapes(renderDiagnostic(unknown, textOf, { colour: true }))).toBe(true);
  });
  test("a span over several lines marks the first; one at the end of the file marks one place", () => {
    const shown = renderDiagnostics(
      [
        diagnose("name/unknown", { ...at("{"), end: text.length }, { name: "x" }),
        diagnose("name/unknown", { file: "a/b.ada", start: text.length, end: text.length }, { name: "x" }),
      ],
      textOf,
    );
    expect(shown.split("\n").filter((line) => line.includes("^"))).toEqual(["  │                ^", "  │ ^"]);
  });
  test("a file without text still has its name", () => {
    expect(renderDiagnostic(diagnose("import/unreadable", at("fn", "gone.ada"), { path: "gone.ada", reason: "no" }), textOf)).toContain(
      "┌ gone.ada",
    );
  });
  test("a long line is shown around the place; control characters never reach the terminal", () => {
    const long = `${"a ".repeat(5000)}\u001b[31mX${" b".repeat(5000)}`;
    const start = long.indexOf("X");
    const shown = renderDiagnostic(diagnose("name/unknown", { file: "l", start, end: start + 1 }, { name: "X" }), () => long);
    const [, , line, marks] = shown.split("\n");
    expect(line!.length).toBeLessThan(200);
    expect(line![marks!.indexOf("^")]).toBe("X");
    expect(shown).not.toContain("\u001b");
  });
});

describe("for programs", () => {
  test("the stable JSON form", () => {
    expect(diagnosticsToJson([unknown], textOf)).toEqual({
      diagnostics: [
        {
          code: "name/unknown",
          severity: "error",
          message: "nothing here is called `lineer`",
          file: "a/b.ada",
          start: { line: 2, column: 9 },
          end: { line: 2, column: 15 },
          related: [{ file: "a/b.ada", start: { line: 1, column: 1 }, end: { line: 1, column: 3 }, label: "in this" }],
          help: "did you mean `linear`?",
          fix: null,
        },
      ],
    });
    expect(diagnosticsToJson([], textOf)).toEqual({ diagnostics: [] });
  });
  test("positions count from 1", () => {
    expect(positionAt("a\nb\n", 0)).toEqual({ line: 1, column: 1 });
    expect(positionAt("a\nb\n", 1)).toEqual({ line: 1, column: 2 });
    expect(positionAt("a\nb\n", 2)).toEqual({ line: 2, column: 1 });
    expect(positionAt("a\nb\n", 99)).toEqual({ line: 3, column: 1 });
  });
});
