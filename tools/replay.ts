import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import type { Plan } from "../compiler/plan/plan.ts";
import { packageRoot } from "../dsl/source.ts";
import { differences } from "./replay/compare.ts";
import { corpus } from "./replay/corpus.ts";

// `npm run replay -- COMMIT`: compiles a fixed corpus with this tree and with that of a commit and prints what differs in kernels and plans, so
// that a refactor can prove that it changed nothing. `--save DIR` keeps this tree's plans, `--against DIR` compares with kept ones.
// Exit status 0: the same; 1: not; 2: the other tree could not be compiled.

/** Writes the plans of the corpus into a folder, a file each. */
export function savePlans(folder: string, only = ""): number {
  mkdirSync(folder, { recursive: true });
  let count = 0;
  for (const { name, plan } of corpus(only)) {
    writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(plan, null, 1)}\n`);
    count++;
  }
  return count;
}

/** What differs from the plans of a folder, as text, one part per plan; and how many plans were compared. */
export function compareWith(folder: string, only = ""): { readonly compared: number; readonly parts: readonly string[] } {
  const parts: string[] = [];
  const known = new Set(readdirSync(folder).filter((name) => name.endsWith(".json") && name.includes(only)));
  let compared = 0;
  for (const { name, plan } of corpus(only)) {
    const file = `${name}.json`;
    if (!known.delete(file)) {
      parts.push(`${name}: only this tree makes it`);
      continue;
    }
    compared++;
    const before = JSON.parse(readFileSync(path.join(folder, file), "utf8")) as Plan;
    const found = differences(before, JSON.parse(JSON.stringify(plan)) as Plan);
    if (found.length > 0)
      parts.push([`${name}: ${found.filter((line) => !line.startsWith(" ")).length} differences`, ...found].join("\n  "));
  }
  for (const file of known) parts.push(`${file.replace(/\.json$/, "")}: this tree no longer makes it`);
  return { compared, parts };
}

/** Makes the plans of another commit into a folder, with this tree's corpus; null when that is done, else why not. */
function saveCommit(commit: string, folder: string, only: string): string | null {
  const root = packageRoot();
  const tree = mkdtempSync(path.join(tmpdir(), "ada-replay-"));
  const run = (command: string, args: readonly string[], cwd: string): string | null => {
    const made = spawnSync(command, args, { cwd, encoding: "utf8" });
    return made.status === 0 ? null : `${command} ${args.join(" ")}: ${made.stdout}${made.stderr}`;
  };
  try {
    const added = run("git", ["worktree", "add", "--detach", "--quiet", tree, commit], root);
    if (added !== null) return added;
    symlinkSync(path.join(root, "node_modules"), path.join(tree, "node_modules"));
    cpSync(path.join(root, "tools", "replay.ts"), path.join(tree, "tools", "replay.ts"));
    cpSync(path.join(root, "tools", "replay"), path.join(tree, "tools", "replay"), { recursive: true });
    const compiler = path.join(tree, "node_modules", "typescript", "bin", "tsc");
    return (
      run(process.execPath, [compiler, "-p", "tsconfig.build.json"], tree) ??
      run(process.execPath, [path.join("dist", "tools", "replay.js"), "--save", folder, "--only", only], tree)
    );
  } finally {
    run("git", ["worktree", "remove", "--force", tree], root);
    rmSync(tree, { recursive: true, force: true });
  }
}

interface Flags {
  readonly save?: string;
  readonly against?: string;
  readonly only: string;
}
function main(commit: string | undefined, { save, against, only }: Flags): number {
  if (save !== undefined) {
    process.stdout.write(`${savePlans(save, only)} plans in ${save}\n`);
    return 0;
  }
  const folder = against ?? mkdtempSync(path.join(tmpdir(), "ada-plans-"));
  try {
    if (against !== undefined && !existsSync(against)) {
      process.stderr.write(`error: there is no folder ${against}\nhelp: make it with --save\n`);
      return 2;
    }
    const failed = against === undefined ? saveCommit(commit ?? "HEAD", folder, only) : null;
    if (failed !== null) {
      process.stderr.write(
        `error: ${failed}\nhelp: a commit whose compiler is called differently is compared with --save there and --against here\n`,
      );
      return 2;
    }
    const { compared, parts } = compareWith(folder, only);
    process.stdout.write(
      parts.length === 0 ? `the same: ${compared} plans\n` : `${parts.join("\n\n")}\n\n${parts.length} of ${compared} plans differ\n`,
    );
    return parts.length === 0 ? 0 : 1;
  } finally {
    if (against === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  new Command("replay")
    .argument("[commit]", "what to compare with (default: HEAD, against the working tree)")
    .option("--save <dir>", "keep the plans of this tree")
    .option("--against <dir>", "compare with kept plans")
    .option("--only <text>", "only plans whose name holds this, as in random or quickstart.cpu4", "")
    .action((commit: string | undefined, flags: Flags) => {
      process.exitCode = main(commit, flags);
    })
    .parse();
}
