// Opens a WebGPU device through Dawn: in goes a wish for a driver (or none), out comes a device with the facts of its adapter, or a reason
// and what to do. Order without a wish: the system's drivers (a GPU before a software one), then the embedded software driver. Every caller
// gets a device of its own; Dawn's instances are made once per driver and kept, since collecting one while a device lives is not safe.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type AdapterFacts, adapterFacts, limitsOf, measureSubgroupSize, usefulFeatures } from "./adapterFacts.ts";
import { unpackEmbeddedDriver } from "./embeddedDriver.ts";
import { quietWait } from "./quietWait.ts";
import { ensureVulkanLoader, environmentReachesLoader, systemDriverFiles, withDriverFile } from "./vulkanLoader.ts";

export type { AdapterFacts } from "./adapterFacts.ts";

export interface OpenOptions {
  /** `system`, `embedded`, or the path of a Vulkan ICD file; default: the environment variable ADA_DRIVER, else the best there is. */
  readonly driver?: string;
  /** Leave out the driver's own bounds checks (default): our kernels' bounds are proven. Pass false for hand-written kernels. */
  readonly disableRobustness?: boolean;
}

/** Why a device went away. `destroyed` is our own close; anything else is the driver's doing. */
export interface DeviceLoss {
  readonly reason: "destroyed" | "lost";
  readonly message: string;
}

export interface OpenedDevice {
  readonly ok: true;
  readonly device: GPUDevice;
  readonly adapter: AdapterFacts;
  /** Settles once, when the device is gone. */
  readonly lost: Promise<DeviceLoss>;
  /** Awaits a promise of this device; on a software adapter without burning the core that computes. */
  readonly wait: <T>(promise: Promise<T>) => Promise<T>;
  /** Destroys the device and its buffers. Safe to call twice. */
  readonly close: () => void;
}

export type OpenResult = OpenedDevice | { readonly ok: false; readonly reason: string; readonly help: string };
type Refusal = Extract<OpenResult, { readonly ok: false }>;

type Driver = { readonly kind: "system" } | { readonly kind: "embedded" } | { readonly kind: "icd"; readonly path: string };

interface Instance {
  readonly gpu: GPU;
  subgroupSize: number | null | undefined;
}

const instances = new Map<string, Instance>();
// Drivers are told to the Vulkan loader through the environment, so adapters are asked for one at a time.
let turn: Promise<unknown> = Promise.resolve();

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const installHelp = "run `adac doctor`: it prints the command that installs a driver on this system";

function driversFor(wish: string | undefined): readonly Driver[] {
  if (wish === undefined || wish === "") return [{ kind: "system" }, { kind: "embedded" }];
  if (wish === "system" || wish === "embedded") return [{ kind: wish }];
  return [{ kind: "icd", path: resolve(wish) }];
}

const driverLabel = (driver: Driver): string => (driver.kind === "icd" ? driver.path : driver.kind);

/** The ICD file that a driver stands for; undefined leaves the choice to the Vulkan loader. */
async function driverFile(driver: Driver): Promise<{ readonly ok: true; readonly icd: string | undefined } | Refusal> {
  switch (driver.kind) {
    case "system":
      // Without any driver file the loader and Dawn would only complain on standard error.
      if (process.platform !== "linux" || systemDriverFiles().length > 0) return { ok: true, icd: undefined };
      return { ok: false, reason: "driver system: no Vulkan driver is installed", help: installHelp };
    case "embedded": {
      const unpacked = await unpackEmbeddedDriver();
      return unpacked.ok ? { ok: true, icd: unpacked.driver.icd } : unpacked;
    }
    case "icd":
      if (existsSync(driver.path)) return { ok: true, icd: driver.path };
      return {
        ok: false,
        reason: `there is no driver file ${driver.path}`,
        help: "ADA_DRIVER is `system`, `embedded`, or the path of a Vulkan ICD file such as /usr/share/vulkan/icd.d/lvp_icd.x86_64.json",
      };
    default:
      throw new Error(`internal: driver ${JSON.stringify(driver satisfies never)}`);
  }
}

async function instanceFor(driver: Driver, disableRobustness: boolean): Promise<Instance> {
  const key = `${driverLabel(driver)} ${disableRobustness ? "unchecked" : "checked"}`;
  const known = instances.get(key);
  if (known !== undefined) return known;
  const { create, globals } = await import("webgpu");
  if (!("GPUBufferUsage" in globalThis)) Object.assign(globalThis, globals);
  const flags = disableRobustness ? ["enable-dawn-features=disable_robustness"] : [];
  // Raw timestamps: Dawn otherwise rounds them to 0.1 ms, too coarse for timing kernels.
  const instance: Instance = { gpu: create([...flags, "disable-dawn-features=timestamp_quantization"]), subgroupSize: undefined };
  instances.set(key, instance);
  return instance;
}

async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  return adapter.requestDevice({
    label: "ada",
    requiredFeatures: usefulFeatures.filter((feature) => adapter.features.has(feature)),
    requiredLimits: limitsOf(adapter.limits),
  });
}

async function tryDriver(driver: Driver, disableRobustness: boolean): Promise<OpenResult> {
  const label = driverLabel(driver);
  const file = await driverFile(driver);
  if (!file.ok) return file;
  const loader = await ensureVulkanLoader();
  if (!loader.ok) return loader;
  if (file.icd !== undefined && !environmentReachesLoader()) {
    return { ok: false, reason: `driver ${label}: a worker thread cannot choose a driver`, help: "start the thread with `env: SHARE_ENV`" };
  }
  try {
    const instance = await instanceFor(driver, disableRobustness);
    const adapter = await withDriverFile(file.icd, () => instance.gpu.requestAdapter({ powerPreference: "high-performance" }));
    if (adapter === null) {
      return {
        ok: false,
        reason: `driver ${label}: Dawn finds no adapter it accepts (a software driver must be Mesa 24 or newer)`,
        help: installHelp,
      };
    }
    const device = await requestDevice(adapter);
    instance.subgroupSize ??= await measureSubgroupSize(device);
    const facts = adapterFacts(adapter.info, device, label, instance.subgroupSize);
    return opened(device, facts);
  } catch (error) {
    return { ok: false, reason: `driver ${label}: ${messageOf(error)}`, help: installHelp };
  }
}

function opened(device: GPUDevice, adapter: AdapterFacts): OpenedDevice {
  const lost = device.lost.then((info): DeviceLoss => {
    if (info.reason === "destroyed") return { reason: "destroyed", message: `the device on ${adapter.name} was closed` };
    return { reason: "lost", message: `the device on ${adapter.name} was lost: ${info.message || "the driver gave no reason"}` };
  });
  return {
    ok: true,
    device,
    adapter,
    lost,
    wait: (promise) => (adapter.isSoftware ? quietWait(promise) : promise),
    close: () => device.destroy(),
  };
}

/** Opens a device on the wished driver, or on the best one there is. */
export async function openDevice(options: OpenOptions = {}): Promise<OpenResult> {
  const drivers = driversFor(options.driver ?? process.env.ADA_DRIVER);
  const disableRobustness = options.disableRobustness ?? true;
  const mine = turn.then(async (): Promise<OpenResult> => {
    const refusals: Refusal[] = [];
    for (const driver of drivers) {
      const result = await tryDriver(driver, disableRobustness);
      if (result.ok) return result;
      refusals.push(result);
    }
    return { ok: false, reason: refusals.map((refusal) => refusal.reason).join("; "), help: refusals.at(-1)?.help ?? installHelp };
  });
  turn = mine.catch(() => undefined);
  return mine;
}

export type Scoped<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly kind: "validation" | "memory" | "driver"; readonly message: string };

const scopeKinds = [
  ["validation", "validation"],
  ["out-of-memory", "memory"],
  ["internal", "driver"],
] as const;

/**
 * Runs `body` and gives back its value, or the first error that the device reported meanwhile, with `label` in the message. Scopes are a
 * stack per device: do not run two bodies that await on one device at once.
 */
export async function withErrorScopes<T>(device: GPUDevice, label: string, body: () => T | Promise<T>): Promise<Scoped<T>> {
  for (const [filter] of scopeKinds) device.pushErrorScope(filter);
  let value: T | undefined;
  let thrown: string | undefined;
  try {
    value = await body();
  } catch (error) {
    thrown = messageOf(error);
  }
  const errors = await Promise.all([...scopeKinds].reverse().map(async ([, kind]) => ({ kind, error: await device.popErrorScope() })));
  const first = errors.find((row) => row.error !== null);
  if (first?.error) return { ok: false, kind: first.kind, message: `${label}: ${first.error.message}` };
  if (thrown !== undefined) return { ok: false, kind: "driver", message: `${label}: ${thrown}` };
  return { ok: true, value: value as T };
}
