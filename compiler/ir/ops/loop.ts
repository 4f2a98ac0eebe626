import type { Builder } from "../builder.ts";
import type { Graph, OpAttrs, Value } from "../value.ts";
import { graphValues, rebuild } from "../walk.ts";
import { describe, type Inferred, misuse, type OpRow, sameShape } from "./row.ts";

// A loop as a call: what it means is its body written out once per run, so the reference, derivatives and the fallback all are the unrolled
// program; how it runs on a device is one compiled body. Invariant: a carried value keeps its type from run to run.

type LoopAttrs = OpAttrs["loop"];

/** Names of a body's inputs and results. */
export const loopNames = {
  carry: (k: number): string => `carry${k}`,
  item: (k: number): string => `item${k}`,
  shared: (k: number): string => `shared${k}`,
  every: (k: number): string => `every${k}`,
} as const;

/** The arguments of a loop by what they are to its body. */
export function loopArguments(
  args: readonly Value[],
  { carried, items }: LoopAttrs,
): {
  readonly carries: readonly Value[];
  readonly items: readonly Value[];
  readonly shared: readonly Value[];
} {
  return { carries: args.slice(0, carried), items: args.slice(carried, carried + items), shared: args.slice(carried + items) };
}

/** What a body is given for each of its inputs, by name. */
export function bodyInputs(
  args: readonly Value[],
  attrs: LoopAttrs,
  carries: readonly Value[],
  items: readonly Value[],
): Map<string, Value> {
  const { shared } = loopArguments(args, attrs);
  return new Map([
    ...carries.map((v, k) => [loopNames.carry(k), v] as const),
    ...items.map((v, k) => [loopNames.item(k), v] as const),
    ...shared.map((v, k) => [loopNames.shared(k), v] as const),
  ]);
}

/** A body with its inputs replaced, made by `b`. */
export function instantiateBody(b: Builder, body: Graph, inputs: ReadonlyMap<string, Value>): Map<string, Value> {
  const made = rebuild(body, b, (v) => (v.op === "input" ? (inputs.get(v.attrs.name) ?? null) : null));
  return new Map(made.results.map((r) => [r.name, r.value]));
}

/** The item of one run as a scalar. */
function itemOf(b: Builder, all: Value, run: number): Value {
  if (all.op === "table") return b.scalar(all.attrs.data[run]!, all.dtype);
  return b.reshape(b.sliceAxis(all, 0, run, 1), []);
}

function unrolled(b: Builder, args: readonly Value[], attrs: LoopAttrs): Value {
  const { count, carried, body, part } = attrs;
  const { carries, items } = loopArguments(args, attrs);
  let carry = carries;
  const kept: Value[] = [];
  for (let run = 0; run < count; run++) {
    const inputs = bodyInputs(
      args,
      attrs,
      carry,
      items.map((all) => itemOf(b, all, run)),
    );
    const results = instantiateBody(b, body, inputs);
    carry = carry.map((_, k) => results.get(loopNames.carry(k))!);
    if (part >= carried) {
      const one = results.get(loopNames.every(part - carried))!;
      kept.push(b.reshape(one, [1, ...one.shape], ["", ...one.labels]));
    }
  }
  return part < carried ? carry[part]! : b.concat(kept, 0);
}

/** What is wrong between a body and what its loop gives it. */
function faultOf(args: readonly Value[], attrs: LoopAttrs): string | null {
  const { body, count, carried, items, part } = attrs;
  if (!Number.isInteger(count) || count < 1) return `${count} runs`;
  if (carried < 1 || items < 0 || args.length < carried + items)
    return `${args.length} arguments for ${carried} carried values and ${items} items`;
  const given = loopArguments(args, attrs);
  for (const item of given.items) if (!sameShape(item.shape, [count])) return `the item ${describe(item)} has not ${count} elements`;
  const typed = bodyInputs(args, attrs, given.carries, given.items);
  const itemNames = new Set(given.items.map((_, k) => loopNames.item(k)));
  for (const v of graphValues(body)) {
    if (v.op !== "input") continue;
    const outside = typed.get(v.attrs.name);
    if (outside === undefined) return `nothing is given for the body's input '${v.attrs.name}'`;
    if (v.dtype !== outside.dtype || !sameShape(v.shape, itemNames.has(v.attrs.name) ? [] : outside.shape))
      return `the body's input '${v.attrs.name}' is ${describe(v)}, ${describe(outside)} is given`;
  }
  const results = new Map(body.results.map((r) => [r.name, r.value]));
  for (const [k, start] of given.carries.entries()) {
    const next = results.get(loopNames.carry(k));
    if (!next || next.dtype !== start.dtype || !sameShape(next.shape, start.shape))
      return `the carried ${describe(start)} becomes ${next ? describe(next) : "nothing"}`;
  }
  if (part >= carried && !results.has(loopNames.every(part - carried))) return `no part ${part}`;
  return null;
}

export const loopRows: { readonly loop: OpRow<"loop"> } = {
  loop: {
    class: "call",
    arity: "any",
    infer: (args, attrs): Inferred => {
      const fault = faultOf(args, attrs);
      if (fault !== null) misuse("loop", fault);
      const { carried, part, count, body } = attrs;
      if (part < carried) return { dtype: args[part]!.dtype, shape: args[part]!.shape, labels: args[part]!.labels };
      const one = body.results.find((r) => r.name === loopNames.every(part - carried))!.value;
      return { dtype: one.dtype, shape: [count, ...one.shape], labels: ["", ...one.labels] };
    },
    grad: () => "body",
    ref: { body: unrolled },
    kernel: "loop",
  },
};
