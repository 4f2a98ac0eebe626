import { type DispatchCommand, encodeTransfer, type FlatCommand, flatCommands } from "./commands.ts";
import type { Session } from "./session.ts";

// Where the time of a leg goes. In: a session whose inputs are written. Out: milliseconds for each kind of work. Uses the device's
// timestamps where it has them; elsewhere every command is run on its own, many times over, and the clock of the host is read, which
// counts a few microseconds of launching with each. Either way the leg's results are those of the last pass, and mean nothing.

export interface ProfileRow {
  readonly what: string;
  readonly template: string;
  /** The kernel's id in the plan; null for copies and clears. */
  readonly kernel: string | null;
  readonly count: number; // operations in the leg
  readonly ms: number; // of all of them, in one run
  readonly flops: number;
  readonly bytesMoved: number;
}
export interface LegProfile {
  readonly leg: string;
  readonly method: "timestamps" | "host clock";
  readonly totalMs: number;
  /** Dearest first. */
  readonly rows: readonly ProfileRow[];
  /** The same by template. */
  readonly templates: readonly { readonly template: string; readonly count: number; readonly ms: number }[];
  /** The same by line, dearest first. */
  readonly lines: readonly ProfileLine[];
}

/** What a line of the sources costs: each command counts for the first line that it comes from. */
export interface ProfileLine {
  readonly line: string; // `std/nn.ada:31`
  readonly count: number;
  readonly ms: number;
  readonly flops: number;
  readonly bytesMoved: number;
}

/** Timestamps are read in sets of this many commands: a query set holds 4096 values at most. */
const commandsPerSet = 1024;

/** Copies, clears, and kernels that no line asked for. */
const elsewhere = "made by the compiler";

/** Measures a leg; `repeats` runs, of which the median of each command counts. */
export async function profileLeg(session: Session, legName: string, options: { readonly repeats?: number } = {}): Promise<LegProfile> {
  const leg = session.plan.legs.find((candidate) => candidate.name === legName);
  if (leg === undefined) throw new Error(`internal: the plan has no leg ${legName}`);
  const counted = flatCommands(session.commandsOf(legName));
  const commands = counted.map((c) => c.command);
  const repeats = options.repeats ?? 5;
  const byTimestamp = session.opened.device.features.has("timestamp-query");
  session.run(legName); // warm: caches, and buffers that the driver has not touched yet
  await session.finish();
  const runs: Float64Array[] = [];
  for (let i = 0; i < repeats; i++) runs.push(byTimestamp ? await timestamps(session, commands) : await hostTimes(session, commands));
  interface Sum {
    count: number;
    ms: number;
    flops: number;
    bytesMoved: number;
  }
  const rows = new Map<string, Sum & { readonly what: string; readonly template: string; readonly kernel: string | null }>();
  const lines = new Map<string, Sum & { readonly line: string }>();
  for (const [i, { command, times }] of counted.entries()) {
    const op = command.kind === "dispatch" ? command.op : undefined;
    const what = op ? op.what : command.kind === "texture" ? "operand to texture" : command.kind;
    const template = op ? op.template : "transfer";
    const kernel = op ? session.plan.kernels[op.kernel]!.id : null;
    const line = op ? (op.origins[0]?.replace(/:\d+$/, "") ?? elsewhere) : elsewhere;
    const nothing = { count: 0, ms: 0, flops: 0, bytesMoved: 0 };
    const key = `${template} ${what} ${kernel}`;
    const row = rows.get(key) ?? { ...nothing, what, template, kernel };
    rows.set(key, row);
    const ofLine = lines.get(line) ?? { ...nothing, line };
    lines.set(line, ofLine);
    for (const sums of [row, ofLine]) {
      sums.count += times;
      sums.ms += times * median(runs.map((run) => run[i]!));
      if (!op) continue;
      sums.flops += times * op.flops;
      sums.bytesMoved += times * op.bytesMoved;
    }
  }
  const sorted = [...rows.values()].sort((a, b) => b.ms - a.ms || (a.what < b.what ? -1 : 1));
  const templates = [...new Set(sorted.map((row) => row.template))].map((template) => {
    const own = sorted.filter((row) => row.template === template);
    return { template, count: sum(own.map((row) => row.count)), ms: sum(own.map((row) => row.ms)) };
  });
  return {
    leg: legName,
    method: byTimestamp ? "timestamps" : "host clock",
    totalMs: sum(sorted.map((row) => row.ms)),
    rows: sorted,
    templates,
    lines: [...lines.values()].sort((a, b) => b.ms - a.ms || (a.line < b.line ? -1 : 1)),
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Milliseconds of each command, from timestamps around a pass of its own. Transfers have none: they count as the gap between passes. */
async function timestamps(session: Session, commands: readonly FlatCommand[]): Promise<Float64Array> {
  const { device } = session.opened;
  const times = new Float64Array(commands.length);
  for (let from = 0; from < commands.length; from += commandsPerSet) {
    const part = commands.slice(from, from + commandsPerSet);
    const querySet = device.createQuerySet({ type: "timestamp", count: 2 * part.length });
    const resolved = device.createBuffer({ size: 16 * part.length, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const staging = device.createBuffer({ size: 16 * part.length, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    const encoder = device.createCommandEncoder();
    for (const [i, command] of part.entries()) {
      if (command.kind !== "dispatch") {
        // An empty pass before and after gives a transfer its two times.
        encoder.beginComputePass({ timestampWrites: { querySet, endOfPassWriteIndex: 2 * i } }).end();
        encodeTransfer(encoder, command);
        encoder.beginComputePass({ timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i + 1 } }).end();
        continue;
      }
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      });
      encodeDispatch(pass, command);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, 2 * part.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16 * part.length);
    device.queue.submit([encoder.finish()]);
    await session.opened.wait(staging.mapAsync(GPUMapMode.READ));
    const stamps = new BigUint64Array(staging.getMappedRange());
    for (const i of part.keys()) times[from + i] = Math.max(0, Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6);
    staging.unmap();
    for (const object of [querySet, resolved, staging]) object.destroy();
    session.check();
  }
  return times;
}

function encodeDispatch(pass: GPUComputePassEncoder, command: DispatchCommand): void {
  pass.setPipeline(command.pipeline);
  pass.setBindGroup(0, command.group);
  pass.dispatchWorkgroups(command.grid[0], command.grid[1], command.grid[2]);
}

/** Milliseconds of each command by the host's clock: submitted alone, as often as makes 2 ms. */
async function hostTimes(session: Session, commands: readonly FlatCommand[]): Promise<Float64Array> {
  const { device } = session.opened;
  const times = new Float64Array(commands.length);
  const submit = async (command: FlatCommand, count: number): Promise<number> => {
    const started = performance.now();
    const encoder = device.createCommandEncoder();
    if (command.kind === "dispatch") {
      const pass = encoder.beginComputePass();
      for (let i = 0; i < count; i++) encodeDispatch(pass, command);
      pass.end();
    } else for (let i = 0; i < count; i++) encodeTransfer(encoder, command);
    device.queue.submit([encoder.finish()]);
    await session.finish();
    return performance.now() - started;
  };
  for (const [i, command] of commands.entries()) {
    const once = await submit(command, 1);
    const count = Math.min(50, Math.max(1, Math.ceil(2 / once)));
    times[i] = count === 1 ? once : (await submit(command, count)) / count;
  }
  return times;
}
