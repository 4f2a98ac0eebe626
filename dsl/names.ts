import type { File, Ident, Item, NameRef } from "./ast.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { diagnose } from "./diagnostics.ts";
import { type Binding, bindingSpan, type NamedItem } from "./names/binding.ts";
import { NameContext, type NameNode } from "./names/context.ts";
import { resolveItem } from "./names/items.ts";
import { moduleCycles } from "./names/moduleCycles.ts";
import { Scope } from "./names/scope.ts";
import { meant } from "./nearest.ts";
import type { Program, SourceFile, SourceFileId } from "./program.ts";

export { type Binding, bindingSpan, bindingWords, type NamedItem } from "./names/binding.ts";

// What every name stands for. In: a loaded program. Out: a side table from name nodes to bindings, and diagnostics for unknown, doubled and
// misplaced names. Invariant: a name that is reported has no binding; a name without a binding has been reported, here or by an earlier stage.

export interface Resolution {
  /** What a use or a declaration stands for. */
  readonly resolve: (node: NameRef | Ident) => Binding | undefined;
  /** What a file defines and imports, by name. */
  readonly names: (file: SourceFileId) => ReadonlyMap<string, Binding>;
}
export interface Resolved {
  readonly resolution: Resolution;
  readonly diagnostics: readonly Diagnostic[];
}

/** Resolves all files of a program. */
export function resolveNames(program: Program): Resolved {
  const bindings = new Map<NameNode, Binding>();
  const diagnostics: Diagnostic[] = [];
  const own = new Map([...program.files.values()].map((file) => [file.id, ownItems(file, diagnostics, bindings)] as const));
  const names = new Map<SourceFileId, ReadonlyMap<string, Binding>>();
  const broken = brokenItems(program);
  const lostNames = new Map([...program.files.values()].map((file) => [file.id, lostIn(file)] as const));
  for (const file of program.files.values()) {
    const lost = new Set(lostNames.get(file.id));
    const visible = new Map([...own.get(file.id)!].map(([name, item]): [string, Binding] => [name, { kind: "item", file: file.id, item }]));
    bindImports(file, own, lostNames, visible, lost, bindings, diagnostics);
    names.set(file.id, visible);
    const prelude = program.prelude === null || program.prelude === file.id ? undefined : own.get(program.prelude);
    const library = new Scope();
    for (const [name, item] of prelude ?? []) library.bind(name, { kind: "item", file: program.prelude!, item });
    const scope = new Scope(library);
    for (const [name, binding] of visible) scope.bind(name, binding);
    const isBroken = (item: Item): boolean => broken.has(item);
    const losesAny = file.ast.items.some((item) => isBroken(item) && file.text.startsWith("import", item.span.start));
    const ctx = new NameContext(bindings, losesAny ? "any" : lost);
    for (const item of file.ast.items) {
      ctx.startItem(isBroken(item));
      resolveItem(ctx, item, scope);
    }
    diagnostics.push(...ctx.diagnostics);
  }
  diagnostics.push(...moduleCycles(program, (node) => bindings.get(node)));
  const order = new Map([...program.files.keys()].map((id, at) => [id, at] as const));
  diagnostics.sort((a, b) => order.get(a.span.file)! - order.get(b.span.file)! || a.span.start - b.span.start);
  const nothing: ReadonlyMap<string, Binding> = new Map();
  return { resolution: { resolve: (node) => bindings.get(node), names: (file) => names.get(file) ?? nothing }, diagnostics };
}

const isNamed = (item: Item): item is NamedItem => "name" in item;

function ownItems(file: SourceFile, diagnostics: Diagnostic[], bindings: Map<NameNode, Binding>): ReadonlyMap<string, NamedItem> {
  const items = new Map<string, NamedItem>();
  for (const item of file.ast.items) {
    if (!isNamed(item)) continue;
    bindings.set(item.name, { kind: "item", file: file.id, item });
    const first = items.get(item.name.name);
    if (first) diagnostics.push(duplicate(item.name, first.name));
    else items.set(item.name.name, item);
  }
  return items;
}
function duplicate(name: Ident, first: Ident): Diagnostic {
  return diagnose("name/duplicate", name.span, { name: name.name }, { related: [{ span: first.span, label: "first defined here" }] });
}

function bindImports(
  file: SourceFile,
  own: ReadonlyMap<SourceFileId, ReadonlyMap<string, NamedItem>>,
  lostNames: ReadonlyMap<SourceFileId, ReadonlySet<string>>,
  visible: Map<string, Binding>,
  lost: Set<string>,
  bindings: Map<NameNode, Binding>,
  diagnostics: Diagnostic[],
): void {
  for (const item of file.ast.items) {
    if (item.kind !== "import") continue;
    const target = file.imports.get(item);
    const offered = target === undefined ? undefined : own.get(target);
    for (const { name, as } of item.names) {
      const here = as ?? name;
      const found = offered?.get(name.name);
      if (target === undefined || found === undefined) {
        lost.add(here.name);
        // Whatever else that file has may be what was meant.
        for (const one of offered?.keys() ?? []) lost.add(one);
        if (offered && target !== undefined && name.name !== "" && !lostNames.get(target)?.has(name.name)) {
          const extra = meant(name.name, offered.keys(), name.span);
          diagnostics.push(diagnose("import/no-such-name", name.span, { path: item.from.value, name: name.name }, extra));
        }
        continue;
      }
      const binding: Binding = { kind: "item", file: target, item: found };
      bindings.set(name, binding);
      if (as) bindings.set(as, binding);
      const before = visible.get(here.name);
      if (before) {
        const first = bindingSpan(before);
        diagnostics.push(
          diagnose(
            "name/duplicate",
            here.span,
            { name: here.name },
            first ? { related: [{ span: first, label: "first defined here" }] } : {},
          ),
        );
      } else visible.set(here.name, binding);
    }
  }
}

/** Items with a syntax error in them, or behind them before the next: little can be said about what they mean. */
export function brokenItems({ files, diagnostics }: Program): ReadonlySet<Item> {
  const found = new Set<Item>();
  for (const { code, span } of diagnostics) {
    if (!code.startsWith("syntax/")) continue;
    const item = files.get(span.file)?.ast.items.findLast((one) => one.span.start <= span.start);
    if (item) found.add(item);
  }
  return found;
}

/** The names that items which could not be read would have defined. */
function lostIn({ ast, text }: { readonly ast: File; readonly text: string }): ReadonlySet<string> {
  const found = new Set<string>();
  for (const item of ast.items) {
    if (item.kind !== "errorItem") continue;
    const words = text.slice(item.span.start, item.span.start + 400).match(/[A-Za-z_]\w*/g) ?? [];
    for (const word of words.slice(0, 4)) found.add(word);
  }
  return found;
}
