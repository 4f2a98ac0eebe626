import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { openDevice } from "../../runtime/device/openDevice.ts";
import { type Groups, runCases } from "./cases.ts";
import type { CaseResult } from "./result.ts";
import { byReference, onDevice } from "./run.ts";

// `npm run conformance -- [DIR] [--json] [--group NAME] [--kind NAME] [--reference]`: every recorded case in a directory (default: the one that
// ADA_GOLDEN names) against this compiler on the device, or by the f64 meaning. Exit status 0 when nothing failed, 1 when something did, 2 for wrong usage.

const flags = new Set(["--json", "--reference"]);
const valued = new Set(["--group", "--kind"]);

async function main(args: readonly string[]): Promise<number> {
  const options = new Map<string, string>();
  const places: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (flags.has(arg)) options.set(arg, "");
    else if (valued.has(arg)) options.set(arg, args[++i] ?? "");
    else if (arg.startsWith("-")) {
      process.stderr.write(`error: unknown option ${arg}\nhelp: conformance [DIR] [--json] [--group NAME] [--kind NAME] [--reference]\n`);
      return 2;
    } else places.push(arg);
  }
  const given = places[0] ?? process.env.ADA_GOLDEN;
  const json = options.has("--json");
  if (given === undefined) {
    if (json) process.stdout.write(`${JSON.stringify({ adapter: null, groups: {} })}\n`);
    else process.stdout.write("conformance: skipped, there are no recorded cases (name a directory, or set ADA_GOLDEN)\n");
    return 0;
  }
  const root = path.resolve(given);
  if (!existsSync(root) || !statSync(root).isDirectory()) {
    process.stderr.write(`error: there is no directory ${given}\n`);
    return 2;
  }
  const opened = options.has("--reference") ? null : await openDevice();
  if (opened?.ok === false) {
    process.stderr.write(`error: ${opened.reason}\nhelp: ${opened.help}\n`);
    return 1;
  }
  const groups = await runCases(root, opened === null ? byReference : onDevice(opened), {
    group: options.get("--group"),
    kind: options.get("--kind"),
    onCase: (group, one) => {
      if (!json && one.status === "failed") process.stdout.write(`  failed ${group}/${one.case}: ${one.detail}\n`);
    },
  });
  opened?.close();
  const adapter = opened === null ? "f64 reference" : opened.adapter.name;
  if (json) process.stdout.write(`${JSON.stringify({ adapter, groups })}\n`);
  else process.stdout.write(summary(adapter, groups));
  return Object.values(groups).some((g) => g.failed > 0) ? 1 : 0;
}

function summary(adapter: string, groups: Groups): string {
  const lines = [`conformance on ${adapter}`];
  for (const [name, g] of Object.entries(groups)) {
    lines.push(`${name.padEnd(16)} ${g.passed} passed, ${g.failed} failed, ${g.unsupported} not yet supported`);
    const reasons = new Map<string, CaseResult[]>();
    for (const c of g.cases) if (c.status === "unsupported") reasons.set(c.detail, [...(reasons.get(c.detail) ?? []), c]);
    for (const [reason, cases] of reasons) lines.push(`  not yet supported (${cases.length}): ${reason}`);
  }
  return `${lines.join("\n")}\n`;
}

process.exitCode = await main(process.argv.slice(2));
