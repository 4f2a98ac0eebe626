import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { printSize } from "./printSize.ts";
import { addRatio, compareRatio, divRatio, floorRatio, mulRatio, type Ratio, ratio } from "./ratio.ts";
import {
  addSizes,
  anySize,
  chooseSize,
  constantOf,
  constantSize,
  divideSizes,
  equalTest,
  evaluateSize,
  flagTest,
  floorSize,
  isAny,
  lessTest,
  multiplySizes,
  notTest,
  powerSize,
  type Size,
  sameSize,
  substituteSize,
  subtractSizes,
  variableSize,
} from "./size.ts";

const rigid = (name: string) => variableSize({ id: name, name, kind: "rigid" });
const [h, w, width, heads, stride] = ["h", "w", "width", "heads", "stride"].map(rigid) as [Size, Size, Size, Size, Size];
const n = constantSize;
const add = addSizes;
const sub = subtractSizes;

describe("normal form", () => {
  test("a group of axes multiplied back is the axis it was split from", () => {
    expect(sameSize(multiplySizes(heads, divideSizes(width, heads)), width)).toBe(true);
  });
  test("a padded convolution of stride 1 keeps the size", () => {
    const out = add(floorSize(divideSizes(sub(add(h, n(2)), n(3)), n(1))), n(1));
    expect(sameSize(out, h)).toBe(true);
  });
  test("whole parts move out of a floor", () => {
    expect(sameSize(add(floorSize(divideSizes(sub(h, n(2)), n(2))), n(1)), floorSize(divideSizes(h, n(2))))).toBe(true);
    expect(sameSize(add(floorSize(divideSizes(sub(h, n(1)), stride)), n(1)), add(n(1), floorSize(divideSizes(sub(h, n(1)), stride))))).toBe(
      true,
    );
  });
  test("exact division by a sum", () => {
    const product = multiplySizes(add(h, w), add(h, n(3)));
    expect(sameSize(divideSizes(product, add(h, w)), add(h, n(3)))).toBe(true);
    const quotient = divideSizes(h, add(w, n(1)));
    expect(sameSize(multiplySizes(quotient, add(w, n(1))), h)).toBe(true);
  });
  test("equal branches need no condition", () => {
    const double = flagTest("double", "double");
    expect(sameSize(chooseSize(double, h, h), h)).toBe(true);
    expect(constantOf(add(double, notTest(double)))).toEqual(ratio(1n));
    expect(sameSize(multiplySizes(double, double), double)).toBe(true);
  });
  test("substitution decides conditions", () => {
    const size = chooseSize(lessTest(n(1), stride), divideSizes(h, stride), h);
    const at = (value: number) => substituteSize(size, { variable: (v) => (v.name === "stride" ? n(value) : undefined) });
    expect(sameSize(at(1), h)).toBe(true);
    expect(sameSize(at(2), divideSizes(h, n(2)))).toBe(true);
  });
  test("what nothing is known of stays so", () => {
    expect(isAny(add(anySize(), n(1)))).toBe(true);
    expect(isAny(divideSizes(h, n(0)))).toBe(true);
  });
});

describe("printing", () => {
  test.each<[Size, string]>([
    [n(0), "0"],
    [sub(h, n(1)), "h - 1"],
    [sub(n(1), h), "1 - h"],
    [multiplySizes(n(4), width), "4 * width"],
    [divideSizes(width, heads), "width / heads"],
    [divideSizes(add(h, n(1)), n(2)), "(h + 1) / 2"],
    [add(floorSize(divideSizes(sub(h, n(1)), stride)), n(1)), "floor((h - 1) / stride) + 1"],
    [chooseSize(flagTest("double", "double"), multiplySizes(n(2), h), h), "if double { 2 * h } else { h }"],
    [chooseSize(lessTest(h, w), h, w), "if h < w { h } else { w }"],
    [powerSize(h, 2), "h ** 2"],
    [divideSizes(h, add(w, n(1))), "h / (w + 1)"],
    [anySize(), "?"],
  ])("%#", (size, text) => expect(printSize(size)).toBe(text));
});

// A formula that is evaluated directly, and built as a size: the normal form must say the same.
type Formula =
  | { readonly op: "number"; readonly value: number }
  | { readonly op: "name"; readonly name: string }
  | { readonly op: "+" | "-" | "*" | "/"; readonly a: Formula; readonly b: Formula }
  | { readonly op: "floor"; readonly a: Formula }
  | { readonly op: "if"; readonly test: "a<b" | "a==b" | "flag"; readonly a: Formula; readonly b: Formula };
const names = ["h", "w", "c"];
const formula: fc.Arbitrary<Formula> = fc.letrec<{ formula: Formula }>((tie) => ({
  formula: fc.oneof(
    { maxDepth: 4, depthIdentifier: "formula" },
    fc.record({ op: fc.constant("number" as const), value: fc.integer({ min: -3, max: 6 }) }),
    fc.record({ op: fc.constant("name" as const), name: fc.constantFrom(...names) }),
    fc.record({ op: fc.constantFrom("+" as const, "-" as const, "*" as const, "/" as const), a: tie("formula"), b: tie("formula") }),
    fc.record({ op: fc.constant("floor" as const), a: tie("formula") }),
    fc.record({
      op: fc.constant("if" as const),
      test: fc.constantFrom("a<b" as const, "a==b" as const, "flag" as const),
      a: tie("formula"),
      b: tie("formula"),
    }),
  ),
})).formula;

function build(f: Formula): Size {
  switch (f.op) {
    case "number":
      return n(f.value);
    case "name":
      return rigid(f.name);
    case "floor":
      return floorSize(build(f.a));
    case "if": {
      const [a, b] = [build(f.a), build(f.b)];
      return chooseSize(f.test === "flag" ? flagTest("flag", "flag") : f.test === "a<b" ? lessTest(a, b) : equalTest(a, b), a, b);
    }
    default: {
      const [a, b] = [build(f.a), build(f.b)];
      return f.op === "+" ? add(a, b) : f.op === "-" ? sub(a, b) : f.op === "*" ? multiplySizes(a, b) : divideSizes(a, b);
    }
  }
}
function direct(f: Formula, values: Readonly<Record<string, number>>, flag: boolean): Ratio | undefined {
  switch (f.op) {
    case "number":
      return ratio(BigInt(f.value));
    case "name":
      return ratio(BigInt(values[f.name]!));
    case "floor": {
      const a = direct(f.a, values, flag);
      return a && ratio(floorRatio(a));
    }
    default: {
      const [a, b] = [direct(f.a, values, flag), direct(f.b, values, flag)];
      if (!a || !b) return undefined;
      if (f.op === "if") return (f.test === "flag" ? flag : f.test === "a<b" ? compareRatio(a, b) < 0 : compareRatio(a, b) === 0) ? a : b;
      if (f.op === "/") return b.n === 0n ? undefined : divRatio(a, b);
      return f.op === "*" ? mulRatio(a, b) : addRatio(a, f.op === "+" ? b : ratio(-b.n, b.d));
    }
  }
}
const assignment = fc.record({
  values: fc.record({ h: fc.integer({ min: 1, max: 40 }), w: fc.integer({ min: 1, max: 40 }), c: fc.integer({ min: 1, max: 9 }) }),
  flag: fc.boolean(),
});

describe("properties", () => {
  test("the normal form equals evaluation", () => {
    let compared = 0;
    fc.assert(
      fc.property(formula, assignment, (f, { values, flag }) => {
        const expected = direct(f, values, flag);
        const found = evaluateSize(build(f), { value: (v) => (values as Record<string, number>)[v.name], flag: () => flag });
        if (expected === undefined || found === undefined) return;
        compared++;
        expect(found).toEqual(expected);
      }),
      { seed: 1, numRuns: 1500 },
    );
    expect(compared).toBeGreaterThan(600);
  });
  test("substituting numbers equals evaluation", () => {
    fc.assert(
      fc.property(formula, assignment, (f, { values, flag }) => {
        const expected = direct(f, values, flag);
        const found = substituteSize(build(f), {
          variable: (v) => n((values as Record<string, number>)[v.name]!),
          flag: () => n(flag ? 1 : 0),
        });
        const constant = constantOf(found);
        if (expected && constant) expect(constant).toEqual(expected);
      }),
      { seed: 2, numRuns: 600 },
    );
  });
  test("sums and products do not depend on their order", () => {
    fc.assert(
      fc.property(formula, formula, formula, (a, b, c) => {
        const [x, y, z] = [build(a), build(b), build(c)];
        expect(sameSize(add(x, y), add(y, x))).toBe(true);
        expect(sameSize(multiplySizes(x, y), multiplySizes(y, x))).toBe(true);
        if (!isAny(multiplySizes(multiplySizes(x, y), z)) && !isAny(multiplySizes(x, multiplySizes(y, z)))) {
          expect(sameSize(multiplySizes(multiplySizes(x, y), z), multiplySizes(x, multiplySizes(y, z)))).toBe(true);
        }
      }),
      { seed: 3, numRuns: 200 },
    );
  });
});
