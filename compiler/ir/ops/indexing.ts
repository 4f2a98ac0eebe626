import { wrap, zeros } from "../../reference/ndarray.ts";
import type { Value } from "../value.ts";
import { describe, elementCount, misuse, type OpRow, requireAxis, requireDType, sameShape } from "./row.ts";

// Gather and scatter-add, each other's derivatives. Axes: x [batch…, before…, n, after…], index [batch…, i…], rows [batch…, before…, i…, after…].

/** The five extents that both loops run over. */
function extents(rows: readonly number[], indexRank: number, axis: number, batch: number) {
  const picked = indexRank - batch;
  return {
    batches: elementCount(rows.slice(0, batch)),
    before: elementCount(rows.slice(batch, axis)),
    picks: elementCount(rows.slice(axis, axis + picked)),
    after: elementCount(rows.slice(axis + picked)),
  };
}

export const indexRows: { readonly [K in "gather" | "scatterAdd"]: OpRow<K> } = {
  gather: {
    class: "index",
    arity: 2,
    infer: (args, { axis, batch }) => {
      const [x, index] = args as [Value, Value];
      requireDType("gather", index, ["i32"]);
      requireAxis("gather", axis, x.shape.length);
      const shared = sameShape(x.shape.slice(0, batch), index.shape.slice(0, batch));
      if (batch < 0 || batch > axis || batch > index.shape.length || !shared) {
        misuse("gather", `${describe(x)} by ${describe(index)}, axis ${axis}, ${batch} batch axes`);
      }
      const place = <T>(whole: readonly T[], picked: readonly T[]) => [
        ...whole.slice(0, axis),
        ...picked.slice(batch),
        ...whole.slice(axis + 1),
      ];
      return { dtype: x.dtype, shape: place(x.shape, index.shape), labels: place(x.labels, index.labels) };
    },
    grad: (b, v, g) => {
      const [x, index] = v.args as [Value, Value];
      const { axis, batch } = v.attrs;
      const size = x.shape[axis]!;
      // Gather clamps, scatter-add drops: the cotangent must land where the value was read.
      return [b.scatterAdd(b.max(b.min(index, size - 1), 0), g, { axis, batch, size }), null];
    },
    ref: ([x, index], { axis, batch }, _, { dtype, shape }) => {
      const { batches, before, picks, after } = extents(shape, index!.shape.length, axis, batch);
      const size = x!.shape[axis]!;
      const result = zeros(dtype, shape);
      let at = 0;
      for (let n = 0; n < batches; n++) {
        for (let p = 0; p < before; p++) {
          for (let i = 0; i < picks; i++, at += after) {
            const row = Math.min(Math.max(index!.data[n * picks + i]!, 0), size - 1);
            const from = ((n * before + p) * size + row) * after;
            result.data.set(x!.data.subarray(from, from + after), at);
          }
        }
      }
      return result;
    },
    kernel: "index",
  },
  scatterAdd: {
    class: "index",
    arity: 2,
    infer: (args, { axis, batch, size, indexRank }) => {
      const [index, updates] = args as [Value, Value];
      requireDType("scatterAdd", index, ["i32"]);
      requireDType("scatterAdd", updates, ["f32", "i32", "u32"]);
      const picked = index.shape.slice(batch);
      const fits =
        indexRank === index.shape.length &&
        batch >= 0 &&
        batch <= axis &&
        batch <= indexRank &&
        Number.isInteger(size) &&
        size > 0 &&
        sameShape(updates.shape.slice(0, batch), index.shape.slice(0, batch)) &&
        sameShape(updates.shape.slice(axis, axis + picked.length), picked);
      if (!fits) misuse("scatterAdd", `${describe(updates)} at ${describe(index)}, axis ${axis} of size ${size}, ${batch} batch axes`);
      const place = <T>(whole: readonly T[], one: T) => [...whole.slice(0, axis), one, ...whole.slice(axis + picked.length)];
      return { dtype: updates.dtype, shape: place(updates.shape, size), labels: place(updates.labels, "") };
    },
    grad: (b, v, g) => {
      const [index, updates] = v.args as [Value, Value];
      const { axis, batch, size } = v.attrs;
      const read = b.gather(g, index, axis, batch);
      const inside = b.and(b.ge(index, 0), b.lt(index, size));
      const places = index.shape.map((_, i) => (i < batch ? i : axis + i - batch));
      return [null, b.where(b.broadcastInDim(inside, updates.shape, places), read, 0)];
    },
    ref: ([index, updates], { axis, batch, size, indexRank }, _, { dtype, shape }) => {
      const { batches, before, picks, after } = extents(updates!.shape, indexRank, axis, batch);
      const result = zeros(dtype, shape);
      let at = 0;
      for (let n = 0; n < batches; n++) {
        for (let p = 0; p < before; p++) {
          for (let i = 0; i < picks; i++, at += after) {
            const row = index!.data[n * picks + i]!;
            if (row < 0 || row >= size) continue;
            const to = ((n * before + p) * size + row) * after;
            for (let k = 0; k < after; k++) result.data[to + k]! += updates!.data[at + k]!;
          }
        }
      }
      if (dtype !== "f32") for (let i = 0; i < result.data.length; i++) result.data[i] = wrap(result.data[i]!, dtype);
      return result;
    },
    kernel: "index",
  },
};
