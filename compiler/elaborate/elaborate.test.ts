import { describe, expect, test } from "vitest";
import { run } from "./testing.ts";

const numbers = (shape: readonly number[]) => Array.from({ length: shape.reduce((n, s) => n * s, 1) }, (_, i) => ((i * 7) % 11) - 3);
const given = (shape: readonly number[], axes?: readonly string[]) => ({ shape, ...(axes ? { axes } : {}), data: numbers(shape) });
const ints = (shape: readonly number[], data: readonly number[], axes?: readonly string[]) => ({
  shape,
  data,
  dtype: "i32" as const,
  ...(axes ? { axes } : {}),
});

/** The numbers of a function's one result. */
function value(text: string, args: Parameters<typeof run>[2] = {}, options: Parameters<typeof run>[3] = {}): number[] {
  const { results, error } = run(text, "f", args, options);
  if (error !== "") throw new Error(error);
  return [...results.result!.data];
}

describe("running sums", () => {
  test("along an axis, and of a list", () => {
    expect(
      value("fn f(x: real[n, c]) -> real[n, c] { return cumsum(x, over: n) }", { x: { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] } }),
    ).toEqual([1, 2, 4, 6, 9, 12]);
    expect(
      value("fn f(x: real[n]) -> real[n] { return cumsum(x) }", { x: { shape: [3], data: [1, 2, Number.POSITIVE_INFINITY] } }),
    ).toEqual([1, 3, Number.POSITIVE_INFINITY]);
    expect(value("fn f(x: real[n]) -> real[n] { return x * cumsum([1, 2, 3])[2] }", { x: { shape: [1], data: [2] } })).toEqual([12]);
  });
});

describe("named axes", () => {
  test("operands align by name; a missing axis repeats", () => {
    const text = "fn f(x: real[n, c, h], b: real[c]) -> real[n, c, h] { return x + b }";
    const x = numbers([2, 3, 2]);
    const b = numbers([3]);
    expect(value(text, { x: given([2, 3, 2]), b: given([3]) })).toEqual(x.map((v, i) => v + b[Math.floor(i / 2) % 3]!));
  });
  test("a row takes any leading axes, and arguments that share it are aligned", () => {
    const text = `fn scale(x: real[...b, w], by: real[...b]) -> real[...b, w] { return x * by }
fn f(x: real[role, kind, q], s: real[kind]) -> real[role, kind, q] { return scale(x, s) }`;
    const x = numbers([2, 3, 2]);
    const s = numbers([3]);
    expect(value(text, { x: given([2, 3, 2]), s: given([3]) })).toEqual(x.map((v, i) => v * s[Math.floor(i / 2) % 3]!));
  });
  test("names are local: the callee's own axis names may be those of the caller's row", () => {
    const text = `fn halves(x: real[...b, w]) -> real[...b, g: 2, w: w / 2] { return x |> view(\`...b (g w) -> ...b g w\`, g: 2) }
fn f(x: real[g, h]) -> real[part: 2, g, q: h / 2] {
  let y = rename(x, g: outer) |> halves
  return order(rename(y, outer: z), [g, z, h]) |> rename(g: part, z: g, h: q)
}`;
    expect(value(text, { x: given([2, 4]) })).toHaveLength(8);
  });
  test("contraction: shared axes run along, the result has the first argument's order", () => {
    const text = "fn f(q: real[b, i, d], k: real[b, j, d]) -> real[b, i, j] { return dot(q, k, over: d) }";
    const q = numbers([2, 2, 3]);
    const k = numbers([2, 4, 3]);
    const wanted: number[] = [];
    for (let b = 0; b < 2; b++)
      for (let i = 0; i < 2; i++)
        for (let j = 0; j < 4; j++) wanted.push([0, 1, 2].reduce((s, d) => s + q[(b * 2 + i) * 3 + d]! * k[(b * 4 + j) * 3 + d]!, 0));
    expect(value(text, { q: given([2, 2, 3]), k: given([2, 4, 3]) })).toEqual(wanted);
  });
  test("settings of a convolution for each axis are those of h and of w", () => {
    const text = (settings: string) => `fn f(x: real[c, h, w], k: real[out, cin, kh, kw]) -> real[...r] { return conv(x, k, ${settings}) }`;
    const args = { x: given([1, 3, 4]), k: { shape: [1, 1, 1, 2], data: [1, 10] } };
    const x = numbers([3, 4]);
    const row = (i: number) => [x[4 * i]! + 10 * x[4 * i + 2]!, x[4 * i + 1]! + 10 * x[4 * i + 3]!];
    expect(value(text("stride: [2, 1], dilation: [1, 2]"), args)).toEqual([...row(0), ...row(2)]);
    expect(value(text("stride: [2, 1], pad: [1, 0], dilation: [5, 2]"), args)).toEqual([0, 0, ...row(1), 0, 0]);
    expect(() => value(text("stride: [2, 1, 1]"), args)).toThrow("a list of two numbers");
  });
  test("views split, move, join and repeat", () => {
    const text = "fn f(x: real[n, c]) -> real[r: 2, m: 3, id: 4] { return x |> view(`n (p m) -> r m id=(p n)`, m: 3, r: 2) }";
    const x = numbers([2, 6]);
    const half = [0, 1, 2].flatMap((m) => [0, 1].flatMap((p) => [0, 1].map((n) => x[n * 6 + p * 3 + m]!)));
    expect(value(text, { x: given([2, 6]) })).toEqual([...half, ...half]);
  });
  test("indexing by numbers, ranges and tensors; put is its inverse", () => {
    const text = `fn f(x: real[b, t, w], at: i32[b, s]) -> real[b, t, w] { return put(zeros_like(x), t: at, x[t: at]) }`;
    const x = numbers([2, 3, 2]);
    const wanted = x.map((v, i) =>
      [2, 0].includes(Math.floor(i / 2) % 3) && i < 6 ? v : i >= 6 && [1].includes(Math.floor(i / 2) % 3) ? v : 0,
    );
    expect(value(text, { x: given([2, 3, 2]), at: ints([2, 2], [2, 0, 1, -1]) })).toEqual(wanted);
    expect(value("fn f(x: real[t, w]) -> real[w] { return sum(x[t: 1..], over: t) - x[t: -1] }", { x: given([3, 2]) })).toEqual(
      numbers([3, 2]).slice(2, 4),
    );
  });
  test("reductions over rows and lists; max of two and of one", () => {
    const text =
      "fn f(x: real[a, b, c]) -> real[c] { return sum([max(x, over: [a, b]), min(x[a: 0], over: b), max(sum(x, over: [a, b]), 0)]) }";
    const x = numbers([2, 3, 2]);
    const of = (c: number) => x.filter((_, i) => i % 2 === c);
    expect(value(text, { x: given([2, 3, 2]) })).toEqual(
      [0, 1].map(
        (c) =>
          Math.max(...of(c)) +
          Math.min(...of(c).slice(0, 3)) +
          Math.max(
            of(c).reduce((p, q) => p + q, 0),
            0,
          ),
      ),
    );
  });
});

describe("numbers", () => {
  test("whole numbers stay whole, `/` is real, floor of a quotient is exact", () => {
    const text = "fn f(i: i32[n]) -> i32[n] { return floor(i / 3) + i - 2 * floor(i / 2) }";
    expect(value(text, { i: ints([5], [-4, -1, 0, 5, 7]) })).toEqual(
      [-4, -1, 0, 5, 7].map((i) => Math.floor(i / 3) + i - 2 * Math.floor(i / 2)),
    );
  });
  test("what is known is computed when compiling, in double precision", () => {
    const text = "fn f(n: Int) -> real { return sum([for i in 0..n: lerp(sqrt(2), 1, i / 3) ** 2]) }";
    expect(value(text, { n: { value: 4 } })[0]).toBeCloseTo(
      [0, 1, 2, 3].reduce((s, i) => s + (Math.SQRT2 + (1 - Math.SQRT2) * (i / 3)) ** 2, 0),
      14,
    );
  });
  test("lists, records, closures, folds", () => {
    const text = `fn f(x: real[n]) -> real[n] {
  let steps = [for (i, w) in enumerate([1, 2, 4]) if i != 1: { at: i, w: w }]
  let add = fn(y, s) => y + s.w * s.at
  let (a, b) = (fold(steps, x, add), last(scan(steps, x, add)))
  return a + b - x
}`;
    expect(value(text, { x: given([2]) })).toEqual(numbers([2]).map((v) => v + 16));
  });
  test("optional arguments are decided when compiling", () => {
    const text = `fn g(x: real[n], w: real[n]? = none, k: Int = 2) -> real[n] { return if has(w) { x * w } else { k * x } }
fn f(x: real[n]) -> real[n] { return g(x) + g(x, w: x) + g(x, k: 5) }`;
    expect(value(text, { x: given([3]) })).toEqual(numbers([3]).map((v) => 2 * v + v * v + 5 * v));
  });
});

describe("randomness", () => {
  const uniform = (text: string, options: Parameters<typeof run>[3] = {}) => value(text, {}, { seed: 5, ...options });
  test("a stream is named by the chain of names: the order of statements does not matter", () => {
    const one = uniform(
      "fn f() random -> real[n: 8] { let a = draw(normal, [n: 8]) let b = draw(uniform(0..1), [n: 8]) return a + 10 * b }",
    );
    const two = uniform(
      "fn f() random -> real[n: 8] { let b = draw(uniform(0..1), [n: 8]) let a = draw(normal, [n: 8]) return a + 10 * b }",
    );
    expect(two).toEqual(one);
  });
  test("another name, seed or micro-step gives other numbers; the same gives the same", () => {
    const text = "fn f() random -> real[n: 4] { let a = draw(uniform(0..1), [n: 4]) return a }";
    const base = uniform(text);
    expect(uniform(text)).toEqual(base);
    expect(uniform(text.replaceAll("a =", "c =").replace("return a", "return c"))).not.toEqual(base);
    expect(uniform(text, { seed: 6 })).not.toEqual(base);
    expect(uniform(text, { environment: { seed: 5, microStep: 1, update: 1, progress: 0 } })).not.toEqual(base);
  });
  test("moments", () => {
    const text = `fn f() random -> real[k: 5] {
  let x = draw(normal, [n: 20000])
  let u = draw(uniform(2..4), [n: 20000])
  let i = draw(integer(0..5), [n: 20000])
  let c = draw(coin(0.3), [n: 20000])
  let p = draw(pick([1, 10], weights: [3, 1]), [n: 20000])
  return stack([mean(x), std(x, over: n), mean(u) + 0 * mean(i), mean(where(c, 1, 0)), mean(p)], axis: k)
}`;
    const [mean, deviation, middle, share, picked] = uniform(text);
    expect(Math.abs(mean!)).toBeLessThan(0.03);
    expect(Math.abs(deviation! - 1)).toBeLessThan(0.03);
    expect(Math.abs(middle! - 3)).toBeLessThan(0.03);
    expect(Math.abs(share! - 0.3)).toBeLessThan(0.02);
    expect(Math.abs(picked! - 3.25)).toBeLessThan(0.2);
  });
});

describe("modules", () => {
  const linear = `import { Linear, Conv, BatchNorm } from "std/nn.ada"
`;
  test("input sizes are solved from use", () => {
    const { results, error } = run(
      `${linear}module Net() { part a = Linear(4) part b = Linear(2) forward(x: real[...b, f]) -> real[...b, f: 2] { return x |> a |> b } }
model net = Net() trained
fn f(x: real[n, f]) -> real[n, f: 2] { return net(x) }`,
      "f",
      { x: given([3, 5]) },
    );
    expect(error).toBe("");
    expect(results.result!.shape).toEqual([3, 2]);
  });
  test("batch statistics while training, running ones otherwise", () => {
    const text = `${linear}module Net() { part bn = BatchNorm() forward(x: real[...b, c, h, w]) updates -> real[...b, c, h, w] { return bn(x) } }
model net = Net() trained
fn f(x: real[n, c, h, w]) updates -> real[n, c, h, w] { return net(x) }`;
    const x = given([2, 1, 1, 3]);
    const trained = run(text, "f", { x }, { training: true });
    expect(trained.error).toBe("");
    const mean = x.data.reduce((a, b) => a + b, 0) / 6;
    const variance = x.data.reduce((a, b) => a + (b - mean) ** 2, 0) / 6;
    expect(trained.results.result!.data[0]).toBeCloseTo((x.data[0]! - mean) / Math.sqrt(variance + 1e-5), 12);
    expect(trained.results["update.net.bn.running_mean"]!.data[0]).toBeCloseTo(0.1 * mean, 12);
    expect(trained.results["update.net.bn.running_var"]!.data[0]).toBeCloseTo(0.9 + (0.1 * variance * 6) / 5, 12);
    const frozen = run(text, "f", { x }, { training: false });
    expect(frozen.results.result!.data[0]).toBeCloseTo(x.data[0]! / Math.sqrt(1 + 1e-5), 12);
  });
  test("parts may be absent, and lists of parts are called by index", () => {
    const text = `${linear}module Block(out: Dim) { part skip = Linear(out, biased: false) when f != out
  forward(x: real[...b, f]) -> real[...b, f: out] { return if has(skip) { skip(x) } else { x } } }
module Net() { part blocks = [for n in [3, 3, 2]: Block(n)] forward(x: real[...b, f]) -> real[...b, f: 2] { return fold(blocks, x, fn(y, b) => b(y)) } }
model net = Net() trained
fn f(x: real[n, f]) -> real[n, f: 2] { return net(x) }`;
    expect(value(text, { x: given([2, 3]) })).toHaveLength(4);
  });
});

describe("what goes wrong is said at the right place", () => {
  const wrong = (text: string, args: Parameters<typeof run>[2] = {}) => run(text, "f", args).error;
  test("axes that do not line up", () => {
    expect(
      wrong("fn f(x: real[n, c], y: real[m, c]) -> real[n, c] { return x + y }", { x: given([2, 3]), y: given([4, 3]) }),
    ).toMatchInlineSnapshot(`
      "error shape/not-a-subset: the axes [m: 4, c: 3] and [n: 2, c: 3] do not line up
        ┌ main.ada:1:63
        │ fn f(x: real[n, c], y: real[m, c]) -> real[n, c] { return x + y }
        │                                                               ^ real[m: 4, c: 3]
        ┌ main.ada:1:59
        │ fn f(x: real[n, c], y: real[m, c]) -> real[n, c] { return x + y }
        │                                                           - real[n: 2, c: 3]
        help: if \`m\` and \`n\` are the same axis: \`rename(x, m: n)\`; for all pairs: \`expand(x, […])\`"
    `);
  });
  test("sizes that differ, through a call", () => {
    expect(
      wrong(
        `fn g(x: real[...b, c: 4]) -> real[...b, c: 4] { return 2 * x }
fn f(x: real[n, q]) -> real[n, q] { return g(x) }`,
        { x: given([2, 3]) },
      ),
    ).toMatchInlineSnapshot(`
      "error shape/axis-mismatch: \`q\` is 3 here but 4 there
        ┌ main.ada:2:46
        │ fn f(x: real[n, q]) -> real[n, q] { return g(x) }
        │                                              ^ real[n: 2, q: 3]
        ┌ main.ada:1:23
        │ fn g(x: real[...b, c: 4]) -> real[...b, c: 4] { return 2 * x }
        │                       - declared as 4"
    `);
  });
  test("a size-1 axis is not stretched", () => {
    expect(
      wrong("fn f(x: real[n, c], y: real[n, c: 1]) -> real[n, c] { return x + rename(y, c: c) }", { x: given([2, 3]), y: given([2, 1]) }),
    ).toMatchInlineSnapshot(`
      "error shape/axis-mismatch: \`c\` is 1 here but 3 there
        ┌ main.ada:1:66
        │ fn f(x: real[n, c], y: real[n, c: 1]) -> real[n, c] { return x + rename(y, c: c) }
        │                                                                  ^^^^^^^^^^^^^^^ real[n: 2, c: 1]
        help: an axis of size 1 is not stretched: take it away with \`x[axis: 0]\`, then it repeats"
    `);
  });
  test("one part with two sizes", () => {
    expect(
      wrong(
        `import { Linear } from "std/nn.ada"
module Net() { part a = Linear(4) forward(x: real[...b, f]) -> real[...b, f: 4] { return x |> a |> a } }
model net = Net() trained
fn f(x: real[n, f]) -> real[n, f: 4] { return net(x) }`,
        { x: given([2, 3]) },
      ),
    ).toMatchInlineSnapshot(`
      "error shape/reused-with-two-sizes: \`cin\` would have to be 3 and 4 at once
        ┌ main.ada:2:90
        │ module Net() { part a = Linear(4) forward(x: real[...b, f]) -> real[...b, f: 4] { return x |> a |> a } }
        │                                                                                          ^^^^^^ \`cin\` is 4 here
        ┌ main.ada:2:90
        │ module Net() { part a = Linear(4) forward(x: real[...b, f]) -> real[...b, f: 4] { return x |> a |> a } }
        │                                                                                          - the first use made it 3
        ┌ main.ada:4:47
        │ fn f(x: real[n, f]) -> real[n, f: 4] { return net(x) }
        │                                               ------ in this call of \`net\`
        help: the parameters of this \`Linear\` have one shape; a second one needs a part of its own"
    `);
  });
  test("a size that nothing says", () => {
    expect(
      wrong(
        `import { Linear } from "std/nn.ada"
module Net() { part a = Linear(4) part b = Linear(2) forward(x: real[...b, f]) -> real[...b, f: 4] { return a(x) } }
model net = Net() trained
fn f(x: real[n, f]) -> real[n, f: 4] { return net(x) }`,
        { x: given([2, 3]) },
      ),
    ).toMatchInlineSnapshot(`
      "error shape/not-determined: nothing says how large \`cin\` is
        ┌ std/nn.ada:6:26
        │   param weight: f32[out, cin] = draw(uniform(-1..1), [out, cin]) / sqrt(cin)
        │                          ^^^ no use of it says so
        help: \`net.b\` takes \`cin\` from what goes through it: call it first, or give the size"
    `);
  });
  test("a declared result that the body does not have", () => {
    expect(wrong("fn f(x: real[n, c]) -> real[c, n] { return 2 * x }", { x: given([2, 3]) })).toMatchInlineSnapshot(`
      "error shape/axis-order: the axes of real[n: 2, c: 3] are not in the order [c: 3, n: 2]
        ┌ main.ada:1:44
        │ fn f(x: real[n, c]) -> real[c, n] { return 2 * x }
        │                                            ^^^^^
        ┌ main.ada:1:24
        │ fn f(x: real[n, c]) -> real[c, n] { return 2 * x }
        │                        ---------- the declared result
        help: \`order(x, [c, n])\` puts them in the declared order"
    `);
    expect(wrong("fn f(x: real[n, c]) -> real[n] { return x }", { x: given([2, 3]) })).toMatchInlineSnapshot(`
      "error shape/result-axes: the result is real[n: 2, c: 3], but the axes [n: 2] are declared
        ┌ main.ada:1:41
        │ fn f(x: real[n, c]) -> real[n] { return x }
        │                                         ^
        ┌ main.ada:1:24
        │ fn f(x: real[n, c]) -> real[n] { return x }
        │                        ------- the declared result
        help: \`rename\`, \`expand\` or a reduction is missing, or the declaration is wrong"
    `);
    expect(wrong("fn f(x: real[n, c]) -> real[n, c: n + 2] { return x }", { x: given([2, 3]) })).toMatchInlineSnapshot(`
      "error shape/axis-mismatch: \`c\` is 3 here but 4 there
        ┌ main.ada:1:51
        │ fn f(x: real[n, c]) -> real[n, c: n + 2] { return x }
        │                                                   ^ real[n: 2, c: 3]
        ┌ main.ada:1:24
        │ fn f(x: real[n, c]) -> real[n, c: n + 2] { return x }
        │                        ----------------- the declared result"
    `);
  });
  test("a tensor cannot choose a graph", () => {
    expect(wrong("fn f(x: real[n]) -> real { return if any(x > 0) { 1 } else { 2 } }", { x: given([2]) })).toMatchInlineSnapshot(`
      "error time/host-value-needed: a tensor cannot choose a graph: the condition must be known before the step runs
        ┌ main.ada:1:38
        │ fn f(x: real[n]) -> real { return if any(x > 0) { 1 } else { 2 } }
        │                                      ^^^^^^^^^^ device value (\`bool\`)
        help: \`where\` chooses values, \`if\` chooses a graph"
    `);
  });
  test("a view that does not divide, an index that is outside", () => {
    expect(wrong("fn f(x: real[c]) -> real[g, q] { return x |> view(`(g q) -> g q`, g: 4) }", { x: given([6]) })).toMatchInlineSnapshot(`
      "error shape/does-not-divide: \`c\` of size 6 cannot be split into (g q): 4 does not divide it
        ┌ main.ada:1:52
        │ fn f(x: real[c]) -> real[g, q] { return x |> view(\`(g q) -> g q\`, g: 4) }
        │                                                    ^^^^^"
    `);
    expect(wrong("fn f(x: real[c]) -> real { return x[c: 6] }", { x: given([6]) })).toMatchInlineSnapshot(`
      "error index/out-of-range: index 6 is outside of 0..6
        ┌ main.ada:1:37
        │ fn f(x: real[c]) -> real { return x[c: 6] }
        │                                     ^^^^"
    `);
  });
  test("arguments that are not there", () => {
    expect(wrong("fn f(x: real[c]) -> real[c] { return clamp(x, lo: 0, high: 1) }", { x: given([6]) })).toMatchInlineSnapshot(`
      "error call/unknown-argument: \`clamp\` has no argument \`lo\`
        ┌ main.ada:1:51
        │ fn f(x: real[c]) -> real[c] { return clamp(x, lo: 0, high: 1) }
        │                                                   ^
        help: did you mean \`low\`?"
    `);
    expect(wrong("fn f(x: real[c]) -> real[c] { return clamp(x, 0) }", { x: given([6]) })).toMatchInlineSnapshot(`
      "error call/missing-argument: \`clamp\` needs the argument \`high\`
        ┌ main.ada:1:38
        │ fn f(x: real[c]) -> real[c] { return clamp(x, 0) }
        │                                      ^^^^^^^^^^^
        ┌ std/prelude.ada:5:36
        │ fn clamp(x: real[...s], low: Real, high: Real) -> real[...s] { return min(max(x, low), high) }
        │                                    ---------- declared here, without a default"
    `);
  });
});
