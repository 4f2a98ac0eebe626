import {
  type AttendFacts,
  type AttendSchedule,
  attendDefault,
  bucketOf,
  type ContractFacts,
  type ContractSchedule,
  contractDefault,
  type KernelSchedule,
  type MapFacts,
  type MapSchedule,
  mapDefault,
  type ReduceFacts,
  type ReduceSchedule,
  reduceDefault,
  type ScheduleQuestion,
  type ScheduleTarget,
} from "./target.ts";

// The schedules that may answer a question, as data. In: the facts of a shape and a target. Out: at most twenty, the default first, all of
// them lawful for the template; a tuner tries these and no others, and a recorded choice that is not among them is not used.

export const mostCandidates = 20;

/** The schedules worth trying, the default first. */
export function candidatesFor(question: ScheduleQuestion, target: ScheduleTarget): readonly KernelSchedule[] {
  const first = defaultFor(question, target);
  const seen = new Set<string>();
  return [first, ...variantsOf(question, first, target)]
    .filter((schedule) => {
      const text = scheduleText(schedule);
      if (seen.has(text)) return false;
      seen.add(text);
      return true;
    })
    .slice(0, mostCandidates);
}

/** The schedule without a tuner. */
export function defaultFor(question: ScheduleQuestion, target: ScheduleTarget): KernelSchedule {
  switch (question.kind) {
    case "map":
      return mapDefault(question.facts, target);
    case "reduce":
      return reduceDefault(question.facts, target);
    case "contract":
      return contractDefault(question.facts, target);
    case "attend":
      return attendDefault(question.facts, target);
    default:
      return question satisfies never;
  }
}

/** A schedule's fields in one order, so that equal schedules have equal texts. */
export function scheduleText(schedule: KernelSchedule): string {
  return JSON.stringify(Object.entries(schedule).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function variantsOf(question: ScheduleQuestion, first: KernelSchedule, target: ScheduleTarget): KernelSchedule[] {
  const gpu = target.adapterClass === "gpu";
  switch (first.kind) {
    case "map": {
      const workgroups = gpu ? [64, 128, 256] : [8, 64];
      return workgroups.flatMap((workgroup) =>
        (gpu ? [1, 2, 4, 8] : [1, 4, 16, 64]).map((perInvocation) => ({ ...first, workgroup, perInvocation })),
      );
    }
    case "reduce":
      return reduceVariants(question.facts as ReduceFacts, first, target);
    case "contract":
      return contractVariants(question.facts as ContractFacts, first, target);
    case "attend":
      return attendVariants(question.facts as AttendFacts, first, target);
    default:
      return first satisfies never;
  }
}

function reduceVariants(
  { rows, inner, argmax, innerContiguous }: ReduceFacts,
  first: ReduceSchedule,
  target: ScheduleTarget,
): ReduceSchedule[] {
  const workgroups = target.adapterClass === "gpu" ? [64, 128, 256] : [8, 32, 64];
  const variants: ReduceSchedule[] = [];
  const alone = { kind: "reduce", rowsAtOnce: 1 } as const;
  if (target.subgroupSize !== null && innerContiguous && !argmax)
    for (const rowsAtOnce of [1, 2, 4, 8].filter((n) => n === 1 || n <= rows))
      variants.push({ kind: "reduce", style: "rowPerSubgroup", workgroup: target.subgroupSize, rowsAtOnce });
  if (target.adapterClass === "gpu" && innerContiguous && !argmax && inner >= 64)
    for (const workgroup of workgroups) variants.push({ ...alone, style: "rowPerWorkgroup", workgroup });
  if (!innerContiguous && rows % 4 === 0 && !argmax)
    for (const workgroup of workgroups) variants.push({ ...alone, style: "rowsInVectors", workgroup });
  for (const workgroup of workgroups) variants.push({ ...alone, style: "rowPerInvocation", workgroup });
  return variants.filter((v) => scheduleText(v) !== scheduleText(first));
}

function contractVariants(facts: ContractFacts, first: ContractSchedule, target: ScheduleTarget): ContractSchedule[] {
  const { m, n, innerK } = facts;
  const variants: ContractSchedule[] = [];
  if (target.adapterClass === "gpu")
    for (const [across, workgroup] of [
      [16, 256],
      [8, 64],
      [16, 128],
      [8, 128],
    ] as const)
      for (const [tileM, vectorsN] of [
        [4, 1],
        [8, 1],
        [8, 2],
      ] as const)
        for (const chunkK of [16, 8])
          if (chunkK < 2 * innerK)
            variants.push({ kind: "contract", holder: "workgroup", across, workgroup, operands: "buffer", tileM, vectorsN, chunkK });
  const { holder, across } = first;
  const base = holder === "workgroup" ? ({ ...first, holder: "invocation", across: 1, workgroup: 64 } as const) : first;
  const storages = target.textureOperands ? (["texture", "buffer"] as const) : (["buffer"] as const);
  for (const operands of storages)
    for (const tileM of holder === "subgroup" ? [16, 8, 32] : [4, 8])
      for (const vectorsN of [1, 2, 4])
        for (const chunkK of [4, 8]) {
          // A tile much larger than the result computes nothing more.
          if (tileM >= 2 * m || 4 * (vectorsN - 1) * base.across >= n) continue;
          // Every lane has a vector of the left operand to load, and a chunk's accumulators stay in registers.
          if (holder === "subgroup" && (tileM * chunkK) / 4 < across) continue;
          if (tileM * vectorsN > 64) continue;
          variants.push({ ...base, operands, tileM, vectorsN, chunkK });
        }
  // Of workgroup tiles and invocations' own, a few of each.
  return holder === "workgroup" ? [...variants.slice(0, 14), ...variants.slice(24)] : variants;
}

function attendVariants({ pass, rows }: AttendFacts, first: AttendSchedule, target: ScheduleTarget): AttendSchedule[] {
  const workgroups = first.lanes > 1 ? [first.workgroup] : target.adapterClass === "gpu" ? [32, 64, 128] : [8];
  const variants: AttendSchedule[] = [];
  for (const workgroup of workgroups)
    for (const own of [1, 2, 4])
      for (const chunk of first.lanes > 1 ? [1, 2, 4] : [2, 4])
        for (const scaling of pass === "forward" ? (["lazy", "eager"] as const) : [first.scaling])
          if (own === 1 || own * first.lanes <= rows) variants.push({ ...first, workgroup, rows: own, chunk, scaling });
  return variants;
}

/** The answer to a template: what is recorded for the bucket, if it may be, else the default. */
function answer<S extends KernelSchedule>(question: ScheduleQuestion, target: ScheduleTarget): S {
  target.onSchedule?.(question);
  const recorded = target.schedules?.[bucketOf(question)];
  if (recorded !== undefined) {
    const text = scheduleText(recorded);
    if (candidatesFor(question, target).some((candidate) => scheduleText(candidate) === text)) return recorded as S;
  }
  return defaultFor(question, target) as S;
}

export const mapSchedule = (facts: MapFacts, target: ScheduleTarget): MapSchedule => answer({ kind: "map", facts }, target);
export const reduceSchedule = (facts: ReduceFacts, target: ScheduleTarget): ReduceSchedule => answer({ kind: "reduce", facts }, target);
export const attendSchedule = (facts: AttendFacts, target: ScheduleTarget): AttendSchedule => answer({ kind: "attend", facts }, target);
export const contractSchedule = (facts: ContractFacts, target: ScheduleTarget): ContractSchedule =>
  answer({ kind: "contract", facts }, target);
