import { describe, expect, test } from "vitest";
import { everyConstruct, right, wrong } from "../test/syntax/programs.ts";
import type { Expr, Item } from "./ast.ts";
import { parse } from "./parse.ts";

const messages = (text: string): string[] =>
  parse("t.ada", text).diagnostics.map((one) => `${one.code} at "${text.slice(one.span.start, one.span.end)}"`);
function item<K extends Item["kind"]>(text: string, kind: K, at = 0): Extract<Item, { kind: K }> {
  const { file, diagnostics } = parse("t.ada", text);
  expect(diagnostics).toEqual([]);
  const found = file.items[at];
  if (found?.kind !== kind) throw new Error(`item ${at} is ${found?.kind}`);
  return found as Extract<Item, { kind: K }>;
}
const value = (text: string): Expr => item(`const it = ${text}`, "const").value;
/** An expression with all its grouping shown. */
function grouped(expr: Expr): string {
  switch (expr.kind) {
    case "binary":
      return `(${grouped(expr.left)} ${expr.op} ${grouped(expr.right)})`;
    case "unary":
      return `(${expr.op} ${grouped(expr.operand)})`;
    case "pipe":
      return `(${grouped(expr.value)} |> ${grouped(expr.target)})`;
    case "call":
      return `${grouped(expr.callee)}(${expr.args.map((arg) => grouped(arg.value)).join(", ")})`;
    case "range":
      return `[${grouped(expr.from)} ${expr.arrow ? "->" : ".."} ${expr.to ? grouped(expr.to) : ""}]`;
    case "name":
      return expr.name;
    case "number":
      return expr.text;
    default:
      return expr.kind;
  }
}
const hasErrorNode = (text: string): boolean => /"kind":"error(Item)?"/.test(JSON.stringify(parse("t.ada", text).file));

describe("what is right", () => {
  test("every construct of the grammar", () => {
    expect(messages(everyConstruct)).toEqual([]);
    expect(hasErrorNode(everyConstruct)).toBe(false);
    const kinds = new Set(parse("t.ada", everyConstruct).file.items.map((one) => one.kind));
    expect(kinds.size).toBe(22);
  });
  test.each(right)("%s", (text) => {
    expect(messages(text)).toEqual([]);
    expect(hasErrorNode(text)).toBe(false);
  });
});

describe("what is wrong", () => {
  test.each(wrong)("%s", (text) => expect(messages(text)).not.toEqual([]));
  test("one mistake, one message, and the items around it are read", () => {
    const text = "fn f(x: real) -> real { return x + }\nfn g() -> real { return 1 }\n";
    expect(messages(text)).toEqual(['syntax/unexpected at "}"']);
    expect(parse("t.ada", text).file.items.map((one) => one.kind)).toEqual(["fn", "fn"]);
  });
  test("an unclosed brace is reported where it opens, and the next item is still read", () => {
    const text = "fn f() -> real {\n  return 1\n\nfn g() -> real { return 1 }\n";
    expect(messages(text)).toEqual(['syntax/unclosed-bracket at "{"']);
    expect(parse("t.ada", text).file.items.map((one) => one.kind)).toEqual(["fn", "fn"]);
  });
  test("a second mistake in the same item is reported after the next statement begins", () => {
    expect(messages("fn f() -> real {\n  let a = \n  let b = 3\n  return * b\n}")).toEqual([
      'syntax/unexpected at "let"',
      'syntax/unexpected at "*"',
    ]);
  });
  test("an item that lost its name is an error item", () => {
    expect(parse("t.ada", "const = 3").file.items.map((one) => one.kind)).toEqual(["errorItem"]);
  });
});

describe("expressions", () => {
  test.each([
    ["a + b * c ** d", "(a + (b * (c ** d)))"],
    ["a ** b ** c", "(a ** (b ** c))"],
    ["a - b - c", "((a - b) - c)"],
    ["a / b * c", "((a / b) * c)"],
    ["a or b and c == d + e", "(a or (b and (c == (d + e))))"],
    ["-a ** -b", "(- (a ** (- b)))"],
    ["-a ** 2 * b", "((- (a ** 2)) * b)"],
    ["2 ** -x ** 2 - y", "((2 ** (- (x ** 2))) - y)"],
    ["(-a) ** 2", "((- a) ** 2)"],
    ["not a and not not b", "((not a) and (not (not b)))"],
    ["a + b |> f |> g(c)", "(((a + b) |> f) |> g(c))"],
    ["f(a..b, 1 -> 2, c: x..)", "f([a .. b], [1 -> 2], [x .. ])"],
    ["(a + b) * c", "((a + b) * c)"],
  ])("%s", (text, expected) => expect(grouped(value(text))).toBe(expected));

  test("spans cover exactly what was written", () => {
    const text = "const it = f(a + b,  c: x |> g)[k: 1..2].name";
    const covers = (node: { span: { start: number; end: number } }): string => text.slice(node.span.start, node.span.end);
    const it = item(text, "const");
    expect(covers(it)).toBe(text);
    const field = it.value;
    if (field.kind !== "field" || field.base.kind !== "index" || field.base.base.kind !== "call") throw new Error("wrong tree");
    expect(covers(field)).toBe("f(a + b,  c: x |> g)[k: 1..2].name");
    expect(covers(field.base)).toBe("f(a + b,  c: x |> g)[k: 1..2]");
    expect(field.base.indices.map(covers)).toEqual(["k: 1..2"]);
    expect(field.base.base.args.map(covers)).toEqual(["a + b", "c: x |> g"]);
    expect(field.base.base.args.map((arg) => covers(arg.value))).toEqual(["a + b", "x |> g"]);
    const sum = field.base.base.args[0]!.value;
    expect(sum.kind === "binary" && text.slice(sum.opSpan.start, sum.opSpan.end)).toBe("+");
  });
  test("a span that begins or ends at parentheses includes them", () => {
    const text = "const it = (a + b) * -(c)[(d)] |> (f)(x)";
    const pipe = item(text, "const").value;
    const covers = (node: { span: { start: number; end: number } }): string => text.slice(node.span.start, node.span.end);
    if (pipe.kind !== "pipe" || pipe.value.kind !== "binary") throw new Error("wrong tree");
    expect([pipe, pipe.target, pipe.value, pipe.value.left, pipe.value.right].map(covers)).toEqual([
      "(a + b) * -(c)[(d)] |> (f)(x)",
      "(f)(x)",
      "(a + b) * -(c)[(d)]",
      "a + b",
      "-(c)[(d)]",
    ]);
  });
  test("numbers, texts, patterns", () => {
    expect(value("1_000")).toMatchObject({ kind: "number", value: 1000, text: "1_000" });
    expect(value("5e-1")).toMatchObject({ value: 0.5 });
    expect(value('"a\\n\\"b\\" \\u{e9}"')).toMatchObject({ kind: "string", value: 'a\n"b" é' });
    expect(value("`...b (g part) h -> ...b c=(g part) n=(...b) w=1 1 d=e`")).toMatchObject({
      left: [
        { kind: "row", name: "b" },
        { kind: "group", name: null, parts: ["g", "part"] },
        { kind: "axis", name: "h" },
      ],
      right: [
        { kind: "row", name: "b" },
        { kind: "group", name: "c", parts: ["g", "part"] },
        { kind: "group", name: "n", parts: ["...b"] },
        { kind: "unit", name: "w" },
        { kind: "unit", name: null },
        { kind: "group", name: "d", parts: ["e"] },
      ],
    });
  });
  test("an `if` without `else` is an element or nothing", () => {
    expect(messages("const a = [if x { 1 }, for_each, if y { 2 }]")).toEqual([]);
    expect(messages("const a = [for l in xs: if l > 1 { l }]")).toEqual([]);
    expect(messages("const a = if x { 1 }")).toEqual(['syntax/if-without-else at "if"']);
    expect(messages("const a = [1 + (if x { 1 })]")).toEqual(['syntax/if-without-else at "if"']);
  });
  test("a path that begins with `**` after an expression begins the next rule", () => {
    const surgery = item("surgery s for M { a.b = widen(x) **.bias = 3 *.c = 2 ** 3 }", "surgery");
    expect(surgery.rules.map((rule) => rule.path.segments.map((segment) => segment.head.kind))).toEqual([
      ["name", "name"],
      ["deep", "name"],
      ["any", "name"],
    ]);
  });
});

describe("documentation and comments", () => {
  test("`///` lines right before an item are its doc", () => {
    const text =
      "/// Lost.\nconst a = 1 /// Not a line of its own.\n/// One.\n///   Two.\n// and a remark\nconst b = 2\n//// no\nconst c = 3\nmodule M() {\n  /// Inner.\n  fn f() -> real { return 1 }\n}";
    const { file, comments } = parse("t.ada", text);
    expect(file.items.map((one) => one.doc)).toEqual(["Lost.", "One.\nTwo.", null, null]);
    const net = file.items[3];
    expect(net?.kind === "module" && net.members[0]?.kind === "fn" && net.members[0].doc).toBe("Inner.");
    expect(comments.map((one) => one.isDoc)).toEqual([true, true, true, true, false, false, true]);
  });
});

describe("depth", () => {
  const open = (times: number, before: string, after: string, middle = "1"): string => before.repeat(times) + middle + after.repeat(times);
  test.each([
    ["parentheses", `const a = ${open(30_000, "(", ")")}`],
    ["signs", `const a = ${open(30_000, "- ", "")}`],
    ["a sum", `const a = ${open(30_000, "1 + ", "")}`],
    ["powers", `const a = ${open(30_000, "2 ** ", "")}`],
    ["pipes", `const a = ${open(30_000, "", " |> f")}`],
    ["calls", `const a = f${open(30_000, "", "()", "")}`],
    ["functions", `const a = ${open(10_000, "fn(x) => ", "")}`],
    ["types", `type T = ${open(10_000, "List<", ">", "Int")}`],
    ["mixes", `train t { each step: ${open(10_000, "every 3 updates: ", " otherwise: b", "a")} }`],
  ])("%s nested far too deeply are one diagnostic", (_, text) => {
    const { diagnostics } = parse("t.ada", text);
    expect(diagnostics.map((one) => one.code)).toEqual(["syntax/too-deep"]);
  });
  test.each([
    ["lists and calls", `const a = ${open(18, "f([g, ", "])")}`],
    ["blocks", `fn f() -> real { ${open(35, "if a { ", " }", "log { a }")} return 1 }`],
    ["comprehensions", `const a = ${open(18, "[for x in y: { return ", " }]")}`],
    ["a sum of 200", `const a = ${open(200, "1 + ", "")}`],
  ])("%s as deep as anyone writes them are read", (_, text) => expect(messages(text)).toEqual([]));
});

test("a file larger than the limit is refused without being read", () => {
  expect(parse("t.ada", " ".repeat(4_000_001)).diagnostics.map((one) => one.code)).toEqual(["syntax/file-too-large"]);
});
