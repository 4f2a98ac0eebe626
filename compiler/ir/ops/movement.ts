import { forEachPlace, permuted, readStrided, stridesOf, zeros } from "../../reference/ndarray.ts";
import type { OpName, Value } from "../value.ts";
import { describe, elementCount, type Inferred, misuse, type OpRow, requireAxis, requireShape } from "./row.ts";

// Movement: every element of the result is an element of an argument (or the padding value). The derivatives stay in the family:
// reshape and permute invert, broadcast sums, slice and pad undo each other, concat slices.

type MovementName = "reshape" | "permute" | "broadcast" | "slice" | "pad" | "concat";

function requireLengths(op: OpName, rank: number, lists: readonly (readonly number[])[]): void {
  for (const list of lists) if (list.length !== rank) misuse(op, `[${list.join(", ")}] for a value of rank ${rank}`);
}

/** Labels of axes that a reshape keeps: sizes are matched in groups of equal product, and a group of one axis each keeps its name. */
function reshapedLabels(from: readonly number[], labels: readonly string[], to: readonly number[]): string[] {
  const result = to.map(() => "");
  let i = 0;
  let j = 0;
  while (i < from.length && j < to.length) {
    if (from[i] === to[j]) result[j++] = labels[i++]!;
    else if (from[i] === 1) i++;
    else if (to[j] === 1) j++;
    else {
      let p = from[i++]!;
      let q = to[j++]!;
      while (p !== q) {
        if (p < q) p *= from[i++]!;
        else q *= to[j++]!;
      }
    }
  }
  return result;
}

export const movementRows: { readonly [K in MovementName]: OpRow<K> } = {
  reshape: {
    class: "movement",
    arity: 1,
    infer: ([x], { shape }) => {
      requireShape("reshape", shape);
      if (elementCount(shape) !== elementCount(x!.shape)) misuse("reshape", `${describe(x!)} to [${shape.join(", ")}]`);
      return { dtype: x!.dtype, shape, labels: reshapedLabels(x!.shape, x!.labels, shape) };
    },
    grad: (b, v, g) => [b.reshape(g, v.args[0]!.shape, v.args[0]!.labels)],
    ref: ([x], { shape }) => ({ dtype: x!.dtype, shape, data: x!.data }),
    kernel: "view",
  },
  permute: {
    class: "movement",
    arity: 1,
    infer: ([x], { order }) => {
      const { dtype, shape, labels } = x!;
      requireLengths("permute", shape.length, [order]);
      if ([...order].sort((p, q) => p - q).some((axis, i) => axis !== i)) misuse("permute", `[${order.join(", ")}] is no order of axes`);
      return { dtype, shape: order.map((axis) => shape[axis]!), labels: order.map((axis) => labels[axis]!) };
    },
    grad: (b, v, g) => [
      b.permute(
        g,
        v.attrs.order.map((_, axis) => v.attrs.order.indexOf(axis)),
      ),
    ],
    ref: ([x], { order }) => permuted(x!, order),
    kernel: "view",
  },
  broadcast: {
    class: "movement",
    arity: 1,
    infer: ([x], { shape, axes }) => {
      requireShape("broadcast", shape);
      requireLengths("broadcast", x!.shape.length, [axes]);
      axes.forEach((axis, i) => {
        requireAxis("broadcast", axis, shape.length);
        if (i > 0 && axes[i - 1]! >= axis) misuse("broadcast", `axes [${axes.join(", ")}] do not ascend`);
        if (x!.shape[i] !== shape[axis]) misuse("broadcast", `${describe(x!)} to [${shape.join(", ")}] by axes [${axes.join(", ")}]`);
      });
      const labels = shape.map((_, axis) => x!.labels[axes.indexOf(axis)] ?? "");
      return { dtype: x!.dtype, shape, labels };
    },
    grad: (b, v, g) => [
      b.sum(
        g,
        v.shape.map((_, axis) => axis).filter((axis) => !v.attrs.axes.includes(axis)),
      ),
    ],
    ref: ([x], { shape, axes }) => {
      const own = stridesOf(x!.shape);
      return readStrided(
        x!,
        shape,
        shape.map((_, axis) => own[axes.indexOf(axis)] ?? 0),
      );
    },
    kernel: "view",
  },
  slice: {
    class: "movement",
    arity: 1,
    infer: ([x], { start, size, step }) => {
      requireShape("slice", size);
      requireLengths("slice", x!.shape.length, [start, size, step]);
      x!.shape.forEach((length, axis) => {
        const last = start[axis]! + (size[axis]! - 1) * step[axis]!;
        const inside = [start[axis]!, last].every((place) => Number.isInteger(place) && place >= 0 && place < length);
        if (!inside || step[axis] === 0)
          misuse("slice", `axis ${axis} of ${describe(x!)}: ${size[axis]} from ${start[axis]} by ${step[axis]}`);
      });
      return { dtype: x!.dtype, shape: size, labels: x!.labels };
    },
    grad: (b, v, g) => {
      const { start, size, step } = v.attrs;
      const shape = v.args[0]!.shape;
      const backwards = step.flatMap((s, axis) => (s < 0 ? [axis] : []));
      const low = start.map((first, axis) => Math.min(first, first + (size[axis]! - 1) * step[axis]!));
      const interior = step.map((s) => Math.abs(s) - 1);
      const high = shape.map((length, axis) => length - low[axis]! - 1 - (size[axis]! - 1) * Math.abs(step[axis]!));
      return [b.pad(backwards.length > 0 ? b.reverse(g, backwards) : g, low, high, interior)];
    },
    ref: ([x], { start, size, step }) => {
      const own = stridesOf(x!.shape);
      const offset = start.reduce((sum, first, axis) => sum + first * own[axis]!, 0);
      return readStrided(
        x!,
        size,
        own.map((stride, axis) => stride * step[axis]!),
        offset,
      );
    },
    kernel: "view",
  },
  pad: {
    class: "movement",
    arity: 1,
    infer: ([x], { low, high, interior }) => {
      requireLengths("pad", x!.shape.length, [low, high, interior]);
      for (const amount of [...low, ...high, ...interior]) {
        if (!Number.isInteger(amount) || amount < 0) misuse("pad", `amount ${amount}, a whole number from 0 wanted`);
      }
      const shape = x!.shape.map((size, axis) => low[axis]! + size + (size - 1) * interior[axis]! + high[axis]!);
      return { dtype: x!.dtype, shape, labels: x!.labels };
    },
    grad: (b, v, g) => [
      b.slice(
        g,
        v.attrs.low,
        v.args[0]!.shape,
        v.attrs.interior.map((amount) => amount + 1),
      ),
    ],
    ref: ([x], { low, interior, value }, _, { shape }) => {
      const result = zeros(x!.dtype, shape);
      result.data.fill(value);
      const strides = stridesOf(shape);
      const offset = low.reduce((sum, amount, axis) => sum + amount * strides[axis]!, 0);
      const scaled = strides.map((stride, axis) => stride * (interior[axis]! + 1));
      forEachPlace(x!.shape, scaled, offset, (element, place) => {
        result.data[place] = x!.data[element]!;
      });
      return result;
    },
    kernel: "view",
  },
  concat: {
    class: "movement",
    arity: "any",
    infer: (args, { axis }): Inferred => {
      const first = args[0] ?? misuse("concat", "no arguments");
      requireAxis("concat", axis, first.shape.length);
      for (const v of args) {
        const fits =
          v.dtype === first.dtype && v.shape.length === first.shape.length && v.shape.every((n, i) => i === axis || n === first.shape[i]);
        if (!fits) misuse("concat", `${args.map(describe).join(", ")} along axis ${axis}`);
      }
      const size = args.reduce((sum, v) => sum + v.shape[axis]!, 0);
      const labels = first.labels.map((label, i) => label || (args.find((v: Value) => v.labels[i])?.labels[i] ?? ""));
      return { dtype: first.dtype, shape: first.shape.with(axis, size), labels };
    },
    grad: (b, v, g) => {
      let start = 0;
      return v.args.map((part) => {
        const size = part.shape[v.attrs.axis]!;
        start += size;
        return b.sliceAxis(g, v.attrs.axis, start - size, size);
      });
    },
    ref: (args, { axis }, _, { dtype, shape }) => {
      const result = zeros(dtype, shape);
      const inner = elementCount(shape.slice(axis + 1));
      const row = shape[axis]! * inner;
      const rows = elementCount(shape.slice(0, axis));
      let offset = 0;
      for (const part of args) {
        const width = part.shape[axis]! * inner;
        for (let r = 0; r < rows; r++) result.data.set(part.data.subarray(r * width, (r + 1) * width), r * row + offset);
        offset += width;
      }
      return result;
    },
    kernel: "view",
  },
};
