import { expect, test } from "vitest";
import { loadProgram } from "../program.ts";
import { checkFully } from "./index.ts";
import { printTyped } from "./printTyped.ts";
import { verifyChecked } from "./verify.ts";

const text = `type Pair = { left: real[n, f], right: real[n, f] }
const half = 0.5
fn both(p: Pair, flag: Bool) -> real[side: 2, n, f] { return if flag { stack([p.left, p.right], axis: side) } else { stack([p.right, p.left], axis: side) } }
module Dense(out: Dim, biased: Bool = true) {
  param weight: f32[out, cin] = 0
  param bias: f32[out] = 0 when biased
  forward(x: real[...b, axis: cin]) -> real[...b, axis: out] {
    let y = dot(x, rename(weight, cin: axis), over: axis) |> rename(out: axis)
    return if biased { y + rename(bias, out: axis) } else { y }
  }
}
module Net() {
  part up = Dense(8)
  part down = [for i in 0..2: Dense(4)]
  forward(x: real[...b, f: 3]) -> real[...b, f: 4] {
    let y = x |> up
    tap inner = y
    return fold(down, y, fn(v, layer) => layer(v))
  }
}
model net = Net() trained
`;
const program = loadProgram("main.ada", {
  projectRoot: "/project",
  stdRoot: "/library",
  exists: (file) => file === "/project/main.ada" || file === "/library/prelude.ada",
  readFile: (file) => ({ text: file === "/project/main.ada" ? text : "" }),
});
const checked = checkFully(program);

test("a program with its types", () => {
  expect(checked.diagnostics).toEqual([]);
  expect(verifyChecked(checked)).toEqual([]);
  expect(printTyped(program, checked)).toMatchInlineSnapshot(`
    "const half: Real

    fn both(p: Pair, flag: Bool) -> real[side: 2, n, f]
      return: real[side: 2, n, f]

    module Dense(out: Dim, biased: Bool)
      param weight: f32[out, cin]
      param bias: f32[out]
      forward(x: real[...b, axis: cin]) -> real[...b, axis: out]
        let y: real[...b, axis: out]
        return: real[...b, axis: out]

    module Net()
      part up: Dense(out: 8, biased: Bool)
      part down: List<Dense>
      forward(x: real[...b, f: 3]) -> real[...b, f: 4]
        let y: real[...b, f: 8]
        tap inner: real[...b, f: 8]
        return: real[...b, f: 4]

    model net: Net()
    "
  `);
});
