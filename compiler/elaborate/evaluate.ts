import type { EvaluateItem, EvaluateMember, Expr, MeasureStmt } from "../../dsl/ast.ts";
import type { Resolution } from "../../dsl/names.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Program } from "../../dsl/program.ts";
import { walk } from "../../dsl/walk.ts";
import type { GraphResult, Value } from "../ir/value.ts";
import type { PlanMeasureArg } from "../plan/plan.ts";
import { matchArguments } from "./arguments.ts";
import { castTo } from "./arithmetic.ts";
import { listEntries, openEvaluate } from "./blocks.ts";
import { argumentValue, readArgs } from "./calls.ts";
import { batchOf, datasetSpec } from "./datasets.ts";
import { compileCondition, evaluate } from "./expressions.ts";
import { attempt, fail, unsupported } from "./failure.ts";
import { collectLeaves } from "./leaves.ts";
import { plannedModels } from "./plannedModels.ts";
import { precisionOf } from "./precision.ts";
import type { Elaborated, EvaluateProgram } from "./program.ts";
import type { Scope } from "./scope.ts";
import { Session } from "./session.ts";
import type { Overrides } from "./settings.ts";
import { compileNumber } from "./sizes.ts";
import { endedAtMost, runStatement } from "./statements.ts";
import type { DataBinding } from "./steps.ts";
import { describe, describeTensor, type Val } from "./values.ts";

// An `evaluate` block -> EvaluateProgram: one graph over a batch whose rows are collected, then measures over all rows.

/** Measures over everything collected, with their arguments in order. */
export const metrics: Readonly<Record<string, readonly string[]>> = {
  /** How well cosine similarity tells pairs of one subject from pairs of two. */
  verification: ["embedding", "subject"],
};
const defaultBatch = 64;

/** Elaborates an `evaluate` block; all its models are frozen. */
export function elaborateEvaluate(
  program: Program,
  _resolution: Resolution,
  name: string,
  overrides: Overrides = {},
): Elaborated<EvaluateProgram> {
  const session = new Session(0);
  const made = attempt(() => evaluateProgram(program, session, name, overrides));
  return made.ok ? { ok: true, value: made.value, warnings: session.warnings } : { ok: false, diagnostics: [made.diagnostic] };
}

function evaluateProgram(program: Program, session: Session, name: string, overrides: Overrides): EvaluateProgram {
  const { item, files, scope: fileScope, read, seed } = openEvaluate(program, session, name, overrides, listEntries(program).evaluate);
  session.seed = seed;
  const batch = read.settings.get("batch") ?? batchSize(item, fileScope);
  const data = dataOf(item, fileScope);
  let scope = fileScope.child({
    values: new Map<string, Val>(data ? [[data.setting, batchOf(data.dataset, data.setting, batch, false, data.read, item.span)]] : []),
    sizes: new Map([["batch", batch]]),
  });
  const collected: GraphResult[] = [];
  const measures: EvaluateProgram["measures"][number][] = [];
  session.takesPrompts = true;
  session.measure = (member, inner) => {
    if (member.when !== null && !compileCondition(member.when, inner)) return;
    const turns = session.stream.flatMap((step) => /^\[(\d+)\]$/.exec(step)?.[1] ?? []);
    const made = measure(member, [member.name.name, ...turns].join("."), inner, batch, collected);
    if (measures.some((other) => other.name === made.name)) fail("name/duplicate", member.name.span, { name: made.name });
    measures.push(made);
  };
  let ended = false;
  session.inBody("evaluate", [name], () => {
    for (const member of item.members) {
      switch (member.kind) {
        case "model":
        case "seedMember":
        case "dataMember":
        case "report":
          break;
        case "measure":
        case "for":
        case "if":
        case "require":
        case "logStmt":
        case "write":
        case "let": {
          if (isBatch(member) || ended) break;
          const flow = endedAtMost(() => runStatement(member, scope));
          if (flow.kind === "on") scope = flow.scope;
          else ended = true;
          break;
        }
        default:
          unsupported(`\`${member.kind}\` in an \`evaluate\` block`, member.span);
      }
    }
  });
  if (measures.length === 0)
    fail("elaborate/missing-setting", item.name.span, { name: `evaluate ${name}`, setting: "anything to `measure`" });
  const leaves = collectLeaves(session, () => 0);
  return {
    kind: "evaluate",
    name,
    builder: session.builder,
    leaves,
    models: plannedModels(files, leaves, fileScope),
    dataset: data ? { setting: data.setting, spec: datasetSpec(data.dataset, data.read, item.span) } : null,
    batch,
    seed,
    graph: { name, results: collected },
    uniforms: session.uniforms,
    measures,
    report: reportPath(item),
    prompts: session.prompts.all,
    precision: precisionOf([], program.files.get(program.entry)!.ast.items, read.precision),
  };
}

/** `report auc by metric to "held_out.json"`: where the measures are written. */
function reportPath(item: EvaluateItem): string | null {
  const [report, second] = item.members.filter((m) => m.kind === "report");
  if (report === undefined) return null;
  if (second) unsupported("a second `report` over a data set", second.span);
  const measured: string[] = [];
  walk(item, (node) => {
    if (node.kind === "measure") measured.push((node as MeasureStmt).name.name);
    return undefined;
  });
  for (const { name, span } of report.names) {
    if (measured.includes(name)) continue;
    const near = nearest(name, measured);
    fail("name/unknown", span, { name }, { help: near ? `did you mean \`${near}\`?` : "a report over a data set names its measures" });
  }
  const { by, to } = report;
  if (by.kind !== "name" || by.name !== "metric") unsupported("a `report` over a data set by anything but `metric`", by.span);
  if (!to.value.endsWith(".json")) fail("elaborate/bad-setting", to.span, { key: "report", problem: `"${to.value}" does not end in json` });
  return to.value;
}

function isBatch(member: EvaluateMember): boolean {
  return member.kind === "let" && member.binder.kind === "ident" && member.binder.name === "batch";
}

/** `let batch = 100`: how many samples are taken at a time. It does not change what is measured. */
function batchSize(item: EvaluateItem, scope: Scope): number {
  const setting = item.members.findLast(isBatch);
  if (setting?.kind !== "let") return defaultBatch;
  const value = compileNumber(evaluate(setting.value, scope), setting.value.span, scope, "`batch`");
  if (!Number.isInteger(value) || value < 1)
    fail("elaborate/bad-setting", setting.value.span, { key: "batch", problem: `${value} is no whole number from 1 on` });
  return value;
}

function dataOf(item: EvaluateItem, scope: Scope): DataBinding | null {
  const members = item.members.filter((m) => m.kind === "dataMember");
  const [first, second] = members;
  if (second) unsupported("an evaluation over several data sets", second.span, "write an `evaluate` block for each of them");
  if (!first) return null;
  const value = evaluate(first.value, scope);
  if (value.kind !== "dataset") fail("type/mismatch", first.value.span, { found: describe(value), expected: "a data set" });
  return { setting: first.name.name, dataset: value, read: new Set() };
}

function measure(
  member: MeasureStmt,
  name: string,
  scope: Scope,
  batch: number,
  collected: GraphResult[],
): EvaluateProgram["measures"][number] {
  const { value, span } = member;
  const metric = value.kind === "call" && value.callee.kind === "name" ? value.callee.name : null;
  const params = metric !== null && Object.hasOwn(metrics, metric) ? metrics[metric] : undefined;
  if (value.kind !== "call" || metric === null || params === undefined)
    return { name, metric: "values", span, args: [{ kind: "collected", name: collect(perSample(value, scope, batch), name, collected) }] };
  const args = matchArguments(
    metric,
    params.map((p) => ({ name: p })),
    readArgs(value.args, scope),
    value.span,
  );
  return {
    name,
    metric,
    span,
    args: params.map((param): PlanMeasureArg => {
      const arg = args.get(param);
      if (!arg) return fail("call/missing-argument", value.span, { callee: metric, name: param });
      const given = argumentValue(arg);
      if (given.kind === "number") return { kind: "number", value: given.value };
      if (given.kind !== "tensor")
        return fail("type/mismatch", arg.span, {
          found: describe(given),
          expected: "a field of the data or a tensor with the axis `batch`",
        });
      if (given.field !== undefined) return { kind: "field", name: given.field };
      if (given.axes[0] !== "batch" || given.value.shape[0] !== batch) {
        fail(
          "shape/missing-axis",
          arg.span,
          { axis: "batch", axes: describeTensor(given) },
          { help: "what is measured has one row per sample, and `batch` is its first axis" },
        );
      }
      const label = arg.source.kind === "expr" && isName(arg.source.expr) ? arg.source.expr.name : `${name}.${param}`;
      return { kind: "collected", name: collect(castTo(scope.session, given, "f32").value, label, collected) };
    }),
  };
}

/** A measure that is no metric over all rows: one number for each sample, of which the mean is taken. */
function perSample(expr: Expr, scope: Scope, batch: number): Value {
  const { session } = scope;
  const value = evaluate(expr, scope);
  const known = Object.keys(metrics)
    .map((m) => `\`${m}(${metrics[m]!.join(", ")})\``)
    .join(", ");
  const help = `a measure over a data set has one number for each sample, with the axis \`batch\` alone: \`mean(x, over: [c, h, w])\`; or is ${known}`;
  if (value.kind !== "tensor" || value.axes.join() !== "batch" || value.value.shape[0] !== batch)
    return fail("type/mismatch", expr.span, { found: describe(value), expected: `\`real[batch: ${batch}]\`` }, { help });
  return castTo(session, value, "f32").value;
}

/** The name under which a value's rows are collected: `label`, numbered where another value has it. */
function collect(value: Value, label: string, collected: GraphResult[]): string {
  const prefix = "collect.";
  const known = collected.find((r) => r.value === value);
  if (known) return known.name.slice(prefix.length);
  let name = label;
  for (let n = 2; collected.some((r) => r.name === prefix + name); n++) name = `${label}#${n}`;
  collected.push({ name: prefix + name, value });
  return name;
}

function isName(expr: Expr): expr is Extract<Expr, { kind: "name" }> {
  return expr.kind === "name";
}
