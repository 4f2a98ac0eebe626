import { type Region, type Stored, storedReads, type Template } from "../../compiler/fuse/region.ts";
import { OPS, type OpClass } from "../../compiler/ir/ops.ts";
import { typeText } from "../../compiler/ir/print.ts";
import type { Graph, OpAttrs, Value } from "../../compiler/ir/value.ts";
import { graphValues } from "../../compiler/ir/walk.ts";
import { bytesOf } from "../../compiler/memory/place.ts";
import { type CountedOp, flatOps } from "../../compiler/plan/ops.ts";
import type { Plan, PlanBinding, PlanOp } from "../../compiler/plan/plan.ts";

// A stage of a compilation as boxes and lines, before anything is placed. In: a graph, or a leg of a plan with the region of each dispatch.
// Out: plain data, which the page carries as JSON. A node's group is the chain of module parts and calls that it comes from, outermost first.

export type NodeKind = OpClass | Template | "transfer" | "input" | "result";

export interface PictureNode {
  readonly id: string;
  readonly label: string;
  readonly kind: NodeKind;
  readonly group: readonly string[];
  /** Further facts, one a line: types, places in the sources. */
  readonly details: readonly string[];
  readonly dispatches: number;
  readonly flops: number;
  readonly bytesMoved: number;
}
/** A tensor that one node makes and another reads; `tensor` tells lines of the same tensor apart from lines of others. */
export interface PictureEdge {
  readonly from: string;
  readonly to: string;
  readonly tensor: string;
  readonly bytes: number;
  readonly what: string;
}
export interface Picture {
  readonly title: string;
  readonly nodes: readonly PictureNode[];
  readonly edges: readonly PictureEdge[];
}

const groupOf = (values: readonly Value[]): readonly string[] => {
  for (const v of values) for (const { chain } of v.origins) if (chain && chain.length > 0) return chain;
  return [];
};
const loopLabel = ({ count, body, part }: OpAttrs["loop"]): string => `${count} x ${body.name}, part ${part}`;
const noCost = { dispatches: 0, flops: 0, bytesMoved: 0 };

/** A graph of the tensor IR: one node per value, literals written into the values that read them. */
export function pictureOfGraph(graph: Graph, title: string, placesOf: (v: Value) => readonly string[]): Picture {
  const values = graphValues(graph);
  const literal = (v: Value): string | null =>
    v.op === "const" ? String(v.attrs.value) : v.op === "broadcast" && v.args[0]!.op === "const" ? literal(v.args[0]!) : null;
  const nodes: PictureNode[] = [];
  const edges: PictureEdge[] = [];
  const shown = new Set(graph.results.map((r) => r.value));
  for (const v of values) {
    if (literal(v) !== null && !shown.has(v)) continue;
    const literals = v.args.flatMap((a) => literal(a) ?? []);
    const label = v.op === "input" ? v.attrs.name : v.op === "loop" ? loopLabel(v.attrs) : [v.op, ...literals].join(" ");
    const kind = v.op === "input" ? "input" : OPS[v.op].class;
    nodes.push({ ...noCost, id: `%${v.id}`, label, kind, group: groupOf([v]), details: [typeText(v), ...placesOf(v)] });
    for (const a of new Set(v.args))
      if (literal(a) === null || shown.has(a))
        edges.push({ from: `%${a.id}`, to: `%${v.id}`, tensor: `%${a.id}`, bytes: bytesOf(a), what: typeText(a) });
  }
  for (const { name, value } of graph.results) {
    nodes.push({ ...noCost, id: `=${name}`, label: name, kind: "result", group: groupOf([value]), details: [typeText(value)] });
    edges.push({ from: `%${value.id}`, to: `=${name}`, tensor: `%${value.id}`, bytes: bytesOf(value), what: typeText(value) });
  }
  return arranged({ title, nodes, edges });
}

export type RegionOf = ReadonlyMap<PlanOp, Region>;

/** The kernels of a leg, and what flows between them. */
export function pictureOfKernels(plan: Plan, legName: string, regionOf: RegionOf, title: string): Picture {
  const names = placeNames(plan, legName);
  const nodes = new Map<string, PictureNode>();
  const edges: PictureEdge[] = [];
  const makers = new Map<string, string>();
  const line = (from: string, to: string, stored: Stored): void => {
    edges.push({ from, to, tensor: stored.id, bytes: bytesOf(stored.value), what: typeText(stored.value) });
  };
  for (const [i, counted] of flatOps(legOf(plan, legName).ops).entries()) {
    const { op } = counted;
    const region = regionOf.get(op);
    if (op.kind !== "dispatch" || region === undefined) continue;
    const id = `k${i}`;
    nodes.set(id, inLoops(dispatchNode(id, op, region), counted));
    for (const stored of storedReads(region)) {
      const v = stored.value;
      const maker = makers.get(stored.id);
      if (maker !== undefined) line(maker, id, stored);
      else if (v.op === "input") {
        const from = `<${v.attrs.name}`;
        if (!nodes.has(from))
          nodes.set(from, {
            ...noCost,
            id: from,
            label: v.attrs.name,
            kind: "input",
            group: [],
            details: [`${v.attrs.role} ${typeText(v)}`],
          });
        line(from, id, stored);
      }
    }
    // The outputs of a region are among the bindings of its kernel; a place that the host knows is a result.
    const written = op.bindings.filter((_, k) => plan.kernels[op.kernel]!.bindings[k] === "readWrite");
    for (const stored of region.outputs) makers.set(stored.id, id);
    for (const place of written) {
      const name = names.get(placeKey(place));
      if (name === undefined) continue;
      const to = `=${name}`;
      nodes.set(to, { ...noCost, id: to, label: name, kind: "result", group: groupOf(region.outputs.map((o) => o.value)), details: [] });
      edges.push({ from: id, to, tensor: placeKey(place), bytes: place.bytes, what: name });
    }
  }
  return arranged({ title, nodes: [...nodes.values()], edges });
}

/** The operations of a leg in memory: who reads what another wrote. What a kernel replaces in place counts as read only by its region. */
export function pictureOfPlan(plan: Plan, legName: string, regionOf: RegionOf, title: string): Picture {
  const names = placeNames(plan, legName);
  const nodes = new Map<string, PictureNode>();
  const edges: PictureEdge[] = [];
  const makers = new Map<string, string>();
  const lastWriter = new Map<number, { readonly id: string; readonly at: PlanBinding }[]>();
  const placeText = (at: PlanBinding): string => names.get(placeKey(at)) ?? `${plan.buffers[at.buffer]!.name}+${at.offset}`;
  const read = (to: string, at: PlanBinding): void => {
    const writers = (lastWriter.get(at.buffer) ?? []).filter(
      (w) => w.at.offset < at.offset + at.bytes && at.offset < w.at.offset + w.at.bytes,
    );
    for (const w of writers)
      edges.push({
        from: w.id,
        to,
        tensor: placeKey(w.at),
        bytes: Math.min(w.at.bytes, at.bytes),
        what: placeText(at),
      });
    if (writers.length > 0 || plan.buffers[at.buffer]!.use === "slot") return;
    const from = `<${placeText(at)}`;
    if (!nodes.has(from)) nodes.set(from, { ...noCost, id: from, label: placeText(at), kind: "input", group: [], details: [] });
    edges.push({ from, to, tensor: placeKey(at), bytes: at.bytes, what: placeText(at) });
  };
  const write = (id: string, at: PlanBinding): void => {
    const others = (lastWriter.get(at.buffer) ?? []).filter(
      (w) => w.at.offset < at.offset || at.offset + at.bytes < w.at.offset + w.at.bytes,
    );
    lastWriter.set(at.buffer, [...others, { id, at }]);
  };
  for (const [i, counted] of flatOps(legOf(plan, legName).ops).entries()) {
    const { op } = counted;
    const id = `k${i}`;
    switch (op.kind) {
      case "dispatch": {
        const kinds = plan.kernels[op.kernel]!.bindings;
        const bound = op.bindings.map((at, k) => `${kinds[k]} ${placeText(at)}`);
        nodes.set(id, inLoops(dispatchNode(id, op, regionOf.get(op), bound), counted));
        const region = regionOf.get(op);
        const known = new Set(region === undefined ? [] : [...storedReads(region)].flatMap((stored) => makers.get(stored.id) ?? []));
        for (const [k, at] of op.bindings.entries()) {
          const replaced = kinds[k] === "readWrite";
          if (!replaced || (lastWriter.get(at.buffer) ?? []).some((w) => w.at.offset === at.offset && known.has(w.id))) read(id, at);
        }
        for (const stored of region?.outputs ?? []) makers.set(stored.id, id);
        for (const [k, at] of op.bindings.entries()) if (kinds[k] === "readWrite") write(id, at);
        break;
      }
      case "copy":
        nodes.set(id, inLoops(transfer(id, `copy to ${placeText(op.to)}`, op.to.bytes), counted));
        read(id, op.from);
        write(id, op.to);
        break;
      case "clear":
        nodes.set(id, inLoops(transfer(id, `clear ${placeText(op.target)}`, op.target.bytes), counted));
        write(id, op.target);
        break;
      default:
        op satisfies never;
    }
  }
  for (const writers of lastWriter.values())
    for (const { id, at } of writers) {
      const name = names.get(placeKey(at));
      if (name === undefined) continue;
      nodes.set(`=${name}`, { ...noCost, id: `=${name}`, label: name, kind: "result", group: nodes.get(id)!.group, details: [] });
      edges.push({ from: id, to: `=${name}`, tensor: placeKey(at), bytes: at.bytes, what: name });
    }
  return arranged({ title, nodes: [...nodes.values()], edges });
}

function legOf(plan: Plan, name: string): Plan["legs"][number] {
  const leg = plan.legs.find((l) => l.name === name);
  if (leg === undefined) throw new Error(`internal: the plan has no leg ${name}`);
  return leg;
}
/** A loop is a group around its body; what is in it counts once per run. */
function inLoops(node: PictureNode, { times, within }: CountedOp): PictureNode {
  if (within.length === 0) return node;
  const loops = within.map((loop) => `${loop.count} x ${loop.what}`);
  const { dispatches, flops, bytesMoved } = node;
  return {
    ...node,
    group: [...loops, ...node.group],
    dispatches: times * dispatches,
    flops: times * flops,
    bytesMoved: times * bytesMoved,
  };
}
function transfer(id: string, label: string, bytesMoved: number): PictureNode {
  return { ...noCost, id, label, kind: "transfer", group: [], details: [], bytesMoved };
}
function dispatchNode(
  id: string,
  op: Extract<PlanOp, { readonly kind: "dispatch" }>,
  region: Region | undefined,
  more: readonly string[] = [],
): PictureNode {
  const made = region?.outputs.map((o) => typeText(o.value)) ?? [];
  return {
    id,
    label: op.what,
    kind: op.template,
    group: region === undefined ? [] : groupOf([...region.anchors, ...region.outputs.map((o) => o.value)]),
    details: [...made, ...op.origins, `grid ${op.grid.join(" x ")}`, ...more],
    dispatches: 1,
    flops: op.flops,
    bytesMoved: op.bytesMoved,
  };
}

const placeKey = (at: PlanBinding): string => `${at.buffer}:${at.offset}`;

/** What the host knows places by: inputs and outputs of the leg, stored tensors, and gradients, which lie as their parameters do. */
function placeNames(plan: Plan, legName: string): Map<string, string> {
  const leg = legOf(plan, legName);
  const names = new Map<string, string>();
  if ("stored" in plan.program) {
    const grads = plan.buffers.find((b) => b.name === "grads" && b.use === "persistent");
    const params = plan.buffers.find((b) => b.name === "params" && b.use === "persistent");
    for (const { key, at } of plan.program.stored) {
      names.set(placeKey(at), key);
      if (grads && at.buffer === params?.id) names.set(placeKey({ ...at, buffer: grads.id }), `grad.${key}`);
    }
  }
  for (const { name, at } of [...leg.inputs, ...leg.outputs]) names.set(placeKey(at), name);
  return names;
}

const arranged = (picture: Picture): Picture => inputsBeside(byDirection(beside(picture)));

/** What has no group of its own (repacked operands, values that passes made) stands with what reads it. */
function beside(picture: Picture): Picture {
  const groups = new Map(picture.nodes.map((n) => [n.id, n.group]));
  const readers = readersOf(picture);
  // Readers come after what they read.
  for (const n of [...picture.nodes].reverse())
    if (n.group.length === 0 && n.kind !== "input" && n.kind !== "result")
      groups.set(n.id, shared((readers.get(n.id) ?? []).map((e) => groups.get(e.to)!)));
  return { ...picture, nodes: picture.nodes.map((n) => ({ ...n, group: groups.get(n.id)! })) };
}

/** Inputs stand with their readers, once in each direction: weights need no line through the whole picture. */
function inputsBeside(picture: Picture): Picture {
  const groups = new Map(picture.nodes.map((n) => [n.id, n.group]));
  const readers = readersOf(picture);
  const directionOf = (e: PictureEdge): string => {
    const [first = ""] = groups.get(e.to)!;
    return directions.includes(first) ? first : "";
  };
  const nodes: PictureNode[] = [];
  const idOf = new Map<PictureEdge, string>();
  for (const n of picture.nodes) {
    if (n.kind !== "input") {
      nodes.push(n);
      continue;
    }
    const lines = readers.get(n.id) ?? [];
    for (const direction of new Set(lines.map(directionOf))) {
      const own = lines.filter((e) => directionOf(e) === direction);
      const id = `${n.id} ${direction}`;
      for (const e of own) idOf.set(e, id);
      nodes.push({ ...n, id, group: shared(own.map((e) => groups.get(e.to)!)) });
    }
  }
  return { ...picture, nodes, edges: picture.edges.map((e) => ({ ...e, from: idOf.get(e) ?? e.from })) };
}
function readersOf(picture: Picture): Map<string, PictureEdge[]> {
  const readers = new Map<string, PictureEdge[]>();
  for (const e of picture.edges) {
    const known = readers.get(e.from);
    if (known) known.push(e);
    else readers.set(e.from, [e]);
  }
  return readers;
}
function shared(groups: readonly (readonly string[])[]): readonly string[] {
  const first = groups[0] ?? [];
  const length = groups.reduce((n, g) => {
    let same = 0;
    while (same < n && same < g.length && g[same] === first[same]) same++;
    return same;
  }, first.length);
  return first.slice(0, length);
}

const directions: readonly string[] = ["forward", "backward"];

/** Where a leg makes gradients, what leads to other results is the forward part and the rest the backward part, each a group of its own. */
function byDirection(picture: Picture): Picture {
  const isGradient = (n: PictureNode): boolean => n.kind === "result" && n.label.startsWith("grad.");
  if (!picture.nodes.some(isGradient)) return picture;
  const before = new Map<string, string[]>();
  for (const e of picture.edges) before.set(e.to, [...(before.get(e.to) ?? []), e.from]);
  const forward = new Set(picture.nodes.filter((n) => n.kind === "result" && !isGradient(n)).map((n) => n.id));
  const stack = [...forward];
  while (stack.length > 0)
    for (const id of before.get(stack.pop()!) ?? []) {
      if (forward.has(id)) continue;
      forward.add(id);
      stack.push(id);
    }
  const nodes = picture.nodes.map((n) => {
    return { ...n, group: [forward.has(n.id) ? "forward" : "backward", ...n.group] };
  });
  return { ...picture, nodes };
}
