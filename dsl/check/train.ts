import type { Ident, Mix, OptimizerItem, Setting, StepItem, TrainItem } from "../ast.ts";
import { didYouMean, meant } from "../nearest.ts";
import type { Span } from "../span.ts";
import { constantOf, variableSize } from "../types/size.ts";
import { axis, describeType, isSilent, type Type, tensor } from "../types/type.ts";
import { readArgs, typeArg } from "./arguments.ts";
import { callFunction, globalFunction } from "./calls.ts";
import { evaluate } from "./expressions.ts";
import { fileScope, modelType } from "./globals.ts";
import { checkModel } from "./models.ts";
import { checkGroupPath } from "./paths.ts";
import { checkPrecision } from "./precision.ts";
import type { Body, Scope } from "./scope.ts";
import type { Session } from "./session.ts";

// `train` blocks: every setting once, nothing missing, the data of each step under the name and from the data set it reads, weights and
// counts that make sense, and settings of the optimiser that it has.

type Kind = Setting["kind"] | "batch" | "micro_steps" | "seed" | "gradient" | "save" | "log" | "preview";
const single: ReadonlySet<Kind> = new Set<Kind>([
  "batch",
  "micro_steps",
  "seed",
  "gradient",
  "save",
  "log",
  "preview",
  "accumulate",
  "compat",
  "precision",
  "remat",
  "optimizerSetting",
  "eachStep",
]);
function kindOf(setting: Setting): Kind {
  return setting.kind === "numberSetting" || setting.kind === "every" ? setting.name : setting.kind;
}
const words: Partial<Record<Kind, string>> = { optimizerSetting: "optimizer", eachStep: "each step" };
const word = (kind: Kind) => words[kind] ?? kind;

export function checkTrain(session: Session, item: TrainItem, file: string): void {
  const body: Body = { kind: "host", name: item.name.name, random: true, updates: false, training: false, span: item.span };
  const scope = fileScope(session, file, body);
  const seen = new Map<string, Span>();
  for (const setting of item.settings) {
    const kind = kindOf(setting);
    const name =
      setting.kind === "dataSetting" || setting.kind === "model" || setting.kind === "const"
        ? `${setting.kind} ${setting.name.name}`
        : word(kind);
    const before = seen.get(name);
    if (before && (single.has(kind) || name !== word(kind))) {
      session.report(
        "train/doubled-setting",
        setting.span,
        { setting: name.replace("dataSetting", "data") },
        { related: [{ span: before, label: "first said here" }] },
      );
    } else seen.set(name, setting.span);
    checkSetting(session, setting, scope, file);
  }
  const all = inherited(session, item, file, new Set());
  for (const kind of ["batch", "micro_steps", "optimizerSetting", "eachStep"] as const) {
    if (all === null || all.some((s) => kindOf(s) === kind)) continue;
    session.report("train/missing-setting", item.name.span, { name: item.name.name, setting: word(kind) }, { help: missingHelp[kind] });
  }
  if (all) checkData(session, item, all, scope, file);
}
const missingHelp = {
  batch: "write how many samples a micro-step takes: `batch 16`",
  micro_steps: "write how long to train: `micro_steps 10_000`",
  optimizerSetting: "choose one: `optimizer adamw(lr: 1e-3)`",
  eachStep: "say which step each micro-step takes: `each step: NAME`",
} as const;

/** The block's settings after those of the blocks it is `like`; null where one of them is not known. */
function inherited(session: Session, item: TrainItem, file: string, seen: Set<TrainItem>): Setting[] | null {
  if (seen.has(item)) return null;
  seen.add(item);
  if (!item.like) return [...item.settings];
  const place = session.lookup(file, item.like.name);
  if (place?.item.kind !== "train") return null;
  const before = inherited(session, place.item, place.file, seen);
  if (!before) return null;
  const own = new Set(item.settings.map((s) => `${kindOf(s)} ${"name" in s && typeof s.name !== "string" ? s.name.name : ""}`));
  return [
    ...before.filter((s) => !own.has(`${kindOf(s)} ${"name" in s && typeof s.name !== "string" ? s.name.name : ""}`)),
    ...item.settings,
  ];
}

function checkSetting(session: Session, setting: Setting, scope: Scope, file: string): void {
  switch (setting.kind) {
    case "model":
      if (setting.value === null || isSomewhere(session, "model", setting.name)) checkModel(session, setting, file, true);
      return;
    case "const":
      isSomewhere(session, "const", setting.name);
      evaluate(setting.value, scope);
      return;
    case "dataSetting":
      evaluate(setting.value, scope);
      return;
    case "numberSetting":
      if (setting.name === "gradient") checkGradient(session, setting.value, scope);
      else checkNumber(session, setting.name, evaluate(setting.value, scope), setting.value.span, setting.name === "seed" ? 0n : 1n);
      return;
    case "accumulate":
      if (setting.count < 1)
        session.report("train/bad-number", setting.span, {
          setting: "`accumulate`",
          expected: "a whole number from 1 on",
          found: setting.count,
        });
      if (setting.by.name !== "sum" && setting.by.name !== "mean") {
        session.report(
          "name/unknown",
          setting.by.span,
          { name: setting.by.name },
          { help: "gradients are added `by sum` or averaged `by mean`" },
        );
      }
      return;
    case "every":
      if (setting.count < 1)
        session.report("train/bad-number", setting.span, {
          setting: `\`${setting.name} every\``,
          expected: "a whole number from 1 on",
          found: setting.count,
        });
      if (setting.value) evaluate(setting.value, scope);
      return;
    case "compat":
      if (setting.value.name !== "source" && setting.value.name !== "fixed") {
        session.report(
          "name/unknown",
          setting.value.span,
          { name: setting.value.name },
          { help: "`compat source` is as the original does it, `compat fixed` corrects it" },
        );
      }
      return;
    case "optimizerSetting":
      checkOptimizerSetting(session, setting, scope, file);
      return;
    case "eachStep":
      checkMix(session, setting.mix, scope);
      return;
    case "precision":
      checkPrecision(session, setting);
      return;
    case "remat":
      return;
    default:
      setting satisfies never;
  }
}

/** Whether a file of the program has what a block replaces; reported where none has. */
function isSomewhere(session: Session, kind: "model" | "const", { name, span }: Ident): boolean {
  const known = [...session.program.files.values()].flatMap(({ ast }) =>
    ast.items.flatMap((item) => (item.kind === kind ? [item.name.name] : [])),
  );
  if (known.includes(name)) return true;
  const what = kind === "model" ? "a model" : "a constant";
  session.report(
    "name/unknown",
    span,
    { name },
    meant(name, known, span, `a block replaces ${what} of its program; there is none of that name`),
  );
  return false;
}
function checkNumber(session: Session, name: string, type: Type, span: Span, least: bigint): void {
  if (isSilent(type)) return;
  const value = type.kind === "int" ? constantOf(type.value) : undefined;
  if (type.kind === "int" && (value === undefined || (value.d === 1n && value.n >= least))) return;
  const found = value?.d === 1n ? `${value.n}` : describeType(type);
  session.report("train/bad-number", span, { setting: `\`${name}\``, expected: `a whole number from ${least} on`, found });
}

/** A gradient function is called with the arena in front of the arguments written. */
function checkGradient(session: Session, value: Parameters<typeof evaluate>[0], scope: Scope): void {
  const call = value.kind === "call" ? value : null;
  const callee = evaluate(call ? call.callee : value, scope);
  if (callee.kind !== "function") {
    if (!isSilent(callee))
      session.report("type/mismatch", value.span, {
        found: describeType(callee),
        expected: "a function of the gradients, as `clip_norm(1)`",
      });
    return;
  }
  const info = globalFunction(session, callee.item, callee.file);
  const arena = tensor("f32", [axis("n", variableSize(session.unifier.fresh("n", "rigid")))]);
  if (info) callFunction(info, null, [typeArg(arena, value.span), ...readArgs(call?.args ?? [], scope)], value.span, scope);
}

function checkOptimizerSetting(
  session: Session,
  setting: Extract<Setting, { kind: "optimizerSetting" }>,
  scope: Scope,
  file: string,
): void {
  const callee = setting.value.kind === "call" ? setting.value.callee : setting.value;
  const place = callee.kind === "name" ? session.lookup(file, callee.name) : undefined;
  if (callee.kind === "name" && place && place.item.kind !== "optimizer") {
    const kind = place.item.kind === "step" ? "a step" : `a ${place.item.kind}`;
    session.report("name/wrong-kind", callee.span, { name: callee.name, kind, expected: "an optimizer" });
    return;
  }
  const type = evaluate(callee, scope);
  if (setting.value.kind === "call") evaluate(setting.value, scope);
  if (type.kind !== "optimizerKind") {
    if (!isSilent(type))
      session.report("name/wrong-kind", callee.span, {
        name: "name" in callee ? String(callee.name) : "this",
        kind: describeType(type),
        expected: "an optimizer",
      });
    return;
  }
  const models = modelTypes(session);
  for (const group of setting.groups) {
    checkGroupPath(session, group.path, models);
    for (const arg of readArgs(group.args, scope)) checkGroupArg(session, type.item, arg);
  }
}

/** The models of the program by name, also those that a block puts in the place of others. */
function modelTypes(session: Session): ReadonlyMap<string, readonly Type[]> {
  const found = new Map<string, Type[]>();
  for (const [file, { ast }] of session.program.files)
    for (const item of ast.items) {
      const models = item.kind === "model" ? [item] : item.kind === "train" ? item.settings.filter((s) => s.kind === "model") : [];
      for (const model of models) {
        if (model.value === null) continue;
        const { name } = model.name;
        found.set(name, [...(found.get(name) ?? []), modelType(session, model, file)]);
      }
    }
  return found;
}
function checkGroupArg(session: Session, item: OptimizerItem, arg: ReturnType<typeof readArgs>[number]): void {
  const name = item.name.name;
  const each = item.params.filter((p) => p.each).map((p) => p.name.name);
  const known = each.length > 0 ? `groups may set ${each.map((e) => `\`${e}\``).join(", ")}` : "it has no settings of groups";
  if (arg.name === null) {
    session.report("call/unknown-argument", arg.span, { callee: name, name: "?" }, { help: `name the setting; ${known}` });
    return;
  }
  const param = item.params.find((p) => p.name.name === arg.name);
  if (!param) {
    session.report("call/unknown-argument", arg.nameSpan, { callee: name, name: arg.name }, meant(arg.name, each, arg.nameSpan, known));
  } else if (!param.each) {
    session.report(
      "train/not-each",
      arg.nameSpan,
      { name: arg.name },
      { help: known, related: [{ span: param.span, label: "declared without `each`" }] },
    );
  }
  if (arg.source.kind === "expr") evaluate(arg.source.expr, arg.source.scope);
}

// ---- the mix of steps --------------------------------------------------------------------------------------------------------------------
function checkMix(session: Session, mix: Mix, scope: Scope): void {
  if (mix.kind === "mixEvery") {
    if (mix.count < 1)
      session.report("train/bad-number", mix.span, {
        setting: "`every … updates`",
        expected: "a whole number from 1 on",
        found: mix.count,
      });
    checkMix(session, mix.mix, scope);
    checkMix(session, mix.otherwise, scope);
    return;
  }
  const weights = mix.choices.map((choice) => {
    const type = choice.weight ? evaluate(choice.weight, scope) : null;
    return type && (type.kind === "int" || type.kind === "realNumber") ? constantOf(type.value) : type === null ? "none" : undefined;
  });
  const known = weights.filter((w) => w !== undefined && w !== "none");
  const negative = known.some((w) => typeof w === "object" && w.n < 0n);
  const allZero = known.length > 0 && known.length === weights.length && known.every((w) => typeof w === "object" && w.n === 0n);
  if (negative || allZero)
    session.report("train/bad-weights", mix.span, { what: "these steps", problem: negative ? "not all from 0 on" : "all 0" });
}
function stepsOf(mix: Mix): Extract<Mix, { kind: "mixOf" }>["choices"][number]["step"][] {
  return mix.kind === "mixEvery" ? [...stepsOf(mix.mix), ...stepsOf(mix.otherwise)] : mix.choices.map((c) => c.step);
}

/** Each step's data set must be given under the name the step uses. */
function checkData(session: Session, item: TrainItem, settings: readonly Setting[], scope: Scope, file: string): void {
  const data = new Map(settings.flatMap((s) => (s.kind === "dataSetting" ? [[s.name.name, s] as const] : [])));
  const mixes = settings.flatMap((s) => (s.kind === "eachStep" ? [s.mix] : []));
  for (const name of mixes.flatMap(stepsOf)) {
    const place = session.lookup(file, name.name);
    if (place?.item.kind !== "step") continue;
    const step: StepItem = place.item;
    const wanted = session.lookup(place.file, step.dataset.name);
    const setting = data.get(step.batch.name);
    const declared = { span: step.batch.span, label: `the step reads \`${step.batch.name}\` from \`${step.dataset.name}\`` };
    if (!setting) {
      const others = [...data.keys()];
      const help = didYouMean(step.batch.name, others) ?? `write \`data ${step.batch.name} = ${step.dataset.name}(…)\``;
      session.report(
        "train/missing-setting",
        item.name.span,
        { name: item.name.name, setting: `data ${step.batch.name}` },
        { related: [declared], help },
      );
      continue;
    }
    const given = session.quietly(() => evaluate(setting.value, scope));
    if (isSilent(given) || wanted?.item.kind !== "dataset" || (given.kind === "dataset" && given.item === wanted.item)) continue;
    const args = {
      step: step.name.name,
      setting: step.batch.name,
      wanted: step.dataset.name,
      found: given.kind === "dataset" ? `\`${given.item.name.name}\`` : describeType(given),
    };
    session.report("train/wrong-data", setting.value.span, args, { related: [declared] });
  }
}
