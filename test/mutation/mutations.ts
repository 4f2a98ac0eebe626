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
  {
    what: "a tensor's life ends with its first reader",
    file: "compiler/planBuilder.ts",
    from: "life.to = Math.max(life.to, i)",
    to: "life.to = Math.min(life.to, i)",
    tests: ["test/properties/kernels.test.ts"],
  },
  {
    what: "a result replaces an input that later kernels read",
    file: "compiler/planBuilder.ts",
    from: "if (later || shared ||",
    to: "if (shared ||",
    tests: ["test/properties/inPlace.test.ts"],
  },
  {
    what: "an element may be read after the same kernel has replaced it",
    file: "compiler/schedule/lower.ts",
    from: "views[0]!.readsBack || ",
    to: "",
    tests: ["test/properties/inPlace.test.ts"],
  },
  {
    what: "bindings that are one too many are not made fewer",
    file: "compiler/schedule/lower.ts",
    from: "new Set(twice.map((b) => b.stored.id))",
    to: "new Set()",
    tests: ["test/properties/buffers.test.ts"],
  },
];
