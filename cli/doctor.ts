// `adac doctor`: which adapter a run would use, what it can and cannot do, and the command that brings a faster driver. It opens devices and
// reads facts; it changes nothing (except that the embedded driver is unpacked into its cache folder, as every run does).
import pc from "picocolors";
import type { AdapterFacts } from "../runtime/device/adapterFacts.ts";
import { type Advice, gpuNodes, localAdvice } from "../runtime/device/driverAdvice.ts";
import { type EmbeddedResult, unpackEmbeddedDriver } from "../runtime/device/embeddedDriver.ts";
import { type OpenResult, openDevice } from "../runtime/device/openDevice.ts";
import { systemDriverFiles } from "../runtime/device/vulkanLoader.ts";

export interface DoctorOptions {
  readonly json: boolean;
}

type DriverState =
  | { readonly works: true; readonly adapter: AdapterFacts }
  | { readonly works: false; readonly reason: string; readonly help: string };

interface Lack {
  readonly what: string;
  readonly so: string;
}

/** Everything `adac doctor` knows; `--json` prints it as it is. */
export interface DoctorReport {
  readonly node: string;
  readonly platform: string;
  /** The wish in ADA_DRIVER, or null. */
  readonly wish: string | null;
  /** What a run would use. */
  readonly chosen: DriverState;
  readonly system: DriverState;
  readonly embedded: DriverState;
  readonly embeddedFolder: string | null;
  readonly systemDriverFiles: readonly string[];
  readonly gpuNodes: readonly string[];
  readonly missing: readonly Lack[];
  /** How to get a faster driver; null where a GPU is in use already. */
  readonly faster: Advice | null;
}

const featureLacks: readonly (readonly [feature: string, lack: Lack])[] = [
  ["shader-f16", { what: "16-bit floats (shader-f16)", so: "everything is computed in 32 bits" }],
  ["subgroups", { what: "subgroups", so: "lanes cannot hand values to each other, which makes contractions slower" }],
  ["timestamp-query", { what: "timestamps (timestamp-query)", so: "kernels are timed by the wall clock" }],
];

function missingOf(state: DriverState): readonly Lack[] {
  if (!state.works) return [];
  const { adapter } = state;
  const lacks = featureLacks.filter(([feature]) => !adapter.features.includes(feature)).map(([, lack]) => lack);
  if (adapter.features.includes("subgroups") && adapter.subgroupSize === null) {
    lacks.push({ what: "one subgroup size", so: "the driver may change it per kernel, so kernels do not rely on it" });
  }
  return adapter.isSoftware ? [{ what: "a GPU", so: "everything runs on the processor's cores" }, ...lacks] : lacks;
}

function stateOf(result: OpenResult): DriverState {
  if (!result.ok) return { works: false, reason: result.reason, help: result.help };
  result.close();
  return { works: true, adapter: result.adapter };
}

function fasterThan(chosen: DriverState): Advice | null {
  if (chosen.works && (!chosen.adapter.isSoftware || chosen.adapter.cheapTextureLoads)) return null;
  return localAdvice();
}

/** Opens what can be opened and gathers the report. */
export async function examine(): Promise<DoctorReport> {
  const wish = process.env.ADA_DRIVER || null;
  const chosen = stateOf(await openDevice());
  const system = stateOf(await openDevice({ driver: "system" }));
  const embedded = stateOf(await openDevice({ driver: "embedded" }));
  const unpacked: EmbeddedResult = await unpackEmbeddedDriver();
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    wish,
    chosen,
    system,
    embedded,
    embeddedFolder: unpacked.ok ? unpacked.driver.folder : null,
    systemDriverFiles: systemDriverFiles(),
    gpuNodes: gpuNodes(),
    missing: missingOf(chosen),
    // A system driver that works but was not wished for is the faster one, and needs no command.
    faster: system.works && !(chosen.works && chosen.adapter.driver === "system") ? null : fasterThan(chosen),
  };
}

const row = (label: string, text: string): string => `  ${label.padEnd(12)}${text}`;

/** Breaks words into lines that fit behind a label. */
function wrap(label: string, words: readonly string[], width = 100): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 2 <= width) lines[lines.length - 1] = `${last}, ${word}`;
    else lines.push(word);
  }
  return lines.map((line, index) => row(index === 0 ? label : "", line));
}

function size(name: string, value: number): string {
  if (!/Size$/.test(name) || value < 1024) return String(value);
  if (value % 2 ** 20 === 0) return `${value / 2 ** 20} MiB`;
  return value % 1024 === 0 ? `${value / 1024} KiB` : `${value} bytes`;
}

function adapterLines(adapter: AdapterFacts, wish: string | null): readonly string[] {
  const kind = adapter.isSoftware ? "software: computes on the processor's cores" : "GPU";
  const lanes = adapter.subgroupSize === null ? "no constant subgroup size" : `${adapter.subgroupSize} lanes per subgroup`;
  return [
    pc.bold("Adapter"),
    row("name", `${adapter.name} (${kind})`),
    row("driver", `${adapter.driver}: ${adapter.description}`),
    row("chosen", wish === null ? "as the best there is" : `by ADA_DRIVER=${wish}`),
    row(
      "schedules",
      `${adapter.adapterClass}, ${lanes}, cheapest loads from ${adapter.cheapTextureLoads ? "storage textures" : "buffers"}`,
    ),
    ...wrap("features", adapter.features),
    ...wrap(
      "limits",
      Object.entries(adapter.limits).map(([name, value]) => `${name} ${size(name, value)}`),
    ),
  ];
}

const driverLine = (label: string, state: DriverState): string =>
  row(label, state.works ? `${state.adapter.description} — force it with ADA_DRIVER=${label}` : `not usable: ${state.reason}`);

/** The report as a person reads it. */
export function formatReport(report: DoctorReport): string {
  const { chosen } = report;
  const lines: string[] = [];
  if (chosen.works) lines.push(...adapterLines(chosen.adapter, report.wish));
  else lines.push(pc.bold(pc.red("No adapter works")), row("because", chosen.reason), row("do", chosen.help));
  lines.push("", pc.bold("Drivers"), driverLine("system", report.system), driverLine("embedded", report.embedded));
  if (report.embeddedFolder !== null) lines.push(row("", `unpacked in ${report.embeddedFolder}`));
  if (report.systemDriverFiles.length > 0) lines.push(...report.systemDriverFiles.map((file, i) => row(i === 0 ? "ICD files" : "", file)));
  if (report.missing.length > 0) {
    lines.push("", pc.bold("Missing"), ...report.missing.map((lack) => row("", `${lack.what}: ${lack.so}`)));
  }
  if (report.gpuNodes.length > 0 && !(chosen.works && !chosen.adapter.isSoftware)) {
    lines.push("", pc.bold("GPU"), row("", `the kernel shows ${report.gpuNodes.join(", ")}, but no Vulkan driver for it is visible`));
    lines.push(row("", "install the vendor's Vulkan driver, or set VK_DRIVER_FILES to its ICD file (nvidia_icd.json for NVIDIA)"));
  }
  if (report.faster !== null) {
    lines.push("", pc.bold("Faster"));
    if (report.faster.command === null) lines.push(row("", report.faster.why));
    else lines.push(row("", pc.cyan(report.faster.command)), row("", `brings ${report.faster.brings}`));
  } else if (report.system.works && chosen.works && chosen.adapter.driver !== "system") {
    lines.push("", pc.bold("Faster"), row("", "the system's driver is there already: leave ADA_DRIVER unset"));
  }
  return `${lines.join("\n")}\n`;
}

/** Prints the report; the exit status is 0 if a run would find an adapter, else 1. */
export async function doctorCommand(options: DoctorOptions): Promise<number> {
  const report = await examine();
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
  return report.chosen.works ? 0 : 1;
}
