// npm run bench [-- --json] [-- --only TEXT]: every kernel beside the naive one and the best hand-written one, on the adapter at hand. All
// results are compared with numbers computed here before a time is believed; times are taken in turns, warm, with quiet waits for all.
// Exit status 1 if a result is wrong or a workload fails.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compileBlocks } from "../cli/compileFile.ts";
import { targetOf } from "../cli/target.ts";
import { type OpenedDevice, openDevice } from "../runtime/device/openDevice.ts";
import { Operands, type PreparedKernel, prepareKernel, readSamples } from "./device.ts";
import type { HandKernel, OperandStorage } from "./handwritten/kernel.ts";
import { type Contender, measure, median } from "./measure.ts";
import { emptyKernel, prepareEmptyDispatches, prepareOurs } from "./ours.ts";
import { type BenchRow, printHeader, printRow, rowOf } from "./results.ts";
import { samplePlaces } from "./values.ts";
import { disagreement, numbersOf, sizeOf, type Workload } from "./workloads/workload.ts";
import { allWorkloads } from "./workloads.ts";

const peers = ["handWritten", "naive"];
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function checkKernel(opened: OpenedDevice, workload: Workload, prepared: PreparedKernel): Promise<void> {
  const places = samplePlaces(Math.floor(sizeOf(workload.shape) * (prepared.kernel.share ?? 1)));
  // What an earlier kernel left there must not pass for this one's result.
  const encoder = opened.device.createCommandEncoder();
  encoder.clearBuffer(prepared.output);
  opened.device.queue.submit([encoder.finish()]);
  await prepared.run(1);
  const wrong = disagreement(workload, places, await readSamples(opened, prepared.output, places));
  if (wrong !== null) throw new Error(`internal: the hand-written kernel ${prepared.name} is ${wrong}`);
}

/** The fastest of several kernels, checked. */
async function fastestOf(
  opened: OpenedDevice,
  workload: Workload,
  kernels: readonly HandKernel[],
  buffers: readonly GPUBuffer[],
): Promise<PreparedKernel> {
  let best: { readonly prepared: PreparedKernel; readonly ms: number } | undefined;
  for (const kernel of kernels) {
    const prepared = await prepareKernel(opened, kernel, buffers);
    const [timing] = await measure([prepared], { rounds: 3 });
    if (best === undefined || timing!.ms < best.ms) {
      best?.prepared.destroy();
      best = { prepared, ms: timing!.ms };
    } else prepared.destroy();
  }
  if (best === undefined) throw new Error(`internal: no hand-written kernel for ${workload.name}`);
  await checkKernel(opened, workload, best.prepared);
  return best.prepared;
}

// A naive kernel may take minutes: of such a one only a part of the result is computed and the time scaled.
const naiveMostMs = 600;

/** A workload that somebody has written kernels for. */
type HandWorkload = Workload & { readonly byHand: NonNullable<Workload["byHand"]> };
const hasKernels = (workload: Workload): workload is HandWorkload => workload.byHand !== undefined;

async function naiveOf(opened: OpenedDevice, workload: HandWorkload, buffers: readonly GPUBuffer[]): Promise<PreparedKernel> {
  const part = await prepareKernel(opened, workload.byHand.naive(1 / 64), buffers);
  const [timing] = await measure([part], { rounds: 1 });
  part.destroy();
  const prepared = await prepareKernel(opened, workload.byHand.naive(Math.min(1, naiveMostMs / timing!.ms)), buffers);
  await checkKernel(opened, workload, prepared);
  return prepared;
}

async function benchWorkload(opened: OpenedDevice, workload: HandWorkload): Promise<BenchRow> {
  const { adapter } = opened;
  const operands = new Operands(opened);
  const buffers = [...workload.inputs.map((input) => operands.filled(numbersOf(input))), operands.empty(sizeOf(workload.shape))];
  const others: { readonly name: string; readonly prepared: PreparedKernel }[] = [];
  const storages: OperandStorage[] = adapter.cheapTextureLoads ? ["buffer", "texture"] : ["buffer"];
  // The subgroup kernels are for adapters where lanes can hand values round; elsewhere the naive kernel alone is beside ours.
  if (adapter.subgroupSize !== null) {
    const kernels = workload.byHand.kernels(adapter.subgroupSize, storages);
    others.push({ name: "handWritten", prepared: await fastestOf(opened, workload, kernels, buffers) });
  }
  const naive = await naiveOf(opened, workload, buffers);
  others.push({ name: "naive", prepared: naive });
  let note = others.find(({ name }) => name === "handWritten")?.prepared.name ?? "no hand-written kernel for this adapter";
  let failed = true;
  try {
    const ours = await prepareOurs(opened, workload);
    const places = samplePlaces(sizeOf(workload.shape));
    const wrong = disagreement(workload, places, await ours.samples(places));
    if (wrong !== null) throw new Error(wrong);
    const contenders: Contender[] = [ours, ...others.map(({ prepared }) => prepared)];
    const [timing, ...times] = await measure(contenders);
    failed = false;
    ours.destroy();
    const naiveShare = naive.kernel.share ?? 1;
    if (naiveShare < 1) note += `; naive: ${(100 * naiveShare).toFixed(1)}% of the result, scaled`;
    const peerTimes = Object.fromEntries(others.map(({ name }, i) => [name, times[i]!.ms]));
    return rowOf({ workload: workload.name, adapter: adapter.name, timing: timing!, peers: peerTimes, flops: workload.flops, note });
  } catch (error) {
    if (!failed) throw error;
    const times = await measure(others.map(({ prepared }) => prepared));
    const peerTimes = Object.fromEntries(others.map(({ name }, i) => [name, times[i]!.ms]));
    process.exitCode = 1;
    return rowOf({
      workload: workload.name,
      adapter: adapter.name,
      timing: null,
      peers: peerTimes,
      flops: workload.flops,
      note: `ours: ${messageOf(error)}`,
    });
  } finally {
    for (const { prepared } of others) prepared.destroy();
    operands.destroy();
  }
}

/** What 1000 dispatches cost through the executor, beside the same commands encoded by hand. */
async function benchDispatches(opened: OpenedDevice): Promise<BenchRow> {
  const count = 1000;
  const { device } = opened;
  const ours = await prepareEmptyDispatches(opened, count);
  const operands = new Operands(opened);
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module: device.createShaderModule({ code: emptyKernel }) },
  });
  const entries = [{ binding: 0, resource: { buffer: operands.empty(4) } }];
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const byHand: Contender = {
    name: "handWritten",
    scale: 1,
    run: async (repeats) => {
      for (let r = 0; r < repeats; r++) {
        const encoder = device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        for (let i = 0; i < count; i++) pass.dispatchWorkgroups(1);
        pass.end();
        device.queue.submit([encoder.finish()]);
      }
      await opened.wait(device.queue.onSubmittedWorkDone());
    },
  };
  const [timing, other] = await measure([ours, byHand]);
  ours.destroy();
  operands.destroy();
  const note = `${timing!.ms.toFixed(1)} us a dispatch`;
  return rowOf({
    workload: `${count} empty dispatches`,
    adapter: opened.adapter.name,
    timing: timing!,
    peers: { handWritten: other!.ms },
    flops: 0,
    note,
  });
}

/** From the text of the quickstart to its plans: once as a user meets it, then warm. */
function benchCompile(opened: OpenedDevice): BenchRow {
  const file = quickstartFile();
  const times: number[] = [];
  let note = "";
  for (let i = 0; i < 5; i++) {
    const started = performance.now();
    const made = compileBlocks({ file, target: targetOf(opened.adapter) });
    times.push(performance.now() - started);
    if (!made.ok) {
      process.exitCode = 1;
      return rowOf({
        workload: "quickstart, source to plan",
        adapter: opened.adapter.name,
        timing: null,
        peers: {},
        flops: 0,
        note: made.text.trim(),
      });
    }
  }
  note = `the first time; then ${median(times.slice(1)).toFixed(0)} ms`;
  return rowOf({
    workload: "quickstart, source to plan",
    adapter: opened.adapter.name,
    timing: { ms: times[0]!, spread: 0 },
    peers: {},
    flops: 0,
    note,
  });
}

/** The program lies beside the sources; this file may be a build of them, one folder down. */
function quickstartFile(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const roots = [join(here, ".."), join(here, "..", "..")];
  const root = roots.find((folder) => existsSync(join(folder, "pipelines", "quickstart.ada")));
  if (root === undefined) throw new Error("internal: pipelines/quickstart.ada is not beside the benchmark");
  return join(root, "pipelines", "quickstart.ada");
}

const { values } = parseArgs({ options: { json: { type: "boolean", default: false }, only: { type: "string", default: "" } } });
const opened = await openDevice();
if (!opened.ok) {
  console.error(`error: ${opened.reason}\nhelp: ${opened.help}`);
  process.exit(1);
}
const rows: BenchRow[] = [];
const report = (row: BenchRow) => {
  rows.push(row);
  if (!values.json) console.log(printRow(row, peers));
};
if (!values.json) console.log(`${opened.adapter.name} (${opened.adapter.driver} driver)\n${printHeader(peers, "x hand")}`);
const wanted = (name: string): boolean => name.includes(values.only);
if (wanted("quickstart, source to plan")) report(benchCompile(opened));
// SwiftShader has no cheap texture loads and is several times as slow as lavapipe.
const slow = opened.adapter.isSoftware && !opened.adapter.cheapTextureLoads;
for (const workload of allWorkloads(slow).filter(hasKernels)) if (wanted(workload.name)) report(await benchWorkload(opened, workload));
if (wanted("1000 empty dispatches")) report(await benchDispatches(opened));
if (values.json) console.log(JSON.stringify(rows, null, 2));
opened.close();
process.exit();
