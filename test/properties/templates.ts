import fc from "fast-check";
import { describe, it } from "vitest";
import { vjp } from "../../compiler/autodiff.ts";
import { Builder } from "../../compiler/ir/builder.ts";
import type { NdArray } from "../../compiler/ir/ops/row.ts";
import type { Graph, Value } from "../../compiler/ir/value.ts";
import { graphInputs } from "../../compiler/ir/walk.ts";
import { interpretGraph } from "../interpretPlan.ts";
import { foldedGrids, targets } from "../targets.ts";
import { agree as agreeOn } from "./agreement.ts";
import { settings } from "./settings.ts";

// Every template at sizes that no tile divides, at size 1, with groups, strides, dilations and padding of all kinds, with and without
// something fused to it: kernels for all targets, run by the interpreter, equal the f64 meaning.

// Two axes of a grid must hold the rows of the largest shapes here, one workgroup each.
const adapters = { ...targets, foldedGrids: { ...foldedGrids, maxWorkgroupsPerDimension: 40 } };
const sizes = fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 20, 33);
const smallSizes = fc.constantFrom(1, 2, 3, 4, 5, 8);

/** Fixed numbers for an input: f32 within ±1, distinct enough for maxima; whole numbers from -1 to 5. */
function numbersFor(v: Value): NdArray {
  const size = v.shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: size }, (_, i) => {
    const wave = Math.sin((i + 1) * 12.9898 + v.shape.length) * 43758.5453;
    const unit = wave - Math.floor(wave);
    return v.dtype === "f32" ? Math.fround(2 * unit - 1) : Math.floor(unit * 7) - (v.dtype === "i32" ? 1 : 0);
  });
  return { dtype: v.dtype, shape: v.shape, data };
}
type InputValue = Extract<Value, { readonly op: "input" }>;
/** The same with minus infinities in x (row 1 has no other number), infinities in z and a NaN in y. */
function specialNumbersFor(v: InputValue): NdArray {
  const { data, ...rest } = numbersFor(v);
  const width = v.shape[1]!;
  const changed = data.map((n, i) => {
    const row = Math.floor(i / width);
    switch (v.attrs.name) {
      case "x":
        return row === 1 || i % 7 === 3 ? Number.NEGATIVE_INFINITY : n;
      case "z":
        return i === 3 * width + 2 ? Number.POSITIVE_INFINITY : n;
      default:
        return i === 4 * width + 5 ? Number.NaN : n;
    }
  });
  return { ...rest, data: changed };
}
/** Sums of at most some thousand f32 products. */
const templateTolerance = 2e-5;
function graphFor(make: (b: Builder) => readonly Value[]): Graph {
  return { name: "g", results: make(new Builder()).map((value, i) => ({ name: `r${i}`, value })) };
}
function agree(make: (b: Builder) => readonly Value[], numbers: (v: InputValue) => NdArray = numbersFor): void {
  const graph = graphFor(make);
  const inputs = Object.fromEntries(graphInputs(graph).map((v) => [v.attrs.name, numbers(v)]));
  for (const [name, target] of Object.entries(adapters)) {
    agreeOn(graph, inputs, () => interpretGraph(graph, inputs, target), templateTolerance, `${name}: `);
  }
}

/** Declares the properties of the templates, each held by so many cases. */
export function templateProperties(numRuns: number, seed: number): void {
  const property = <T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => void, runs = numRuns) =>
    fc.assert(fc.property(arbitrary, check), { seed, numRuns: runs });

  describe("contractions", () => {
    const dots = fc.record({
      m: sizes,
      n: sizes,
      k: sizes,
      batch: smallSizes,
      leftT: fc.boolean(),
      rightT: fc.boolean(),
      after: fc.nat(4),
    });
    it("are products of any sizes and orders, with what follows them", () => {
      property(dots, ({ m, n, k, batch, leftT, rightT, after }) =>
        agree((b) => {
          const lead = batch > 3 ? [] : [batch];
          const at = lead.length;
          const left = b.input("left", [...lead, ...(leftT ? [k, m] : [m, k])]);
          const right = b.input("right", [...lead, ...(rightT ? [n, k] : [k, n])]);
          const dims = lead.map((_, i) => i);
          const product = b.dot(left, right, {
            batchA: dims,
            batchB: dims,
            contractA: [leftT ? at : at + 1],
            contractB: [rightT ? at + 1 : at],
          });
          const bias = b.broadcastInDim(b.input("bias", [n]), product.shape, [at + 1]);
          switch (after) {
            case 0:
              return [product];
            case 1:
              return [b.tanh(b.add(product, bias))];
            case 2:
              return [b.permute(b.mul(product, bias), [...dims, at + 1, at])];
            case 3:
              return [b.reshape(b.sub(product, b.input("other", product.shape)), [product.shape.reduce((x, y) => x * y, 1)])];
            default:
              return [product, b.exp(product), b.sum(product, [at + 1])];
          }
        }),
      );
    });
    it("contract several axes that lie apart", () => {
      property(fc.tuple(smallSizes, smallSizes, smallSizes, sizes), ([p, q, m, n]) =>
        agree((b) => [b.dot(b.input("x", [p, m, q]), b.input("y", [q, n, p]), { contractA: [0, 2], contractB: [2, 0] })]),
      );
    });
    it("take expressions as operands", () => {
      property(fc.tuple(smallSizes, smallSizes, sizes, sizes), ([p, q, m, n]) =>
        agree((b) => {
          const x = b.input("x", [p, q, m]);
          const flat = b.reshape(b.permute(b.exp(x), [2, 0, 1]), [m, p * q]);
          const y = b.concat([b.input("y", [p * q, n]), b.input("z", [p * q, 3])], 1);
          return [b.matmul(flat, y)];
        }),
      );
    });
    const convs = fc.record({
      batch: fc.constantFrom(1, 2, 3),
      groups: fc.constantFrom(1, 1, 2, 3),
      inputs: fc.constantFrom(1, 3, 4, 8),
      outputs: fc.constantFrom(1, 2, 4, 6, 8),
      height: fc.constantFrom(3, 5, 6, 8),
      width: fc.constantFrom(4, 5, 7, 8),
      kernel: fc.tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(1, 3)),
      stride: fc.tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(1, 2)),
      padLow: fc.tuple(fc.constantFrom(0, 1, 2), fc.constantFrom(0, 1)),
      padHigh: fc.tuple(fc.constantFrom(0, 1, 2), fc.constantFrom(0, 1)),
      dilation: fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 1, 2)),
      inputDilation: fc.tuple(fc.constantFrom(1, 1, 2), fc.constantFrom(1, 1, 3)),
    });
    const convolution = (b: Builder, c: typeof convs extends fc.Arbitrary<infer T> ? T : never) => {
      const x = b.input("x", [c.batch, c.groups * c.inputs, c.height, c.width]);
      const w = b.input("w", [c.groups * c.outputs, c.inputs, ...c.kernel]);
      return { x, w, y: b.conv(x, w, c) };
    };
    const fits = (c: typeof convs extends fc.Arbitrary<infer T> ? T : never): boolean =>
      [c.height, c.width].every(
        (size, d) => (size - 1) * c.inputDilation[d]! + 1 + c.padLow[d]! + c.padHigh[d]! >= (c.kernel[d]! - 1) * c.dilation[d]! + 1,
      );
    it("are convolutions of all kinds", () => {
      property(convs.filter(fits), (c) =>
        agree((b) => {
          const { y } = convolution(b, c);
          return [b.tanh(b.add(y, b.broadcastInDim(b.input("bias", [y.shape[1]!]), y.shape, [1])))];
        }),
      );
    });
    it("are their gradients", () => {
      property(
        convs.filter((c) => fits(c) && c.inputDilation.every((d) => d === 1)),
        (c) =>
          agree((b) => {
            const { x, w, y } = convolution(b, c);
            return vjp(b, [y], [b.input("cotangent", y.shape)], [x, w]);
          }),
      );
    });
    it("follow one another through padded and strided maps", () => {
      agree((b) => {
        const x = b.input("x", [2, 3, 8, 8]);
        const first = b.max(b.conv(x, b.input("w1", [8, 3, 3, 3]), { padLow: [1, 1], padHigh: [1, 1] }), 0);
        const second = b.conv(first, b.input("w2", [8, 8, 3, 3]), { stride: [2, 2], padLow: [1, 1], padHigh: [1, 1] });
        const short = b.conv(first, b.input("w3", [8, 8, 1, 1]), { stride: [2, 2] });
        const sum = b.add(second, short);
        return [sum, b.sum(sum, [0, 2, 3])];
      });
    });
  });

  describe("reductions", () => {
    const shapes = fc.array(sizes, { minLength: 1, maxLength: 3 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axes: fc.subarray(
          shape.map((_, i) => i),
          { minLength: 1 },
        ),
        swap: fc.boolean(),
      }),
    );
    it("run over any axes, in any order of memory", () => {
      property(shapes, ({ shape, axes, swap }) =>
        agree((b) => {
          const x = b.input("x", swap ? [...shape].reverse() : shape);
          const y = swap
            ? b.permute(
                x,
                shape.map((_, i) => shape.length - 1 - i),
              )
            : x;
          return [b.sum(b.mul(y, y), axes), b.reduceMax(y, axes), b.argmax(y, axes[0]!)];
        }),
      );
    });
    it("and what follows them in their rows", () => {
      property(shapes, ({ shape, axes }) =>
        agree((b) => {
          const x = b.input("x", shape);
          const kept = shape.map((_, i) => i).filter((i) => !axes.includes(i));
          const back = (v: Value): Value => b.broadcastInDim(v, shape, kept);
          const e = b.exp(b.sub(x, back(b.reduceMax(x, axes))));
          const softmax = b.div(e, back(b.sum(e, axes)));
          const count = axes.reduce((n, a) => n * shape[a]!, 1);
          const centred = b.sub(x, back(b.mul(b.sum(x, axes), 1 / count)));
          const deviation = b.rsqrt(b.add(b.mul(b.sum(b.mul(centred, centred), axes), 1 / count), 0.01));
          return [softmax, b.mul(centred, back(deviation)), deviation];
        }),
      );
    });
    it("take several rows at once, the last ones of which may lie behind the end", () => {
      agree((b) => {
        const x = b.input("x", [67, 504]);
        const back = (v: Value): Value => b.broadcastInDim(v, x.shape, [0]);
        const e = b.exp(b.sub(x, back(b.reduceMax(x, [1]))));
        const centred = b.sub(x, back(b.mul(b.sum(x, [1]), 1 / 504)));
        const rate = b.rsqrt(b.add(b.mul(b.sum(b.mul(centred, centred), [1]), 1 / 504), 0.01));
        const shift = b.broadcastInDim(b.input("shift", [504]), x.shape, [1]);
        return [b.div(e, back(b.sum(e, [1]))), b.add(b.mul(centred, back(rate)), shift), rate];
      });
    });
    it("are split where they are long", () => {
      agree((b) => [b.sum(b.input("x", [3, 4096]), [1]), b.reduceMax(b.input("y", [64, 67, 2]), [0, 1]), b.sum(b.input("z", [2053]), [0])]);
    });
    const lengths = fc.record({
      rows: fc.constantFrom(1, 3, 5),
      inner: fc.constantFrom(1000, 2053, 4096, 10007),
      first: fc.boolean(),
      settings,
    });
    it("are long, for adapters of all kinds", () => {
      property(
        lengths,
        ({ rows, inner, first, settings: { target, options } }) => {
          const graph = graphFor((b) => {
            const [shape, axis] = first ? [[inner, rows], 0] : [[rows, inner], 1];
            const x = b.input("x", shape);
            const e = b.exp(b.sub(x, b.broadcastInDim(b.reduceMax(x, [axis]), shape, [1 - axis])));
            const weights = b.div(e, b.broadcastInDim(b.sum(e, [axis]), shape, [1 - axis]));
            return [b.sum(x, [axis]), b.argmax(x, axis), b.sum(x), weights];
          });
          const inputs = Object.fromEntries(graphInputs(graph).map((v) => [v.attrs.name, numbersFor(v)]));
          // Two axes of a grid must hold thousands of rows.
          const wide = { ...target, maxWorkgroupsPerDimension: Math.max(331, target.maxWorkgroupsPerDimension) };
          agreeOn(graph, inputs, () => interpretGraph(graph, inputs, wide, options), templateTolerance);
        },
        Math.ceil(numRuns / 3),
      );
    });
    it("carry infinities and NaN, and no further than their rows", () => {
      agree((b) => {
        const x = b.input("x", [6, 5]);
        const back = (v: Value): Value => b.broadcastInDim(v, [6, 5], [0]);
        const e = b.exp(b.sub(x, back(b.reduceMax(x, [1]))));
        const y = b.input("y", [9, 6]);
        return [
          b.div(e, back(b.sum(e, [1]))),
          b.sum(x, [1]),
          b.sum(x, [0]),
          b.matmul(y, b.input("z", [6, 7])),
          b.dot(y, x, { contractA: [1], contractB: [0] }),
        ];
      }, specialNumbersFor);
    });
    it("of whole numbers wrap and compare as whole numbers", () => {
      agree((b) => {
        const x = b.input("x", [5, 12], { dtype: "i32" });
        const unsigned = b.input("unsigned", [5, 12], { dtype: "u32" });
        return [b.sum(x, [1]), b.reduceMax(x, [0]), b.sum(x, [0, 1]), b.reduceMax(unsigned, [1]), b.sum(unsigned, [0])];
      });
    });
    it("find the first of equal largest elements", () => {
      agree((b) => {
        const x = b.input("x", [4, 9], { dtype: "i32" });
        const many = b.cast(x, "f32"); // seven values in nine places: ties in every row
        return [b.argmax(many, 1), b.argmax(many, 0), b.argmax(b.splat(0.5, [3, 5]), 1)];
      });
    });
  });

  describe("indices", () => {
    it("gather and add up what is meant for the same place; what is meant for none is dropped", () => {
      property(fc.tuple(sizes, smallSizes, smallSizes, fc.boolean()), ([rows, columns, count, batched]) =>
        agree((b) => {
          const at = b.input("at", batched ? [rows, count] : [count, 2], { dtype: "i32" });
          if (batched) {
            const updates = b.input("updates", [rows, count, columns]);
            const table = b.input("table", [rows, 4, columns]);
            return [b.scatterAdd(at, updates, { axis: 1, size: 4, batch: 1 }), b.gather(table, at, 1, 1)];
          }
          const updates = b.input("updates", [rows, count, 2, columns]);
          const table = b.input("table", [rows, 5, columns]);
          return [b.scatterAdd(at, b.exp(updates), { axis: 1, size: 5 }), b.tanh(b.gather(table, at, 1))];
        }),
      );
    });
  });

  describe("maps", () => {
    it("follow movements of all kinds", () => {
      property(fc.tuple(smallSizes, sizes, smallSizes, fc.nat(3), fc.nat(2)), ([p, q, r, low, interior]) =>
        agree((b) => {
          const x = b.input("x", [p, q, r]);
          const padded = b.pad(x, [0, low, 1], [1, 0, 2], [0, interior, 0], 0.5);
          const joined = b.concat([b.reverse(x, [1]), b.input("y", [p, 4, r]), x], 1);
          const strided = b.sliceAxis(joined, 1, 1, Math.ceil((joined.shape[1]! - 1) / 2), 2);
          const iota = b.broadcastInDim(b.cast(b.iota(q), "f32"), [p, q, r], [1]);
          return [b.neg(padded), b.permute(b.exp(joined), [2, 0, 1]), b.mul(strided, strided), b.add(x, b.mul(iota, 0.1))];
        }),
      );
    });
    it("fold grids that are too wide, and skip what lies behind the end", () => {
      agree((b) => {
        const x = b.input("x", [3, 331]);
        return [b.exp(x), b.sum(b.exp(b.input("y", [331, 3])), [1])];
      });
    });
  });
}
