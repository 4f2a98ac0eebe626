import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { printSize } from "./printSize.ts";
import {
  addSizes,
  anySize,
  constantSize,
  divideSizes,
  evaluateSize,
  floorSize,
  multiplySizes,
  type Size,
  subtractSizes,
  variableSize,
} from "./size.ts";
import { type AxisItem, axis, mapType, printAxes, printType, type Type, tensor } from "./type.ts";
import { Unifier } from "./unify.ts";

const n = constantSize;
const rigid = (name: string): Size => variableSize({ id: name, name, kind: "rigid" });
const [h, w] = [rigid("h"), rigid("w")];

describe("equating sizes", () => {
  test("an open size is found from a linear equation", () => {
    const unifier = new Unifier();
    const x = unifier.freshSize("x");
    expect(unifier.equate(addSizes(multiplySizes(n(2), x), n(1)), h)).toBe("same");
    expect(printSize(unifier.size(x))).toBe("(h - 1) / 2");
    expect(unifier.equate(multiplySizes(n(2), x), subtractSizes(h, n(1)))).toBe("same");
  });
  test("a factor that does not divide has no solution", () => {
    const unifier = new Unifier();
    const times = unifier.freshSize("times");
    expect(unifier.equate(multiplySizes(n(4), times), n(2))).toBe("differ");
    expect(unifier.equate(multiplySizes(n(4), times), n(8))).toBe("same");
    expect(printSize(unifier.size(times))).toBe("2");
  });
  test("what is never equal, and what may be", () => {
    const unifier = new Unifier();
    expect(unifier.equate(n(3), n(4))).toBe("differ");
    expect(unifier.equate(h, addSizes(h, n(1)))).toBe("differ");
    expect(unifier.equate(h, multiplySizes(n(2), h))).toBe("differ");
    expect(unifier.equate(h, w, "here")).toBe("differ");
    expect(unifier.equate(h, w)).toBe("open");
    expect(unifier.equate(h, anySize())).toBe("open");
    expect(unifier.equate(multiplySizes(n(2), floorSize(divideSizes(h, n(2)))), h)).toBe("open");
  });
  test("across a call an equation is a duty, and a body may count on it", () => {
    const unifier = new Unifier();
    expect(unifier.equate(h, n(4))).toBe("open");
    expect(unifier.obligations).toHaveLength(1);
    expect(unifier.equate(h, n(4), "here")).toBe("open");
    expect(unifier.equate(w, n(4), "here")).toBe("differ");
  });
  test("solutions are solutions", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: -5, max: 5 }),
        fc.integer({ min: 1, max: 30 }),
        (factor, plus, value) => {
          const unifier = new Unifier();
          const x = unifier.freshSize("x");
          const left = addSizes(multiplySizes(n(factor), x), n(plus));
          expect(unifier.equate(left, h)).toBe("same");
          const found = evaluateSize(unifier.size(left), { value: () => value, flag: () => undefined });
          expect(found).toEqual({ n: BigInt(value), d: 1n });
        },
      ),
      { seed: 4, numRuns: 200 },
    );
  });
});

const row = (name: string, kind: "rigid" | "open" = "rigid"): AxisItem => ({ kind: "row", row: { id: name, name, kind } });
const a = (name: string, size: Size = rigid(name)) => axis(name, size);
describe("aligning axes", () => {
  const aligned = (left: readonly AxisItem[], right: readonly AxisItem[]) => {
    const found = new Unifier().align(left, right);
    return found.kind === "axes" ? printAxes(found.axes) : found.kind === "problem" ? found.problem.kind : found.kind;
  };
  test.each<[readonly AxisItem[], readonly AxisItem[], string]>([
    [[a("n"), a("c"), a("h")], [a("c")], "n, c, h"],
    [[a("c")], [a("n"), a("c"), a("h")], "n, c, h"],
    [[], [a("c")], "c"],
    [[row("b"), a("c")], [a("c")], "...b, c"],
    [[row("b"), a("c"), a("h")], [row("b"), a("c")], "...b, c, h"],
    [[row("b"), a("width")], [row("s")], "...b, width"],
    [[row("b")], [row("s")], "uncertain"],
    [[row("b", "open"), a("c")], [a("h")], "uncertain"],
    [[a("n"), a("c")], [a("m"), a("c")], "missing"],
    [[row("b"), a("c")], [a("channel")], "missing"],
    [[a("h"), a("w")], [a("w"), a("h")], "order"],
    [[a("c", n(3))], [a("c", n(4))], "size"],
    [[a("c")], [a("c", n(1))], "size"],
    [[a("c", anySize())], [a("c", n(4))], "c: 4"],
  ])("%#", (left, right, expected) => expect(aligned(left, right)).toBe(expected));
});

describe("types", () => {
  test.each<[Type, string]>([
    [tensor("real", [row("b"), a("c", n(3)), a("h")]), "real[...b, c: 3, h]"],
    [tensor("f32", []), "f32"],
    [tensor("text", [a("batch")], "host"), "Text[batch]"],
    [tensor("bool", [a("batch")], "host"), "Bool[batch]"],
    [{ kind: "optional", of: { kind: "int", value: n(3) }, present: n(1) }, "Int?"],
    [{ kind: "list", element: tensor("i32", [a("n")]), elements: null, length: anySize() }, "List<i32[n]>"],
    [{ kind: "record", name: null, fields: new Map<string, Type>([["x", tensor("real", [])]]) }, "{ x: real }"],
    [{ kind: "record", name: "Pair", fields: new Map() }, "Pair"],
    [{ kind: "tuple", elements: [{ kind: "none" }, { kind: "unknown" }] }, "(none, ?)"],
  ])("%#", (type, text) => expect(printType(type)).toBe(text));
  test("replacing sizes, rows and names", () => {
    const type = tensor("real", [row("b"), a("c")]);
    const map = { size: () => n(2), row: () => [a("batch")], axisName: (name: string) => `${name}2` };
    expect(printType(mapType(type, map))).toBe("real[batch, c2: 2]");
  });
});
