import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import type { PlanTarget } from "../compiler/plan/plan.ts";
import { compilerVersion } from "../compiler/planBuilder.ts";
import type { ScheduleBook } from "../compiler/schedule/target.ts";
import { codeOf } from "../runtime/checkpoint/files.ts";
import type { AdapterFacts } from "../runtime/device/adapterFacts.ts";
import { nothingTuned, parseTuned, type ScheduleRecord, type Tuned, tunedFor, tunedForTarget, tunedKey } from "../runtime/tune/cache.ts";

// Where the commands find what `adac tune` has found. A file that cannot be read as one costs speed and nothing else: a warning, defaults.

/** ADA_TUNED, else in the user's cache folder. */
export function tunedFile(): string {
  const given = process.env.ADA_TUNED;
  if (given !== undefined && given !== "") return given;
  return path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), ".cache"), "ada", "tuned.json");
}

/** The file's content. One that is not there is empty; one that is damaged is too, and `warn` hears why. */
export function readTuned(file: string, warn: (text: string) => void): Tuned {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return nothingTuned;
    warn(`warning: ${file} cannot be read (${error instanceof Error ? error.message : String(error)}); default schedules are used\n`);
    return nothingTuned;
  }
  const parsed = parseTuned(text);
  if (parsed.ok) return parsed.value;
  warn(
    `warning: ${file} holds no tuned schedules: ${parsed.reason}; defaults are used\nhelp: delete it, or run \`adac tune FILE\` again\n`,
  );
  return nothingTuned;
}

const warnOnStderr = (text: string): void => void process.stderr.write(text);
/** The compiler checks each record against its own candidates before it uses it. */
const asBook = (records: ReadonlyMap<string, ScheduleRecord>): ScheduleBook | undefined =>
  records.size === 0 ? undefined : (Object.fromEntries(records) as Record<string, never>);

/** What was found for the adapter at hand. */
export function schedulesFor(adapter: AdapterFacts, warn = warnOnStderr): ScheduleBook | undefined {
  return asBook(tunedFor(readTuned(tunedFile(), warn), tunedKey(adapter, compilerVersion)));
}
/** What a shipped file says for a target. */
export function schedulesForTarget(file: string, target: PlanTarget, warn = warnOnStderr): ScheduleBook | undefined {
  const found = tunedForTarget(readTuned(file, warn), target, compilerVersion);
  if (found.size === 0) warn(`warning: ${file} has nothing for this target and compiler ${compilerVersion}; default schedules are used\n`);
  return asBook(found);
}
