import type { Mix, Setting, TrainItem } from "../../dsl/ast.ts";
import type { Resolution } from "../../dsl/names.ts";
import type { Program } from "../../dsl/program.ts";
import type { Graph } from "../ir/value.ts";
import type { PlanMix } from "../plan/plan.ts";
import { keepAll, type RematPolicy } from "../remat.ts";
import { castTo } from "./arithmetic.ts";
import { openTrain } from "./blocks.ts";
import { call, readArgs, valueArg } from "./calls.ts";
import { datasetSpec } from "./datasets.ts";
import { evaluate } from "./expressions.ts";
import { attempt, Failure, fail, unended } from "./failure.ts";
import { findItem } from "./files.ts";
import { hostNumber, toHost } from "./hostExpr.ts";
import { collectLeaves, layOutArena, pathMatches, reachedParams } from "./leaves.ts";
import { type BoundOptimizer, bindOptimizer, elaborateOptimizer, type GroupRule } from "./optimizers.ts";
import { picturesIn } from "./pictures.ts";
import { plannedModels } from "./plannedModels.ts";
import { precisionOf } from "./precision.ts";
import type { Elaborated, Leaf, StepKind, TrainProgram } from "./program.ts";
import type { Scope } from "./scope.ts";
import { Session } from "./session.ts";
import type { Overrides, SettableName } from "./settings.ts";
import { compileNumber } from "./sizes.ts";
import { type DataBinding, elaborateStep } from "./steps.ts";
import { planTables, tableLeaves } from "./tableState.ts";
import { describe, isScalar, type OptimizerVal, tensor } from "./values.ts";

// A `train` block -> TrainProgram. Order matters in one way only: steps come first, because they say how large the models' leaves are and
// which of them a loss reaches; then the arena is laid out, and optimiser and gradient functions are elaborated over it.

/** Elaborates a `train` block. Mistakes of the author are diagnostics; nothing is thrown for them. */
export function elaborateTrain(
  program: Program,
  _resolution: Resolution,
  name: string,
  overrides: Overrides = {},
): Elaborated<TrainProgram> {
  const session = new Session(0);
  const made = attempt(() => trainProgram(program, session, name, overrides));
  if (made.ok) return { ok: true, value: made.value, warnings: session.warnings };
  return { ok: false, diagnostics: session.errors.length > 0 ? session.errors : [made.diagnostic] };
}

function trainProgram(program: Program, session: Session, name: string, overrides: Overrides): TrainProgram {
  session.takesPrompts = true;
  const { item, files, scope, settings, read } = openTrain(program, session, name, overrides);
  const numbers = readNumbers(settings, read.settings, scope, item);
  session.seed = numbers.seed;
  const remat = rematOf(settings);
  if (remat.kind === "except") session.saved = remat.names;
  session.totalUpdates = hostNumber(Math.max(1, Math.ceil(numbers.microSteps / numbers.accumulate.count)));
  const data = readData(settings, scope);
  const mixSetting = settings.findLast((s) => s.kind === "eachStep");
  if (!mixSetting) fail("elaborate/missing-setting", item.name.span, { name: `train ${name}`, setting: "which step runs: `each step: …`" });
  const steps = stepsOf(mixSetting.mix).flatMap((ident): readonly StepKind[] => {
    const made = attempt(() => {
      const step = findItem(files, "step", ident.name);
      if (!step) fail("elaborate/unknown-entry", ident.span, { kind: "step", name: ident.name });
      return elaborateStep(files, step.item, step.file, data, numbers.batch);
    });
    if (made.ok) return [made.value];
    session.errors.push(made.diagnostic);
    return [];
  });
  if (session.errors.length > 0) throw new Failure(session.errors[0]!);
  requireSaved(settings, session);
  const preview = previewOf(settings, scope, name);
  const mix = session.inBody("step", [name], () => unended(mixSetting.span, () => readMix(mixSetting.mix, scope))).value;
  const { rules, bound } = readOptimizer(settings, scope, item);
  const grouped = groupPaths(rules, scope);
  const leaves = collectLeaves(session, grouped.groupOf);
  for (const rule of rules) {
    if (!leaves.some((leaf) => leaf.trained && pathMatches(rule.path, leaf.path, scope))) {
      fail(
        "elaborate/no-such-part",
        rule.span,
        { path: showPath(program, rule) },
        {
          help: `trained parameters are like ${leaves
            .filter((l) => l.trained)
            .slice(0, 3)
            .map((l) => l.path)
            .join(", ")}`,
        },
      );
    }
  }
  const copies = copiedLeaves(session, leaves);
  const trained = new Set(leaves.flatMap((leaf) => (leaf.trained ? [leaf.path] : [])));
  const losses = steps.flatMap((s) => s.alternatives.flatMap((a) => a.graph.results.flatMap((r) => (r.name === "loss" ? [r.value] : []))));
  const reached = reachedParams(losses, trained);
  if (reached.size === 0) fail("elaborate/nothing-minimised", item.name.span, { name });
  const arena = layOutArena(leaves, reached, grouped.combinations.length);
  const optimizer = elaborateOptimizer(bound, arena, grouped.combinations);
  const gradient = readGradient(settings, scope, arena.size);
  return {
    kind: "train",
    name,
    builder: session.builder,
    leaves: [...leaves, ...tableLeaves(session)],
    arena,
    unreached: [...trained].filter((path) => !reached.has(path)),
    steps,
    mix,
    optimizer,
    gradient,
    uniforms: session.uniforms,
    datasets: [...data.values()].map((d) => ({ setting: d.setting, spec: datasetSpec(d.dataset, d.read, item.span) })),
    models: plannedModels(files, leaves, scope),
    prompts: session.prompts.all,
    tables: planTables(session),
    copies,
    preview,
    settings: numbers,
    precision: precisionOf(settings, program.files.get(program.entry)!.ast.items, read.precision),
    remat,
  };
}

/** Every name that is kept must be that of a tap. */
function requireSaved(settings: readonly Setting[], session: Session): void {
  const setting = settings.findLast((s) => s.kind === "remat");
  for (const { names, span } of setting?.kind === "remat" ? setting.kept : []) {
    const name = names.map((n) => n.name).join(".");
    if (session.marked.has(name)) continue;
    fail("elaborate/bad-setting", span, { key: "remat", problem: `no tap that a step passes is called \`${name}\`` });
  }
}

function rematOf(settings: readonly Setting[]): RematPolicy {
  const setting = settings.findLast((s) => s.kind === "remat");
  if (setting?.kind !== "remat" || setting.policy === "none") return keepAll;
  if (setting.policy === "fit") return { kind: "fit", bytes: setting.bytes };
  return { kind: "except", names: new Set(setting.kept.map(({ names }) => names.map((n) => n.name).join("."))) };
}

/** `preview every 500: pictures(…)`: pictures of the models as they are then, each time with the same draws. */
function previewOf(settings: readonly Setting[], scope: Scope, name: string): TrainProgram["preview"] {
  const setting = settings.findLast((s) => s.kind === "every" && s.name === "preview");
  if (setting?.kind !== "every") return null;
  const { value } = setting;
  if (value === null)
    return fail("elaborate/bad-setting", setting.span, {
      key: "preview",
      problem: "it does not say which pictures: `preview every 500: pictures(…)`",
    });
  const { session } = scope;
  session.isStill = true;
  session.training = false;
  try {
    const made = session.inBody("step", [name, "preview"], () => unended(value.span, () => evaluate(value, scope))).value;
    const results = picturesIn(made, value.span).map(({ tensor: t }, i) => ({
      name: `preview.${i}`,
      value: castTo(session, t, "f32").value,
    }));
    return { every: setting.count, graph: { name: "preview", results } };
  } finally {
    session.isStill = false;
    session.training = null;
  }
}

/** Which leaf each leaf of a copy begins as. */
export function copiedLeaves(session: Session, leaves: readonly Leaf[]): TrainProgram["copies"] {
  const paths = new Set(leaves.map((leaf) => leaf.path));
  return session.copies.flatMap(({ from, to }) => {
    if (from.path === null || to.path === null) return [];
    const [source, target] = [from.path, to.path];
    return leaves.flatMap((leaf) => {
      if (!leaf.path.startsWith(`${target}.`)) return [];
      const origin = source + leaf.path.slice(target.length);
      if (!paths.has(origin)) throw new Error(`internal: ${leaf.path} is a copy of ${origin}, which is no leaf`);
      return [{ from: origin, to: leaf.path }];
    });
  });
}

function showPath(program: Program, rule: GroupRule): string {
  const { file, start, end } = rule.path.span;
  return program.files.get(file)?.text.slice(start, end) ?? "this path";
}

// ---- settings ----------------------------------------------------------------------------------------------------------------------

function readNumbers(
  settings: readonly Setting[],
  overrides: ReadonlyMap<SettableName, number>,
  scope: Scope,
  item: TrainItem,
): TrainProgram["settings"] {
  const found = new Map<SettableName, number>();
  let by: "sum" | "mean" = "mean";
  for (const setting of settings) {
    switch (setting.kind) {
      case "numberSetting":
        if (setting.name !== "gradient") {
          const value = compileNumber(evaluate(setting.value, scope), setting.value.span, scope, `\`${setting.name}\``);
          const least = setting.name === "seed" ? 0 : 1;
          if (!Number.isInteger(value) || value < least)
            fail("elaborate/bad-setting", setting.value.span, {
              key: setting.name,
              problem: `${value} is no whole number from ${least} on`,
            });
          found.set(setting.name, value);
        }
        break;
      case "accumulate": {
        found.set("accumulate", setting.count);
        const way = setting.by.name;
        if (way !== "sum" && way !== "mean")
          fail("elaborate/bad-setting", setting.by.span, { key: "accumulate", problem: "`by sum` or `by mean`" });
        by = way;
        break;
      }
      case "every":
        if (setting.name !== "preview") found.set(setting.name, setting.count);
        break;
      default:
        break;
    }
  }
  for (const [key, value] of overrides) found.set(key, value);
  const need = (key: SettableName): number => {
    const value = found.get(key);
    if (value === undefined) fail("elaborate/missing-setting", item.name.span, { name: `train ${item.name.name}`, setting: `\`${key}\`` });
    return value;
  };
  const save = found.get("save") ?? 0;
  return {
    batch: need("batch"),
    microSteps: need("micro_steps"),
    accumulate: { count: Math.max(1, found.get("accumulate") ?? 1), by },
    saveEvery: save === 0 ? null : save,
    logEvery: found.get("log") ?? 10,
    seed: found.get("seed") ?? 0,
  };
}

function readData(settings: readonly Setting[], scope: Scope): Map<string, DataBinding> {
  const data = new Map<string, DataBinding>();
  for (const setting of settings) {
    if (setting.kind !== "dataSetting") continue;
    const value = evaluate(setting.value, scope);
    if (value.kind !== "dataset") fail("type/mismatch", setting.value.span, { found: describe(value), expected: "a data set" });
    data.set(setting.name.name, { setting: setting.name.name, dataset: value, read: new Set() });
  }
  return data;
}

type StepName = Extract<Mix, { kind: "mixOf" }>["choices"][number]["step"];

function stepsOf(mix: Mix): StepName[] {
  const all = mix.kind === "mixEvery" ? [...stepsOf(mix.mix), ...stepsOf(mix.otherwise)] : mix.choices.map((c) => c.step);
  return all.filter((one, i) => all.findIndex((other) => other.name === one.name) === i);
}

function readMix(mix: Mix, scope: Scope): PlanMix {
  if (mix.kind === "mixEvery")
    return { kind: "every", count: mix.count, mix: readMix(mix.mix, scope), otherwise: readMix(mix.otherwise, scope) };
  const choices = mix.choices.map((choice) => {
    const weight = choice.weight === null ? { kind: "number" as const, value: 1 } : evaluate(choice.weight, scope);
    if (!isScalar(weight) || weight.kind === "text")
      fail("type/mismatch", choice.weight!.span, { found: describe(weight), expected: "a weight" });
    if (weight.kind === "number" && weight.value < 0)
      fail("elaborate/bad-setting", choice.weight!.span, { key: "the weight of a step", problem: "it is negative" });
    return { weight: toHost(weight), step: choice.step.name };
  });
  return { kind: "of", choices };
}

function readOptimizer(
  settings: readonly Setting[],
  scope: Scope,
  item: TrainItem,
): { readonly rules: readonly GroupRule[]; readonly bound: BoundOptimizer } {
  const setting = settings.findLast((s) => s.kind === "optimizerSetting");
  if (!setting) fail("elaborate/missing-setting", item.name.span, { name: `train ${item.name.name}`, setting: "an `optimizer`" });
  const value = evaluate(setting.value, scope);
  if (value.kind !== "optimizer")
    fail("type/mismatch", setting.value.span, { found: describe(value), expected: "an optimiser: `adamw(lr: 1e-3)`" });
  const rules = setting.groups.map((group) => ({ path: group.path, args: readArgs(group.args, scope), span: group.span }));
  return { rules, bound: bindOptimizer(value as OptimizerVal, rules) };
}

/** Each set of rules that matches some parameter is a group; group 0 is matched by none. */
function groupPaths(
  rules: readonly GroupRule[],
  scope: Scope,
): { readonly groupOf: (path: string) => number; readonly combinations: readonly (readonly number[])[] } {
  const combinations: number[][] = [[]];
  const byKey = new Map<string, number>([["", 0]]);
  const groupOf = (path: string): number => {
    const matched = rules.flatMap((rule, i) => (pathMatches(rule.path, path, scope) ? [i] : []));
    const key = matched.join();
    const known = byKey.get(key);
    if (known !== undefined) return known;
    combinations.push(matched);
    byKey.set(key, combinations.length - 1);
    return combinations.length - 1;
  };
  return { groupOf, combinations };
}

/** `gradient clip_norm(0.5)`: an ordinary function whose first argument is the gradient arena. */
function readGradient(settings: readonly Setting[], scope: Scope, size: number): Graph | null {
  const setting = settings.findLast((s) => s.kind === "numberSetting" && s.name === "gradient");
  if (setting?.kind !== "numberSetting") return null;
  const { session } = scope;
  const grads = tensor(session.builder.input("grads", [size], { role: "grad", labels: ["n"] }), ["n"]);
  const expr = setting.value;
  const inner = scope.child({ sizes: new Map([["n", size]]) });
  const callee = evaluate(expr.kind === "call" ? expr.callee : expr, inner);
  const args = [valueArg(grads, expr.span), ...(expr.kind === "call" ? readArgs(expr.args, inner) : [])];
  const { value } = session.inBody("optimizer", ["gradient"], () => call(callee, args, expr.span, inner));
  if (value.kind !== "tensor" || value.axes.length !== 1 || value.value.shape[0] !== size) {
    fail("type/mismatch", expr.span, { found: describe(value), expected: "a function from the gradient `f32[n]` to `f32[n]`" });
  }
  return { name: "gradient", results: [{ name: "grads", value: castTo(session, value, "f32").value }] };
}
