import type {
  DatasetItem,
  EvaluateItem,
  Ident,
  Item,
  Mix,
  ModelItem,
  ModuleItem,
  OptimizerItem,
  PartDecl,
  PropertyItem,
  Setting,
  Signature,
  TrainItem,
} from "../ast.ts";
import { templates } from "../builtins.ts";
import { didYouMean } from "../nearest.ts";
import type { Binding, NamedItem } from "./binding.ts";
import type { NameContext } from "./context.ts";
import { bindLocal, resolveArg, resolveExpr, resolvePath } from "./expressions.ts";
import { isNumberLike, Scope } from "./scope.ts";
import { resolveBlock, resolveStatement, resolveStatements } from "./statements.ts";
import { bindParams, collectSizes, ownSizes, resolveParams, resolveSignature, resolveType, shared } from "./types.ts";

/** Resolves the names inside an item; `scope` holds the names of the file. */
export function resolveItem(ctx: NameContext, item: Item, scope: Scope): void {
  switch (item.kind) {
    case "import":
    case "prompt":
    case "grammar":
    case "precision":
    case "errorItem":
      return;
    case "type": {
      const inner = new Scope(scope);
      collectSizes([item.type], inner, shared);
      resolveType(ctx, item.type, inner);
      return;
    }
    case "const":
      if (item.type) resolveType(ctx, item.type, scope);
      resolveExpr(ctx, item.value, scope);
      return;
    case "fn":
      if (item.by && !templates.includes(item.by.name)) {
        ctx.report(
          "name/unknown",
          item.by.span,
          { name: item.by.name },
          { help: didYouMean(item.by.name, templates) ?? `templates are ${templates.join(", ")}` },
        );
      }
      resolveFunction(ctx, item, scope);
      return;
    case "loss":
      resolveFunction(ctx, item, scope);
      return;
    case "module":
      resolveModule(ctx, item, scope);
      return;
    case "model":
      resolveModel(ctx, item, scope);
      return;
    case "stateItem":
      collectAndResolve(ctx, item, scope);
      return;
    case "keys":
      useItem(ctx, item.for, scope, ["module"], "a module");
      return;
    case "surgery": {
      const inner = new Scope(scope);
      bindParams(ctx, item.params, inner);
      collectSizes(
        item.params.map((param) => param.type),
        inner,
        shared,
      );
      resolveParams(ctx, item.params, inner);
      useItem(ctx, item.for, scope, ["module"], "a module");
      for (const rule of item.rules) {
        resolvePath(ctx, rule.path, inner);
        resolveExpr(ctx, rule.value, inner);
      }
      return;
    }
    case "dataset":
      resolveDataset(ctx, item, scope);
      return;
    case "schedule": {
      const inner = new Scope(scope);
      bindParams(ctx, item.params, inner);
      resolveParams(ctx, item.params, inner);
      for (const span of item.spans) {
        resolveExpr(ctx, span.value, inner);
        if (span.length) resolveExpr(ctx, span.length, inner);
      }
      return;
    }
    case "step": {
      const inner = new Scope(scope, "step");
      useItem(ctx, item.dataset, scope, ["dataset"], "a data set");
      bindLocal(ctx, item.batch, inner);
      resolveBlock(ctx, item.body, inner);
      return;
    }
    case "optimizer":
      resolveOptimizer(ctx, item, scope);
      return;
    case "train":
      resolveTrain(ctx, item, scope);
      return;
    case "evaluate":
      resolveEvaluate(ctx, item, scope);
      return;
    case "test":
      resolveBlock(ctx, item.body, scope);
      return;
    case "property":
      resolveProperty(ctx, item, scope);
      return;
    case "gradcheck":
      resolveExpr(ctx, item.value, scope);
      return;
    default:
      item satisfies never;
  }
}

function resolveFunction(
  ctx: NameContext,
  fn: { readonly signature: Signature; readonly body: Parameters<typeof resolveBlock>[1] },
  scope: Scope,
  isFresh = shared,
): void {
  const inner = new Scope(scope);
  resolveSignature(ctx, fn.signature, inner, isFresh);
  resolveBlock(ctx, fn.body, inner);
}

/** A name that must be an item of certain kinds. */
function useItem(ctx: NameContext, node: Ident, scope: Scope, kinds: readonly NamedItem["kind"][], expected: string): void {
  const found = ctx.use(node, scope.value(node.name), scope);
  if (found && !(found.kind === "item" && kinds.includes(found.item.kind))) ctx.wrongKind(node, found, expected);
}

// ---- modules -------------------------------------------------------------------------------------------------------------------
/** Parts, leaves and functions see each other in any order; the sizes of leaves and of `forward` are sizes of the module. */
function resolveModule(ctx: NameContext, item: ModuleItem, scope: Scope): void {
  const params = new Scope(scope);
  bindParams(ctx, item.params, params);
  resolveParams(ctx, item.params, params);
  const body = new Scope(params);
  const seen = new Map<string, Ident>();
  bindParts(ctx, item, body);
  for (const member of item.members) {
    if (member.kind === "leaf") {
      ctx.isFirst(seen, member.name);
      bindDeclared(ctx, member.name, { kind: "leaf", leaf: member }, body);
    } else if (member.kind === "fn") {
      ctx.isFirst(seen, member.name);
      bindDeclared(ctx, member.name, { kind: "method", fn: member }, body);
    } else if (member.kind === "part" && member.path.length === 1) ctx.isFirst(seen, member.path[0]!);
  }
  // `forward` shares its sizes with the parts and leaves; another function's sizes are its own unless a leaf has them.
  const leafSizes = new Scope(body);
  const leafTypes = item.members.flatMap((member) => (member.kind === "leaf" ? [member.type] : []));
  collectSizes(leafTypes, leafSizes, shared);
  const sizes = new Scope(leafSizes);
  for (const member of item.members) {
    if (member.kind !== "forward") continue;
    // `forward(n: Int, x: real[n])`: `n` is that number.
    const numbers = member.signature.params.filter((param) => isNumberLike({ kind: "param", param })).map((param) => param.name.name);
    collectSizes([...member.signature.params.map((param) => param.type), member.signature.result], sizes, shared, new Set(numbers));
  }
  for (const member of item.members) {
    switch (member.kind) {
      case "part":
        resolveExpr(ctx, member.value, sizes);
        if (member.when) resolveExpr(ctx, member.when, sizes);
        break;
      case "leaf":
        resolveType(ctx, member.type, sizes);
        if (member.init) resolveExpr(ctx, member.init, sizes);
        if (member.when) resolveExpr(ctx, member.when, sizes);
        break;
      case "forward":
        resolveFunction(ctx, member, sizes);
        break;
      case "fn":
        resolveFunction(ctx, member, leafSizes);
        break;
      default:
        member satisfies never;
    }
  }
}
function bindDeclared(ctx: NameContext, name: Ident, binding: Binding, scope: Scope): void {
  scope.bind(name.name, binding);
  ctx.set(name, binding);
}
function bindParts(ctx: NameContext, item: ModuleItem, scope: Scope): void {
  const groups = new Map<string, PartDecl[]>();
  const whole = new Map<string, Ident>();
  for (const member of item.members) {
    if (member.kind !== "part") continue;
    const first = member.path[0]!;
    const text = member.path.map((segment) => segment.name).join(".");
    if (member.path.length > 1) ctx.isFirst(whole, { ...first, name: text });
    if (member.path.length === 1) bindDeclared(ctx, first, { kind: "part", part: member }, scope);
    else groups.set(first.name, [...(groups.get(first.name) ?? []), member]);
  }
  for (const [name, parts] of groups) {
    const binding: Binding = { kind: "partGroup", name, parts };
    scope.bind(name, binding);
    for (const part of parts) ctx.set(part.path[0]!, binding);
  }
}

// ---- models and states ---------------------------------------------------------------------------------------------------------
function resolveModel(ctx: NameContext, item: ModelItem, scope: Scope): void {
  if (item.value) resolveExpr(ctx, item.value, scope);
  if (item.from) resolveExpr(ctx, item.from, scope);
  if (item.keys) useItem(ctx, item.keys, scope, ["keys"], "a `keys` block");
  if (item.surgery) resolveExpr(ctx, item.surgery, scope);
}
function collectAndResolve(ctx: NameContext, item: Extract<Item, { kind: "stateItem" }>, scope: Scope): void {
  const inner = new Scope(scope);
  collectSizes([item.type], inner, shared);
  resolveType(ctx, item.type, inner);
  // `key: Text` is a type and `evict: random` a word of tables.
  for (const arg of item.args) if (arg.name?.name !== "key" && arg.name?.name !== "evict") resolveArg(ctx, arg, "value", inner);
}

// ---- data ----------------------------------------------------------------------------------------------------------------------
function resolveDataset(ctx: NameContext, item: DatasetItem, scope: Scope): void {
  const inner = new Scope(scope, "dataset");
  bindParams(ctx, item.params, inner);
  resolveParams(ctx, item.params, inner);
  const seen = new Map<string, Ident>();
  const fields = new Scope(inner);
  for (const member of item.members) {
    if (member.kind !== "fieldDecl" && member.kind !== "letMember") continue;
    ctx.isFirst(seen, member.name);
    bindDeclared(ctx, member.name, { kind: "datasetField", member }, fields);
  }
  for (const member of item.members) {
    switch (member.kind) {
      case "source":
        resolveExpr(ctx, member.value, inner);
        if (member.when) resolveExpr(ctx, member.when, inner);
        break;
      case "order":
      case "letMember":
        resolveExpr(ctx, member.value, fields);
        break;
      case "fieldDecl": {
        const own = new Scope(fields);
        collectSizes([member.type], own, shared);
        resolveType(ctx, member.type, own);
        // A field may be made from an outer value of the same name: `field subject: Text = subject`.
        resolveExpr(ctx, member.value, withoutField(fields, inner, member.name.name));
        break;
      }
      default:
        member satisfies never;
    }
  }
}
/** A field's own name means what it meant outside. */
function withoutField(fields: Scope, outer: Scope, name: string): Scope {
  const scope = new Scope(fields);
  const before = outer.value(name);
  if (before) scope.bind(name, before);
  return scope;
}

// ---- optimisers, training, evaluation ------------------------------------------------------------------------------------------
function resolveOptimizer(ctx: NameContext, item: OptimizerItem, scope: Scope): void {
  const inner = new Scope(scope, "optimizer");
  bindParams(ctx, item.params, inner);
  resolveParams(ctx, item.params, inner);
  const seen = new Map<string, Ident>();
  for (const leaf of item.states) {
    ctx.isFirst(seen, leaf.name);
    bindDeclared(ctx, leaf.name, { kind: "leaf", leaf }, inner);
  }
  collectSizes(
    item.states.map((leaf) => leaf.type),
    inner,
    shared,
  );
  const body = new Scope(inner);
  resolveSignature(ctx, item.signature, body);
  // A state may begin as the parameters: `state start: f32[n] = p`.
  for (const leaf of item.states) {
    resolveType(ctx, leaf.type, body);
    if (leaf.init) resolveExpr(ctx, leaf.init, body);
  }
  resolveBlock(ctx, item.body, body);
}

function resolveTrain(ctx: NameContext, item: TrainItem, scope: Scope): void {
  const inner = new Scope(scope, "train");
  if (item.like) useItem(ctx, item.like, scope, ["train"], "a `train` block");
  const seen = new Map<string, Ident>();
  for (const setting of item.settings) resolveSetting(ctx, setting, inner, seen);
}
function resolveSetting(ctx: NameContext, setting: Setting, scope: Scope, seen: Map<string, Ident>): void {
  switch (setting.kind) {
    case "model":
      ctx.isFirst(seen, setting.name);
      resolveModel(ctx, setting, scope);
      return;
    case "const":
      ctx.isFirst(seen, setting.name);
      if (setting.type) resolveType(ctx, setting.type, scope);
      resolveExpr(ctx, setting.value, scope);
      return;
    case "precision":
    case "accumulate":
    case "compat":
    case "remat":
      return;
    case "dataSetting":
      ctx.isFirst(seen, setting.name);
      resolveExpr(ctx, setting.value, scope);
      return;
    case "numberSetting":
      resolveExpr(ctx, setting.value, scope);
      return;
    case "every":
      if (setting.value) resolveExpr(ctx, setting.value, scope);
      return;
    case "optimizerSetting":
      resolveExpr(ctx, setting.value, scope);
      for (const group of setting.groups) {
        resolvePath(ctx, group.path, scope);
        for (const arg of group.args) resolveArg(ctx, arg, "value", scope);
      }
      return;
    case "eachStep":
      resolveMix(ctx, setting.mix, scope);
      return;
    default:
      setting satisfies never;
  }
}
function resolveMix(ctx: NameContext, mix: Mix, scope: Scope): void {
  if (mix.kind === "mixEvery") {
    resolveMix(ctx, mix.mix, scope);
    resolveMix(ctx, mix.otherwise, scope);
    return;
  }
  for (const choice of mix.choices) {
    if (choice.weight) resolveExpr(ctx, choice.weight, scope);
    useItem(ctx, choice.step, scope, ["step"], "a step");
  }
}

/** Models and data of an `evaluate` block are known to what stands behind them. */
function resolveEvaluate(ctx: NameContext, item: EvaluateItem, scope: Scope): void {
  const inner = new Scope(scope, "evaluate");
  for (const member of item.members) {
    switch (member.kind) {
      case "model":
        resolveModel(ctx, member, inner);
        bindDeclared(ctx, member.name, { kind: "item", file: member.name.span.file, item: member }, inner);
        break;
      case "dataMember":
        resolveExpr(ctx, member.value, inner);
        bindLocal(ctx, member.name, inner);
        break;
      case "seedMember":
      case "report":
        break;
      default:
        resolveStatement(ctx, member, inner);
    }
  }
}

function resolveProperty(ctx: NameContext, item: PropertyItem, scope: Scope): void {
  const inner = new Scope(scope);
  const seen = new Map<string, Ident>();
  collectSizes(
    item.forall.map((one) => one.type),
    inner,
    ownSizes,
  );
  for (const one of item.forall) {
    resolveType(ctx, one.type, inner);
    if (one.in) resolveExpr(ctx, one.in, inner);
    ctx.isFirst(seen, one.name);
    bindLocal(ctx, one.name, inner);
  }
  resolveStatements(ctx, item.body, inner);
}
