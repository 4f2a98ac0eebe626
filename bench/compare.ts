// npm --prefix bench run compare [-- --json] [--only TEXT] [--peers NAME,NAME] [--checked none|peers|all]: our kernels beside those of other libraries, on the adapter
// at hand, and beside ONNX Runtime's CPU provider as a bound. The libraries are optional packages of this folder (`npm --prefix bench ci`);
// one that is not installed is left out and named. Each runs in a process of its own, and the peers take turns with ours: while one computes,
// the others sleep; the bound, which does not sleep at once, is measured after them. All wait quietly, all results are checked before a time counts.
// `--checked` says who keeps the driver's bounds checks: nobody (as if not given), the peers, as they would be used, or all. What brings a Dawn of
// its own keeps them always.
import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { unpackEmbeddedDriver } from "../runtime/device/embeddedDriver.ts";
import { type OpenedDevice, openDevice } from "../runtime/device/openDevice.ts";
import { type Contender, measure, type Timing } from "./measure.ts";
import { prepareOurs } from "./ours.ts";
import { type Answer, boundNames, type PeerName, peerNames, peerPackages, type Question } from "./peers/peer.ts";
import { type BenchRow, printHeader, printRow, rowOf } from "./results.ts";
import { samplePlaces } from "./values.ts";
import { disagreement, sizeOf, type Workload } from "./workloads/workload.ts";
import { allWorkloads } from "./workloads.ts";

const here = dirname(fileURLToPath(import.meta.url));
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The folder with the peers' packages: beside this source, of which this file may be a build. */
const packageFolder = [here, join(here, "..", "..", "bench")].find((folder) => existsSync(join(folder, "package.json")));
const isInstalled = (peer: PeerName): boolean =>
  packageFolder !== undefined && peerPackages[peer].every((name) => existsSync(join(packageFolder, "node_modules", name, "package.json")));

/** What a peer's process is started with. */
interface PeerEnvironment {
  readonly icd: string | undefined;
  readonly checks: "checked" | "unchecked";
}
/** One peer's process; questions are asked one at a time. */
class PeerProcess {
  readonly name: PeerName;
  readonly #environment: PeerEnvironment;
  #child: ChildProcess;

  constructor(name: PeerName, environment: PeerEnvironment) {
    this.name = name;
    this.#environment = environment;
    this.#child = this.#start();
  }

  #start(): ChildProcess {
    const { icd, checks } = this.#environment;
    const env = icd === undefined ? process.env : { ...process.env, VK_DRIVER_FILES: icd, VK_ICD_FILENAMES: icd };
    // A library's own chatter must not end up in our results.
    const child = fork(join(here, "peers", "child.js"), [this.name, join(packageFolder!, "package.json"), checks], {
      env,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    child.on("error", () => child.kill()); // whoever waits for an answer hears of its end
    return child;
  }

  get isAlive(): boolean {
    return this.#child.connected && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** A process that ended with a workload that was too much for it is started again for the next one. */
  async revive(): Promise<void> {
    if (this.isAlive) return;
    this.#child = this.#start();
    await this.answer("ready");
  }

  async answer<K extends Answer["kind"]>(kind: K, question?: Question): Promise<Extract<Answer, { readonly kind: K }>> {
    const answer = await new Promise<Answer>((resolve, reject) => {
      const ended = (code: number | null, signal?: string | null) => reject(new Error(`its process ended (${signal ?? code})`));
      if (!this.isAlive) {
        ended(this.#child.exitCode, this.#child.signalCode);
        return;
      }
      this.#child.once("exit", ended);
      this.#child.once("message", (message: Answer) => {
        this.#child.off("exit", ended);
        resolve(message);
      });
      if (question !== undefined) this.#child.send(question);
    });
    if (answer.kind === "failed") throw new Error(answer.message);
    if (answer.kind !== kind) throw new Error(`internal: ${this.name} answers ${answer.kind}, not ${kind}`);
    return answer as Extract<Answer, { readonly kind: K }>;
  }

  /**
   * Makes a workload ready and checks its result; null where the library has no such operation. Times of wrong results do not count: where the
   * library's operation gives one, that is told with its time, and the library is asked for the same of smaller operations.
   */
  async prepare(workload: Workload, tell: (remark: string) => void): Promise<Contender | null> {
    const whole = await this.#checked(workload, false);
    if (whole === "absent") return null;
    const timed = async (repeats: number) => (await this.answer("ran", { kind: "run", repeats })).ms;
    if (whole !== "right") {
      const each: number[] = [];
      for (let i = 0; i < 5; i++) each.push(await timed(1));
      const median = each.sort((a, b) => a - b)[2]!;
      tell(`its operation for the whole takes ${median.toFixed(1)} ms and is ${whole}; the time compared with is that of parts`);
      await this.release();
      const parts = await this.#checked(workload, true);
      if (parts !== "right") throw new Error(whole);
    }
    return { name: this.name, scale: 1, timed, run: async (repeats) => void (await timed(repeats)) };
  }

  /** Makes a workload ready; "right", "absent", or what is wrong with its result. */
  async #checked(workload: Workload, inParts: boolean): Promise<string> {
    const { able } = await this.answer("prepared", { kind: "prepare", task: workload.task, inParts });
    if (!able) return "absent";
    const places = samplePlaces(sizeOf(workload.shape));
    const { values } = await this.answer("samples", { kind: "samples", places });
    return disagreement(workload, places, values) ?? "right";
  }

  async release(): Promise<void> {
    await this.answer("released", { kind: "release" });
  }

  stop(): void {
    this.#child.kill();
  }
}

async function compareWorkload(opened: OpenedDevice, workload: Workload, processes: readonly PeerProcess[]): Promise<BenchRow> {
  const absent: Record<string, string> = {};
  const remarks: string[] = [];
  const others: { readonly process: PeerProcess; readonly contender: Contender }[] = [];
  for (const process of processes) {
    try {
      await process.revive();
      const contender = await process.prepare(workload, (remark) => remarks.push(`${process.name}: ${remark}`));
      if (contender !== null) others.push({ process, contender });
      else absent[process.name] = "it has no such operation";
    } catch (error) {
      absent[process.name] = messageOf(error);
    }
  }
  const ours = await prepareOurs(opened, workload);
  const places = samplePlaces(sizeOf(workload.shape));
  const wrong = disagreement(workload, places, await ours.samples(places));
  if (wrong !== null) throw new Error(`ours: ${workload.name}: ${wrong}`);
  const options = { rounds: 5, budgetMs: 60_000 };
  const isBound = ({ name }: { readonly name: PeerName }): boolean => boundNames.includes(name);
  let peers = others.filter(({ process }) => !isBound(process));
  const inTurns = async (): Promise<Timing[]> => {
    try {
      return await measure([ours, ...peers.map((peer) => peer.contender)], options);
    } catch (error) {
      const gone = peers.filter(({ process }) => !process.isAlive);
      if (gone.length === 0) throw error;
      for (const { process } of gone) absent[process.name] = messageOf(error);
      peers = peers.filter((peer) => !gone.includes(peer));
      return inTurns();
    }
  };
  const [timing, ...peerTimes] = await inTurns();
  // Not in turns with the others: its threads spin for a while after each run, on the cores that the next one's turn needs (seen: 1.5 to 2
  // times as long for kernels of 10 to 40 ms).
  const limits = others.filter(({ process }) => isBound(process));
  const limitTimes = await measure(
    limits.map((limit) => limit.contender),
    options,
  );
  ours.destroy();
  for (const { process } of others) await process.release().catch(() => {});
  const all = [...peers, ...limits].map(({ process }, i) => ({ name: process.name, timing: [...peerTimes, ...limitTimes][i]! }));
  const msOf = (list: typeof all) => Object.fromEntries(list.map(({ name, timing }) => [name, timing.ms]));
  const spreads = Object.fromEntries(all.map(({ name, timing }) => [name, timing.spread]));
  const bounds = msOf(all.filter(isBound));
  const share = Object.entries(bounds).map(([name, ms]) => `${((100 * ms) / timing!.ms).toFixed(1)}% of ${name}`);
  const reasons = Object.entries(absent).map(([name, reason]) => `${name}: ${reason}`);
  return rowOf({
    workload: workload.name,
    adapter: opened.adapter.name,
    timing: timing!,
    peers: msOf(all.filter((one) => !isBound(one))),
    spreads,
    bounds,
    absent,
    flops: workload.flops,
    note: [...share, ...remarks, ...reasons].join("; "),
  });
}

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    peers: { type: "string" },
    checked: { type: "string", default: "none" },
  },
});
const asked = peerNames.filter((name) => values.peers === undefined || values.peers.split(",").includes(name));
if (!["none", "peers", "all"].includes(values.checked)) {
  console.error("error: --checked is none, peers or all");
  process.exit(1);
}
const opened = await openDevice({ disableRobustness: values.checked !== "all" });
if (!opened.ok) {
  console.error(`error: ${opened.reason}\nhelp: ${opened.help}`);
  process.exit(1);
}
const { driver } = opened.adapter;
const embedded = driver === "embedded" ? await unpackEmbeddedDriver() : undefined;
const icd = embedded?.ok === true ? embedded.driver.icd : driver === "system" ? undefined : driver;
for (const name of asked.filter((peer) => !isInstalled(peer)))
  console.error(`${name} is not installed and is left out; npm --prefix bench ci brings it`);
const running: PeerProcess[] = [];
for (const name of asked.filter(isInstalled)) {
  const peer = new PeerProcess(name, { icd, checks: values.checked === "none" ? "unchecked" : "checked" });
  try {
    await peer.answer("ready");
    running.push(peer);
  } catch (error) {
    peer.stop();
    console.error(`${name} does not start and is left out: ${messageOf(error)}`);
  }
}
const names = running.map((peer) => peer.name);
if (!values.json)
  console.log(`${opened.adapter.name} (${driver} driver, bounds checks: ${values.checked})\n${printHeader(names, "x best")}`);
const rows: BenchRow[] = [];
const slow = opened.adapter.isSoftware && !opened.adapter.cheapTextureLoads;
for (const workload of allWorkloads(slow).filter(({ name }) => name.includes(values.only))) {
  const row = await compareWorkload(opened, workload, running);
  rows.push(row);
  if (!values.json) console.log(printRow(row, names));
}
if (values.json) console.log(JSON.stringify(rows, null, 2));
for (const peer of running) peer.stop();
opened.close();
process.exit();
