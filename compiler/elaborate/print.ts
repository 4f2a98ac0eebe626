import type { HostExpr } from "../plan/host.ts";
import type { PictureStep, PlanField, PlanMix, PlanOrder } from "../plan/plan.ts";
import type { EvaluateProgram, FunctionProgram, Leaf, StepKind, TrainProgram, WalkProgram } from "./program.ts";

// The text form of the `modules` stage: models with their leaves, steps with their alternatives, what the optimiser holds.

/** Prints what elaboration left. */
export function printModules(program: TrainProgram | EvaluateProgram | WalkProgram | FunctionProgram): string {
  if (!("kind" in program))
    return [`function ${program.graph.name}`, ...printLeaves(program.leaves, new Map()), ...printResults(program)].join("\n");
  if (program.kind === "walk") return printWalk(program);
  return program.kind === "train" ? printTrain(program) : printEvaluate(program);
}

function printTrain(program: TrainProgram): string {
  const { settings, arena } = program;
  const offsets = new Map(arena.slices.map((s) => [s.path, s.offset]));
  const { accumulate } = settings;
  return [
    `train ${program.name}`,
    `  batch ${settings.batch}  micro_steps ${settings.microSteps}  accumulate ${accumulate.count} by ${accumulate.by}  seed ${settings.seed}`,
    ...printModels(program.models),
    ...printLeaves(program.leaves, offsets),
    ...program.unreached.map((path) => `  unreached ${path}`),
    ...printData(program.datasets),
    ...program.steps.flatMap(printStep),
    `  mix ${printMix(program.mix)}`,
    `  arena ${arena.size} in ${arena.slices.length} slices${program.gradient ? `, gradient ${program.gradient.results.length > 0 ? "transformed" : ""}` : ""}`,
    `  optimizer ${program.optimizer.name}: ${program.optimizer.states.map((s) => `${s.name}${s.arena ? "[n]" : ""}`).join(" ")}`,
    ...program.optimizer.groups.map(
      (g, i) =>
        `    group ${i} [${arena.groups[i]!.start}..${arena.groups[i]!.end}] ${Object.entries(g.settings)
          .map(([k, v]) => `${k}: ${v}`)
          .join(" ")}`,
    ),
    ...program.uniforms.map((u) => `  uniform ${u.dtype} ${u.name} = ${printHost(u.expr)}`),
  ].join("\n");
}

function printEvaluate(program: EvaluateProgram): string {
  return [
    `evaluate ${program.name}`,
    `  batch ${program.batch}  seed ${program.seed}`,
    ...printModels(program.models),
    ...printLeaves(program.leaves, new Map()),
    ...printData(program.dataset ? [program.dataset] : []),
    ...program.graph.results.map((r) => `  ${r.name}: ${r.value.dtype}[${r.value.shape.join(", ")}]`),
    ...program.measures.map(
      (m) => `  measure ${m.name}: ${m.metric}(${m.args.map((a) => (a.kind === "number" ? a.value : a.name)).join(", ")})`,
    ),
    ...(program.report === null ? [] : [`  report to ${program.report}`]),
  ].join("\n");
}

function printWalk(program: WalkProgram): string {
  return [
    `evaluate ${program.name}`,
    `  seed ${program.seed}`,
    ...printModels(program.models),
    ...printLeaves(program.leaves, new Map()),
    ...program.notes.map(({ depth, text, file }) => `${"  ".repeat(depth)}${text}${file === undefined ? "" : ` "${file}"`}`),
  ].join("\n");
}

function printResults(program: FunctionProgram): string[] {
  return program.graph.results.map((r) => `  ${r.name}: ${r.value.dtype}[${r.value.shape.join(", ")}]`);
}

function printModels(models: TrainProgram["models"]): string[] {
  return models.map((m) => `  model ${m.name} = ${m.module} ${m.mode}${m.from === null ? "" : ` from ${m.from}`}`);
}

function printLeaves(leaves: readonly Leaf[], offsets: ReadonlyMap<string, number>): string[] {
  return leaves.map((leaf) => {
    const sizes = leaf.shape.map((size, i) => `${leaf.labels[i]}: ${size}`).join(", ");
    const offset = offsets.get(leaf.path);
    const marks = [
      leaf.trained ? "trained" : "",
      leaf.group > 0 ? `group ${leaf.group}` : "",
      offset === undefined ? "" : `at ${offset}`,
    ].filter((m) => m !== "");
    return `  ${leaf.role} ${leaf.path} [${sizes}]${marks.length > 0 ? ` ${marks.join(" ")}` : ""}`;
  });
}

function printData(datasets: TrainProgram["datasets"]): string[] {
  return datasets.map(({ setting, spec }) => {
    const fields = spec.fields.map((f) => (f.kind === "image" ? `${f.name}[${f.channels}, ${f.height}, ${f.width}]` : f.name));
    const roots = [spec.source, ...(spec.more ?? [])].map(({ root }) => `"${root}"`);
    return `  data ${setting} = ${spec.name} ${roots.join(" ")} ${printOrder(spec.order)}: ${fields.join(" ")}`;
  });
}

/** The order of a data set in words. */
export function printOrder(order: PlanOrder): string {
  if (typeof order === "string") return order === "weighted" ? "weighted by pictures" : order;
  if (order.kind === "alternate") return `alternating, ${order.run} of each`;
  return `one ${order.of} drawn ${order.weights === null ? "evenly" : `by ${order.weights.join(" : ")}`}`;
}

/** How the host makes a field, on one line. */
export function printField(field: PlanField): string {
  switch (field.kind) {
    case "subjectIndex":
      return "number of the subject";
    case "subjectName":
      return "name of the subject";
    case "made":
      return `${field.type} ${printHost(field.value)}`;
    case "image": {
      const file = typeof field.file === "string" ? field.file : printHost(field.file);
      const range = field.is === undefined ? `${field.range[0]}..${field.range[1]}` : `1 at ${field.is}`;
      const from = [file, ...(field.or === undefined ? [] : [`or ${field.or}`])].join(" ");
      return `${[from, ...(field.steps ?? []).map(printPictureStep)].join(" |> ")} as ${field.channels} x ${field.height} x ${field.width} in ${range}`;
    }
    default:
      return field satisfies never;
  }
}
function printPictureStep(step: PictureStep): string {
  switch (step.kind) {
    case "alpha":
      return "alpha";
    case "resize":
      return `resize(${step.height} x ${step.width}, ${step.rule})`;
    case "crop":
      return `crop(${step.height} x ${step.width}${step.at === null ? "" : ` at ${step.at.map(printHost).join(", ")}`})`;
    case "flip":
      return `flip(${printHost(step.when)})`;
    case "place":
      return `place(scale ${printHost(step.scale)}, moved ${step.move.map(printHost).join(", ")}, margin ${step.margin})`;
    case "align":
      return `align_face(${step.side})`;
    case "cached":
      return `cached("${step.name}")`;
    default:
      return step satisfies never;
  }
}

function printStep(step: StepKind): string[] {
  const graphs = [...new Set(step.alternatives.map((a) => a.graph))];
  const key = (a: StepKind["alternatives"][number]) => a.key.map((value) => (value === null ? "*" : String(value))).join(", ");
  return [
    `  step ${step.name} on ${step.dataset.setting}: ${graphs.length} graph${graphs.length === 1 ? "" : "s"}`,
    ...step.choices.map((choice, i) => `    choice ${i} = ${printHost(choice)}`),
    ...step.alternatives.map(
      (a) =>
        `    ${a.key.length === 0 ? "always" : `[${key(a)}]`} -> ${[...a.reads.map((r) => `waits for ${r.name}, `)].join("")}graph ${graphs.indexOf(a.graph)}: ${a.graph.results.map((r) => r.name).join(" ")}${a.ended === null ? "" : ` (ends: ${a.ended})`}`,
    ),
  ];
}

function printMix(mix: PlanMix): string {
  if (mix.kind === "every") return `every ${mix.count} updates: ${printMix(mix.mix)} otherwise: ${printMix(mix.otherwise)}`;
  return mix.choices
    .map((c) => `${c.weight.kind === "number" && c.weight.value === 1 ? "" : `[${printHost(c.weight)}] `}${c.step}`)
    .join(" | ");
}

/** A host expression as one line. */
export function printHost(expr: HostExpr): string {
  switch (expr.kind) {
    case "number":
    case "bool":
      return String(expr.value);
    case "text":
      return JSON.stringify(expr.value);
    case "counter":
      return expr.name;
    case "draw": {
      const { distribution: d } = expr;
      const name = `draw<${expr.stream}>`;
      switch (d.kind) {
        case "uniform":
        case "integer":
          return `${name} ${d.kind}(${printHost(d.low)}..${printHost(d.high)})`;
        case "normal":
          return `${name} normal`;
        case "coin":
          return `${name} coin(${printHost(d.probability)})`;
        case "pick":
          return `${name} pick([${d.values.join(", ")}]${d.weights.length > 0 ? `, weights: [${d.weights.map(printHost).join(", ")}]` : ""}${d.atMost ? `, at_most: ${printHost(d.atMost)}` : ""})`;
        case "grammar":
          return `${name} ${d.grammar.name}`;
        default:
          d satisfies never;
          return name;
      }
    }
    case "op":
      return `${expr.op}(${expr.args.map(printHost).join(", ")})`;
    case "if":
      return `if(${printHost(expr.condition)}, ${printHost(expr.then)}, ${printHost(expr.otherwise)})`;
    case "field":
      return `${expr.field}[${expr.at}]`;
    case "any":
      return `any(${expr.of.map(printHost).join(", ")})`;
    case "read":
      return `read<${expr.name}>`;
    case "held":
      return `${expr.table}.has(${printHost(expr.key)})`;
    case "row":
      return `${expr.table}.${expr.use}(${printHost(expr.key)})`;
    case "taken":
      return `${expr.table}.take(${printHost(expr.key)}).${expr.field}${expr.present ? "?" : ""}`;
    case "item":
      return expr.args.length === 0 ? expr.fact : `${expr.fact}(${expr.args.map(printHost).join(", ")})`;
    case "join":
      return expr.parts.map(printHost).join(" ");
    case "perRun":
      return `item(${expr.of.map(printHost).join(", ")})`;
    default:
      expr satisfies never;
      return "?";
  }
}
