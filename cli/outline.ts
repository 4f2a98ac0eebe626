import { existsSync } from "node:fs";
import path from "node:path";
import { printField, printHost, printOrder } from "../compiler/elaborate/print.ts";
import type { EvaluateProgram, StepKind, TrainProgram, WalkProgram } from "../compiler/elaborate/program.ts";
import { graphValues } from "../compiler/ir/walk.ts";
import type { SourceFile } from "../dsl/program.ts";
import type { Span } from "../dsl/span.ts";
import type { ElaboratedBlock } from "./compileFile.ts";

// `adac plan FILE --dry`: what a program does, without a kernel being made: the ways through each step, what chooses among them, where it
// waits, what it changes, and which files it would need. Nothing has to be there to be told about.

/** The data sets that a file declares, as they are written: what there is to say of a file without blocks. */
export function datasetsOutline(file: SourceFile): string[] {
  const written = ({ span }: { readonly span: Span }) => file.text.slice(span.start, span.end).replaceAll(/\s+/g, " ");
  return file.ast.items.flatMap((item) => {
    if (item.kind !== "dataset") return [];
    const params = item.params.map(written).join(", ");
    const lines = item.members.map((member) => `  ${written(member)}`);
    return [`dataset ${item.name.name}(${params})`, ...lines];
  });
}

/** The outline of a block as lines. */
export function outlineOf(block: ElaboratedBlock, folder: string): string[] {
  if (block.kind === "walk") return walkOutline(block.program, folder);
  return block.kind === "train" ? trainOutline(block.program, folder) : evaluateOutline(block.program, folder);
}

function trainOutline(program: TrainProgram, folder: string): string[] {
  const { settings } = program;
  return [
    `train ${program.name}: batch ${settings.batch}, ${settings.microSteps} micro-steps, ${settings.accumulate.count} to an update, ${trainedNumbers(program)} trained numbers`,
    ...program.models.map((m) => modelLine(m, folder)),
    ...program.datasets.flatMap((data) => dataOutline(data, folder)),
    ...program.tables.map((table) => `  state ${table.name}: at most ${table.atMost} records`),
    ...program.steps.flatMap(stepOutline),
    ...(program.preview === null
      ? []
      : [
          `  preview every ${program.preview.every} updates: ${graphValues(program.preview.graph).length} values; waits; writes "previews/{update}-{i}.png"`,
        ]),
  ];
}

const trainedNumbers = (program: TrainProgram) =>
  program.arena.slices
    .reduce((n, slice) => n + slice.size, 0)
    .toLocaleString("en")
    .replaceAll(",", " ");

function modelLine(
  model: { readonly name: string; readonly module: string; readonly mode: string; readonly from: string | null },
  folder: string,
): string {
  const from =
    model.from === null ? "" : /[./]/.test(model.from) ? ` from ${fileNote(model.from, folder)}` : ` from the run of ${model.from}`;
  return `  model ${model.name} = ${model.module} ${model.mode}${from}`;
}

/** A data set: where its pictures lie, in which order they come, and which fields the host prepares. */
function dataOutline({ setting, spec }: TrainProgram["datasets"][number], folder: string): string[] {
  return [
    `  data ${setting} = ${spec.name}, ${printOrder(spec.order)}`,
    ...[spec.source, ...(spec.more ?? [])].map((source) => {
      const first = source.first === null ? "" : `, the first ${source.first} of each`;
      const subject = source.subject === undefined ? "" : `, all of them «${source.subject}»`;
      return `    ${source.perSubject ? "folders" : "folder"} ${fileNote(source.root, folder)} ${source.files}${first}${subject}`;
    }),
    ...spec.fields.map((field) => `    field ${field.name}: ${printField(field)}`),
  ];
}

const fileNote = (file: string, folder: string) => `"${file}"${existsSync(path.resolve(folder, file)) ? "" : " (missing)"}`;

/** A step: its graphs, its choices with what is known of their likelihood, its ways, its waits and effects. */
function stepOutline(step: StepKind): string[] {
  const graphs = [...new Set(step.alternatives.map((way) => way.graph))];
  const waits = new Set(step.alternatives.flatMap((way) => way.reads.map((read) => read.name)));
  return [
    `  step ${step.name}: ${count(graphs.length, "graph")}, ${waits.size === 0 ? "no wait" : `waits for ${[...waits].join(", ")}`}`,
    ...step.choices.map((choice, i) => `    choice ${i + 1}: ${printHost(choice)}`),
    ...graphs.map((graph, i) => {
      const ways = step.alternatives.filter((way) => way.graph === graph);
      const keys = ways.map((way) => `[${way.key.map((value) => (value === null ? "*" : String(value))).join(", ")}]`).join(" ");
      return `    graph ${i + 1}: ${[step.choices.length === 0 ? "" : keys, ...effectsOf(ways[0]!)].filter((part) => part !== "").join("; ")}`;
    }),
  ];
}

/** What a way does, in words. */
function effectsOf(way: StepKind["alternatives"][number]): string[] {
  const names = way.graph.results.map((r) => r.name);
  const updates = new Set(names.flatMap((n) => (n.startsWith("update.") ? [n.slice("update.".length).split(/[.[]/)[0]!] : [])));
  return [
    `${graphValues(way.graph).length} values`,
    way.reads.length === 0 ? "" : `${count(way.reads.length + 1, "leg")}`,
    names.includes("loss") ? "minimises" : "minimises nothing",
    updates.size === 0 ? "" : `changes ${[...updates].join(", ")}`,
    ...way.tables.map((use) => `${use.kind === "take" ? "takes from" : "stores in"} ${use.table}`),
    way.ended === null ? "" : `ends: ${way.ended}`,
  ].filter((part) => part !== "");
}

function evaluateOutline(program: EvaluateProgram, folder: string): string[] {
  return [
    `evaluate ${program.name}: batch ${program.batch}`,
    ...program.models.map((m) => modelLine(m, folder)),
    ...(program.dataset === null ? [] : dataOutline(program.dataset, folder)),
    ...program.measures.map((m) => `  measure ${m.name}: ${m.metric}`),
  ];
}

/** A walk: what it does in order, where it waits, which files it reads and writes. */
function walkOutline(program: WalkProgram, folder: string): string[] {
  const places = (file: string) => (file.includes("{") ? `"${file}"` : fileNote(file, folder));
  return [
    `evaluate ${program.name}: ${count(program.legs.length, "graph")}; pictures of unknown size count as 512 by 512, lists as two elements`,
    ...program.models.map((m) => modelLine(m, folder)),
    ...repeated(
      program.notes.map(({ depth, text, file }) => `${"  ".repeat(depth)}${text}${file === undefined ? "" : ` ${places(file)}`}`),
    ),
  ];
}

/** Lines that follow themselves, once. */
function repeated(lines: readonly string[]): string[] {
  return lines.flatMap((line, i) => {
    if (line === lines[i - 1]) return [];
    const end = lines.findIndex((other, at) => at > i && other !== line);
    const times = (end < 0 ? lines.length : end) - i;
    return [times === 1 ? line : `${line} (${times} times)`];
  });
}

const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
