import type { Plan, PlanBinding, PlanLeg, PlanOp } from "../../compiler/plan/plan.ts";

// Two plans of the same program, side by side. In: what was and what is. Out: lines that say what differs: kernels by their text, operations by
// their order, memory and settings. No lines: everything that a device would see is the same.

/** What differs, as text for people; empty if nothing does. */
export function differences(before: Plan, after: Plan): string[] {
  const found: string[] = [];
  for (const leg of before.legs) if (!after.legs.some((l) => l.name === leg.name)) found.push(`leg ${leg.name} is gone`);
  const shown = new Set<string>();
  for (const leg of after.legs) {
    const old = before.legs.find((l) => l.name === leg.name);
    if (old === undefined) found.push(`leg ${leg.name} is new`);
    else found.push(...legDifferences(before, old, after, leg, shown));
  }
  const rest = (plan: Plan): string =>
    JSON.stringify({ ...plan, kernels: [], legs: [], compiler: "", program: { ...plan.program, sourceHash: "" } });
  if (found.length === 0 && rest(before) !== rest(after)) found.push("buffers, uniforms, target or program settings differ");
  return found;
}

const whatOf = (op: PlanOp): string => (op.kind === "dispatch" || op.kind === "repeat" ? op.what : op.kind);
function textOf(plan: Plan, op: PlanOp): string {
  const at = (b: PlanBinding): string => `${plan.buffers[b.buffer]!.name}+${b.offset}:${b.bytes}`;
  switch (op.kind) {
    case "dispatch":
      return `${plan.kernels[op.kernel]!.id} ${op.grid.join("x")} ${op.bindings.map(at).join(" ")}`;
    case "copy":
      return `${at(op.from)} -> ${at(op.to)}`;
    case "clear":
      return at(op.target);
    case "repeat": {
      const copies = [
        ...op.items.map((i) => `${at(i.from)} -> ${i.uniform}+${i.words}`),
        ...op.every.map((e) => `${at(e.from)} -> ${at(e.to)}`),
      ];
      return [`${op.count}`, ...copies, ...op.ops.map((inner) => textOf(plan, inner))].join("; ");
    }
    default:
      return op satisfies never;
  }
}

function legDifferences(before: Plan, old: PlanLeg, after: Plan, leg: PlanLeg, shown: Set<string>): string[] {
  const found: string[] = [];
  for (const step of aligned(old.ops.map(whatOf), leg.ops.map(whatOf))) {
    if (step.kind !== "both") {
      const op = step.kind === "before" ? old.ops[step.at]! : leg.ops[step.at]!;
      found.push(`leg ${leg.name}: ${step.kind === "before" ? "no longer" : "now"} ${whatOf(op)} (${step.at})`);
      continue;
    }
    const [was, is] = [old.ops[step.before]!, leg.ops[step.after]!];
    const kernelOf = (plan: Plan, op: PlanOp): string => (op.kind === "dispatch" ? plan.kernels[op.kernel]!.wgsl : "");
    if (textOf(before, was) === textOf(after, is) && kernelOf(before, was) === kernelOf(after, is)) continue;
    const name = `leg ${leg.name}: ${whatOf(is)} (${step.after})`;
    if (was.kind !== "dispatch" || is.kind !== "dispatch") {
      found.push(`${name}: ${textOf(before, was)} became ${textOf(after, is)}`);
      continue;
    }
    const [one, other] = [before.kernels[was.kernel]!, after.kernels[is.kernel]!];
    if (one.wgsl !== other.wgsl) {
      const pair = `${one.id} ${other.id}`;
      found.push(`${name}: kernel ${one.id} became ${other.id}${shown.has(pair) ? ", as above" : ""}`);
      if (!shown.has(pair)) found.push(...textDifferences(one.wgsl, other.wgsl).map((line) => `    ${line}`));
      shown.add(pair);
    } else if (was.grid.join() !== is.grid.join()) found.push(`${name}: grid ${was.grid.join("x")} became ${is.grid.join("x")}`);
    else found.push(`${name}: memory ${textOf(before, was)} became ${textOf(after, is)}`);
  }
  const figures = (l: PlanLeg): string => JSON.stringify([l.figures, l.inputs, l.outputs]);
  if (found.length === 0 && figures(old) !== figures(leg)) found.push(`leg ${leg.name}: figures, inputs or outputs differ`);
  return found;
}

type Step =
  | { readonly kind: "both"; readonly before: number; readonly after: number }
  | { readonly kind: "before" | "after"; readonly at: number };

/** The two lists along a longest common run of equal texts. */
export function aligned(before: readonly string[], after: readonly string[]): Step[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  const [rows, columns] = [before.length - start - end, after.length - start - end];
  // lengths[i][j]: the longest common run of what follows i and j.
  const lengths = Array.from({ length: rows + 1 }, () => new Uint32Array(columns + 1));
  for (let i = rows - 1; i >= 0; i--)
    for (let j = columns - 1; j >= 0; j--)
      lengths[i]![j] =
        before[start + i] === after[start + j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
  const steps: Step[] = Array.from({ length: start }, (_, i): Step => ({ kind: "both", before: i, after: i }));
  let [i, j] = [0, 0];
  while (i < rows || j < columns) {
    if (i < rows && j < columns && before[start + i] === after[start + j])
      steps.push({ kind: "both", before: start + i++, after: start + j++ });
    else if (j >= columns || (i < rows && lengths[i + 1]![j]! >= lengths[i]![j + 1]!)) steps.push({ kind: "before", at: start + i++ });
    else steps.push({ kind: "after", at: start + j++ });
  }
  for (let k = end; k > 0; k--) steps.push({ kind: "both", before: before.length - k, after: after.length - k });
  return steps;
}

/** The lines of two texts that differ, with `-` and `+`, and a line of what surrounds them. */
export function textDifferences(before: string, after: string): string[] {
  const [was, is] = [before.split("\n"), after.split("\n")];
  const steps = aligned(was, is);
  const lines: string[] = [];
  let shownTo = -1;
  for (const [k, step] of steps.entries()) {
    const near = [steps[k - 1], step, steps[k + 1]].some((s) => s !== undefined && s.kind !== "both");
    if (!near) continue;
    if (shownTo >= 0 && k > shownTo + 1) lines.push("  ...");
    shownTo = k;
    if (step.kind === "both") lines.push(`  ${was[step.before]}`);
    else lines.push(step.kind === "before" ? `- ${was[step.at]}` : `+ ${is[step.at]}`);
  }
  return lines;
}
