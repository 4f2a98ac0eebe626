import { flatOps } from "../compiler/plan/ops.ts";
import type { EvaluatePlan, Plan, PlanOp, PlanRepeat, PlanTarget, TrainPlan, WalkPlan } from "../compiler/plan/plan.ts";
import type { ScheduleBook } from "../compiler/schedule/target.ts";
import type { LegProfile } from "../runtime/execute/profile.ts";
import { type CompiledBlock, compileBlocks, elaborateFile } from "./compileFile.ts";
import { bytes, count } from "./figures.ts";
import { problemText, processStreams, type Streams } from "./job.ts";
import { datasetsOutline, outlineOf } from "./outline.ts";
import { defaultTarget, namedTargets, type TargetName, targetOf } from "./target.ts";
import { schedulesFor, schedulesForTarget } from "./tuned.ts";

// `adac plan FILE`: what each step of a program costs, known without running it; with `--measure` also how long each kind of kernel takes on
// the adapter at hand. A step is one leg: the dearest of its alternatives; the optimiser's update is a row of its own.

export interface PlanRequest {
  readonly file: string;
  readonly json?: boolean;
  readonly measure?: boolean;
  /** Only the outline: no kernels are made. */
  readonly dry?: boolean;
  readonly target?: TargetName;
  /** A file of tuned schedules to take. */
  readonly tuned?: string;
  readonly block?: string;
  readonly driver?: string;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly streams?: Streams;
}

/** One row of `adac plan --json`; kept stable. Bytes and operations are of one run of the leg. */
export interface PlanRow {
  readonly block: string;
  readonly step: string;
  readonly leg: string;
  /** Numbers that the block trains or holds (all models of the block). */
  readonly parameters: number;
  readonly peakBytes: number;
  readonly liveBytes: number;
  readonly dispatches: number;
  readonly uniqueKernels: number;
  readonly flops: number;
  readonly bytesMoved: number;
  /** Milliseconds from source to plan, of the whole block. */
  readonly compileMs: number;
  /** Dispatches by template. */
  readonly templates: Readonly<Record<string, number>>;
  /** Loops with the dispatches of one run. */
  readonly loops: readonly { readonly what: string; readonly runs: number; readonly dispatches: number }[];
  readonly measured?: LegProfile;
}

/** Runs the command; gives the exit status. */
export async function planCommand(request: PlanRequest): Promise<number> {
  const streams = request.streams ?? processStreams;
  const colour = streams.err.isTTY === true;
  if (request.dry) {
    const made = elaborateFile({ ...request, colour });
    if (!made.ok) {
      const program = made.withoutBlocks?.checked.program;
      const data = program === undefined ? [] : datasetsOutline(program.files.get(program.entry)!);
      if (data.length === 0) streams.err.write(made.text);
      else streams.out.write(`${data.join("\n")}\n`);
      return data.length === 0 ? made.status : 0;
    }
    streams.err.write(made.warnings);
    streams.out.write(`${made.blocks.flatMap((block) => outlineOf(block, process.cwd())).join("\n")}\n`);
    return 0;
  }
  const compile = (target: PlanTarget, schedules: ScheduleBook | undefined) =>
    compileBlocks({ ...request, target, options: schedules === undefined ? {} : { schedules }, colour });
  if (!request.measure) {
    const target = namedTargets[request.target ?? defaultTarget];
    const made = compile(target, request.tuned === undefined ? undefined : schedulesForTarget(request.tuned, target));
    if (!made.ok) {
      streams.err.write(made.text);
      return made.status;
    }
    streams.err.write(made.warnings);
    print(made.blocks, made.blocks.flatMap(rowsOf), request, streams);
    return 0;
  }
  if (request.target !== undefined) {
    streams.err.write(
      problemText({
        message: "--measure runs on the adapter at hand and takes no --target",
        help: "leave out one of the two; --driver chooses the adapter",
      }),
    );
    return 2;
  }
  const [{ openDevice }, { createSession }, { profileLeg }] = await Promise.all([
    import("../runtime/device/openDevice.ts"),
    import("../runtime/execute/session.ts"),
    import("../runtime/execute/profile.ts"),
  ]);
  const opened = await openDevice(request.driver === undefined ? {} : { driver: request.driver });
  if (!opened.ok) {
    streams.err.write(problemText({ message: opened.reason, help: opened.help }));
    return 1;
  }
  try {
    const made = compile(targetOf(opened.adapter), schedulesFor(opened.adapter));
    if (!made.ok) {
      streams.err.write(made.text);
      return made.status;
    }
    streams.err.write(made.warnings);
    const rows: PlanRow[] = [];
    for (const block of made.blocks) {
      const session = await createSession(opened, block.plan);
      if (!session.ok) {
        streams.err.write(problemText(session.failure));
        return 1;
      }
      try {
        session.session.run(block.plan.program.initLeg);
        for (const row of rowsOf(block)) rows.push({ ...row, measured: await profileLeg(session.session, row.leg) });
      } finally {
        session.session.dispose();
      }
    }
    if (!request.json) streams.out.write(`on ${opened.adapter.name} (${opened.adapter.driver})\n`);
    print(made.blocks, rows, request, streams);
    return 0;
  } finally {
    opened.close();
  }
}

/** The rows of a block: its steps, then the update; an evaluate block is one row, or one for each leg. */
export function rowsOf({ plan, compileMs }: CompiledBlock): PlanRow[] {
  const { program } = plan;
  if (program.kind === "walk") return Object.entries(program.legs).map(([leg, name]) => row(plan, program, name, [leg], compileMs));
  if (program.kind === "evaluate") return [row(plan, program, program.name, [program.leg], compileMs)];
  const steps = program.steps.map((step) =>
    row(
      plan,
      program,
      step.name,
      step.alternatives.map((alternative) => alternative.next),
      compileMs,
    ),
  );
  return [...steps, row(plan, program, "update", [program.updateLeg], compileMs)];
}

function row(plan: Plan, program: TrainPlan | EvaluatePlan | WalkPlan, step: string, legs: readonly string[], compileMs: number): PlanRow {
  const candidates = legs.map((name) => {
    const leg = plan.legs.find((one) => one.name === name);
    if (leg === undefined) throw new Error(`internal: the plan has no leg ${name}`);
    return leg;
  });
  const dearest = candidates.reduce((best, leg) => (leg.figures.flops > best.figures.flops ? leg : best));
  const dispatches = dispatchesOf(dearest.ops);
  const templates: Record<string, number> = {};
  for (const { op, times } of dispatches) templates[op.template] = (templates[op.template] ?? 0) + times;
  const loops = loopsOf(dearest.ops).map((loop): PlanRow["loops"][number] => {
    const { what, count: runs } = loop;
    return { what, runs, dispatches: dispatchesOf(loop.ops).reduce((sum, d) => sum + d.times, 0) };
  });
  return {
    block: program.name,
    step,
    leg: dearest.name,
    parameters: parametersOf(program),
    peakBytes: dearest.figures.peakBytes,
    liveBytes: dearest.figures.liveBytes,
    dispatches: dispatches.reduce((sum, d) => sum + d.times, 0),
    uniqueKernels: new Set(dispatches.map(({ op }) => op.kernel)).size,
    flops: dearest.figures.flops,
    bytesMoved: dearest.figures.bytesMoved,
    compileMs: Math.round(compileMs * 10) / 10,
    templates,
    loops,
  };
}
const dispatchesOf = (ops: readonly PlanOp[]) => flatOps(ops).flatMap(({ op, times }) => (op.kind === "dispatch" ? [{ op, times }] : []));
/** The loops of a leg, inner ones too. */
const loopsOf = (ops: readonly PlanOp[]): PlanRepeat[] => ops.flatMap((op) => (op.kind === "repeat" ? [op, ...loopsOf(op.ops)] : []));
const parametersOf = ({ stored }: TrainPlan | EvaluatePlan | WalkPlan): number =>
  stored.filter((tensor) => tensor.role === "param").reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

function print(blocks: readonly CompiledBlock[], rows: readonly PlanRow[], request: PlanRequest, { out }: Streams): void {
  if (request.json) {
    out.write(`${JSON.stringify(rows)}\n`);
    return;
  }
  for (const block of blocks) {
    const { plan, compileMs } = block;
    const own = rows.filter((one) => one.block === plan.program.name);
    const persistent = plan.buffers.filter((b) => b.use === "persistent").reduce((sum, b) => sum + b.bytes, 0);
    const slots = plan.buffers.filter((b) => b.use === "slot").reduce((sum, b) => sum + b.bytes, 0);
    out.write(
      `${plan.program.kind === "train" ? "train" : "evaluate"} ${plan.program.name}: ${count(own[0]?.parameters ?? 0)} parameters, ${plan.kernels.length} kernels, compiled in ${compileMs.toFixed(0)} ms\n` +
        `  memory: ${bytes(persistent)} keep their content, ${bytes(slots)} of slots shared by all legs\n`,
    );
    for (const one of own) out.write(rowText(one));
  }
}

function rowText(one: PlanRow): string {
  const ratio =
    one.liveBytes === 0
      ? ""
      : ` = ${(one.peakBytes / one.liveBytes).toFixed(3)} of the most that is alive at once (${bytes(one.liveBytes)})`;
  const templates = Object.entries(one.templates).map(([template, n]) => `${template} ${n}`);
  const lines = [
    `  ${one.step} (leg ${one.leg})`,
    `    peak        ${bytes(one.peakBytes)}${ratio}`,
    `    dispatches  ${one.dispatches} of ${one.uniqueKernels} kernels: ${templates.join(", ")}`,
    ...one.loops.map((loop) => `    loop        ${loop.runs} runs of ${loop.dispatches} dispatches: ${loop.what}`),
    `    arithmetic  ${count(one.flops)} operations, ${bytes(one.bytesMoved)} moved`,
  ];
  if (one.measured) {
    const { measured } = one;
    lines.push(
      `    time        ${measured.totalMs.toFixed(2)} ms by ${measured.method}, ${(one.flops / measured.totalMs / 1e6).toFixed(1)} Gflop/s`,
    );
    for (const { template, count: n, ms } of [...measured.templates].sort((a, b) => b.ms - a.ms))
      lines.push(`      ${template.padEnd(10)}${ms.toFixed(2).padStart(9)} ms in ${n}`);
    for (const { what, count: n, ms, flops } of measured.rows.slice(0, 10))
      lines.push(
        `        ${ms.toFixed(2).padStart(8)} ms ${n > 1 ? `${n} x ` : ""}${what}${flops > 0 ? ` (${(flops / ms / 1e6).toFixed(1)} Gflop/s)` : ""}`,
      );
  }
  return `${lines.join("\n")}\n`;
}
