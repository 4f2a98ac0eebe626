import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { astSections } from "../dsl/astTable.ts";
import { parse } from "../dsl/parse.ts";
import { renderDiagnostics } from "../dsl/render.ts";
import { packageRoot } from "../dsl/source.ts";
import { checkText } from "./check/load.ts";

// The examples of spec/language.md are programs: a block marked `ada` checks without complaint, `ada error CODE` gives this message and no
// other, `ada fragment` stands in a place that has what it names and only has to read.

const text = readFileSync(path.join(packageRoot(), "spec", "language.md"), "utf8");
const blocks = [...text.matchAll(/^```ada([^\n]*)\n(.*?)^```$/gms)].map(([, mark, program]) => ({
  mark: mark!.trim(),
  program: program!,
  name: `${mark!.trim() || "clean"}: ${program!.trim().split("\n")[0]!.slice(0, 70)}`,
}));

describe("examples of the language", () => {
  test("there are some of each kind", () => {
    expect(blocks.filter((block) => block.mark === "").length).toBeGreaterThan(6);
    expect(blocks.filter((block) => block.mark.startsWith("error ")).length).toBeGreaterThan(9);
  });
  test("every kind of item stands in one that is right", () => {
    const shown = blocks
      .filter(({ mark }) => mark === "")
      .flatMap(({ program }) => parse("clean.ada", program).file.items.map((item) => item.kind));
    const kinds = astSections.flatMap(({ declarations }) =>
      declarations.flatMap((one) => (one.row === "node" && one.item && one.kind !== "errorItem" ? [one.kind] : [])),
    );
    expect(kinds.filter((kind) => !(shown as string[]).includes(kind))).toEqual([]);
  });
  test.each(blocks)("$name", ({ mark, program }) => {
    if (mark === "fragment") {
      expect(renderDiagnostics(parse("fragment.ada", program).diagnostics, () => program)).toBe("");
      return;
    }
    const { diagnostics } = checkText(program);
    const codes = [...new Set(diagnostics.map((d) => d.code))];
    expect(codes).toEqual(mark.startsWith("error ") ? [mark.slice("error ".length)] : []);
  });
});
