import type { Diagnostic } from "../../dsl/diagnostic.ts";
import { diagnose } from "../../dsl/diagnostics.ts";
import { isAnchor, isMemoryLeaf } from "../fuse/kinds.ts";
import type { Builder } from "../ir/builder.ts";
import type { Graph, GraphResult, Value } from "../ir/value.ts";
import { graphValues } from "../ir/walk.ts";
import type { PlanBinding } from "../plan/plan.ts";
import { Simplifier } from "../simplify/simplify.ts";
import { type Box, boxKey, countOf, firstLong, isWhole, stretch, wholeBox, withRange } from "./box.ts";
import { bytesOf } from "./place.ts";
import { type Cut, restrict, type Windows } from "./restrict.ts";

// Tensors larger than one binding. In: a graph, what one binding holds, and the places of inputs and results. Out: a graph of the same meaning
// in which every value that is larger has become several, each computed and stored by itself, so that nothing after this pass knows of
// the limit. Inputs and results stay what they are in memory: kernels bind windows of them, inputs and results of their own in the new
// graph, whose places are byte ranges of the old ones.

export interface WindowLimits {
  readonly bindingBytes: number;
  readonly offsetAlignment: number;
}
export interface Windowed {
  readonly graph: Graph;
  readonly inputs: ReadonlyMap<string, PlanBinding>;
  readonly results: ReadonlyMap<string, PlanBinding>;
  /** Windows of inputs that lie in memory as f16. */
  readonly halves: readonly string[];
}

/** A tensor that cannot be bound: it is too large, and what is done with it cannot be done in parts. A message for the author of the program. */
export class TooLarge extends Error {
  readonly diagnostic: Diagnostic;
  constructor(value: Value, { bindingBytes }: WindowLimits, why: string) {
    const span = value.origins[0]?.span ?? { file: "", start: 0, end: 0 };
    const amount = (bytes: number): string => `${bytes} bytes`;
    const tensor = `${value.dtype}[${value.shape.join(", ")}]`;
    const diagnostic = diagnose("memory/too-large", span, { tensor, bytes: amount(bytesOf(value)), limit: amount(bindingBytes), why });
    super(diagnostic.message);
    this.diagnostic = diagnostic;
  }
}

/** Whether a graph has a value that must be in memory and that one binding cannot hold. */
export function hasLarge(graph: Graph, limits: WindowLimits, isHalf: (input: string) => boolean): boolean {
  const results = new Set(graph.results.map((r) => r.value));
  return graphValues(graph).some(
    (v) => bytesIn(v, v.shape, isHalf) > limits.bindingBytes && (isMemoryLeaf(v) || isAnchor(v) || results.has(v)),
  );
}
/** Whether attention can be computed in windows: of each operand, a binding holds the rows of one batch. Else it is its primitives. */
export function attendsInWindows(call: Value, limits: WindowLimits): boolean {
  const lead = call.args[0]!.shape.length - 2;
  const room = limits.bindingBytes - limits.offsetAlignment;
  const [queries, keys] = [call.args[0]!.shape[lead]!, call.args[1]!.shape[lead]!];
  const isMask = (x: Value): boolean => x === call.args[call.op === "attend" ? 3 : 6];
  return call.args.every((x) => (isMask(x) ? 4 * Math.max(queries, keys) : bytesOf({ ...x, shape: x.shape.slice(lead) })) <= room);
}
/** Bytes of a part of a value in memory. */
function bytesIn(v: Value, shape: readonly number[], isHalf: (input: string) => boolean): number {
  return bytesOf({ shape, dtype: v.op === "input" && isHalf(v.attrs.name) ? "f16" : v.dtype });
}

/** The graph over windows. `isHalf`: inputs that lie in memory as f16. */
export function windowed(
  graph: Graph,
  limits: WindowLimits,
  inputs: ReadonlyMap<string, PlanBinding>,
  results: ReadonlyMap<string, PlanBinding>,
  isHalf: (input: string) => boolean,
): Windowed {
  return new Windower(limits, inputs, results, isHalf).graph(graph);
}

/** A value as windows: one that a binding holds, or several along an axis. */
type Tree =
  | { readonly kind: "one"; readonly box: Box; readonly value: Value }
  | { readonly kind: "row"; readonly axis: number; readonly box: Box; readonly parts: readonly Tree[] };

class Windower implements Windows {
  readonly b: Builder = new Simplifier();
  readonly #limits: WindowLimits;
  readonly #places: ReadonlyMap<string, PlanBinding>;
  readonly #resultPlaces: ReadonlyMap<string, PlanBinding>;
  readonly #inputs = new Map<string, PlanBinding>();
  readonly #results = new Map<string, PlanBinding>();
  readonly #whole = new Map<Value, Value>();
  readonly #trees = new Map<Value, Tree>();
  readonly #parts = new Map<string, Value>();

  readonly #isHalf: (input: string) => boolean;
  readonly #halves: string[] = [];

  constructor(
    limits: WindowLimits,
    inputs: ReadonlyMap<string, PlanBinding>,
    results: ReadonlyMap<string, PlanBinding>,
    isHalf: (input: string) => boolean,
  ) {
    this.#isHalf = isHalf;
    this.#limits = limits;
    this.#places = inputs;
    this.#resultPlaces = results;
  }

  graph(graph: Graph): Windowed {
    const named = new Set(graph.results.map((r) => r.value));
    for (const v of graphValues(graph)) {
      this.b.withOrigin(v.origins, () => {
        if (!this.#isLarge(v)) this.#whole.set(v, this.#compute(v, wholeBox(v.shape)));
        else if (!isMemoryLeaf(v)) this.#trees.set(v, this.#tree(v, wholeBox(v.shape), named.has(v)));
      });
    }
    const results = graph.results.flatMap((r): GraphResult[] => {
      const whole = this.#whole.get(r.value) ?? (isMemoryLeaf(r.value) ? this.b.make(r.value.op, [], r.value.attrs) : undefined);
      return whole ? [{ name: r.name, value: whole }] : this.#resultWindows(r.name, this.#trees.get(r.value)!, r.value);
    });
    return { graph: { name: graph.name, results }, inputs: this.#inputs, results: this.#results, halves: this.#halves };
  }

  #isLarge(v: Value): boolean {
    return this.#bytes(v, wholeBox(v.shape)) > this.#limits.bindingBytes;
  }
  /** Bytes of an element in memory. */
  #unit(v: Value): number {
    return v.dtype === "f16" || (v.op === "input" && this.#isHalf(v.attrs.name)) ? 2 : 4;
  }
  #bytes(v: Value, box: Box): number {
    return bytesIn(v, box.size, this.#isHalf);
  }

  #tree(v: Value, box: Box, named: boolean): Tree {
    if (this.#bytes(v, box) <= this.#limits.bindingBytes) return { kind: "one", box, value: this.#compute(v, box) };
    const cut = this.#split(v, box, named);
    const parts = cut.ranges.map((range) => this.#tree(v, withRange(box, cut.axis, range), named));
    return { kind: "row", axis: cut.axis, box, parts };
  }

  /**
   * Where to cut what is not cut yet: the outermost axis in memory; of feature maps that nobody else sees that is the height, since they are
   * stored channels-last. Windows begin where a binding may begin, if rows come out even.
   */
  #split(v: Value, box: Box, inMemory: boolean): Cut {
    const order = !inMemory && v.shape.length === 4 ? [0, 2, 3, 1] : v.shape.map((_, axis) => axis);
    const axis = firstLong(box, order);
    if (axis === undefined) throw new TooLarge(v, this.#limits, "one element of it does not fit");
    const size = box.size[axis]!;
    const rowBytes = (this.#unit(v) * countOf(box.size)) / size;
    const room = this.#limits.bindingBytes - (isMemoryLeaf(v) ? this.#limits.offsetAlignment : 0);
    const most = Math.max(1, Math.floor(room / rowBytes));
    const even = Math.ceil(size / Math.ceil(size / most));
    const step = inMemory ? this.#limits.offsetAlignment / gcd(rowBytes, this.#limits.offsetAlignment) : 4;
    const upward = Math.ceil(even / step) * step;
    const rows = upward <= most ? upward : Math.floor(even / step) * step || even;
    const ranges = [];
    for (let at = 0; at < size; at += rows) ranges.push({ start: box.start[axis]! + at, size: Math.min(rows, size - at) });
    return { axis, ranges };
  }

  cut(v: Value, box: Box): Cut | null {
    const room = this.#limits.bindingBytes - (isMemoryLeaf(v) && this.#isLarge(v) ? this.#limits.offsetAlignment : 0);
    if (this.#bytes(v, box) <= room) return null;
    const tree = this.#trees.get(v);
    return (tree && cutOf(tree, box)) ?? this.#split(v, box, isMemoryLeaf(v));
  }

  part(v: Value, box: Box): Value {
    const whole = this.#whole.get(v);
    if (whole) return isWhole(box, v.shape) ? whole : this.b.slice(whole, box.start, box.size);
    const key = `${v.id} ${boxKey(box)}`;
    const known = this.#parts.get(key);
    if (known) return known;
    const tree = this.#trees.get(v);
    const made = tree ? this.#fromTree(tree, box) : this.#fromMemory(v, box);
    this.#parts.set(key, made);
    return made;
  }
  #fromTree(tree: Tree, box: Box): Value {
    if (tree.kind === "one") {
      return this.b.slice(
        tree.value,
        box.start.map((n, a) => n - tree.box.start[a]!),
        box.size,
      );
    }
    const found = tree.parts.flatMap((part): Value[] => {
      const [start, end] = overlapOn(part.box, box, tree.axis);
      return end > start ? [this.#fromTree(part, withRange(box, tree.axis, { start, size: end - start }))] : [];
    });
    return found.length === 1 ? found[0]! : this.b.concat(found, tree.axis);
  }

  /** A box of a large input: one stretch of its memory if a binding holds that, else row by row. */
  #fromMemory(v: Value, box: Box): Value {
    if (v.op !== "input") throw new TooLarge(v, this.#limits, "numbers written in the program are bound as a whole");
    const around = stretch(box, v.shape);
    const { offsetAlignment: alignment, bindingBytes } = this.#limits;
    const place = this.#places.get(v.attrs.name);
    if (!place) throw new Error(`internal: windows: input '${v.attrs.name}' has no place`);
    const unit = this.#unit(v);
    const begin = place.offset + unit * around.from;
    const lead = (begin % alignment) / unit;
    const count = countOf(around.box.size);
    const bytes = Math.ceil((unit * (lead + count)) / 4) * 4;
    if (bytes <= bindingBytes) {
      const name = `${v.attrs.name}@${unit * (around.from - lead)}+${bytes}`;
      this.#inputs.set(name, { buffer: place.buffer, offset: begin - unit * lead, bytes });
      if (unit === 2) this.#halves.push(name);
      // One stretch of memory is one input, whatever its shape; a reshape costs nothing.
      const stretched = this.b.input(name, [lead + count], { role: v.attrs.role, dtype: v.dtype });
      const window = this.b.reshape(this.b.slice(stretched, [lead], [count]), around.box.size);
      return this.b.slice(
        window,
        box.start.map((n, a) => n - around.box.start[a]!),
        box.size,
      );
    }
    const axis = firstLong(box);
    if (axis === undefined) throw new TooLarge(v, this.#limits, "one element of it does not fit where it lies");
    const parts = Array.from({ length: box.size[axis]! }, (_, i) =>
      this.part(v, withRange(box, axis, { start: box.start[axis]! + i, size: 1 })),
    );
    return this.b.concat(parts, axis);
  }

  #compute(v: Value, box: Box): Value {
    if (isWhole(box, v.shape) && !v.args.some((a) => this.#isLarge(a))) {
      return this.b.make(
        v.op,
        v.args.map((a) => this.#whole.get(a)!),
        v.attrs,
        { labels: v.labels },
      );
    }
    const made = restrict(this, v, box);
    if (!made) throw new TooLarge(v, this.#limits, `\`${v.op}\` cannot be computed in parts of this size`);
    return made;
  }

  #resultWindows(name: string, tree: Tree, v: Value): GraphResult[] {
    if (tree.kind === "row") return tree.parts.flatMap((part) => this.#resultWindows(name, part, v));
    const place = this.#resultPlaces.get(name);
    if (!place) throw new Error(`internal: windows: result '${name}' has no place`);
    const { from } = stretch(tree.box, v.shape);
    const offset = this.#unit(v) * from;
    const window = `${name}@${offset}`;
    this.#results.set(window, { buffer: place.buffer, offset: place.offset + offset, bytes: this.#bytes(v, tree.box) });
    return [{ name: window, value: tree.value }];
  }
}

/** Where the windows of a tree cut a box. */
function cutOf(tree: Tree, box: Box): Cut | null {
  if (tree.kind === "one") return null;
  const there = tree.parts.filter((part) => {
    const [start, end] = overlapOn(part.box, box, tree.axis);
    return end > start;
  });
  if (there.length === 1) return cutOf(there[0]!, box);
  const ranges = there.map((part) => {
    const [start, end] = overlapOn(part.box, box, tree.axis);
    return { start, size: end - start };
  });
  return { axis: tree.axis, ranges };
}
function overlapOn(a: Box, b: Box, axis: number): [number, number] {
  const start = Math.max(a.start[axis]!, b.start[axis]!);
  return [start, Math.min(a.start[axis]! + a.size[axis]!, b.start[axis]! + b.size[axis]!)];
}
function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
