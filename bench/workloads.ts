// All workloads: what `npm run bench` and the comparison with other libraries measure.
import { attentionWorkload } from "./workloads/attention.ts";
import { clipWorkload } from "./workloads/clip.ts";
import { convWorkloads, matmulWorkload } from "./workloads/products.ts";
import { chainWorkload, costlyChainWorkload, groupNormSiluWorkload, layerNormWorkload, softmaxWorkload } from "./workloads/rows.ts";
import type { Task, Workload } from "./workloads/workload.ts";

/** The workload of a task, as another process needs it. */
export function workloadOf(task: Task): Workload {
  switch (task.kind) {
    case "matmul":
      return matmulWorkload(task.m, task.k, task.n);
    case "conv":
    case "convDataGradient":
    case "convWeightGradient":
      return convWorkloads(task.shape).find((workload) => workload.task.kind === task.kind)!;
    case "attention":
      return attentionWorkload(task.shape);
    case "layerNorm":
      return layerNormWorkload(task.shape);
    case "softmax":
      return softmaxWorkload(task.shape);
    case "groupNormSilu":
      return groupNormSiluWorkload(task.shape);
    case "chain":
      return chainWorkload(task.length);
    case "costlyChain":
      return costlyChainWorkload(task.length);
    case "clipLayer":
    case "clipTraining":
      return clipWorkload(task.shape, task.kind === "clipTraining");
    default:
      return task satisfies never;
  }
}

/** Everything that is measured; a slow adapter gets shorter elementwise chains. */
export function allWorkloads(slow: boolean): Workload[] {
  const chain = slow ? 2 ** 22 : 2 ** 24;
  const layer = { tokens: 77, width: 768, heads: 12, hidden: 3072 };
  return [
    matmulWorkload(512, 512, 512),
    matmulWorkload(1024, 1024, 1024),
    matmulWorkload(4096, 320, 1280),
    ...convWorkloads({ batch: 1, height: 64, width: 64, inputs: 320, outputs: 320 }),
    ...convWorkloads({ batch: 1, height: 32, width: 32, inputs: 640, outputs: 640 }),
    attentionWorkload({ heads: 8, queries: 4096, keys: 77, width: 40 }),
    attentionWorkload({ heads: 8, queries: 1024, keys: 1024, width: 64 }),
    layerNormWorkload({ rows: 4096, columns: 768 }),
    groupNormSiluWorkload({ channels: 320, height: 64, width: 64, groups: 32 }),
    softmaxWorkload({ rows: 4096, columns: 1024 }),
    chainWorkload(chain),
    costlyChainWorkload(chain),
    clipWorkload(layer, false),
    clipWorkload(layer, true),
  ];
}
