import { expect, test } from "vitest";
import { didYouMean, editDistance, meant, nearest } from "./nearest.ts";

test.each([
  ["", "", 0],
  ["abc", "abc", 0],
  ["abc", "acb", 1],
  ["abc", "ab", 1],
  ["kitten", "sitting", 3],
])("distance of %s and %s", (a, b, distance) => {
  expect(editDistance(a, b, 5)).toBe(distance);
  expect(editDistance(b, a, 5)).toBe(distance);
});
test("counting stops above the limit", () => expect(editDistance("abcdefgh", "zzzzzzzz", 2)).toBe(3));

test.each([
  ["Liner", ["Linear", "Conv"], "Linear"],
  ["layernorm", ["LayerNorm", "lerp"], "LayerNorm"],
  ["bach", ["each", "batch"], "batch"],
  ["x", ["y", "z"], undefined],
  ["frobnicate", ["sum", "mean"], undefined],
  ["sum", ["sum"], undefined],
])("nearest to %s", (name, candidates, expected) => expect(nearest(name, candidates)).toBe(expected));

test("the help line", () => {
  expect(didYouMean("sigmod", ["sigmoid"])).toBe("did you mean `sigmoid`?");
  expect(didYouMean("q", ["sigmoid"])).toBeUndefined();
});

test("a fix where one name alone can have been meant", () => {
  const span = { file: "a.ada", start: 3, end: 9 };
  expect(meant("sigmod", ["sigmoid", "silu"], span)).toEqual({ help: "did you mean `sigmoid`?", fix: { span, text: "sigmoid" } });
  expect(meant("batc", ["batch", "bath"], span)).toEqual({ help: "did you mean `batch`?" });
  expect(meant("ab", ["abc"], span)).not.toHaveProperty("fix");
  expect(meant("quux", ["sigmoid"], span, "there is sigmoid")).toEqual({ help: "there is sigmoid" });
});
