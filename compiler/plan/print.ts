import type { Plan, PlanBinding } from "./plan.ts";

/** Stable text of a plan's operations. */
export function printPlan(plan: Plan): string {
  const lines: string[] = [];
  for (const leg of plan.legs) {
    lines.push(`leg ${leg.name}  # ${leg.ops.length} ops, peak ${leg.figures.peakBytes} bytes, live ${leg.figures.liveBytes}`);
    for (const op of leg.ops) {
      const at = (b: PlanBinding): string => `${plan.buffers[b.buffer]!.name}${b.offset > 0 ? `+${b.offset}` : ""}:${b.bytes}`;
      if (op.kind === "dispatch")
        lines.push(`  ${plan.kernels[op.kernel]!.id} ${op.grid.join("x")} ${op.bindings.map(at).join(" ")}  # ${op.what}`);
      else if (op.kind === "copy") lines.push(`  copy ${at(op.from)} -> ${at(op.to)}`);
      else lines.push(`  clear ${at(op.target)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
