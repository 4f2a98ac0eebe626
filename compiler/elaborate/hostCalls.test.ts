import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkFully } from "../../dsl/check/index.ts";
import { loadProgram } from "../../dsl/program.ts";
import { renderDiagnostics } from "../../dsl/render.ts";
import { diskHost } from "../../dsl/source.ts";
import { evaluate } from "../reference/evaluate.ts";
import { elaborateFunction, elaborateTrain } from "./index.ts";

// Functions of the project's TypeScript: checked against their signatures, called while compiling.

const folder = mkdtempSync(path.join(tmpdir(), "ada-host-"));
beforeAll(() => {
  writeFileSync(
    path.join(folder, "tables.ts"),
    `import { shift } from "./more.ts";
type Int = number;
let calls = 0;
export function steps(n: Int, from: number = 1): number[] { return Array.from({ length: n }, (_, i) => shift(i / n, from)); }
export const info = (on: boolean, weights: Float32Array): { total: number; label: string } => {
  if (!(weights instanceof Float32Array)) throw new TypeError("no Float32Array");
  return { total: weights.reduce((a, b) => a + b, 0), label: String(on) };
};
export function count(): Int { return ++calls; }
`,
  );
  writeFileSync(path.join(folder, "more.ts"), "export const shift = (x: number, by: number): number => x + by;\n");
  writeFileSync(
    path.join(folder, "maker.ts"),
    'import { mkdirSync } from "node:fs";\nimport path from "node:path";\nexport default function make(): string {\n  mkdirSync(path.join(__dirname, "made"), { recursive: true });\n  return "made";\n}\n',
  );
  mkdirSync(path.join(folder, "sub"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function checked(text: string) {
  const file = path.join(folder, "sub", "main.ada");
  writeFileSync(file, text);
  const made = checkFully(loadProgram(file, { ...diskHost(folder), workingFolder: folder }));
  return { ...made, shown: renderDiagnostics(made.diagnostics, (id) => made.program.files.get(id)?.text) };
}
function value(body: string): readonly number[] {
  const { program, resolution, shown } = checked(
    `import host { steps, info as facts, count } from "../tables.ts"\nfn f() -> real[...r] { return ${body} }`,
  );
  expect(shown).toBe("");
  const made = elaborateFunction(program, resolution, "f", []);
  if (!made.ok) throw new Error(made.diagnostics[0]!.message);
  return [...evaluate(made.value.graph, {}).result!.data];
}

test("values go in and come out", () => {
  expect(value("stack(steps(4), axis: n)")).toEqual([1, 1.25, 1.5, 1.75]);
  expect(value("stack(steps(n: 2, from: 3), axis: n)")).toEqual([3, 3.5]);
  expect(value("facts(true, [1, 2, 0.5]).total + ones([n: 1])")).toEqual([4.5]);
  expect(value("ones([n: steps(2)[0] + 1])")).toEqual([1, 1]);
});
test("the checker knows the signatures", () => {
  const { shown } = checked(
    'import host { steps } from "../tables.ts"\nconst a = steps("four")\nconst b = steps(1, 2, 3)\nconst c = steps(to: 3)',
  );
  expect(shown).toMatch(/error type\/mismatch: this is `Text`, but `Int` is needed\n {2}┌ \S*main\.ada:2:17[\s\S]*┌ \S*tables\.ts:4:23/);
  expect(shown).toContain("error call/too-many-arguments");
  expect(shown).toContain("error call/unknown-argument");
});
test("a name that is not exported, a file that is not there", () => {
  expect(checked('import host { stepps } from "../tables.ts"').shown).toContain("did you mean `steps`?");
  expect(checked('import host { a } from "./none.ts"').shown).toContain("error import/not-found");
  expect(checked('import host { a } from "../tables.js"').shown).toContain("error import/bad-path");
  expect(checked('import host { a } from "../../outside.ts"').shown).toContain("error import/outside-root");
});
test("data that the project makes", () => {
  const { program, resolution, shown } = checked(`import { sgd } from "std/optim.ada"
dataset faces() {
  source made("../maker.ts")
  order shuffled
  field image: f32[c: 3, h: 8, w: 8] = load(file) |> to_range(-1..1)
}
module Net() { param weight: f32[c] = 1
  forward(x: real[...b, c, h, w]) -> real[...b] { return dot(mean(x, over: [h, w]), weight, over: c) } }
model net = Net() trained
step fit(face: faces) { minimize mean(net(face.image)) }
train one { data face = faces() each step: fit batch 2 micro_steps 4 optimizer sgd() }`);
  expect(shown).toBe("");
  const made = elaborateTrain(program, resolution, "one");
  if (!made.ok) throw new Error(renderDiagnostics(made.diagnostics, () => undefined));
  expect(made.value.datasets[0]!.spec.source).toMatchObject({ root: path.join(folder, "made"), perSubject: true });
});
