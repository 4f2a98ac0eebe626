import type { Ident, NameRef } from "../ast.ts";
import { builtins } from "../builtins.ts";
import type { Diagnostic } from "../diagnostic.ts";
import { type DiagnosticArguments, type DiagnosticCode, type DiagnosticExtra, diagnose } from "../diagnostics.ts";
import { foreignName } from "../foreignNames.ts";
import { meant } from "../nearest.ts";
import type { Span } from "../span.ts";
import { type Binding, bindingSpan, bindingWords } from "./binding.ts";
import type { Scope } from "./scope.ts";

export type NameNode = NameRef | Ident;

/** What the resolving functions of one file share. */
export class NameContext {
  readonly bindings: Map<NameNode, Binding>;
  readonly diagnostics: Diagnostic[] = [];
  /** Names that something reported elsewhere should have defined, or "any": using them is no second mistake. */
  private readonly lost: ReadonlySet<string> | "any";
  /** A name that is nowhere is one mistake, however often it is used in a file. */
  private readonly said = new Set<string>();
  private isQuiet = false;

  constructor(bindings: Map<NameNode, Binding>, lost: ReadonlySet<string> | "any") {
    this.bindings = bindings;
    this.lost = lost;
  }

  /** Begins an item; in one that could not be read whole nothing is reported. */
  startItem(isQuiet: boolean): void {
    this.isQuiet = isQuiet;
  }
  report<C extends DiagnosticCode>(code: C, span: Span, args: DiagnosticArguments<C>, extra?: DiagnosticExtra): void {
    if (!this.isQuiet) this.diagnostics.push(diagnose(code, span, args, extra));
  }
  set(node: NameNode, binding: Binding): void {
    this.bindings.set(node, binding);
  }
  /** Binds a use to what the scope has, or reports it once per item. */
  use(
    node: NameNode,
    found: Binding | undefined,
    scope: Scope,
    candidates: () => Iterable<string> = () => scope.valueNames(),
  ): Binding | undefined {
    if (found) this.set(node, found);
    else this.unknown(node, candidates);
    return found;
  }
  unknown(node: NameNode, candidates: () => Iterable<string>): void {
    if (this.isQuiet || node.name === "" || this.lost === "any" || this.lost.has(node.name) || this.said.has(node.name)) return;
    this.said.add(node.name);
    const places = builtins.get(node.name)?.places;
    const extra = places
      ? { help: `\`${node.name}\` exists only in ${places.map((place) => `\`${place}\``).join(", ")}` }
      : (foreignName(node.name, candidates(), node.span) ?? meant(node.name, candidates(), node.span));
    this.report("name/unknown", node.span, { name: node.name }, extra);
  }
  /** Reports a second definition in one list of names; true when it is the first. */
  isFirst(seen: Map<string, Ident>, name: Ident): boolean {
    const first = seen.get(name.name);
    if (name.name === "") return false;
    if (first)
      this.report("name/duplicate", name.span, { name: name.name }, { related: [{ span: first.span, label: "first defined here" }] });
    else seen.set(name.name, name);
    return first === undefined;
  }
  wrongKind(node: NameNode, binding: Binding, expected: string): void {
    const declared = bindingSpan(binding);
    const related = declared ? [{ span: declared, label: "defined here" }] : [];
    this.report("name/wrong-kind", node.span, { name: node.name, kind: bindingWords(binding), expected }, { related });
  }
}
