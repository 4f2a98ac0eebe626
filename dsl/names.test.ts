import { describe, expect, test } from "vitest";
import type { Ident, NameRef } from "./ast.ts";
import { type Binding, resolveNames } from "./names.ts";
import { loadProgram } from "./program.ts";
import type { SourceHost } from "./source.ts";
import { walk } from "./walk.ts";

function hostOf(files: Readonly<Record<string, string>>): SourceHost {
  return {
    projectRoot: "/project",
    stdRoot: "/library",
    exists: (absolute) => absolute in files,
    readFile: (absolute) => (absolute in files ? { text: files[absolute]! } : { reason: "no such file" }),
  };
}
const prelude =
  "fn silu(x: real[...s]) -> real[...s] { return x / (1 + exp(-x)) }\nfn softmax(x: real[...s], over: Axes) -> real[...s] { return x / sum(x, over) }";

/** Resolves a text; `names` gives, in the order of the text, each use of a name and what it stands for. */
function resolved(text: string, others: Readonly<Record<string, string>> = {}) {
  const program = loadProgram("main.ada", hostOf({ "/library/prelude.ada": prelude, "/project/main.ada": text, ...others }));
  const { resolution, diagnostics } = resolveNames(program);
  const uses: [string, Binding | undefined][] = [];
  walk(program.files.get("main.ada")!.ast, (node) => {
    if (node.kind === "name") uses.push([(node as NameRef).name, resolution.resolve(node as NameRef)]);
    return undefined;
  });
  const messages = [...program.diagnostics, ...diagnostics].map((one) => `${one.code} ${text.slice(one.span.start, one.span.end)}`);
  return {
    program,
    resolution,
    messages,
    uses,
    kindsOf: (name: string) => uses.filter(([used]) => used === name).map(([, binding]) => binding?.kind),
  };
}
const identOf = (binding: Binding | undefined): Ident | undefined => (binding?.kind === "local" ? binding.ident : undefined);

describe("scopes", () => {
  test("`let` shadows from the next statement on", () => {
    const { uses, messages } = resolved("fn f(x: real[n]) -> real[n] { let x = x + 1 let x = x * 2 return x }");
    expect(messages).toEqual([]);
    const xs = uses.filter(([name]) => name === "x").map(([, binding]) => binding);
    expect(xs.map((binding) => binding?.kind)).toEqual(["param", "local", "local"]);
    expect(identOf(xs[1])).not.toBe(identOf(xs[2]));
  });
  test("blocks, comprehensions and functions keep their names to themselves", () => {
    const { messages } = resolved(
      "fn f(x: Real) -> Real { if x > 0 { let inside = 1 } let a = [for i in 0..3: i] let g = fn(p) => p return inside + i + p }",
    );
    expect(messages).toEqual(["name/unknown inside", "name/unknown i", "name/unknown p"]);
  });
  test("a name is reported once in an item", () => {
    expect(resolved("fn f(x: Real) -> Real { return nope + nope + nope }").messages).toEqual(["name/unknown nope"]);
  });
  test("short record fields are uses", () => {
    expect(resolved("fn f(x: Real) -> Real { let r = { x, y } return x }").messages).toEqual(["name/unknown y"]);
  });
  test("a file's item hides the prelude's", () => {
    const { uses } = resolved("fn silu(x: Real) -> Real { return x }\nconst a = silu(1)");
    const binding = uses.find(([name]) => name === "silu")?.[1];
    expect(binding?.kind === "item" && binding.file).toBe("main.ada");
  });
  test("names that exist only in some places", () => {
    const data = "dataset d(root: Path) { source folder(root) field who: Text = folder_name }\n";
    expect(resolved(`${data}step s(face: d) { let t = progress * batch minimize t }`).messages).toEqual([]);
    expect(resolved("fn f(x: Real) -> Real { return x * progress }").messages).toEqual(["name/unknown progress"]);
    expect(resolved("const a = folder_name").messages).toEqual(["name/unknown folder_name"]);
  });
});

describe("sizes, rows and axes", () => {
  test("axes of a signature are numbers in the body", () => {
    const { kindsOf, messages } = resolved("fn f(x: real[...b, c: cin, h]) -> real[...b, c: cin, h: 2 * h] { return x * h * cin }");
    expect(messages).toEqual([]);
    expect(new Set(kindsOf("h"))).toEqual(new Set(["sizeVariable"]));
    expect(new Set(kindsOf("cin"))).toEqual(new Set(["sizeVariable"]));
  });
  test("an axis name is no number", () => {
    expect(resolved("fn f(x: real[c: cin]) -> real { return sum(x) * c }").messages).toEqual(["name/unknown c"]);
  });
  test("a parameter that is a number is meant by an axis of that name", () => {
    expect(resolved("fn f(x: real[n], n: Int) -> real[k: n] { return x }").kindsOf("n")).toEqual(["param", "param"]);
  });
  test("a tensor may bear the name of its own axis", () => {
    expect(resolved("fn f(e: real[e]) -> real[e] { return e }").kindsOf("e")).toEqual(["sizeVariable", "sizeVariable", "param"]);
  });
  test("axes are meant where a function takes axes", () => {
    const text =
      "fn f(x: real[a: 3, b]) -> real { return sum(softmax(x, over: a) |> mean(over: [a, b]) |> rename(b: a) |> expand([q: 3, z]), over: z) }";
    const { kindsOf, messages } = resolved(text);
    expect(messages).toEqual([]);
    expect(kindsOf("a")).toEqual(["axis", "axis", "axis"]);
    expect(kindsOf("z")).toEqual(["axis", "axis"]);
    expect(kindsOf("b")).toEqual(["sizeVariable", "sizeVariable"]);
  });
  test("an unknown row", () => {
    expect(resolved("fn f(x: real[...b, h]) -> real[...b, h] { return expand(x, [...c, h]) }").messages).toEqual(["name/unknown c"]);
  });
  test("sizes that come with a named type, and with a pattern", () => {
    const text =
      "type Seen = { out: real[c, h: h2] }\nfn f(s: List<Seen>, x: real[w]) -> real { let y = view(x, `(head d) -> head d`) return sum(y) * h2 * d ** -0.5 }";
    expect(resolved(text).messages).toEqual([]);
  });
  test("the sizes of `forward` stand in the parts; a `fn` expression has its own", () => {
    const text =
      "module M(heads: Int) {\n  param bias: f32[width]\n  part q = N(width * 2)\n  forward(x: real[...b, width]) -> real[...b, width] { let f = fn(y: real[h, width]) => y * h return x + bias }\n}\n" +
      "module N(out: Dim) { forward(x: real[n]) -> real[m: out] { return x } }";
    const { messages, uses } = resolved(text);
    expect(messages).toEqual([]);
    const widths = uses.filter(([name]) => name === "width").map(([, binding]) => binding);
    expect(new Set(widths.slice(0, 4)).size).toBe(1);
    expect(widths[4]).not.toBe(widths[0]);
  });
});

describe("items", () => {
  test("imports lead to the item, under either name", () => {
    const { uses, messages, resolution } = resolved('import { a as b, c } from "./lib/other.ada"\nconst x = b + c', {
      "/project/lib/other.ada": "const a = 1\nconst c = 2",
    });
    expect(messages).toEqual([]);
    expect(uses.map(([, binding]) => binding?.kind === "item" && `${binding.file} ${binding.item.name.name}`)).toEqual([
      "lib/other.ada a",
      "lib/other.ada c",
    ]);
    expect([...resolution.names("main.ada").keys()]).toEqual(["x", "b", "c"]);
  });
  test("what an import cannot find is one mistake, not one per use", () => {
    const text = 'import { a } from "./gone.ada"\nconst x = a + a';
    expect(resolved(text).messages).toEqual(['import/not-found "./gone.ada"']);
  });
  test("a name that an unreadable item would have defined is not reported again", () => {
    expect(resolved("fn (x: Real) -> Real { return 1 }\nconst = 3\nconst y = 1").messages.every((one) => one.startsWith("syntax/"))).toBe(
      true,
    );
    const { messages } = resolved("fn lost(((( -> Real { return 1 }\nconst y = lost(1)");
    expect(messages.filter((one) => one.startsWith("name/"))).toEqual([]);
  });
  test("parts, groups of parts, leaves and functions of a module", () => {
    const text = `module M() {
  param weight: f32[n] = 0
  part mlp.one = N()
  part mlp.two = N()
  part last = N()
  fn twice(x: real[n]) -> real[n] { return mlp.one(mlp.two(x)) }
  forward(x: real[n]) -> real[n] { return last(twice(x)) * weight }
}
module N() { forward(x: real[n]) -> real[n] { return x } }`;
    const { kindsOf, messages } = resolved(text);
    expect(messages).toEqual([]);
    expect(kindsOf("mlp")).toEqual(["partGroup", "partGroup"]);
    expect([...kindsOf("last"), ...kindsOf("twice"), ...kindsOf("weight")]).toEqual(["part", "method", "leaf"]);
  });
  test("optimisers, steps, training and evaluation", () => {
    const text = `dataset d(root: Path) { source folder(root) field image: f32[h: 3] = load(file) field again: f32[h: 3] = image }
model net = N() trained
module N() { forward(x: real[n]) -> real[n] { return x } }
step s(face: d) { minimize sum(net(face.image)) * draw(coin(linear(0.4 -> 0.2))) }
optimizer sgd(lr: Schedule, each decay: Real = 0) {
  state m: f32[n] = 0
  state start: f32[n] = p
  step(p: f32[n], g: f32[n]) -> f32[n] { update m = m + g return p - lr * (m + start) * n }
}
train t { data face = d("x") each step: s optimizer sgd(lr: constant(1)) { **.bias(decay: 0) } }
evaluate e { model other = N() data held = d("y") for f in held { measure gap: sum(other(f.image)) + sum(net(f.image)) } report mean by [subject] to "r.json" }`;
    expect(resolved(text).messages).toEqual([]);
  });
});
