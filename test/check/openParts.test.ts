import { expect, test } from "vitest";
import { checkText } from "./load.ts";

// A part that its module never calls has sizes that only a use from outside settles: for that instance, not for all.

const uses = (width: number): string => `import { LayerNorm } from "std/nn.ada"
module A() {
  part norm = LayerNorm()
  forward(x: real[...b, width]) -> real[...b, width] { return x * 2 }
}
module B() {
  part a = A()
  forward(x: real[...b, width: 8]) -> real[...b, width: 8] { return a.norm(a(x)) }
}
model small = A() trained
fn g(x: real[n, width: ${width}]) -> real[n, width: ${width}] { return small.norm(small(x)) }
`;

test.each([8, 3])("a width of %d beside one of 8", (width) => {
  expect(checkText(uses(width)).diagnostics).toEqual([]);
});
test("a part that nothing calls is still reported", () => {
  const text = uses(3).replace("a.norm(a(x))", "a(x)").replace("small.norm(small(x))", "small(x)");
  expect(checkText(text.replace("LayerNorm()", "Linear(2 * k)").replaceAll("A()", "A(k: Dim)")).diagnostics).not.toEqual([]);
});
test("a row is not known from one argument where another is not followed", () => {
  const text = `module A() {
  forward(x: real[...b, c]) -> real[...b, c] { return x }
}
module B() {
  forward(x: real[...b, c]) -> real[...b, c] { return 2 * x }
}
module Net() {
  part layers = [for i in 0..4: if i < 3 { A() } else { B() }]
}
fn chosen(x: real[...b, c], at: i32[...b, k]) -> real[...b, k] { return x[c: at] }
fn g(net: Net, x: real[role: 2, n, c: 8], at: i32[n, k: 3]) -> real[n, k: 3] { return chosen(net.layers[0](x), at)[role: 0] }
`;
  expect(checkText(text).diagnostics).toEqual([]);
});
