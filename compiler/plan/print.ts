import type { Plan, PlanBinding, PlanOp } from "./plan.ts";

/** Stable text of a plan's operations. */
export function printPlan(plan: Plan): string {
  const lines: string[] = [];
  for (const leg of plan.legs) {
    lines.push(`leg ${leg.name}  # ${leg.ops.length} ops, peak ${leg.figures.peakBytes} bytes, live ${leg.figures.liveBytes}`);
    lines.push(...printOps(plan, leg.ops, "  "));
  }
  return `${lines.join("\n")}\n`;
}

function printOps(plan: Plan, ops: readonly PlanOp[], indent: string): string[] {
  const at = (b: PlanBinding): string => `${plan.buffers[b.buffer]!.name}${b.offset > 0 ? `+${b.offset}` : ""}:${b.bytes}`;
  return ops.flatMap((op): string[] => {
    switch (op.kind) {
      case "dispatch":
        return [`${indent}${plan.kernels[op.kernel]!.id} ${op.grid.join("x")} ${op.bindings.map(at).join(" ")}  # ${op.what}`];
      case "copy":
        return [`${indent}copy ${at(op.from)} -> ${at(op.to)}`];
      case "clear":
        return [`${indent}clear ${at(op.target)}`];
      case "repeat":
        return [
          `${indent}repeat ${op.count} {  # ${op.what}`,
          ...op.items.map((i) => `${indent}  items ${at(i.from)} -> uniforms ${i.uniform} to ${i.uniform + i.words - 1}`),
          ...printOps(plan, op.ops, `${indent}  `),
          ...op.every.map((e) => `${indent}  keep ${at(e.from)} -> ${at(e.to)}`),
          `${indent}}`,
        ];
      default:
        return op satisfies never;
    }
  });
}
