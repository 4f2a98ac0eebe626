import { type Case, discoverCases } from "./case.ts";
import { adafaceKinds } from "./kinds/adaface.ts";
import { attentionKinds } from "./kinds/attention.ts";
import { diffusionKinds } from "./kinds/diffusion.ts";
import { indexingKinds } from "./kinds/indexing.ts";
import { lossKinds } from "./kinds/losses.ts";
import { lossLaterKinds } from "./kinds/lossesLater.ts";
import { lossRecipeKinds } from "./kinds/lossesRecipe.ts";
import { lossHelperKinds } from "./kinds/lossHelpers.ts";
import { networkKinds } from "./kinds/networks.ts";
import { normKinds } from "./kinds/norms.ts";
import { isOptimizer, runOptimizer } from "./kinds/optimizers.ts";
import { pointwiseKinds } from "./kinds/pointwise.ts";
import { reductionKinds } from "./kinds/reductions.ts";
import { spatialKinds } from "./kinds/spatial.ts";
import { trainingKinds } from "./kinds/training.ts";
import { runOnnxModel } from "./lists/onnx.ts";
import { discoverLists } from "./lists.ts";
import { type CaseResult, judged } from "./result.ts";
import { type Prepare, runWritten } from "./run.ts";
import type { KindTable } from "./written.ts";

// Runs all cases of a directory and counts.

export interface GroupResult {
  passed: number;
  failed: number;
  unsupported: number;
  readonly cases: CaseResult[];
}
export type Groups = Record<string, GroupResult>;

const kinds: KindTable = {
  ...pointwiseKinds,
  ...reductionKinds,
  ...normKinds,
  ...lossKinds,
  ...lossHelperKinds,
  ...lossRecipeKinds,
  ...lossLaterKinds,
  ...trainingKinds,
  ...diffusionKinds,
  ...spatialKinds,
  ...indexingKinds,
  ...attentionKinds,
  ...networkKinds,
  ...adafaceKinds,
};

export interface RunOptions {
  readonly group?: string | undefined;
  readonly kind?: string | undefined;
  readonly onCase?: (group: string, result: CaseResult) => void;
}

export async function runCases(root: string, prepare: Prepare, options: RunOptions = {}): Promise<Groups> {
  const groups: Groups = {};
  for (const one of discoverCases(root)) {
    if (options.group !== undefined && one.group !== options.group) continue;
    if (options.kind !== undefined && one.kind !== options.kind) continue;
    groups[one.group] ??= { passed: 0, failed: 0, unsupported: 0, cases: [] };
    const group = groups[one.group]!;
    const result = await runCase(root, one, prepare);
    group[result.status]++;
    group.cases.push(result);
    options.onCase?.(one.group, result);
  }
  for (const list of discoverLists(root)) {
    if (options.group !== undefined && list.group !== options.group) continue;
    if (options.kind !== undefined && list.kind !== options.kind) continue;
    groups[list.group] ??= { passed: 0, failed: 0, unsupported: 0, cases: [] };
    const group = groups[list.group]!;
    for await (const result of list.run(prepare)) {
      group[result.status]++;
      group.cases.push(result);
      options.onCase?.(list.group, result);
    }
  }
  return groups;
}

async function runCase(root: string, one: Case, prepare: Prepare): Promise<CaseResult> {
  const named = { case: one.name };
  try {
    if (isOptimizer(one.kind)) {
      const outcome = await runOptimizer(one, prepare);
      if (outcome !== null && typeof outcome === "object")
        return { ...named, status: "unsupported", detail: `${one.kind}: ${outcome.unsupported}` };
      return judged(one.name, outcome);
    }
    if (one.kind === "onnx_model") {
      return judged(one.name, await runOnnxModel(one, root, prepare));
    }
    const write = kinds[one.kind];
    if (!write) return { ...named, status: "unsupported", detail: `kind ${one.kind}` };
    const written = write(one.config, await one.tensors());
    if ("unsupported" in written) return { ...named, status: "unsupported", detail: `${one.kind}: ${written.unsupported}` };
    return judged(one.name, await runWritten(one, written, prepare));
  } catch (error) {
    return { ...named, status: "failed", detail: error instanceof Error ? error.message : String(error) };
  }
}
