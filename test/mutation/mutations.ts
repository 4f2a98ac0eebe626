/** A fault put into a copy of the sources, and the tests that must see it. */
export interface Mutation {
  readonly what: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly tests: readonly string[];
}

export const mutations: readonly Mutation[] = [
  {
    what: "the derivative of tanh has the wrong sign",
    file: "compiler/ir/ops/map.ts",
    from: "b.sub(1, b.mul(v, v))",
    to: "b.add(1, b.mul(v, v))",
    tests: ["compiler/ir/ops.test.ts"],
  },
  {
    what: "an epilogue may read the contraction at any place",
    file: "compiler/fuse/legal.ts",
    from: "  const reads = readsOf(anchor, output, index, inlined);\n  return reads !== null && reads.size === 1 && reads.has(keyOf(at));",
    to: "  return index !== null && keyOf(at) !== null;",
    tests: ["compiler/fuse/legal.test.ts"],
  },
  {
    what: "a tensor's slot is free while its last reader runs",
    file: "compiler/memory.ts",
    from: "alive.filter((a) => a.to < t.from)",
    to: "alive.filter((a) => a.to <= t.from)",
    tests: ["compiler/memory.test.ts"],
  },
];
