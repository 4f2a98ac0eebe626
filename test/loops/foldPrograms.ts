import fc from "fast-check";
import { elaborateFunction, type FunctionOptions } from "../../compiler/elaborate/function.ts";
import type { FunctionProgram } from "../../compiler/elaborate/program.ts";
import { programOf, render } from "../../compiler/elaborate/testing.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import { array } from "../../compiler/reference/ndarray.ts";

// Random folds over host lists, as texts: bodies of statements that read the fields of the element, draw, choose a graph, or fold again.

/** Each makes a new `y`. What reads `s` differs from element to element. */
const statements: readonly string[] = [
  "let y = y * s.a + 0.1",
  "let y = sin(y + sqrt(1 + s.a ** 2))",
  "let y = y + s.a * draw(normal, like: y)",
  "let y = y * draw(uniform(0.5..1))",
  "let noise = draw(uniform(0..s.a + 1), like: y) let y = y + noise",
  "let y = if s.on { y * 2 } else { sin(y) - 0.5 }",
  "let y = tanh(dot(y, w, over: c) |> rename(d: c))",
  "let y = y + tab[time: s.k]",
  "let y = fold([for j in 0..3: 0.2 * j + 0.1], y, fn(z, t) => sin(z * t + s.a))",
  "let y = fold([for j in 0..2: { u: s.a * j, v: j }], y, fn(z, t) => z + t.u * draw(normal, like: z) + t.v)",
  "let y = tanh(y) ** s.k",
  "let y = y - mean(y, over: c)",
  "let y = y / (1 + s.k)",
  "let y = y + exp(dot(v, w, over: c) |> rename(d: c)) * s.a",
  "let y = y + [0.5, -1, 0.25, 2, 0.3, 1, -0.5][s.k] * v",
];

export interface FoldProgram {
  readonly text: string;
  readonly inputs: Readonly<Record<string, NdArray>>;
}

const types = ["real[b, c]", "List<real[b, c]>", "(real[b, c], real[b, c])", "real[b, c]"];

const source = (length: number, body: readonly number[], form: number, constant: boolean): string => {
  const element = constant ? "{ a: 0.3, k: 2, on: true }" : `{ a: 0.3 + 0.2 * i, k: i + 1, on: i < ${length - 1} }`;
  const lines = body.map((n) => `    ${statements[n]}`).join("\n");
  const folds = [
    `fold(plan, x, fn(y, s) {\n${lines}\n    return y\n  })`,
    `scan(plan, x, fn(y, s) {\n${lines}\n    return y\n  })`,
    // The second carried value is the first one of the run before.
    `fold(plan, (x, zeros_like(x)), fn((y, last), s) {\n    let before = y\n${lines}\n    return (y + 0.5 * last, before)\n  })`,
    // What is carried is a number at first.
    `fold(plan, 0, fn(total, s) {\n    let y = x\n${lines}\n    return total + y\n  })`,
  ];
  return `
const tab: f32[time: 8] = [0.5, -0.25, 0.125, 1, -1, 0.75, 0.3, -0.6]
fn f(x: real[b, c], v: real[b, c], w: real[c, d: c]) random -> { end: ${types[form % types.length]}, after: real[b, c] } {
  let plan = [for i in 0..${length}: ${element}]
  let end = ${folds[form % folds.length]!}
  return { end: end, after: draw(normal, like: x) }
}
`;
};

/** Random programs with their inputs. */
export const foldPrograms: fc.Arbitrary<FoldProgram> = fc
  .tuple(
    fc.integer({ min: 0, max: 5 }),
    fc.array(fc.nat({ max: statements.length - 1 }), { minLength: 1, maxLength: 5 }),
    fc.nat({ max: 3 }),
    fc.nat({ max: 9 }),
  )
  .map(([length, body, form, constant]) => ({ text: source(length, body, form, constant === 0), inputs: inputsOf(length + body.length) }));

function inputsOf(seed: number): FoldProgram["inputs"] {
  const wave = (shape: readonly number[], k: number): NdArray => {
    const count = shape.reduce((a, b) => a * b, 1);
    return array(
      shape,
      Array.from({ length: count }, (_, i) => Math.sin(1.7 * i + k + seed)),
    );
  };
  return { x: wave([2, 5], 1), v: wave([2, 5], 2), w: wave([5, 5], 3) };
}

/** The function of a text with its folds as loops, unrolled, or as is worth it. */
export function elaborated(text: string, inputs: FoldProgram["inputs"], loops: FunctionOptions["loops"]): FunctionProgram {
  const { program, resolution } = programOf(text);
  const args = Object.entries(inputs).map(([name, { shape }]) => ({ name, shape }));
  const made = elaborateFunction(program, resolution, "f", args, { seed: 7, ...(loops === undefined ? {} : { loops }) });
  if (!made.ok) throw new Error(`${render(program, made.diagnostics)}\n${text}`);
  return made.value;
}
