import type { PlanDataset } from "../../compiler/plan/plan.ts";
import { BatchLoader, type CallHost, type DatasetError, type DatasetProblem, type FolderDataset, openSources } from "../dataset/index.ts";

// The data sets of a plan, opened: a source of batches for each data setting.

export interface OpenedDataset {
  readonly loader: BatchLoader;
  readonly dataset: FolderDataset;
}
export interface SourceOptions {
  readonly batch: number;
  readonly seed: number;
  /** An evaluation takes every item once, in the folder's order, whatever order training would take. */
  readonly sequential: boolean;
  readonly onProblem?: (problem: DatasetProblem) => void;
  /** Calls functions of the project's TypeScript that fields are made by. */
  readonly callHost?: CallHost;
}

/** Opens one data set. */
export async function openDataset(spec: PlanDataset, options: SourceOptions): Promise<OpenedDataset | DatasetError> {
  const dataset = await openSources([spec.source, ...(spec.more ?? [])]);
  if (dataset.kind === "error") return dataset;
  const loader = new BatchLoader({
    dataset,
    fields: spec.fields,
    batch: options.batch,
    seed: options.seed,
    order: options.sequential ? "sequential" : spec.order,
    ...(options.callHost === undefined ? {} : { callHost: options.callHost }),
    ...(options.onProblem === undefined ? {} : { onProblem: options.onProblem }),
  });
  return { loader, dataset };
}

export type OpenedDatasets =
  | { readonly ok: true; readonly sources: Readonly<Record<string, BatchLoader>>; readonly close: () => Promise<void> }
  | { readonly ok: false; readonly error: DatasetError };

/** Opens all data sets of a train plan. */
export async function openDatasets(
  datasets: readonly { readonly setting: string; readonly spec: PlanDataset }[],
  options: SourceOptions,
): Promise<OpenedDatasets> {
  const sources: Record<string, BatchLoader> = {};
  const close = async () => {
    await Promise.all(Object.values(sources).map((loader) => loader.close()));
  };
  for (const { setting, spec } of datasets) {
    const opened = await openDataset(spec, options);
    if ("kind" in opened) {
      await close();
      return { ok: false, error: opened };
    }
    sources[setting] = opened.loader;
  }
  return { ok: true, sources, close };
}
