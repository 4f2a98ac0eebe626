import { permuted, zeros } from "../../reference/ndarray.ts";
import type { Builder } from "../builder.ts";
import type { OpAttrs, Value } from "../value.ts";
import { describe, elementCount, type GradRule, misuse, type NdArray, type OpRow, requireAxis, requireDType } from "./row.ts";

// Contractions, kept whole so that one template makes them fast. Their derivatives are contractions again.

type DotAttrs = OpAttrs["dot"];
type ConvAttrs = OpAttrs["conv"];

const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

/** The axes of an operand that are neither shared nor summed over, ascending. */
export function freeAxes(rank: number, batch: readonly number[], contract: readonly number[]): number[] {
  return range(0, rank).filter((axis) => !batch.includes(axis) && !contract.includes(axis));
}

/** A product over free axes of `other` whose result has the axes of `operand`, in its order. Of the two orders the one that needs no permute is taken. */
function dotToOperand(
  b: Builder,
  operand: { readonly batch: readonly number[]; readonly contract: readonly number[]; readonly free: readonly number[] },
  other: {
    readonly value: Value;
    readonly batch: readonly number[];
    readonly contract: readonly number[];
    readonly free: readonly number[];
  },
  g: { readonly value: Value; readonly ofOperand: number },
): Value {
  const shared = operand.batch.length;
  const gBatch = range(0, shared);
  const ofOther = range(g.ofOperand === shared ? shared + operand.free.length : shared, other.free.length);
  // The other operand's contracted axes come out ascending; they are the operand's axes of the same pairs.
  const pairs = other.contract.map((axis, i) => ({ axis, own: operand.contract[i]! })).sort((p, q) => p.axis - q.axis);
  const contracted = pairs.map((pair) => pair.own);
  const gFirst = [...operand.batch, ...operand.free, ...contracted];
  const otherFirst = [...operand.batch, ...contracted, ...operand.free];
  const isOrdered = otherFirst.every((axis, i) => axis === i);
  const result = isOrdered
    ? b.dot(other.value, g.value, { batchA: other.batch, batchB: gBatch, contractA: other.free, contractB: ofOther })
    : b.dot(g.value, other.value, { batchA: gBatch, batchB: other.batch, contractA: ofOther, contractB: other.free });
  const order = isOrdered ? otherFirst : gFirst;
  return b.permute(
    result,
    order.map((_, axis) => order.indexOf(axis)),
  );
}

const dotGrad: GradRule<"dot"> = (b, v, g) => {
  const [x, y] = v.args as [Value, Value];
  const { batchA, batchB, contractA, contractB } = v.attrs;
  const a = { value: x, batch: batchA, contract: contractA, free: freeAxes(x.shape.length, batchA, contractA) };
  const c = { value: y, batch: batchB, contract: contractB, free: freeAxes(y.shape.length, batchB, contractB) };
  return [
    dotToOperand(b, a, c, { value: g, ofOperand: batchA.length }),
    dotToOperand(b, c, a, { value: g, ofOperand: batchA.length + a.free.length }),
  ];
};

function dotReference([x, y]: readonly NdArray[], attrs: DotAttrs, shape: readonly number[]): NdArray {
  const { batchA, batchB, contractA, contractB } = attrs;
  const freeA = freeAxes(x!.shape.length, batchA, contractA);
  const freeB = freeAxes(y!.shape.length, batchB, contractB);
  const a = permuted(x!, [...batchA, ...freeA, ...contractA]).data;
  const c = permuted(y!, [...batchB, ...freeB, ...contractB]).data;
  const extent = (v: NdArray, axes: readonly number[]) => elementCount(axes.map((axis) => v.shape[axis]!));
  const [batches, rows, columns, depth] = [extent(x!, batchA), extent(x!, freeA), extent(y!, freeB), extent(x!, contractA)];
  const result = zeros("f32", shape);
  const out = result.data;
  let at = 0;
  for (let n = 0; n < batches; n++) {
    for (let i = 0; i < rows; i++) {
      const left = (n * rows + i) * depth;
      for (let j = 0; j < columns; j++) {
        const right = (n * columns + j) * depth;
        let sum = 0;
        for (let k = 0; k < depth; k++) sum += a[left + k]! * c[right + k]!;
        out[at++] = sum;
      }
    }
  }
  return result;
}

type Pair = readonly [number, number];
const pair = (of: (i: 0 | 1) => number): Pair => [of(0), of(1)];
const dilated = (size: number, by: number) => (size - 1) * by + 1;

/** The kernel of the data gradient: each group's channels exchanged and both directions reversed. */
function flippedKernel(b: Builder, kernel: Value, groups: number): Value {
  const [outer, inner, h, w] = kernel.shape as [number, number, number, number];
  const perGroup = outer / groups;
  const swapped =
    groups === 1
      ? b.permute(kernel, [1, 0, 2, 3])
      : b.reshape(b.permute(b.reshape(kernel, [groups, perGroup, inner, h, w]), [0, 2, 1, 3, 4]), [groups * inner, perGroup, h, w]);
  return b.reverse(swapped, [2, 3]);
}

const convGrad: GradRule<"conv"> = (b, v, g) => {
  const [x, kernel] = v.args as [Value, Value];
  const { stride, padLow, dilation, inputDilation, groups } = v.attrs;
  const [batch, channels] = x.shape as [number, number];
  const outputs = kernel.shape[0]!;
  const perGroup = channels / groups;
  const size = (of: Value, i: number) => of.shape[2 + i]!;

  // y reads input place oy·stride + ky·dilation - padLow; with the kernel reversed the same pairs meet when y, spread by stride, slides over x.
  const dataLow = pair((i) => (size(kernel, i) - 1) * dilation[i] - padLow[i]);
  const dataHigh = pair(
    (i) => (size(x, i) - 1) * inputDilation[i] + dilated(size(kernel, i), dilation[i]) - dilated(size(g, i), stride[i]) - dataLow[i],
  );
  const toData = b.conv(g, flippedKernel(b, kernel, groups), {
    stride: inputDilation,
    padLow: dataLow,
    padHigh: dataHigh,
    dilation,
    inputDilation: stride,
    groups,
  });

  // The kernel's gradient sums over the batch: batch and channels change places, the cotangent is the kernel, stride and dilation change places.
  const high = pair(
    (i) => (size(kernel, i) - 1) * dilation[i] + dilated(size(g, i), stride[i]) - dilated(size(x, i), inputDilation[i]) - padLow[i],
  );
  const [h, w, oh, ow] = [size(x, 0), size(x, 1), size(g, 0), size(g, 1)];
  const images =
    groups === 1
      ? b.permute(x, [1, 0, 2, 3])
      : b.reshape(b.permute(b.reshape(x, [batch, groups, perGroup, h, w]), [2, 1, 0, 3, 4]), [perGroup, groups * batch, h, w]);
  const windows = b.reshape(b.permute(g, [1, 0, 2, 3]), [outputs, batch, oh, ow]);
  const toKernel = b.conv(images, windows, { stride: dilation, padLow, padHigh: high, dilation: stride, inputDilation, groups });
  return [toData, b.permute(toKernel, [1, 0, 2, 3])];
};

function convReference([x, kernel]: readonly NdArray[], attrs: ConvAttrs, shape: readonly number[]): NdArray {
  const { stride, padLow, dilation, inputDilation, groups } = attrs;
  const [batch, outputs, oh, ow] = shape as [number, number, number, number];
  const [, channels, h, w] = x!.shape as [number, number, number, number];
  const [, perGroup, kh, kw] = kernel!.shape as [number, number, number, number];
  const outputsPerGroup = outputs / groups;
  const result = zeros("f32", shape);
  const rowsAt = placesByTap(oh, h, kh, stride[0], padLow[0], dilation[0], inputDilation[0]);
  const columnsAt = placesByTap(ow, w, kw, stride[1], padLow[1], dilation[1], inputDilation[1]);
  const [out, from, weights] = [result.data, x!.data, kernel!.data];
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outputs; o++) {
      const firstChannel = Math.floor(o / outputsPerGroup) * perGroup;
      const plane = (n * outputs + o) * oh * ow;
      for (let c = 0; c < perGroup; c++) {
        const source = (n * channels + firstChannel + c) * h * w;
        for (let ky = 0; ky < kh; ky++) {
          for (let kx = 0; kx < kw; kx++) {
            const weight = weights[((o * perGroup + c) * kh + ky) * kw + kx]!;
            const { count, output, outputStep, input, inputStep } = columnsAt[kx]!;
            const rows = rowsAt[ky]!;
            for (let r = 0; r < rows.count; r++) {
              let to = plane + (rows.output + r * rows.outputStep) * ow + output;
              let at = source + (rows.input + r * rows.inputStep) * w + input;
              for (let i = 0; i < count; i++, to += outputStep, at += inputStep) out[to]! += weight * from[at]!;
            }
          }
        }
      }
    }
  }
  return result;
}

/** For each kernel tap the places of output and input that meet: they are evenly spaced. */
function placesByTap(out: number, size: number, taps: number, stride: number, low: number, dilation: number, spread: number) {
  return range(0, taps).map((tap) => {
    const meets = range(0, out).flatMap((output) => {
      const place = output * stride + tap * dilation - low;
      return place >= 0 && place % spread === 0 && place / spread < size ? [{ output, input: place / spread }] : [];
    });
    const [first, second] = [meets[0] ?? { output: 0, input: 0 }, meets[1] ?? { output: 1, input: 1 }];
    return { count: meets.length, ...first, outputStep: second.output - first.output, inputStep: second.input - first.input };
  });
}

export const contractRows: { readonly [K in "dot" | "conv"]: OpRow<K> } = {
  dot: {
    class: "contract",
    arity: 2,
    infer: (args, { batchA, batchB, contractA, contractB }) => {
      const [a, c] = args as [Value, Value];
      for (const v of args) requireDType("dot", v, ["f32"]);
      const check = (v: Value, axes: readonly number[]) => {
        for (const axis of axes) requireAxis("dot", axis, v.shape.length);
        if (new Set(axes).size !== axes.length) misuse("dot", `an axis of ${describe(v)} is used twice: [${axes.join(", ")}]`);
      };
      check(a, [...batchA, ...contractA]);
      check(c, [...batchB, ...contractB]);
      const meet = (p: readonly number[], q: readonly number[]) =>
        p.length === q.length && p.every((axis, i) => a.shape[axis] === c.shape[q[i]!]);
      if (!meet(batchA, batchB) || !meet(contractA, contractB)) {
        misuse("dot", `${describe(a)} with ${describe(c)}: shared [${batchA}] with [${batchB}], summed [${contractA}] with [${contractB}]`);
      }
      const freeA = [...batchA, ...freeAxes(a.shape.length, batchA, contractA)];
      const freeC = freeAxes(c.shape.length, batchB, contractB);
      const shape = [...freeA.map((axis) => a.shape[axis]!), ...freeC.map((axis) => c.shape[axis]!)];
      return { dtype: "f32", shape, labels: [...freeA.map((axis) => a.labels[axis]!), ...freeC.map((axis) => c.labels[axis]!)] };
    },
    grad: dotGrad,
    ref: (args, attrs, _, { shape }) => dotReference(args, attrs, shape),
    kernel: "contract",
  },
  conv: {
    class: "contract",
    arity: 2,
    infer: (args, { stride, padLow, padHigh, dilation, inputDilation, groups }) => {
      const [x, kernel] = args as [Value, Value];
      for (const v of args) requireDType("conv", v, ["f32"]);
      const fail = (why: string) => misuse("conv", `${describe(x)} with kernel ${describe(kernel)}, ${groups} groups: ${why}`);
      if (x.shape.length !== 4 || kernel.shape.length !== 4) fail("rank 4 wanted of both");
      if (x.shape[1] !== kernel.shape[1]! * groups) fail("channels do not meet");
      if (kernel.shape[0]! % groups !== 0) fail("output channels do not divide by the groups");
      for (const n of [...stride, ...dilation, ...inputDilation])
        if (!Number.isInteger(n) || n < 1) fail(`step ${n}, a positive whole number wanted`);
      const spatial = pair((i) => {
        const reach = dilated(x.shape[2 + i]!, inputDilation[i]) + padLow[i] + padHigh[i] - dilated(kernel.shape[2 + i]!, dilation[i]);
        if (!Number.isInteger(reach) || reach < 0) fail(`padding [${padLow}], [${padHigh}] leaves no output`);
        return Math.floor(reach / stride[i]) + 1;
      });
      const shape = [x.shape[0]!, kernel.shape[0]!, ...spatial];
      return { dtype: "f32", shape, labels: [x.labels[0]!, kernel.labels[0]!, x.labels[2]!, x.labels[3]!] };
    },
    grad: convGrad,
    ref: (args, attrs, _, { shape }) => convReference(args, attrs, shape),
    kernel: "contract",
  },
};
