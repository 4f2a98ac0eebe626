import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fmtFiles, fmtText } from "./fmt.ts";

const untidy = "const a=1\nconst bcd   =2 // two\nfn f( x:real[n] )->real[n]{return x*2}\n";
const tidy = "const a   = 1\nconst bcd = 2  // two\nfn f(x: real[n]) -> real[n] { return x * 2 }\n";
const options = { check: false, colour: false };
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "ada-fmt-"));
  file = path.join(folder, "a.ada");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a file is laid out once, keeps its rights, and nothing else is left in its folder", () => {
  writeFileSync(file, untidy);
  chmodSync(file, 0o640);
  expect(fmtFiles([file], options)).toEqual({ status: 0, output: `${file}: changed\n`, errorOutput: "" });
  expect(readFileSync(file, "utf8")).toBe(tidy);
  expect(statSync(file).mode & 0o777).toBe(0o640);
  expect(readdirSync(folder)).toEqual(["a.ada"]);
  expect(fmtFiles([folder], options)).toMatchObject({ status: 0, output: expect.stringContaining("nothing to change") });
});
test("--check writes nothing and says so with its status", () => {
  writeFileSync(file, untidy);
  expect(fmtFiles([file], { ...options, check: true })).toMatchObject({ status: 1, output: `${file}: would change\n` });
  expect(readFileSync(file, "utf8")).toBe(untidy);
});
test("a file with a mistake is not touched, its neighbours are", () => {
  writeFileSync(file, "const a=\n");
  const other = path.join(folder, "b.ada");
  writeFileSync(other, untidy);
  const outcome = fmtFiles([folder], options);
  expect(outcome).toMatchObject({ status: 1, output: `${other}: changed\n`, errorOutput: expect.stringContaining("syntax/unexpected") });
  expect(readFileSync(file, "utf8")).toBe("const a=\n");
});
test("a text", () => {
  expect(fmtText(untidy, options)).toEqual({ status: 0, output: tidy, errorOutput: "" });
  expect(fmtText(untidy, { ...options, check: true }).status).toBe(1);
  expect(fmtText(tidy, { ...options, check: true }).status).toBe(0);
  expect(fmtText("const", options).status).toBe(1);
});
test("what is not there is wrong usage", () => expect(fmtFiles([path.join(folder, "none.ada")], options).status).toBe(2));
