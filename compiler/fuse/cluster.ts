import type { Graph, Value } from "../ir/value.ts";
import { graphValues, usersOf } from "../ir/walk.ts";
import type { AdapterClass } from "../plan/plan.ts";
import { Drafts } from "./drafts.ts";
import { Merger } from "./merger.ts";
import { parallelism } from "./profit.ts";
import type { Template } from "./region.ts";
import { everything, findRoots } from "./roots.ts";

// Fusion: which values exist in memory (roots) and which kernel makes them. In: a graph and a device's limits. Out: kernels, each with what it
// stores and reads, producers before readers.

export interface Cluster {
  readonly template: Template;
  readonly anchors: readonly Value[];
  readonly outputs: readonly Value[]; // to be stored
  readonly reads: readonly Value[]; // stored elsewhere, or leaves in memory
}
export interface Clusters {
  readonly clusters: readonly Cluster[]; // producers before readers
  readonly stored: ReadonlySet<Value>;
}
export interface ClusterOptions {
  readonly fuse: boolean;
  readonly maxBuffers: number;
  readonly adapterClass: AdapterClass;
  /** What one binding holds. A larger value that can be computed where it is read is never stored. */
  readonly maxBytes: number;
}

export function cluster(graph: Graph, options: ClusterOptions): Clusters {
  const order = graphValues(graph);
  const users = usersOf(order);
  const results = new Set(graph.results.map((r) => r.value));
  let forced = new Set<Value>();
  for (;;) {
    const roots = options.fuse ? findRoots(order, users, results, forced, options.maxBytes) : everything(order, results, options.maxBytes);
    const drafts = new Drafts(order, roots, results, options);
    const crowded = drafts.tooManyBuffers();
    if (crowded.length > 0) {
      const before = forced.size;
      forced = new Set([...forced, ...crowded]);
      if (forced.size === before) throw new Error("internal: fuse: a kernel cannot be made small enough for the device's buffer limit");
      continue;
    }
    if (options.fuse) new Merger(order, drafts, parallelism[options.adapterClass].fewRows).merge();
    return drafts.finish();
  }
}
