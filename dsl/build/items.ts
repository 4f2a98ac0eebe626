import type { CstNode } from "chevrotain";
import type { FnItem, Item, LeafDecl, ModelItem, ModuleMember, Param, Signature } from "../ast.ts";
import { type BuildContext, node, nodes, token, tokens } from "./cst.ts";
import { buildArgs, buildExpr, buildPartPath } from "./expressions.ts";
import { buildPattern, buildText } from "./literals.ts";
import { programBuilders } from "./programs.ts";
import { buildBlock } from "./statements.ts";
import { buildType } from "./types.ts";

export type ItemBuilder = (ctx: BuildContext, cst: CstNode, doc: string | null) => Item;

/** An item of the concrete tree; one that could not be read, or has lost its name, is an error item. */
export function buildItem(ctx: BuildContext, cst: CstNode): Item {
  const span = ctx.spanOf(cst);
  const doc = ctx.docBefore(span.start);
  for (const [rule, build] of Object.entries(itemBuilders)) {
    const found = node(cst, rule);
    if (!found) continue;
    const item = ctx.deeper(1, found, () => build(ctx, found, doc));
    if (item.kind !== "error" && !("name" in item && item.name.name === "")) return item;
  }
  return { kind: "errorItem", doc, span };
}

// ---- parts of several items ----
export function buildParams(ctx: BuildContext, cst: CstNode | undefined): Param[] {
  return nodes(cst, "param").map((one) => {
    const value = node(one, "expr");
    return {
      kind: "param",
      each: token(one, "K_each") !== undefined,
      name: ctx.ident(token(one, "Word"), one),
      type: buildType(ctx, node(one, "type"), one),
      default: value ? buildExpr(ctx, value, one) : null,
      span: ctx.spanOf(one),
    };
  });
}
export function buildSignature(ctx: BuildContext, cst: CstNode | undefined, within: CstNode): Signature {
  if (!cst) return { kind: "signature", params: [], effects: [], result: ctx.missing(within), span: ctx.spanAfter(within) };
  return {
    kind: "signature",
    params: buildParams(ctx, node(cst, "params")),
    effects: tokens(cst, "effect").map((effect) => (effect.image === "random" ? "random" : "updates")),
    result: buildType(ctx, node(cst, "type"), cst),
    span: ctx.spanOf(cst),
  };
}
function buildFn(ctx: BuildContext, cst: CstNode, doc: string | null): FnItem {
  const template = token(cst, "template");
  return {
    kind: "fn",
    fused: token(cst, "K_fused") !== undefined,
    name: ctx.ident(token(cst, "Id"), cst),
    signature: buildSignature(ctx, node(cst, "signature"), cst),
    by: template ? ctx.ident(template, cst) : null,
    body: buildBlock(ctx, node(cst, "block"), cst),
    doc,
    span: ctx.spanOf(cst),
  };
}
export function buildLeaf(ctx: BuildContext, cst: CstNode): LeafDecl {
  const init = node(cst, "expr");
  const when = node(cst, "when");
  return {
    kind: "leaf",
    role: token(cst, "role")?.image === "param" ? "param" : "state",
    name: ctx.ident(token(cst, "Id"), cst),
    type: buildType(ctx, node(cst, "type"), cst),
    init: init ? buildExpr(ctx, init, cst) : null,
    when: when ? buildExpr(ctx, node(when, "expr"), when) : null,
    span: ctx.spanOf(cst),
  };
}
function buildMember(ctx: BuildContext, cst: CstNode): ModuleMember | undefined {
  const part = node(cst, "part");
  if (part) {
    const when = node(part, "when");
    const names = tokens(part, "name").map((name) => ctx.ident(name, part));
    return {
      kind: "part",
      path: names.length > 0 ? names : [ctx.ident(undefined, part)],
      value: buildExpr(ctx, node(part, "expr"), part),
      when: when ? buildExpr(ctx, node(when, "expr"), when) : null,
      span: ctx.spanOf(part),
    };
  }
  const leaf = node(cst, "leaf");
  if (leaf) return buildLeaf(ctx, leaf);
  const forward = node(cst, "forward");
  if (forward) {
    return {
      kind: "forward",
      signature: buildSignature(ctx, node(forward, "signature"), forward),
      body: buildBlock(ctx, node(forward, "block"), forward),
      span: ctx.spanOf(forward),
    };
  }
  const fn = node(cst, "fnItem");
  return fn ? buildFn(ctx, fn, ctx.docBefore(ctx.spanOf(fn).start)) : undefined;
}
export function buildModel(ctx: BuildContext, cst: CstNode, doc: string | null): ModelItem {
  const optional = (label: string) => {
    const found = node(cst, label);
    return found ? buildExpr(ctx, found, cst) : null;
  };
  const keys = token(cst, "keys");
  const mode = token(cst, "mode")?.image;
  return {
    kind: "model",
    name: ctx.ident(token(cst, "Id"), cst),
    value: optional("value"),
    from: optional("from"),
    keys: keys ? ctx.ident(keys, cst) : null,
    surgery: optional("surgery"),
    mode: mode === "frozen" || mode === "trained" ? mode : null,
    doc,
    span: ctx.spanOf(cst),
  };
}
export function buildConst(ctx: BuildContext, cst: CstNode, doc: string | null): Extract<Item, { kind: "const" }> {
  const type = node(cst, "type");
  return {
    kind: "const",
    name: ctx.ident(token(cst, "Id"), cst),
    type: type ? buildType(ctx, type, cst) : null,
    value: buildExpr(ctx, node(cst, "expr"), cst),
    doc,
    span: ctx.spanOf(cst),
  };
}

/** One row per item rule of the grammar. */
export const itemBuilders: Readonly<Record<string, ItemBuilder>> = {
  importItem: (ctx, cst, doc) => {
    const from = token(cst, "Text");
    const span = ctx.spanOf(cst);
    if (!from) return { kind: "errorItem", doc, span };
    const names = nodes(cst, "importName").map((one) => {
      const alias = token(one, "alias");
      return { name: ctx.ident(token(one, "Id"), one), as: alias ? ctx.ident(alias, one) : null };
    });
    return { kind: "import", host: token(cst, "K_host") !== undefined, names, from: buildText(ctx, from), doc, span };
  },
  typeItem: (ctx, cst, doc) => ({
    kind: "type",
    name: ctx.ident(token(cst, "Id"), cst),
    type: buildType(ctx, node(cst, "type"), cst),
    doc,
    span: ctx.spanOf(cst),
  }),
  constItem: buildConst,
  fnItem: buildFn,
  lossItem: (ctx, cst, doc) => ({
    kind: "loss",
    name: ctx.ident(token(cst, "Id"), cst),
    signature: buildSignature(ctx, node(cst, "signature"), cst),
    body: buildBlock(ctx, node(cst, "block"), cst),
    doc,
    span: ctx.spanOf(cst),
  }),
  moduleItem: (ctx, cst, doc) => ({
    kind: "module",
    name: ctx.ident(token(cst, "Id"), cst),
    params: buildParams(ctx, node(cst, "params")),
    members: nodes(cst, "moduleMember").flatMap((one) => buildMember(ctx, one) ?? []),
    doc,
    span: ctx.spanOf(cst),
  }),
  modelItem: buildModel,
  stateItem: (ctx, cst, doc) => ({
    kind: "stateItem",
    name: ctx.ident(token(cst, "Id"), cst),
    type: buildType(ctx, node(cst, "type"), cst),
    args: buildArgs(ctx, node(cst, "args")),
    doc,
    span: ctx.spanOf(cst),
  }),
  keysItem: (ctx, cst, doc) => {
    const under = token(cst, "Text");
    const rules = nodes(cst, "keyRule").flatMap((rule) => {
      const template = token(rule, "Text");
      const as = token(rule, "Pattern");
      if (!template) return [];
      return [
        {
          path: buildPartPath(ctx, node(rule, "partPath"), rule),
          template: buildText(ctx, template),
          as: as ? buildPattern(ctx, as) : null,
          span: ctx.spanOf(rule),
        },
      ];
    });
    return {
      kind: "keys",
      name: ctx.ident(token(cst, "Id"), cst),
      for: ctx.ident(token(cst, "target"), cst),
      under: under ? buildText(ctx, under) : null,
      rules,
      doc,
      span: ctx.spanOf(cst),
    };
  },
  surgeryItem: (ctx, cst, doc) => ({
    kind: "surgery",
    name: ctx.ident(token(cst, "Id"), cst),
    params: buildParams(ctx, node(cst, "params")),
    for: ctx.ident(token(cst, "target"), cst),
    rules: nodes(cst, "surgeryRule").map((rule) => ({
      path: buildPartPath(ctx, node(rule, "partPath"), rule),
      value: buildExpr(ctx, node(rule, "expr"), rule),
      span: ctx.spanOf(rule),
    })),
    doc,
    span: ctx.spanOf(cst),
  }),
  ...programBuilders,
};
