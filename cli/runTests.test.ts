import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { evaluate } from "../compiler/reference/evaluate.ts";
import type { OnDevice } from "./judge.ts";
import { testFile } from "./runTests.ts";

// `adac test` without a device: the meaning alone, and devices made up here that compute right or wrong.

const folder = mkdtempSync(path.join(tmpdir(), "ada-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(text: string, onDevice: OnDevice = null, runs = 15) {
  const file = path.join(folder, "a.ada");
  writeFileSync(file, text);
  let written = "";
  const counts = await testFile(file, {
    seed: 1,
    runs,
    onDevice,
    write: (more) => {
      written += more;
    },
  });
  return { counts, written };
}
const passes = async (text: string) => expect((await run(text)).counts, (await run(text)).written).toEqual({ passed: 1, failed: 0 });

/** A device that computes what is meant, and one that is a little off. */
const rightDevice: OnDevice = async (graph, inputs) => evaluate(graph, inputs);
const wrongDevice: OnDevice = async (graph, inputs) =>
  Object.fromEntries(
    Object.entries(evaluate(graph, inputs)).map(([name, one]) => [name, { ...one, data: one.data.map((value) => value * 1.01 + 0.01) }]),
  );

describe("what holds", () => {
  test.each([
    [
      "prompts, a word a token",
      'prompt me(who: Text) = "hello {who} {face:2} too"\n' +
        'test "a" { let p = me("old man", length: 12) expect near(p.face, [4, 5]) expect near(sum(p.plain), 6) expect p.ids[tokens: 0] == 1 }',
    ],
    [
      "a module made of another by a surgery",
      "module Net(rows: Int) { param weight: f32[out: rows, c: 3] = draw(normal, [out: rows, c: 3])\n" +
        "forward(x: real[...b, c: 3]) -> real[...b, out: rows] { return dot(x, weight, over: c) |> order([...b, out]) } }\n" +
        "fn repeat_rows(old: f32[rows, c], times: Dim) -> f32[rows: rows * times, c] {\n" +
        "return expand(old, [copy: times, rows, c]) |> view(`copy rows c -> rows=(copy rows) c`) }\n" +
        "surgery grow for Net { weight = repeat_rows() }\n" +
        'test "a" { let a = fresh(Net(2), seed: 1) let b = fresh(Net(6), from: a, surgery: grow)\n' +
        "let y = a(expand(2, [c: 3])) expect near(b(expand(2, [c: 3])), concat([y, y, y], axis: out)) }",
    ],
    ["near tensors, lists and records", 'test "a" { expect near({ a: [1, 2], b: 3 }, { a: [1, 2.00001], b: 3 }, 1e-4) }'],
    ["a relative tolerance", 'test "a" { expect near(1000, 1009, relative: 0.01) }'],
    ["near within another claim", 'test "a" { let x = draw(normal, [n: 4])\n expect near(x, x) and not near(x, x + 1) }'],
    [
      "sizes, rows, numbers and truths",
      'property "a" { forall x: real[...s, h: 1..5, w: 2..4] in -2..2, c: Real in 0.5..2, n: Int in 1..4, q: real[n], on: Bool\n expect near(c * x / c, x) and size(q, n) == n and (on or not on) }',
    ],
    ["what `require` leaves", 'property "a" { forall x: Real in -1..1\n require x > 0\n expect x > 0 }'],
    ["sizes that are written", 'property "a" { forall x: real[n: 4], y: real[n: 4]\n expect near(x + y, y + x) }'],
    [
      "lists, whose elements have sizes of their own, records and tuples",
      "type Pair = { a: real[n], b: real[n] }\n" +
        "fn total(xs: List<real[n]>) -> real { return fold([for x in xs: sum(x)], 0, fn(so, one) => so + one) }\n" +
        'property "a" { forall xs: List<real[n: 1..4]> in 0..1, p: Pair, q: (Real, Bool), ks: List<Int>, deep: List<List<{ x: real[m], y: Real }>>\n' +
        "expect near(total(xs), total(reverse(xs))) and near(p.a + p.b, p.b + p.a)\n" +
        "let (r, on) = q\n expect (on or r <= 1) and length(ks) <= 4 and ks[0] >= 1\n" +
        "for row in deep { for one in row { expect near(one.x + one.y, one.y + one.x) } } }",
    ],
    [
      "derivatives, also of derivatives",
      "fn cube(x: real[n]) -> real { return sum(x * x * x) }\n" +
        'test "a" { let x = draw(normal, [n: 4])\n expect near(gradient(cube, at: x), 3 * x * x)\n' +
        "expect near(gradient(fn(x) => sum(gradient(cube, at: x)), at: x), 6 * x)\n" +
        "expect near(gradient(fn(x: real[i: 2]) => sum(x * x), at: [1, 3]), [2, 6]) }",
    ],
    [
      "an optimiser at work, whose schedule follows its steps",
      "optimizer plain(lr: Schedule) { step(p: f32[n], g: f32[n]) -> f32[n] { return p - lr * g } }\n" +
        "schedule down = linear(1 -> 0) to end\n" +
        'test "a" { let t = minimum(fn(x: f32[i: 2]) => sum(x), from: [0, 1], by: plain(lr: down), steps: 4)\n' +
        "expect near(t[0].x, [-1, 0]) and near(t[3].x, [-2.5, -1.5]) and length(t) == 4 }",
    ],
    ["what the host draws", 'test "a" { let c = draw(uniform(1..2))\n expect near(ones([n: 3]) * c, c) and ones([n: 3]) * c >= 1 }'],
    ["what may be absent", 'property "a" { forall x: real[n], by: real[n]?\n expect near(if has(by) { x + by - by } else { x }, x) }'],
    [
      "a fresh module and its copy",
      'module M(out: Dim) {\n param w: f32[out, n] = draw(normal, [out, n])\n forward(x: real[n]) -> real[out] { return dot(w, x, over: n) } }\ntest "a" { let a = fresh(M(2), seed: 1)\n let b = fresh(M(2), from: a)\n let x = draw(normal, [n: 3])\n expect near(a(x), b(x))\n expect not near(a(x), fresh(M(2), seed: 2)(x)) }',
    ],
    [
      "a derivative, with what `stop` guards fixed",
      "fn f(x: real[n]) -> real[n] { return grad_scale(x * x, 0.5) }\ngradcheck f(x: real[n: 3])",
    ],
  ])("%s", (_, text) => passes(text));
});

describe("what does not hold", () => {
  test("a claim, with a small sample that can be run again", async () => {
    const { counts, written } = await run('property "p" {\n  forall x: real[h: 1..9, w: 1..9] in -2..2\n  expect x < 1.5\n}\n');
    expect(counts).toEqual({ passed: 0, failed: 1 });
    expect(written).toContain("a.ada:3:3: `expect x < 1.5`");
    const again = written.slice(written.indexOf('test "p (counterexample)"')).replace(/^ {7}/gm, "");
    expect(again.split("\n").length).toBeLessThan(6);
    expect((await run(again)).counts).toEqual({ passed: 0, failed: 1 });
  });
  test("a claim about lists and records, made smaller in length and in numbers", async () => {
    const { counts, written } = await run(
      'type Pair = { a: real[n], b: Bool }\nproperty "p" {\n  forall xs: List<Pair>, on: Real?\n  expect [for x in xs: max(abs(x.a))][length(xs) - 1] < 0.25\n}\n',
    );
    expect(counts).toEqual({ passed: 0, failed: 1 });
    expect(written).toMatch(/let xs = \[\{ a: expand\(-?0\.25, \[n: 1\]\), b: false \}\]/);
    expect(written).toContain("let on = none");
    const again = written.slice(written.indexOf('test "p (counterexample)"')).replace(/^ {7}/gm, "");
    expect((await run(again)).counts).toEqual({ passed: 0, failed: 1 });
  });
  test("a type that cannot be drawn", async () => {
    const { written } = await run('property "p" { forall t: Text\n expect true }');
    expect(written).toContain("lists, records and tuples of them are drawn");
  });
  test("the same seed gives the same sample", async () => {
    const text = 'property "p" { forall x: real[n: 1..9] in -2..2\n expect sum(x) < 1 }';
    expect((await run(text)).written).toBe((await run(text)).written);
  });
  test("a wrong derivative", async () => {
    // The device's derivative is off; that of the meaning is not.
    const text = "fn f(x: real[n]) -> real[n] { return x * x * x }\ngradcheck f(x: real[n: 3])";
    expect((await run(text, rightDevice)).counts).toEqual({ passed: 1, failed: 0 });
    const { counts, written } = await run(text, wrongDevice);
    expect(counts).toEqual({ passed: 0, failed: 1 });
    expect(written).toMatch(/the derivative by `x` at \[n: \d\] is \S+ on the device, but differences give/);
  });
  test("a device that does not do what is meant, though the claim holds on it", async () => {
    const text = 'test "t" { let x = draw(normal, [n: 4])\n expect near(x, x) }';
    expect((await run(text, rightDevice)).counts).toEqual({ passed: 1, failed: 0 });
    const { counts, written } = await run(text, wrongDevice);
    expect(counts).toEqual({ passed: 0, failed: 1 });
    expect(written).toMatch(/the left side is \S+ on the device and \S+ by its meaning/);
  });
  test("a property that discards everything", async () => {
    const { counts, written } = await run('property "p" { forall x: Real in 0..1\n require x > 2\n expect x > 0 }');
    expect(counts).toEqual({ passed: 0, failed: 1 });
    expect(written).toContain("draw from narrower ranges");
  });
});

test("a file with mistakes is not run; what only sizes show fails its own test", async () => {
  expect((await run('test "a" { expect nope }')).counts).toEqual({ status: 1 });
  const { counts, written } = await run(
    'fn half(n: Int) -> real[m: n / 2] { return ones([m: n / 2]) }\nproperty "p" { forall n: Int in 1..9\n expect sum(half(n)) > 0 }',
  );
  expect(counts).toEqual({ passed: 0, failed: 1 });
  expect(written).toContain("error shape/not-whole");
});
