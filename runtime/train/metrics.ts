import type { EvaluatePlan, PlanMeasureArg } from "../../compiler/plan/plan.ts";
import { statistics } from "../../compiler/plan/statistics.ts";
import type { FieldValue } from "../dataset/loader.ts";
import { type Verification, verify } from "./verification.ts";

// The metrics that `measure` can name: one row each. In: what an evaluation collected. Out: one number under the measure's name, further
// numbers under `<name>/<what>`, and what the report draws.

/** Everything an evaluation collected, one row per sample. */
export interface Collected {
  readonly rows: number;
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly fields: ReadonlyMap<string, FieldValue>;
  /** Which item of the data set each row shows. */
  readonly items: readonly number[];
}
type Argument =
  | { readonly kind: "rows"; readonly values: Float32Array }
  | { readonly kind: "field"; readonly values: FieldValue }
  | { readonly kind: "number"; readonly value: number };

export interface Measured {
  readonly value: number;
  readonly further: Readonly<Record<string, number>>;
  readonly verification: Verification | null;
}
type MetricResult = { readonly ok: true; readonly measured: Measured } | { readonly ok: false; readonly message: string };

const metrics: Readonly<Record<string, (args: readonly Argument[]) => MetricResult>> = {
  /** One number for each sample. */
  values: ([rows]) => {
    if (rows?.kind !== "rows") return { ok: false, message: "there is no number for each sample" };
    const values = [...rows.values];
    if (values.length === 0) return { ok: false, message: "no sample was seen" };
    const broken = values.findIndex((x) => !Number.isFinite(x));
    if (broken >= 0) return { ok: false, message: `it is ${values[broken]} for one of the samples` };
    const { mean, ci95, std, min, max, count } = statistics;
    const spread: Readonly<Record<string, number>> = values.length < 2 ? {} : { ci95: ci95!(values), std: std!(values) };
    return {
      ok: true,
      measured: {
        value: mean!(values),
        further: { ...spread, min: min!(values), max: max!(values), count: count!(values) },
        verification: null,
      },
    };
  },
  verification: ([embedding, subject]) => {
    if (embedding?.kind !== "rows") return { ok: false, message: "verification(embedding, subject) compares rows of numbers" };
    const subjects = subject === undefined ? null : subjectNumbers(subject);
    if (subjects === null) return { ok: false, message: "verification(embedding, subject) needs one subject per row" };
    const result = verify(embedding.values, subjects);
    if (!result.ok) return result;
    const v = result.value;
    const further = {
      eer: v.equalErrorRate,
      tar_at_far_1e_2: v.trueAcceptsAtOnePercent,
      accuracy: v.bestAccuracy,
      threshold: v.bestThreshold,
      same_pairs: v.samePairs,
      different_pairs: v.differentPairs,
    };
    return { ok: true, measured: { value: v.auc, further, verification: v } };
  },
};

function subjectNumbers(arg: Argument): ArrayLike<number> | null {
  if (arg.kind === "number") return null;
  if (!Array.isArray(arg.values)) return arg.values;
  const numbers = new Map<string, number>();
  return arg.values.map((name) => {
    const known = numbers.get(name) ?? numbers.size;
    numbers.set(name, known);
    return known;
  });
}

function argument(arg: PlanMeasureArg, collected: Collected): Argument {
  switch (arg.kind) {
    case "number":
      return { kind: "number", value: arg.value };
    case "collected": {
      const values = collected.tensors.get(arg.name);
      if (values === undefined) throw new Error(`internal: nothing was collected under ${arg.name}`);
      return { kind: "rows", values };
    }
    case "field": {
      const values = collected.fields.get(arg.name);
      if (values === undefined) throw new Error(`internal: the field ${arg.name} was not collected`);
      return { kind: "field", values };
    }
    default:
      return arg satisfies never;
  }
}

/** One measure of an evaluation. */
export function measure(row: EvaluatePlan["measures"][number], collected: Collected): MetricResult {
  const metric = metrics[row.metric];
  if (metric === undefined)
    return { ok: false, message: `there is no metric ${row.metric}; there are: ${Object.keys(metrics).join(", ")}` };
  return metric(row.args.map((arg) => argument(arg, collected)));
}
