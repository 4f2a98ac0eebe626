import { expect, test } from "vitest";
import { renderDiagnostics } from "../../dsl/render.ts";
import { checkText } from "./load.ts";

// Settings of a convolution are numbers for both axes, or lists of one for each.

const program = (result: string, settings: string): string =>
  `fn f(x: real[c: 4, h: 9, w: 10], k: real[out: 6, part: 2, kh: 3, kw: 2]) -> real[c: 6, ${result}] { return conv(x, k, groups: 2, ${settings}) }\n`;
const said = (text: string): string[] => checkText(text).diagnostics.map((d) => d.code);
const words = (text: string): string => {
  const checked = checkText(text);
  return renderDiagnostics(checked.diagnostics, (id) => checked.program.files.get(id)?.text);
};

test("each axis has its own setting", () => {
  expect(words(program("h: 5, w: 13", "stride: [2, 1], pad: [1, 3], dilation: [1, 4 - 1]"))).toBe("");
  expect(said(program("h: 5, w: 12", "stride: [2, 1], pad: [1, 3], dilation: [1, 3]"))).not.toEqual([]);
  expect(said(program("h: 13, w: 5", "stride: [2, 1], pad: [1, 3], dilation: [1, 3]"))).not.toEqual([]);
});
test("one number is for both", () => {
  expect(words(program("h: 5, w: 6", "stride: 2, pad: 1"))).toBe("");
  expect(words(program("h: 5, w: 6", "stride: [2, 2], pad: [1, 1]"))).toBe("");
});
test.each(["stride: [2, 1, 1]", "pad: [1]", "dilation: []"])("%s is neither", (settings) => {
  expect(said(program("h: 7, w: 9", settings))).toContain("type/mismatch");
  expect(words(program("h: 7, w: 9", settings))).toContain("a list of two numbers");
});
