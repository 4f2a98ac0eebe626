import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { checkFiles } from "./check.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ada-check-"));
afterAll(() => rmSync(folder, { recursive: true }));
function file(name: string, content: string | Uint8Array): string {
  const target = path.join(folder, name);
  writeFileSync(target, content);
  return target;
}
const plain = { json: false, colour: false };

describe("exit status", () => {
  test("0 for a clean program", () => {
    expect(checkFiles([file("clean.ada", "const a = 1\n")], plain)).toMatchObject({ status: 0, errorOutput: "" });
    expect(JSON.parse(checkFiles([file("clean.ada", "const a = 1\n")], { json: true, colour: false }).output)).toEqual({ diagnostics: [] });
  });
  test("1 with diagnostics, as text or JSON", () => {
    const wrong = file("wrong.ada", "const a = nope\n");
    const shown = checkFiles([wrong], plain);
    expect(shown.status).toBe(1);
    expect(shown.output).toContain("error name/unknown: nothing here is called `nope`");
    expect(shown.output).toMatch(/\n1 error\n$/);
    const { status, output } = checkFiles([wrong], { json: true, colour: false });
    expect(status).toBe(1);
    expect(JSON.parse(output).diagnostics).toEqual([
      {
        code: "name/unknown",
        severity: "error",
        message: "nothing here is called `nope`",
        file: wrong,
        start: { line: 1, column: 11 },
        end: { line: 1, column: 15 },
        related: [],
        help: null,
        fix: null,
      },
    ]);
  });
  test("2 for wrong usage", () => {
    mkdirSync(path.join(folder, "inner.ada"), { recursive: true });
    expect(checkFiles([], plain).status).toBe(2);
    expect(checkFiles([path.join(folder, "gone.ada")], plain)).toMatchObject({ status: 2, output: "" });
    expect(checkFiles([path.join(folder, "inner.ada")], plain).status).toBe(2);
  });
  test("a shared file's mistake is said once for several programs", () => {
    file("shared.ada", "const a = nope\n");
    const one = file("one.ada", 'import { a } from "./shared.ada"\n');
    const two = file("two.ada", 'import { a } from "./shared.ada"\n');
    expect(JSON.parse(checkFiles([one, two], { json: true, colour: false }).output).diagnostics).toHaveLength(1);
  });
  test("bytes that are no text at all", () => {
    const noise = Uint8Array.from({ length: 4096 }, (_, i) => (i * 197 + (i >> 3) * 31) % 256);
    expect(checkFiles([file("noise.ada", noise)], plain).status).toBe(1);
  });
});

describe("--fix", () => {
  const untidy = `import { Linear } from "std/nn.ada"
module Net(width: Dim) {
  part first = Liner(width)
  param noise: f32[width] = 0
  forward(x: real[...b, c]) -> real[...b, c: width] {
    let y = first(x) |> sigmod
    return y * (1 - draw(coin(0.5), like: y)) + rename(noise, width: c)
  }
}
model net = Net(widht: 3) trained
const kept = unknown_to_all
`;
  test("makes what is certain, leaves the rest, and has nothing to do the second time", () => {
    const target = file("untidy.ada", untidy);
    const first = checkFiles([target], { ...plain, fix: true });
    const after = readFileSync(target, "utf8");
    expect(after).toBe(
      untidy
        .replace("Liner(", "Linear(")
        .replace("sigmod", "sigmoid")
        .replace("widht", "width")
        .replace("real[...b, c]) ->", "real[...b, c]) random ->"),
    );
    expect(first.output).toContain("untidy.ada: 4 fixes");
    expect(first.output).toMatch(/unknown_to_all[\s\S]*\n1 error\n$/);
    const second = checkFiles([target], { ...plain, fix: true });
    expect(readFileSync(target, "utf8")).toBe(after);
    expect(second.output).not.toContain("fixes");
  });
  test("without it the summary says how many there are", () => {
    expect(checkFiles([file("untidy.ada", untidy)], plain).output).toContain("`adac check --fix` mends");
  });
});
