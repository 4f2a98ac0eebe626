import type { Graph, Value } from "../ir/value.ts";
import type { Laid } from "../layout.ts";
import type { AttendValue } from "../schedule/attend.ts";
import { anchorOf } from "../schedule/outputIndex.ts";
import { placeInNest, type ReduceValue, reducedAxes } from "../schedule/reduce.ts";
import { isMemoryLeaf } from "./kinds.ts";
import { type Region, storedReads, type Template } from "./region.ts";

// The verifier of fusion and layout. In: the regions of a leg and the graph they must compute. Out: what is wrong; empty means that every
// stored tensor is made once and before it is read, results are there row-major, a region has the anchors its template works on, outputs fit
// the loop nest, and it needs no more bindings than a kernel may have.

const anchorsOf: Readonly<Record<Template, readonly Value["op"][]>> = {
  map: [],
  reduce: ["sum", "reduceMax", "argmax"],
  contract: ["dot", "conv"],
  attend: ["attend", "attendGrad"],
  index: ["scatterAdd"],
};
const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

/** What is wrong with the regions of a graph. */
export function verifyLaid(laid: Laid, graph: Graph, maxBuffers: number): string[] {
  const problems: string[] = [];
  const made = new Set<string>();
  for (const region of laid.regions) {
    const report = (message: string): void => {
      problems.push(`region ${region.id} (${region.template}): ${message}`);
    };
    checkShape(region, report);
    const reads = storedReads(region);
    for (const stored of reads) {
      if (!made.has(stored.id) && !isMemoryLeaf(stored.value)) report(`${stored.id} is read before it is made`);
    }
    if (reads.size + region.outputs.length > maxBuffers)
      report(`${reads.size} reads and ${region.outputs.length} outputs are more than ${maxBuffers}`);
    for (const { id, value, order } of region.outputs) {
      if (made.has(id)) report(`${id} is made twice`);
      made.add(id);
      if (
        !same(
          [...order].sort((a, b) => a - b),
          value.shape.map((_, i) => i),
        )
      )
        report(`${id} is stored in no order of its axes`);
    }
  }
  for (const { name, value } of graph.results) {
    if (!isMemoryLeaf(value) && !made.has(`%${value.id}`)) problems.push(`result ${name}: %${value.id} is not stored row-major`);
  }
  return problems;
}

function checkShape(region: Region, report: (message: string) => void): void {
  const { template, anchors, outputs } = region;
  const allowed = anchorsOf[template];
  if (outputs.length === 0) report("it stores nothing");
  if (allowed.length === 0 ? anchors.length > 0 : anchors.length === 0) report(`it has ${anchors.length} anchors`);
  if (template !== "reduce" && template !== "attend" && anchors.length > 1) report("more than one anchor");
  for (const a of anchors) if (!allowed.includes(a.op)) report(`${a.op} is no anchor of this template`);
  if (problemsOfAnchors(anchors, allowed)) return;
  if (template === "map") {
    const [first] = outputs;
    if (first && outputs.some((o) => !same(o.value.shape, first.value.shape) || !same(o.order, first.order)))
      report("its outputs are walked differently");
  } else if (template === "reduce") {
    const [head, ...rest] = anchors as readonly ReduceValue[];
    const space = head!.args[0]!.shape;
    const gone = [...reducedAxes(head!)].sort().join();
    if (rest.some((a) => !same(a.args[0]!.shape, space) || [...reducedAxes(a)].sort().join() !== gone))
      report("its reductions run over different spaces");
    for (const o of outputs)
      if (placeInNest(o.value.shape, head!) === null) report(`${o.id} is neither one per row nor of the whole shape`);
  } else if (template === "attend") {
    const parts = anchors as readonly AttendValue[];
    const kinds = new Set(parts.map((a) => (a.op === "attend" ? "forward" : a.attrs.part === "q" ? "queries" : "keys")));
    if (kinds.size > 1 || new Set(parts.map((a) => a.attrs.part)).size < parts.length) report("its anchors are no parts of one kernel");
    if (parts.some((a) => !a.args.every((x, i) => x === parts[0]!.args[i]))) report("its anchors have different arguments");
    for (const o of outputs) {
      const anchor = anchorOf(o.value, parts);
      if (!anchor || count(o.value.shape) !== count(anchor.shape)) report(`${o.id} has another number of elements than its anchor`);
    }
  } else {
    for (const o of outputs)
      if (count(o.value.shape) !== count(anchors[0]!.shape)) report(`${o.id} has another number of elements than the anchor`);
  }
}
function problemsOfAnchors(anchors: readonly Value[], allowed: readonly Value["op"][]): boolean {
  return allowed.length > 0 && (anchors.length === 0 || anchors.some((a) => !allowed.includes(a.op)));
}
