import type { CstNode } from "chevrotain";
import type { DatasetItem, DatasetMember, EvaluateMember, GrammarBit, GrammarSeq, Ident, Mix, ScheduleSpan, Setting } from "../ast.ts";
import { diagnose } from "../diagnostics.ts";
import { type BuildContext, node, nodes, token, tokens } from "./cst.ts";
import { buildArgs, buildExpr, buildPartPath, buildRange, buildRecord } from "./expressions.ts";
import { buildConst, buildLeaf, buildModel, buildParams, buildSignature, type ItemBuilder } from "./items.ts";
import { buildNumber, buildText } from "./literals.ts";
import { buildBlock, buildStatement, buildStatements } from "./statements.ts";
import { buildType } from "./types.ts";

const numberOf = (ctx: BuildContext, cst: CstNode, label = "Numeral"): number | undefined => {
  const found = token(cst, label);
  return found ? buildNumber(ctx, found).value : undefined;
};

// ---- data ----
function buildDatasetMember(ctx: BuildContext, cst: CstNode): DatasetMember | undefined {
  const span = ctx.spanOf(cst);
  const value = buildExpr(ctx, node(cst, "expr"), cst);
  if (token(cst, "K_source")) {
    const when = node(cst, "when");
    return { kind: "source", value, when: when ? buildExpr(ctx, node(when, "expr"), when) : null, span };
  }
  if (token(cst, "K_order")) return { kind: "order", value, span };
  const name = ctx.ident(token(cst, "Id"), cst);
  if (name.name === "") return undefined;
  if (token(cst, "K_let")) return { kind: "letMember", name, value, span };
  if (token(cst, "K_field")) return { kind: "fieldDecl", name, type: buildType(ctx, node(cst, "type"), cst), value, span };
  return undefined;
}

// ---- text grammars ----
function buildAlternatives(ctx: BuildContext, cst: CstNode | undefined): GrammarSeq[] {
  return nodes(cst, "sequence").map((one) => ({
    kind: "grammarSeq",
    bits: nodes(one, "bit").flatMap((bit) => buildBit(ctx, bit) ?? []),
    span: ctx.spanOf(one),
  }));
}
function buildBit(ctx: BuildContext, cst: CstNode): GrammarBit | undefined {
  const body = ctx.deeper(1, cst, () => bitBody(ctx, cst));
  if (!body || body.kind === "error") return undefined;
  return { kind: "grammarBit", body, weight: numberOf(ctx, cst, "weight") ?? null, span: ctx.spanOf(cst) };
}
function bitBody(ctx: BuildContext, cst: CstNode): GrammarBit["body"] | undefined {
  const text = token(cst, "Text");
  if (text) return { kind: "text", text: buildText(ctx, text).value };
  const probability = numberOf(ctx, cst);
  if (probability !== undefined) return { kind: "chance", probability };
  const name = token(cst, "Id");
  const distinct = node(cst, "distinct");
  if (name && distinct) {
    if (name.image !== "distinct")
      ctx.diagnostics.push(
        diagnose("syntax/expected-one-of", ctx.spanOfToken(name), {
          found: `\`${name.image}\``,
          expected: "`distinct(a..b, separator, alternatives)`",
        }),
      );
    const separator = token(distinct, "Text");
    return {
      kind: "distinct",
      count: buildRange(ctx, node(distinct, "range"), distinct),
      separator: separator ? buildText(ctx, separator).value : "",
      alternatives: buildAlternatives(ctx, node(distinct, "alternatives")),
    };
  }
  if (name) return { kind: "rule", name: name.image };
  const group = node(cst, "alternatives");
  return group ? { kind: "group", alternatives: buildAlternatives(ctx, group) } : undefined;
}

// ---- schedules ----
function buildSpan(ctx: BuildContext, cst: CstNode): ScheduleSpan {
  const length = node(cst, "length");
  const end = token(cst, "end");
  if (end && end.image !== "end")
    ctx.diagnostics.push(diagnose("syntax/expected-one-of", ctx.spanOfToken(end), { found: `\`${end.image}\``, expected: "`to end`" }));
  return {
    kind: "scheduleSpan",
    value: buildExpr(ctx, node(cst, "expr"), cst),
    length: length ? buildExpr(ctx, length, cst) : null,
    toEnd: end !== undefined,
    span: ctx.spanOf(cst),
  };
}

// ---- training ----
type NumberName = Extract<Setting, { kind: "numberSetting" }>["name"];
type EveryName = Extract<Setting, { kind: "every" }>["name"];
/** Bytes of the units of memory. */
const unitBytes: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9 };
type SettingBuilder = (ctx: BuildContext, cst: CstNode) => Setting | undefined;

/** One row per rule that can stand in a `train` block. */
const settingBuilders: Readonly<Record<string, SettingBuilder>> = {
  modelItem: (ctx, cst) => buildModel(ctx, cst, ctx.docBefore(ctx.spanOf(cst).start)),
  constItem: (ctx, cst) => buildConst(ctx, cst, ctx.docBefore(ctx.spanOf(cst).start)),
  precisionItem: (ctx, cst) => {
    const record = node(cst, "record");
    return record ? { kind: "precision", record: buildRecord(ctx, record), doc: null, span: ctx.spanOf(cst) } : undefined;
  },
  dataSetting: (ctx, cst) => ({
    kind: "dataSetting",
    name: ctx.ident(token(cst, "Id"), cst),
    value: buildExpr(ctx, node(cst, "expr"), cst),
    span: ctx.spanOf(cst),
  }),
  numberSetting: (ctx, cst) => {
    const name = token(cst, "name")?.image as NumberName | undefined;
    return name ? { kind: "numberSetting", name, value: buildExpr(ctx, node(cst, "expr"), cst), span: ctx.spanOf(cst) } : undefined;
  },
  accumulate: (ctx, cst) => {
    const by = ctx.ident(token(cst, "Id"), cst);
    if (by.name !== "" && by.name !== "sum" && by.name !== "mean") {
      ctx.diagnostics.push(diagnose("syntax/expected-one-of", by.span, { found: `\`${by.name}\``, expected: "`sum` or `mean`" }));
    }
    return { kind: "accumulate", count: numberOf(ctx, cst) ?? 1, by, span: ctx.spanOf(cst) };
  },
  compat: (ctx, cst) => {
    const value = ctx.ident(token(cst, "Id"), cst);
    if (value.name !== "" && value.name !== "source" && value.name !== "fixed") {
      ctx.diagnostics.push(diagnose("syntax/expected-one-of", value.span, { found: `\`${value.name}\``, expected: "`source` or `fixed`" }));
    }
    return { kind: "compat", value, span: ctx.spanOf(cst) };
  },
  remat: (ctx, cst) => {
    const span = ctx.spanOf(cst);
    if (token(cst, "none")) return { kind: "remat", policy: "none", bytes: 0, kept: [], span };
    const policy = ctx.ident(token(cst, "policy"), cst);
    const wrong = (found: Ident, expected: string): undefined => {
      if (found.name !== "") ctx.diagnostics.push(diagnose("syntax/expected-one-of", found.span, { found: `\`${found.name}\``, expected }));
    };
    if (policy.name === "fit") {
      const unit = ctx.ident(token(cst, "unit"), cst);
      const bytes = unitBytes[unit.name];
      if (bytes === undefined) return wrong(unit, "a number of `MB` or `GB`");
      return { kind: "remat", policy: "fit", bytes: (numberOf(ctx, cst) ?? 0) * bytes, kept: [], span };
    }
    if (policy.name !== "all") return wrong(policy, "`none`, `all` or `fit`");
    const word = token(cst, "word");
    if (word && word.image !== "except") return wrong(ctx.ident(word, cst), "`except`");
    const kept = nodes(cst, "keptName").map((name) => ({
      names: tokens(name, "Id").map((t) => ctx.ident(t, name)),
      span: ctx.spanOf(name),
    }));
    return { kind: "remat", policy: "all", bytes: 0, kept, span };
  },
  every: (ctx, cst) => {
    const name = token(cst, "name")?.image as EveryName | undefined;
    const value = node(cst, "expr");
    return name
      ? { kind: "every", name, count: numberOf(ctx, cst) ?? 1, value: value ? buildExpr(ctx, value, cst) : null, span: ctx.spanOf(cst) }
      : undefined;
  },
  optimizerSetting: (ctx, cst) => ({
    kind: "optimizerSetting",
    value: buildExpr(ctx, node(cst, "expr"), cst),
    groups: nodes(cst, "optimizerGroup").map((group) => ({
      path: buildPartPath(ctx, node(group, "partPath"), group),
      args: buildArgs(ctx, group),
      span: ctx.spanOf(group),
    })),
    span: ctx.spanOf(cst),
  }),
  eachStep: (ctx, cst) => ({ kind: "eachStep", mix: buildMix(ctx, node(cst, "mix"), cst), span: ctx.spanOf(cst) }),
};
function buildSetting(ctx: BuildContext, cst: CstNode): Setting | undefined {
  for (const [rule, build] of Object.entries(settingBuilders)) {
    const found = node(cst, rule);
    if (found) return build(ctx, found);
  }
  return undefined;
}
function buildMix(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): Mix {
  const span = ctx.spanOf(cst, within);
  const every = node(cst, "mixEvery");
  if (every) {
    const built = ctx.deeper(1, every, (): Mix => {
      const [mix, otherwise] = nodes(every, "mix");
      return {
        kind: "mixEvery",
        count: numberOf(ctx, every) ?? 1,
        mix: buildMix(ctx, mix, every),
        otherwise: buildMix(ctx, otherwise, every),
        span,
      };
    });
    if (built.kind !== "error") return built;
  }
  const choices = nodes(cst, "mixChoice").map((choice) => {
    const weight = node(choice, "expr");
    return { weight: weight ? buildExpr(ctx, weight, choice) : null, step: ctx.ident(token(choice, "Id"), choice) };
  });
  return { kind: "mixOf", choices, span };
}

// ---- evaluation ----
function buildEvaluateMember(ctx: BuildContext, cst: CstNode): EvaluateMember | undefined {
  const model = node(cst, "modelItem");
  if (model) return buildModel(ctx, model, ctx.docBefore(ctx.spanOf(model).start));
  const data = node(cst, "dataSetting");
  if (data)
    return {
      kind: "dataMember",
      name: ctx.ident(token(data, "Id"), data),
      value: buildExpr(ctx, node(data, "expr"), data),
      span: ctx.spanOf(data),
    };
  const seed = node(cst, "seedMember");
  if (seed) return { kind: "seedMember", value: numberOf(ctx, seed) ?? 0, span: ctx.spanOf(seed) };
  const report = node(cst, "report");
  if (report) {
    const to = token(report, "Text");
    if (!to) return { kind: "error", span: ctx.spanOf(report) };
    return {
      kind: "report",
      names: tokens(report, "Id").map((name) => ctx.ident(name, report)),
      by: buildExpr(ctx, node(report, "expr"), report),
      to: buildText(ctx, to),
      span: ctx.spanOf(report),
    };
  }
  const statement = node(cst, "statement");
  return statement ? buildStatement(ctx, statement) : undefined;
}

/** One row per item rule of `grammar/programs.ts`. */
export const programBuilders: Readonly<Record<string, ItemBuilder>> = {
  datasetItem: (ctx, cst, doc): DatasetItem => ({
    kind: "dataset",
    name: ctx.ident(token(cst, "Id"), cst),
    params: buildParams(ctx, node(cst, "params")),
    members: nodes(cst, "datasetMember").flatMap((one) => buildDatasetMember(ctx, one) ?? []),
    doc,
    span: ctx.spanOf(cst),
  }),
  grammarItem: (ctx, cst, doc) => ({
    kind: "grammar",
    name: ctx.ident(token(cst, "Id"), cst),
    rules: nodes(cst, "grammarRule").map((rule) => ({
      name: ctx.ident(token(rule, "Id"), rule),
      alternatives: buildAlternatives(ctx, node(rule, "alternatives")),
      span: ctx.spanOf(rule),
    })),
    doc,
    span: ctx.spanOf(cst),
  }),
  promptItem: (ctx, cst, doc) => {
    const text = token(cst, "Text");
    const span = ctx.spanOf(cst);
    if (!text) return { kind: "errorItem", doc, span };
    return {
      kind: "prompt",
      name: ctx.ident(token(cst, "Id"), cst),
      params: buildParams(ctx, node(cst, "params")),
      text: buildText(ctx, text),
      doc,
      span,
    };
  },
  scheduleItem: (ctx, cst, doc) => ({
    kind: "schedule",
    name: ctx.ident(token(cst, "Id"), cst),
    params: buildParams(ctx, node(cst, "params")),
    spans: nodes(cst, "scheduleSpan").map((one) => buildSpan(ctx, one)),
    doc,
    span: ctx.spanOf(cst),
  }),
  stepItem: (ctx, cst, doc) => ({
    kind: "step",
    name: ctx.ident(token(cst, "Id"), cst),
    batch: ctx.ident(token(cst, "batch"), cst),
    oneOf: token(cst, "K_of") !== undefined,
    dataset: ctx.ident(token(cst, "dataset"), cst),
    body: buildBlock(ctx, node(cst, "block"), cst),
    doc,
    span: ctx.spanOf(cst),
  }),
  optimizerItem: (ctx, cst, doc) => ({
    kind: "optimizer",
    name: ctx.ident(token(cst, "Id"), cst),
    params: buildParams(ctx, node(cst, "params")),
    states: nodes(cst, "optimizerState").map((one) => buildLeaf(ctx, one)),
    signature: buildSignature(ctx, node(cst, "signature"), cst),
    body: buildBlock(ctx, node(cst, "block"), cst),
    doc,
    span: ctx.spanOf(cst),
  }),
  precisionItem: (ctx, cst, doc) => {
    const record = node(cst, "record");
    return record
      ? { kind: "precision", record: buildRecord(ctx, record), doc, span: ctx.spanOf(cst) }
      : { kind: "errorItem", doc, span: ctx.spanOf(cst) };
  },
  trainItem: (ctx, cst, doc) => {
    const like = token(cst, "like");
    return {
      kind: "train",
      name: ctx.ident(token(cst, "Id"), cst),
      like: like ? ctx.ident(like, cst) : null,
      settings: nodes(cst, "setting").flatMap((one) => buildSetting(ctx, one) ?? []),
      doc,
      span: ctx.spanOf(cst),
    };
  },
  evaluateItem: (ctx, cst, doc) => ({
    kind: "evaluate",
    name: ctx.ident(token(cst, "Id"), cst),
    members: nodes(cst, "evaluateMember").flatMap((one) => buildEvaluateMember(ctx, one) ?? []),
    doc,
    span: ctx.spanOf(cst),
  }),
  testItem: (ctx, cst, doc) => {
    const title = token(cst, "Text");
    const span = ctx.spanOf(cst);
    return title
      ? { kind: "test", title: buildText(ctx, title), body: buildBlock(ctx, node(cst, "block"), cst), doc, span }
      : { kind: "errorItem", doc, span };
  },
  propertyItem: (ctx, cst, doc) => {
    const title = token(cst, "Text");
    const span = ctx.spanOf(cst);
    if (!title) return { kind: "errorItem", doc, span };
    const forall = nodes(cst, "forall").map((one) => {
      const range = node(one, "range");
      return {
        name: ctx.ident(token(one, "Id"), one),
        type: buildType(ctx, node(one, "type"), one),
        in: range ? buildRange(ctx, range, one) : null,
      };
    });
    return { kind: "property", title: buildText(ctx, title), forall, body: buildStatements(ctx, cst), doc, span };
  },
  gradcheckItem: (ctx, cst, doc) => ({ kind: "gradcheck", value: buildExpr(ctx, node(cst, "expr"), cst), doc, span: ctx.spanOf(cst) }),
};
