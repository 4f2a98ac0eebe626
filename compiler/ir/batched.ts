import type { Builder } from "./builder.ts";
import { bodyOf } from "./ops.ts";
import type { OpAttrs, OpName, Value } from "./value.ts";
import { topologicalOrder } from "./walk.ts";

// A graph of one item as the graph of a whole batch. In: a value, what its inputs are for the batch. Out: the same for every item, along a new
// first axis. What does not depend on the item stays as it is and is not repeated. Draws count their elements along the new axis too, so each
// item has its own and the first item's are those of the single graph.

/** The value of an item, or of all of them with the items outermost. */
interface Lifted {
  readonly value: Value;
  readonly each: boolean; // along a first axis of `count` items
}
interface Lift {
  readonly b: Builder;
  readonly count: number;
}
type Rule<K extends OpName> = (lift: Lift, args: readonly Lifted[], attrs: OpAttrs[K], v: Value) => Value;

const next = (axes: readonly number[]): number[] => axes.map((axis) => axis + 1);
const labels = (v: Value) => ["batch", ...v.labels];

/** With the items' axis, repeated where it does not depend on the item. */
function spread({ b, count }: Lift, { value, each }: Lifted): Value {
  if (each) return value;
  const axes = value.shape.map((_, i) => i + 1);
  return b.make("broadcast", [value], { shape: [count, ...value.shape], axes }, { labels: labels(value) });
}
const all = (lift: Lift, args: readonly Lifted[]): Value[] => args.map((arg) => spread(lift, arg));

/** The rule of an op whose axes are all beside the items': its attributes as they are with one axis more in front. */
function shifted<K extends OpName>(op: K, change: (attrs: OpAttrs[K], count: number) => OpAttrs[K] = (attrs) => attrs): Rule<K> {
  return (lift, args, attrs, v) => lift.b.make(op, all(lift, args), change(attrs, lift.count), { labels: labels(v) });
}
/** An axis from one place to the front. */
function toFront(b: Builder, x: Value, axis: number): Value {
  const others = x.shape.flatMap((_, i) => (i === axis ? [] : [i]));
  return b.permute(x, [axis, ...others]);
}

const gather: Rule<"gather"> = (lift, args, { axis, batch }) => {
  const [x, index] = args as readonly [Lifted, Lifted];
  if (batch === 0 && x.each && !index.each) return lift.b.gather(x.value, index.value, axis + 1, 0);
  if (batch === 0 && !x.each) return toFront(lift.b, lift.b.gather(x.value, index.value, axis, 0), axis);
  return lift.b.gather(spread(lift, x), spread(lift, index), axis + 1, batch + 1);
};

const dot: Rule<"dot"> = (lift, args, { batchA, batchB, contractA, contractB }) => {
  const [x, y] = args as readonly [Lifted, Lifted];
  const { b } = lift;
  // A matrix that all items share meets them as further rows.
  if (batchA.length === 0 && !y.each) return b.dot(x.value, y.value, { contractA: next(contractA), contractB });
  if (batchA.length === 0 && !x.each)
    return toFront(b, b.dot(x.value, y.value, { contractA, contractB: next(contractB) }), x.value.shape.length - contractA.length);
  return b.dot(spread(lift, x), spread(lift, y), {
    batchA: [0, ...next(batchA)],
    batchB: [0, ...next(batchB)],
    contractA: next(contractA),
    contractB: next(contractB),
  });
};

const conv: Rule<"conv"> = (lift, args, attrs) => {
  const [x, kernel] = args as readonly [Lifted, Lifted];
  const { b, count } = lift;
  const images = spread(lift, x);
  const [, n, c, h, w] = images.shape as readonly [number, number, number, number, number];
  if (!kernel.each) {
    const made = b.make("conv", [b.reshape(images, [count * n, c, h, w]), kernel.value], attrs);
    return b.reshape(made, [count, n, ...made.shape.slice(1)]);
  }
  // A kernel for each item: the items are groups of channels.
  const [, o, ...window] = kernel.value.shape as readonly [number, number, ...number[]];
  const side = b.reshape(b.permute(images, [1, 0, 2, 3, 4]), [n, count * c, h, w]);
  const made = b.make("conv", [side, b.reshape(kernel.value, [count * o, ...window])], { ...attrs, groups: attrs.groups * count });
  return b.permute(b.reshape(made, [n, count, o, ...made.shape.slice(2)]), [1, 0, 2, 3, 4]);
};

const leaf = (op: OpName) => (): Value => {
  throw new Error(`internal: ${op} has no arguments to lift`);
};

const rules: { readonly [K in OpName]: Rule<K> } = {
  input: leaf("input"),
  const: leaf("const"),
  table: leaf("table"),
  iota: leaf("iota"),
  random: ({ b, count }, args, attrs, v) =>
    b.make(
      "random",
      args.map((arg) => arg.value),
      { ...attrs, shape: [count, ...attrs.shape] },
      { labels: labels(v) },
    ),
  neg: shifted("neg"),
  abs: shifted("abs"),
  exp: shifted("exp"),
  log: shifted("log"),
  sin: shifted("sin"),
  cos: shifted("cos"),
  tanh: shifted("tanh"),
  sqrt: shifted("sqrt"),
  rsqrt: shifted("rsqrt"),
  erf: shifted("erf"),
  floor: shifted("floor"),
  round: shifted("round"),
  not: shifted("not"),
  cast: shifted("cast"),
  add: shifted("add"),
  sub: shifted("sub"),
  mul: shifted("mul"),
  div: shifted("div"),
  idiv: shifted("idiv"),
  imod: shifted("imod"),
  max: shifted("max"),
  min: shifted("min"),
  pow: shifted("pow"),
  lt: shifted("lt"),
  eq: shifted("eq"),
  and: shifted("and"),
  or: shifted("or"),
  xor: shifted("xor"),
  shl: shifted("shl"),
  shr: shifted("shr"),
  where: shifted("where"),
  sum: shifted("sum", ({ axes }) => ({ axes: next(axes) })),
  reduceMax: shifted("reduceMax", ({ axes }) => ({ axes: next(axes) })),
  argmax: shifted("argmax", ({ axis }) => ({ axis: axis + 1 })),
  reshape: shifted("reshape", ({ shape }, count) => ({ shape: [count, ...shape] })),
  permute: shifted("permute", ({ order }) => ({ order: [0, ...next(order)] })),
  broadcast: shifted("broadcast", ({ shape, axes }, count) => ({ shape: [count, ...shape], axes: [0, ...next(axes)] })),
  slice: shifted("slice", ({ start, size, step }, count) => ({ start: [0, ...start], size: [count, ...size], step: [1, ...step] })),
  pad: shifted("pad", ({ low, high, interior, value }) => ({
    low: [0, ...low],
    high: [0, ...high],
    interior: [0, ...interior],
    value,
  })),
  concat: shifted("concat", ({ axis }) => ({ axis: axis + 1 })),
  gather,
  scatterAdd: shifted("scatterAdd", (attrs) => ({
    ...attrs,
    axis: attrs.axis + 1,
    batch: attrs.batch + 1,
    indexRank: attrs.indexRank + 1,
  })),
  dot,
  conv,
  attend: shifted("attend"),
  attendGrad: shifted("attendGrad"),
  // Written out: a loop is for graphs that run often, not for fields of items.
  loop: ({ b, count }, args, _, v) => {
    const given = new Map<string, Value>(args.flatMap((arg, i) => (arg.each ? [[`argument ${i} of a loop`, arg.value] as const] : [])));
    const leaves = args.map((arg, i) =>
      arg.each ? b.input(`argument ${i} of a loop`, v.args[i]!.shape, { dtype: v.args[i]!.dtype }) : arg.value,
    );
    return batched(b, bodyOf(b, v, leaves)!, count, (name) => given.get(name) ?? null);
  },
  stop: shifted("stop"),
  gradScale: shifted("gradScale"),
  save: shifted("save"),
  tap: shifted("tap"),
  again: shifted("again"),
};

/** `root` for each of `count` items. `input` gives what stands for an input for all items, or null if it is the same for each. */
export function batched(b: Builder, root: Value, count: number, input: (name: string) => Value | null): Value {
  const lift: Lift = { b, count };
  const made = new Map<Value, Lifted>();
  for (const v of topologicalOrder([root])) {
    const args = v.args.map((a) => made.get(a)!);
    const given = v.op === "input" ? input(v.attrs.name) : null;
    if (given !== null) made.set(v, { value: given, each: true });
    else if (v.op !== "random" && !args.some((arg) => arg.each)) made.set(v, { value: v, each: false });
    else {
      const rule = rules[v.op] as unknown as Rule<OpName>;
      made.set(v, { value: b.withOrigin(v.origins, () => rule(lift, args, v.attrs, v)), each: true });
    }
  }
  return spread(lift, made.get(root)!);
}
