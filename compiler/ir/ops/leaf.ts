import { wrap, zeros } from "../../reference/ndarray.ts";
import type { OpName } from "../value.ts";
import { describe, elementCount, type Inferred, misuse, type OpRow, requireShape } from "./row.ts";

// Leaves: values that start a graph. `random` takes the micro-step as an argument but is a leaf to every pass: it is computed where it is read.

type LeafName = "input" | "const" | "table" | "iota" | "random";

const unlabelled = (dtype: Inferred["dtype"], shape: readonly number[]): Inferred => ({ dtype, shape, labels: shape.map(() => "") });

function requireRepresentable(op: OpName, value: number, dtype: Inferred["dtype"]): void {
  const kept = dtype === "f32" ? value : wrap(value, dtype);
  if (!Object.is(kept, value) && kept !== value) misuse(op, `${value} is no ${dtype}`);
}

export const leafRows: { readonly [K in LeafName]: OpRow<K> } = {
  input: {
    class: "leaf",
    arity: 0,
    infer: (_, { dtype, shape }) => {
      requireShape("input", shape);
      return unlabelled(dtype, shape);
    },
    grad: () => [],
    ref: (_, { name, dtype, shape }, context) => {
      const given = context.input(name);
      if (given.dtype !== dtype || given.data.length !== elementCount(shape)) {
        misuse("input", `'${name}' is ${dtype}[${shape.join(", ")}], ${describe(given)} was given`);
      }
      return { dtype, shape, data: given.data };
    },
    kernel: "leaf",
  },
  const: {
    class: "leaf",
    arity: 0,
    infer: (_, { value, dtype }) => {
      requireRepresentable("const", value, dtype);
      return { dtype, shape: [], labels: [] };
    },
    grad: () => [],
    ref: (_, { value, dtype }) => ({ dtype, shape: [], data: Float64Array.of(value) }),
    kernel: "leaf",
  },
  table: {
    class: "leaf",
    arity: 0,
    infer: (_, { data, dtype, shape }) => {
      requireShape("table", shape);
      if (data.length !== elementCount(shape)) misuse("table", `${data.length} numbers for shape [${shape.join(", ")}]`);
      for (const value of data) requireRepresentable("table", value, dtype);
      return unlabelled(dtype, shape);
    },
    grad: () => [],
    ref: (_, { data, dtype, shape }) => ({ dtype, shape, data: Float64Array.from(data) }),
    kernel: "leaf",
  },
  iota: {
    class: "leaf",
    arity: 0,
    infer: (_, { size }) => {
      requireShape("iota", [size]);
      return unlabelled("i32", [size]);
    },
    grad: { none: "whole numbers have no derivative" },
    ref: (_, { size }) => ({ dtype: "i32", shape: [size], data: Float64Array.from({ length: size }, (_, i) => i) }),
    kernel: "leaf",
  },
  random: {
    class: "leaf",
    arity: "any",
    infer: (args, { key0, key1, word, shape }) => {
      requireShape("random", shape);
      if (args.length !== 1 && args.length !== 2) misuse("random", `${args.length} arguments given, 1 or 2 wanted`);
      for (const [i, one] of args.entries()) {
        const what = i === 0 ? "the micro-step" : "the key";
        if (one.dtype !== "u32" || one.shape.length > 0) misuse("random", `${what} is ${describe(one)}, u32[] wanted`);
      }
      for (const n of [key0, key1, word]) requireRepresentable("random", n, "u32");
      return unlabelled("u32", shape);
    },
    grad: { none: "random bits depend on no value" },
    ref: ([step, key], { key0, key1, word, shape }, { philox }) => {
      const result = zeros("u32", shape);
      const microStep = step!.data[0]!;
      const own = key ? (key1 ^ key.data[0]!) >>> 0 : key1;
      for (let e = 0; e < result.data.length; e++) result.data[e] = philox(key0, own, e, microStep, word >>> 2, 0)[word & 3]!;
      return result;
    },
    kernel: "leaf",
  },
};
