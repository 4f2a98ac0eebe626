import { describe, expect, test } from "vitest";
import * as b from "./build.ts";
import { invocation, reads } from "./kernels.testing.ts";
import { expressionText } from "./print.ts";

const x = b.ref("x", b.typeOf("f32"));
const v = b.ref("v", b.typeOf("f32", 4));
const i = b.ref("i", b.typeOf("i32"));
const p = b.ref("p", b.typeOf("bool"));

describe("folding", () => {
  test.each([
    ["literals", b.add(b.f32(0.1), b.f32(0.2)), "0.30000001192092896f"],
    ["i32 wraps", b.add(b.i32(2147483647), b.i32(1)), "-2147483648"],
    ["i32 products are exact", b.mul(b.i32(123456789), b.i32(987654321)), String(Math.imul(123456789, 987654321))],
    ["x + 0", b.add(x, 0), "x"],
    ["1 * x", b.mul(1, x), "x"],
    ["integer x * 0", b.mul(i, 0), "0"],
    ["f32 x * 0 stays: x may be infinite", b.mul(x, 0), "x * 0f"],
    ["sums of constants gather", b.add(b.add(i, 3), 4), "i + 7"],
    ["differences too", b.sub(b.add(i, 3), 4), "i - 1"],
    ["products of constants gather", b.mul(b.mul(2, i), 4), "i * 8"],
    ["i // 1", b.idiv(i, 1), "i"],
    ["i % 1", b.imod(i, 1), "0"],
    ["i * 8 // 4", b.idiv(b.mul(i, 8), 4), "i * 2"],
    ["i * 8 % 4", b.imod(b.mul(i, 8), 4), "0"],
    ["i // 3 // 5", b.idiv(b.idiv(i, 3), 5), "i // 15"],
    ["floor division of literals", b.idiv(b.i32(-7), b.i32(2)), "-4"],
    ["floor remainder of literals", b.imod(b.i32(-7), b.i32(2)), "1"],
    ["select on a literal", b.select(b.bool(true), x, b.f32(1)), "x"],
    ["select of one", b.select(p, x, x), "x"],
    ["splat of a literal", b.splat(b.f32(2)), "splat(2f)"],
    ["part of a splat", b.part(b.splat(x), 2), "x"],
    ["vector of its own parts", b.vecOf(...b.partsOf(v)), "v"],
    ["a scalar beside a vector", b.mul(v, b.f32(2)), "v * splat(2f)"],
    ["not not", b.not(b.not(p)), "p"],
    ["and true", b.and(b.bool(true), p), "p"],
    ["or true", b.or(p, b.bool(true)), "true"],
    ["fma by 1", b.fma(x, b.f32(1), x), "x + x"],
    ["cast of a literal truncates", b.cast(b.f32(-2.7), "i32"), "-2"],
    ["cast to the same", b.cast(x, "f32"), "x"],
    ["x ** 0", b.pow(x, 0), "1f"],
    ["round halves to even", b.round(b.f32(2.5)), "2f"],
    ["within", b.within(i, 0, 9), "(0 <= i) & (i < 9)"],
  ])("%s", (_, expression, text) => {
    expect(expressionText(expression)).toBe(text);
  });

  test("refuses operands that do not fit", () => {
    expect(() => b.add(x, i)).toThrow("internal: tile add of f32, i32");
    expect(() => b.not(x)).toThrow("internal");
    expect(() => b.select(x, i, i)).toThrow("internal");
    expect(() => b.vecOf(v, v, v, v)).toThrow("internal");
  });
});

describe("blocks", () => {
  test("name values once and keep literals", () => {
    const k = new b.Block();
    const a = k.let("a", invocation(8));
    expect(k.let("b", a)).toBe(a);
    expect(k.let("c", b.i32(3))).toEqual(b.i32(3));
    const again = k.let("a", b.mul(a, 2));
    expect(again).toMatchObject({ kind: "ref", name: "a_1" });
    expect(k.statements).toHaveLength(2);
  });

  test("copy a variable's present value", () => {
    const k = new b.Block();
    const sum = k.var("sum", b.f32(0));
    k.for("i", 0, 4, 1, (_, body) => {
      expect(body.let("old", sum)).not.toBe(sum);
    });
  });

  test("leave out the arm that a literal condition never takes", () => {
    const buffer = reads("x", 1);
    const k = new b.Block();
    k.if(
      b.bool(false),
      (t) => t.let("no", b.load(buffer, 0)),
      (t) => t.let("yes", b.load(buffer, 0)),
    );
    expect(k.statements.map((s) => (s.kind === "let" ? s.name : s.kind))).toEqual(["yes"]);
  });
});
