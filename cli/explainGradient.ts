import { existsSync } from "node:fs";
import type { Leaf, TrainProgram } from "../compiler/elaborate/program.ts";
import { type GradientPath, GradientPaths } from "../compiler/gradientPath.ts";
import type { Value } from "../compiler/ir/value.ts";
import type { CheckedProgram } from "../dsl/check/index.ts";
import { didYouMean } from "../dsl/nearest.ts";
import { type CheckedFile, elaborateFile, placesIn } from "./compileFile.ts";
import { problemText, processStreams, type Streams } from "./job.ts";

// `adac explain grad NAME FILE`: the path by which each step's loss reaches a parameter, line by line of the sources, or where it is cut.
// NAME is a parameter's path; `*` stands for one part of it and `**` for any number: then there is a line for each that fits.

export interface ExplainGradientRequest {
  readonly name: string;
  readonly file: string;
  readonly block?: string;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly streams?: Streams;
}

/** The two words in either order: the file is the one that is there. */
export function nameAndFile(one: string, two: string): { readonly name: string; readonly file: string } {
  return existsSync(one) && !existsSync(two) ? { name: two, file: one } : { name: one, file: two };
}

/** Runs the command; gives the exit status. */
export function explainGradientCommand(request: ExplainGradientRequest): number {
  const streams = request.streams ?? processStreams;
  const made = elaborateFile({ ...request, colour: streams.err.isTTY === true });
  if (!made.ok) {
    streams.err.write(made.text);
    return made.status;
  }
  const trains = made.blocks.flatMap((b) => (b.kind === "train" ? [b.program] : []));
  const leavesOf = (train: TrainProgram): readonly Leaf[] => train.leaves.filter((l) => matches(request.name, l.path));
  const found = trains.flatMap(leavesOf);
  if (found.length === 0) {
    // What is trained is more likely to be meant.
    const leaves = trains.flatMap((t) => t.leaves).sort((a, b) => Number(b.trained) - Number(a.trained));
    const paths = [...new Set(leaves.map((l) => l.path))];
    const trained = [...new Set(leaves.filter((l) => l.trained).map((l) => l.path))];
    const help =
      didYouMean(request.name, trained) ??
      didYouMean(request.name, paths) ??
      `parameters are like ${paths.slice(0, 3).join(", ")}; \`**\` stands for all of them`;
    streams.err.write(problemText({ message: `no parameter is called ${request.name}`, help }));
    return 2;
  }
  const inFull = new Set(found.map((l) => l.path)).size === 1;
  for (const train of trains) {
    for (const step of train.steps) {
      const alternatives = step.alternatives.map((a) => ({ key: a.key, paths: new GradientPaths(a.graph, train.builder) }));
      for (const leaf of leavesOf(train)) {
        for (const { key, paths } of alternatives) {
          const where = `step ${step.name}${key.length > 0 ? ` (${key.join(", ")})` : ""} of ${train.name}`;
          streams.out.write(`${verdict(leaf, where, paths.to(leaf.path), made, inFull).join("\n")}\n`);
        }
      }
    }
  }
  return 0;
}

/** Whether a path fits a name in which `*` stands for one part and `**` for any number of parts. */
export function matches(pattern: string, path: string): boolean {
  const source = pattern
    .split(/(\*\*|\*)/)
    .map((part) => (part === "**" ? ".*" : part === "*" ? "[^.]*" : part.replace(/[.[\]\\^$+?(){}|]/g, "\\$&")))
    .join("");
  return new RegExp(`^${source}$`).test(path);
}

function verdict(leaf: Leaf, where: string, found: GradientPath, file: CheckedFile, inFull: boolean): string[] {
  const lines = (path: readonly Value[]): string[] => (inFull ? hops(path, file.checked) : []);
  const standing = leaf.role === "state" ? "state, which no optimiser changes" : leaf.trained ? "" : "frozen: its model is declared so";
  const but = standing === "" ? "" : `; ${standing}`;
  switch (found.kind) {
    case "reached":
      return [`${leaf.path}: the loss of ${where} reaches it${but}`, ...lines(found.path)];
    case "cut": {
      const cuts = found.cuts.flatMap((c) => {
        const at = c.path.findLast((v) => v.origins.length > 0) ?? c.path[0]!;
        return [
          ...lines(c.path),
          `    cut  ${placeText(at, file.checked)}: ${c.why}`,
          ...(inFull ? ["    beyond it the loss depends on it through", ...lines(c.beyond)] : []),
        ];
      });
      return [`${leaf.path}: no derivative of the loss of ${where} reaches it${but}`, ...cuts];
    }
    case "unread":
      return [`${leaf.path}: ${where} never reads it${but}`];
    case "aside":
      return [`${leaf.path}: ${where} reads it, but not for its loss${but}`];
    case "noLoss":
      return [`${leaf.path}: ${where} minimises nothing${but}`];
    default:
      return found satisfies never;
  }
}

function placeText(v: Value, checked: CheckedProgram): string {
  const [origin] = v.origins;
  return origin === undefined ? "the compiler's own" : placesIn(checked)(origin.span);
}

/** One line for each line of the sources that a path goes through: the modules it is in, the place, the text there and the primitives. */
function hops(path: readonly Value[], checked: CheckedProgram): string[] {
  const found: { readonly place: string; readonly modules: string; readonly text: string; readonly ops: string[] }[] = [];
  for (const v of path) {
    const [origin] = v.origins;
    const last = found[found.length - 1];
    const op = v.op === "input" ? v.attrs.name : v.op;
    if (origin === undefined && last !== undefined) {
      last.ops.push(op);
      continue;
    }
    const place = placeText(v, checked);
    const line = place.replace(/:\d+$/, "");
    const modules = (origin?.chain ?? []).join(" > ");
    if (last !== undefined && last.place === line && last.modules === modules) {
      if (last.ops[last.ops.length - 1] !== op) last.ops.push(op);
      continue;
    }
    found.push({ place: line, modules, text: origin === undefined ? "" : lineOf(origin.span, checked), ops: [op] });
  }
  const widest = Math.max(...found.map((h) => h.place.length));
  return found.map(({ place, modules, text, ops }) => {
    const within = modules === "" ? "" : `  in ${modules}`;
    return `    ${place.padEnd(widest)}  ${text}  [${ops.join(", ")}]${within}`;
  });
}

/** The line of the sources that a span begins in, without what surrounds it. */
function lineOf({ file, start }: { readonly file: string; readonly start: number }, checked: CheckedProgram): string {
  const text = checked.program.files.get(file)?.text ?? "";
  const from = text.lastIndexOf("\n", start - 1) + 1;
  const to = text.indexOf("\n", start);
  const line = text
    .slice(from, to < 0 ? undefined : to)
    .replace(/\/\/.*$/, "")
    .trim();
  return line.length <= 90 ? line : `${line.slice(0, 89)}…`;
}
