import type { Item, KeysItem } from "../../dsl/ast.ts";
import type { Program, SourceFileId } from "../../dsl/program.ts";
import type { Span } from "../../dsl/span.ts";
import { builtinNames, isBuiltin } from "./builtins/table.ts";
import { evaluate } from "./expressions.ts";
import { fail } from "./failure.ts";
import type { Instance, ModelRoot } from "./instance.ts";
import { place } from "./modules.ts";
import { readGrammar } from "./prompts.ts";
import { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { sizeOf } from "./sizes.ts";
import { declareTable } from "./tableState.ts";
import { tableOf } from "./tables.ts";
import { type AxisItem, describe, number, type Val } from "./values.ts";

// The names of files: their own items, what they import, the prelude, the primitives. Items become values when first asked for.

type ConstItem = Extract<Item, { kind: "const" }>;
type ModelItem = Extract<Item, { kind: "model" }>;
type NamedItem = Extract<Item, { readonly name: { readonly name: string } }>;

/** What a `train` or `evaluate` block, or `--set`, puts in the place of a file's item. */
export interface Replacements {
  readonly items: Map<Item, { readonly item: ConstItem | ModelItem; readonly scope: Scope }>;
  readonly values: Map<Item, Val>;
  /** How a model without `frozen` or `trained` is taken. */
  readonly trainedByDefault: boolean;
  /** Nothing is trained at all. */
  readonly allFrozen: boolean;
}

export class Files {
  readonly program: Program;
  readonly session: Session;
  readonly replacements: Replacements;
  private readonly scopes = new Map<SourceFileId, Scope>();
  private readonly values = new Map<Item, Val>();
  private readonly resolving = new Set<Item>();
  readonly base: Scope;

  constructor(program: Program, session: Session, replacements: Replacements) {
    this.program = program;
    this.session = session;
    this.replacements = replacements;
    session.absoluteOf = (id) => program.files.get(id)?.absolute ?? id;
    const constants = new Map<string, Val>([
      ["inf", number(Number.POSITIVE_INFINITY)],
      ["pi", number(Math.PI)],
    ]);
    const primitives = new Scope(session, null, {
      values: constants,
      resolve: (name) => (isBuiltin(name) ? { kind: "builtin", name } : undefined),
      names: builtinNames,
    });
    this.base = program.prelude === null ? primitives : this.fileScope(program.prelude, primitives);
  }

  /** The scope of a file's items. */
  scope(id: SourceFileId): Scope {
    return id === this.program.prelude ? this.base : this.fileScope(id, this.base);
  }

  private fileScope(id: SourceFileId, parent: Scope): Scope {
    const known = this.scopes.get(id);
    if (known) return known;
    const items = this.itemsOf(id);
    const scope: Scope = new Scope(this.session, parent, {
      resolve: (name) => {
        const found = items.get(name);
        return found && this.value(found.item, found.file);
      },
      names: () => items.keys(),
    });
    this.scopes.set(id, scope);
    return scope;
  }

  private readonly itemTables = new Map<SourceFileId, ReadonlyMap<string, { readonly item: NamedItem; readonly file: SourceFileId }>>();

  /** The named items of a file, its own and the imported ones. */
  itemsOf(id: SourceFileId): ReadonlyMap<string, { readonly item: NamedItem; readonly file: SourceFileId }> {
    const known = this.itemTables.get(id);
    if (known) return known;
    const file = this.program.files.get(id)!;
    const table = new Map<string, { readonly item: NamedItem; readonly file: SourceFileId }>();
    for (const item of file.ast.items) {
      if (item.kind === "import") {
        const target = file.imports.get(item);
        if (target === undefined) continue;
        const theirs = this.itemsOf(target);
        for (const one of item.names) {
          const found = theirs.get(one.name.name);
          if (found) table.set((one.as ?? one.name).name, found);
        }
      } else if ("name" in item && !table.has(item.name.name)) table.set(item.name.name, { item, file: id });
    }
    this.itemTables.set(id, table);
    return table;
  }

  /** What an item stands for. Constants and models are made once. */
  value(item: NamedItem, file: SourceFileId): Val | undefined {
    const scope = this.scope(file);
    switch (item.kind) {
      case "fn":
      case "loss":
        return { kind: "function", item, scope, instance: null };
      case "module":
        return { kind: "module", item, scope };
      case "type":
        return { kind: "type", name: item.name.name, node: item.type, scope };
      case "schedule":
        return { kind: "scheduleItem", item, scope };
      case "optimizer":
        return { kind: "optimizer", item, scope, args: null, caller: scope, span: item.span };
      case "dataset":
        return { kind: "dataset", item, scope, bound: null };
      case "prompt":
        return { kind: "promptItem", item, scope };
      case "grammar":
        return this.once(item, () => ({ kind: "grammar", grammar: readGrammar(item, scope) }));
      case "stateItem":
        return this.once(item, () => declareTable(item, scope));
      case "const":
      case "model":
        return this.once(item, () => {
          const given = this.replacements.values.get(item);
          if (given) return given;
          const other = this.replacements.items.get(item);
          const used = other?.item ?? item;
          const usedScope = other ? other.scope : scope;
          return used.kind === "const" ? this.constant(used, usedScope) : this.model(used, item.kind === "model" ? item : null, usedScope);
        });
      case "surgery":
        return { kind: "surgery", item, scope, args: [], span: item.name.span };
      default:
        return undefined;
    }
  }

  private once(item: NamedItem, make: () => Val): Val {
    const known = this.values.get(item);
    if (known) return known;
    if (this.resolving.has(item)) fail("name/needs-itself", item.name.span, { name: item.name.name });
    this.resolving.add(item);
    try {
      const value = this.session.inBody("compile", [], make).value;
      this.values.set(item, value);
      return value;
    } finally {
      this.resolving.delete(item);
    }
  }

  constant(item: ConstItem, scope: Scope): Val {
    const value = evaluate(item.value, scope);
    const { type } = item;
    if (type?.kind !== "namedType" || type.axes === null || value.kind !== "list") return value;
    const axes = type.axes.map((axis): AxisItem => {
      if (axis.kind === "rowAxis") return fail("type/mismatch", axis.span, { found: "a row", expected: "axes with sizes" });
      return {
        name: axis.name?.name ?? (axis.value.kind === "name" ? axis.value.name : fail("shape/unnamed-axis", axis.span, {})),
        size: sizeOf(axis.value, scope),
      };
    });
    return tableOf(this.session, value, axes, item.value.span, type.name.name === "i32" ? "i32" : "f32");
  }

  /** A model: its module with a place of its own. What a replacement leaves out is the original's. */
  model(item: ModelItem, original: ModelItem | null, scope: Scope): Val {
    const name = item.name.name;
    const definition = item.value ?? original?.value ?? null;
    if (definition === null)
      fail("elaborate/missing-setting", item.span, { name: `model ${name}`, setting: "its module: `model encoder = Encoder()`" });
    const value = evaluate(definition, item.value ? scope : this.scope(definition.span.file));
    const first = firstInstance(value);
    if (!first) fail("type/mismatch", definition.span, { found: describe(value), expected: "a module with its arguments" });
    const mode = item.mode ?? original?.mode ?? null;
    const trained = !this.replacements.allFrozen && (mode === "trained" || (mode === null && this.replacements.trainedByDefault));
    place(value, name, trained, definition.span);
    const from = item.from ?? original?.from ?? null;
    const root: ModelRoot = {
      name,
      module: first.module.name.name,
      trained,
      from: from ? sourceOf(from, scope) : null,
      keys: this.keysOf(item, original),
      surgery: this.surgeryOf(item, original, first.module.name.name),
      value,
      span: item.span,
    };
    this.session.models.set(name, root);
    return value;
  }

  /** The `keys` block that a model names; another source than the original's has its own. */
  private keysOf(item: ModelItem, original: ModelItem | null): KeysItem | null {
    const name = item.keys ?? (item.from === null ? (original?.keys ?? null) : null);
    if (name === null) return null;
    const found = this.itemsOf(name.span.file).get(name.name);
    if (found?.item.kind !== "keys")
      fail("name/wrong-kind", name.span, {
        name: name.name,
        kind: found ? `a \`${found.item.kind}\`` : "nothing",
        expected: "a `keys` block",
      });
    return found.item;
  }

  /** What a model makes of its file's tensors; another source than the original's has its own. */
  private surgeryOf(item: ModelItem, original: ModelItem | null, module: string): ModelRoot["surgery"] {
    const expr = item.surgery ?? (item.from === null ? (original?.surgery ?? null) : null);
    if (expr === null) return null;
    const surgery = evaluate(expr, this.scope(expr.span.file));
    if (surgery.kind !== "surgery")
      fail("type/mismatch", expr.span, {
        found: describe(surgery),
        expected: "a `surgery` block: `surgery widen_kv` or `surgery widen_kv(noise: 0)`",
      });
    if (surgery.item.for.name !== module)
      fail("type/mismatch", expr.span, { found: `surgery of \`${surgery.item.for.name}\``, expected: `surgery of \`${module}\`` });
    return { ...surgery, span: expr.span };
  }
}

/** The module of a model, or of the first of a list of them. */
function firstInstance(value: Val): Instance | undefined {
  if (value.kind === "instance") return value.instance;
  if (value.kind !== "list") return undefined;
  for (const item of value.items) {
    const found = firstInstance(item);
    if (found) return found;
  }
  return undefined;
}

/** `from "weights/x.safetensors"` or `from round1`. */
function sourceOf(from: NonNullable<ModelItem["from"]>, scope: Scope): string {
  if (from.kind === "name") return from.name;
  const value = evaluate(from, scope);
  if (value.kind === "text") return value.value;
  fail("type/mismatch", from.span, { found: "this", expected: "a path, or the name of a `train` block" });
}

/** The item of one kind that a program's entry file defines or imports. */
export function findItem<K extends NamedItem["kind"]>(
  files: Files,
  kind: K,
  name: string,
): { readonly item: Extract<NamedItem, { kind: K }>; readonly file: SourceFileId } | undefined {
  const found = files.itemsOf(files.program.entry).get(name);
  return found?.item.kind === kind ? (found as { readonly item: Extract<NamedItem, { kind: K }>; readonly file: SourceFileId }) : undefined;
}

export function entrySpan(program: Program): Span {
  return { file: program.entry, start: 0, end: 0 };
}
