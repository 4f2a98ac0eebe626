import { join } from "node:path";
import type { TrainPlan } from "../../compiler/plan/plan.ts";
import { type Checked, type Files, good, jsonBytes, realFiles, replaceFile, writeError } from "../checkpoint/files.ts";
import type { DevicePeak } from "../execute/peak.ts";
import type { LegProfile } from "../execute/profile.ts";
import { escaped, facts, page } from "./page.ts";

// Where the time of a run goes, by kernel and by line of the sources, beside what the device can do at most. In: profiles of legs, the
// measured peak, the waits for data. Out: profile.json and profile.html in the run folder, and the same as a table for the terminal.

export interface ProfileOfRun {
  readonly name: string;
  readonly adapter: { readonly name: string; readonly driver: string };
  readonly peak: DevicePeak;
  readonly legs: readonly LegProfile[];
  readonly data: DataWaits;
}
/** How long micro-steps waited for their batches. */
export interface DataWaits {
  readonly microSteps: number;
  readonly waitedMs: number;
  /** The longest wait but for the first, which always waits for its pictures. */
  readonly longestMs: number;
  /** The whole training, by the clock. */
  readonly trainingMs: number;
}

interface Work {
  readonly ms: number;
  readonly flops: number;
  readonly bytesMoved: number;
}
/** The share of what the device could do in that time: of arithmetic or of memory, whichever is the limit. */
export function shareOfPeak({ ms, flops, bytesMoved }: Work, peak: DevicePeak): number {
  if (ms === 0) return 0;
  return Math.max(flops / peak.flops, bytesMoved / peak.bytes) / (ms / 1000);
}

/** The legs that a profile of a train block is about: of each step its dearest way with what it waits for, then the update. */
export function profiledLegs(program: TrainPlan, flopsOf: (leg: string) => number): readonly string[] {
  const legs = program.steps.flatMap((step) => {
    const ways = step.alternatives.filter((way) => way.ended === undefined);
    const [first] = ways;
    if (first === undefined) return [];
    const dearest = ways.reduce((best, way) => (flopsOf(way.next) > flopsOf(best.next) ? way : best), first);
    return [...(dearest.reads ?? []).map((read) => read.leg), dearest.next];
  });
  return [...new Set([...legs, program.updateLeg])];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const rate = (work: Work, of: "flops" | "bytesMoved"): string =>
  work[of] === 0 || work.ms === 0 ? "" : (work[of] / work.ms / 1e6).toFixed(1);
const methods: Readonly<Record<LegProfile["method"], string>> = {
  timestamps: "timestamps of the device",
  "host clock":
    "the host's clock, each dispatch on its own (the device has no timestamps; a few microseconds of launching count with each)",
};

/** What is said about data, as a sentence. */
export function dataText(data: DataWaits): string {
  const share = data.trainingMs === 0 ? 0 : data.waitedMs / data.trainingMs;
  const keeps = share < 0.02 ? "loading keeps ahead of the steps" : "the steps wait for loading";
  return `${keeps}: ${data.microSteps} micro-steps waited ${data.waitedMs.toFixed(0)} ms for their batches, ${percent(share)} of the training (longest ${data.longestMs.toFixed(1)} ms)`;
}
const peakText = (peak: DevicePeak): string =>
  `${(peak.flops / 1e9).toFixed(1)} Gflop/s and ${(peak.bytes / 1e9).toFixed(1)} GB/s at most, as measured here`;

/** The profile as a table for a terminal; `most` rows of each kind. */
export function profileText(run: ProfileOfRun, most = 12): string {
  const lines = [`profile of ${run.name} on ${run.adapter.name} (${run.adapter.driver}): ${peakText(run.peak)}`];
  const columns = (work: Work, total: number, count: number): string =>
    [
      work.ms.toFixed(2).padStart(9),
      percent(total === 0 ? 0 : work.ms / total).padStart(9),
      `${count}`.padStart(7),
      rate(work, "flops").padStart(9),
      rate(work, "bytesMoved").padStart(7),
      percent(shareOfPeak(work, run.peak)).padStart(9),
    ].join("");
  const heading = `${"ms".padStart(9)}${"of leg".padStart(9)}${"times".padStart(7)}${"Gflop/s".padStart(9)}${"GB/s".padStart(7)}${"of peak".padStart(9)}`;
  for (const leg of run.legs) {
    lines.push("", `leg ${leg.leg}: ${leg.totalMs.toFixed(2)} ms by ${methods[leg.method]}`, `${heading}  kernel`);
    for (const row of leg.rows.slice(0, most)) lines.push(`${columns(row, leg.totalMs, row.count)}  ${row.what}`);
    if (leg.rows.length > most) lines.push(`          and ${leg.rows.length - most} more`);
    lines.push(`${heading}  line`);
    for (const row of leg.lines.slice(0, most)) lines.push(`${columns(row, leg.totalMs, row.count)}  ${row.line}`);
    if (leg.lines.length > most) lines.push(`          and ${leg.lines.length - most} more`);
  }
  lines.push("", `data: ${dataText(run.data)}`);
  return `${lines.join("\n")}\n`;
}

const style = `<style>table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}th{text-align:right;color:var(--muted);font-weight:500;padding:3px 8px}
td{text-align:right;padding:3px 8px;border-top:1px solid var(--line)}th:last-child,td:last-child{text-align:left;overflow-wrap:anywhere}td.bar{width:22%;padding-right:0}
td.bar i{display:block;height:9px;border-radius:2px;background:var(--first)}</style>`;

function table(
  rows: readonly (Work & { readonly count: number; readonly name: string })[],
  what: string,
  total: number,
  peak: DevicePeak,
): string {
  const largest = Math.max(...rows.map((row) => row.ms), 1e-9);
  const cells = (row: (typeof rows)[number]): string =>
    [
      `<td class="bar"><i style="width:${((100 * row.ms) / largest).toFixed(1)}%"></i></td>`,
      ...[
        row.ms.toFixed(3),
        percent(total === 0 ? 0 : row.ms / total),
        String(row.count),
        rate(row, "flops"),
        rate(row, "bytesMoved"),
        percent(shareOfPeak(row, peak)),
        row.name,
      ].map((text) => `<td>${escaped(text)}</td>`),
    ].join("");
  const heads = ["", "ms", "of leg", "times", "Gflop/s", "GB/s", "of peak", what].map((text) => `<th>${text}</th>`).join("");
  return `<table><tr>${heads}</tr>${rows.map((row) => `<tr>${cells(row)}</tr>`).join("\n")}</table>`;
}

/** The page of a profile. */
export function profilePage(run: ProfileOfRun): string {
  const legs = run.legs.map((leg) => {
    const kernels = leg.rows.map((row) => ({ ...row, name: row.kernel === null ? row.what : `${row.what} (${row.kernel})` }));
    const lines = leg.lines.map((row) => ({ ...row, name: row.line }));
    return `<h2>${escaped(leg.leg)}</h2><p class="note">${leg.totalMs.toFixed(2)} ms by ${methods[leg.method]}</p>
<h3>By kernel</h3>${table(kernels, "kernel", leg.totalMs, run.peak)}
<h3>By line of the sources</h3>${table(lines, "line", leg.totalMs, run.peak)}`;
  });
  return page(
    `Profile of ${run.name}`,
    `${style}<header><h1>Profile of ${escaped(run.name)}</h1><p>Where the time of a micro-step goes.</p></header>
${facts([
  ["adapter", `${run.adapter.name} (${run.adapter.driver})`],
  ["the device can do", peakText(run.peak)],
  ["data", dataText(run.data)],
])}
<p class="note">"Of peak" is the share of what the device could do in that time: of its arithmetic or of its memory, whichever limits the kernel.</p>
${legs.join("\n")}`,
  );
}

/** Writes profile.json and profile.html into the run folder; gives the path of the page. */
export async function writeProfile(folder: string, run: ProfileOfRun, files: Files = realFiles): Promise<Checked<string>> {
  const path = join(folder, "profile.html");
  try {
    await replaceFile(files, path, [new TextEncoder().encode(profilePage(run))]);
    await replaceFile(files, join(folder, profileFileName), [jsonBytes(run)]);
  } catch (error) {
    return writeError("the profile", folder, error);
  }
  return good(path);
}
const profileFileName = "profile.json";

/** The peak that an earlier profile in this folder found on the same adapter; null if there is none. */
export async function knownPeak(folder: string, adapter: ProfileOfRun["adapter"], files: Files = realFiles): Promise<DevicePeak | null> {
  try {
    const before = JSON.parse(String(await files.readFile(join(folder, profileFileName), "utf8"))) as ProfileOfRun;
    return before.adapter.name === adapter.name && before.adapter.driver === adapter.driver ? before.peak : null;
  } catch {
    return null;
  }
}
