import type { Expr, Item } from "../ast.ts";
import type { Diagnostic } from "../diagnostic.ts";
import { type DiagnosticArguments, type DiagnosticCode, type DiagnosticExtra, diagnose } from "../diagnostics.ts";
import type { Program } from "../program.ts";
import type { Span } from "../span.ts";
import { anySize, type Size, substituteSize, variablesOf } from "../types/size.ts";
import { type AxisItem, mapType, type Type, unknownType, weightOf } from "../types/type.ts";
import { Unifier } from "../types/unify.ts";

// What one check of a program shares: the unifier, what was found, the types of expressions, and the items of all files.

/** An item and the file it stands in; its names are resolved from there. */
export interface Place {
  readonly item: Item;
  readonly file: string;
}

// One evaluation is one expression under one set of argument types. Bodies of functions that take axes or functions are looked at once per
// call, so their number is bounded here; beyond it everything is unknown and nothing more is said.
const mostEvaluations = 400_000;
const deepestNesting = 90;
const mostWeight = 4_000;
const mostExpansions = 20_000;
const deepestAlias = 8;

interface FirstUse {
  readonly name: string;
  readonly module: string;
  readonly span: Span | null;
}

/** A `Dim` that a module's arguments leave out. */
export interface LeftOut {
  readonly name: string;
  readonly callee: string;
  readonly span: Span;
  readonly declared: Span;
}

export class Session {
  readonly program: Program;
  readonly unifier = new Unifier();
  readonly types = new Map<Expr, Type>();
  /** Type aliases being written out. */
  readonly aliases = new Set<object>();
  #expansions = 0;
  /** Whether another type alias may be written out here. */
  mayExpand(item: object): boolean {
    return !this.aliases.has(item) && this.aliases.size < deepestAlias && ++this.#expansions < mostExpansions;
  }
  readonly #found = new Map<string, Diagnostic>();
  readonly #items = new Map<string, ReadonlyMap<string, Place>>();
  readonly #memo = new Map<object, Map<string, unknown>>();
  #muted = 0;
  #evaluations = 0;
  #depth = 0;

  constructor(program: Program) {
    this.program = program;
    for (const [id, file] of program.files) {
      const items = new Map<string, Place>();
      for (const item of file.ast.items)
        if ("name" in item && item.name && !items.has(item.name.name)) items.set(item.name.name, { item, file: id });
      this.#items.set(id, items);
    }
    for (const [id, file] of program.files) {
      const items = new Map(this.#items.get(id)!);
      for (const [statement, target] of file.imports) {
        for (const { name, as } of statement.names) {
          const place = this.#items.get(target)?.get(name.name);
          if (place && !items.has((as ?? name).name)) items.set((as ?? name).name, place);
        }
      }
      this.#items.set(id, items);
    }
  }

  /** The item that a name means in a file: its own, an imported one, or one of the prelude. */
  lookup(file: string, name: string): Place | undefined {
    const { prelude } = this.program;
    return this.#items.get(file)?.get(name) ?? (prelude === null ? undefined : this.#items.get(prelude)?.get(name));
  }

  /** The names that a file defines or imports. */
  namesOf(file: string): string[] {
    return [...(this.#items.get(file)?.keys() ?? [])];
  }
  get diagnostics(): Diagnostic[] {
    return [...this.#found.values()];
  }
  /** Reports once per code and place, however often the place is looked at. */
  report<C extends DiagnosticCode>(code: C, span: Span, args: DiagnosticArguments<C>, extra: DiagnosticExtra = {}): void {
    if (this.#muted > 0) {
      if (this.#collected && this.#collected.first === null) this.#collected.first = diagnose(code, span, args, extra);
      return;
    }
    const key = `${code} ${span.file} ${span.start} ${span.end}`;
    if (this.#found.has(key) || this.isBroken(span)) return;
    this.#found.set(key, diagnose(code, span, args, extra));
  }
  readonly #broken: Span[] = [];
  /** Text that could not be read whole: nothing is said about what is in it. */
  markBroken(span: Span): void {
    this.#broken.push(span);
    for (const [key, { span: at }] of this.#found) if (this.isBroken(at)) this.#found.delete(key);
  }
  /** Whether a place lies in such text. */
  isBroken(span: Span): boolean {
    return this.#broken.some((b) => b.file === span.file && b.start <= span.start && span.end <= b.end);
  }
  /** The type that was found for an expression, with everything solved. */
  typeOf(expr: Expr): Type | undefined {
    const type = this.types.get(expr);
    if (!type) return undefined;
    // What nothing has settled by now is not known.
    const size = (s: Size) => substituteSize(s, { variable: (v) => (v.kind === "open" ? anySize() : undefined) });
    return mapType(this.unifier.type(type), { size, row: (row) => [{ kind: "row", row }] });
  }
  /** The text of a span in one line, for a message; a long one is left out. */
  textOf(span: Span): string {
    const text = (this.program.files.get(span.file)?.text ?? "").slice(span.start, span.end).replace(/\s+/g, " ");
    return text.length === 0 || text.length > 40 ? "…" : text;
  }
  /** Looks at a branch that is never taken here: nothing is said about it, not even in the call. */
  ignoring<T>(run: () => T): T {
    const outer = this.#collected;
    this.#collected = null;
    try {
      return this.quietly(run);
    } finally {
      this.#collected = outer;
    }
  }
  /** Runs without reporting or recording: the same text is reported where it stands. */
  quietly<T>(run: () => T): T {
    this.#muted++;
    try {
      return run();
    } finally {
      this.#muted--;
    }
  }
  #collected: { first: Diagnostic | null } | null = null;
  /** Runs quietly, and gives the first mistake there was. */
  tentatively<T>(run: () => T): { readonly value: T; readonly mistake: Diagnostic | null } {
    const outer = this.#collected;
    const inner: { first: Diagnostic | null } = { first: null };
    this.#collected = inner;
    try {
      return { value: this.quietly(run), mistake: inner.first };
    } finally {
      this.#collected = outer;
    }
  }
  /** True when something was reported inside of a stretch of text. */
  hasFoundIn(span: Span): boolean {
    return [...this.#found.values()].some(({ span: at }) => at.file === span.file && at.start >= span.start && at.end <= span.end);
  }
  /** Reports a mistake that arises in a callee with the types of this call, at the call. */
  reportInCall(mistake: Diagnostic, span: Span, callee: string): void {
    const inside = { span: mistake.span, label: `in \`${callee}\`${mistake.label === undefined ? "" : `: ${mistake.label}`}` };
    const key = `${mistake.code} ${span.file} ${span.start} ${span.end}`;
    const moved: Diagnostic = { ...mistake, span, label: "in this call", related: [inside, ...mistake.related.slice(0, 1)] };
    if (this.#muted > 0) {
      if (this.#collected && this.#collected.first === null) this.#collected.first = moved;
    } else if (!this.#found.has(key) && !this.isBroken(span)) this.#found.set(key, moved);
  }
  /** Runs with reporting on, also when asked for from a quiet place: what is computed once is reported once. */
  loudly<T>(run: () => T): T {
    const [muted, collected] = [this.#muted, this.#collected];
    [this.#muted, this.#collected] = [0, null];
    try {
      return run();
    } finally {
      [this.#muted, this.#collected] = [muted, collected];
    }
  }
  get isQuiet(): boolean {
    return this.#muted > 0;
  }
  readonly #uses = new Map<string, FirstUse>();
  /** Remembers which variables belong to an instance of a module, so that a second use of another size can name the first. */
  watchUse(id: string, name: string, module: string): void {
    this.#uses.set(id, { name, module, span: null });
  }
  /** Says where an instance's size was settled, if it was just now. */
  noteUses(span: Span): void {
    for (const [id, use] of this.#uses) if (use.span === null && this.unifier.isSolved(id)) this.#uses.set(id, { ...use, span });
  }
  /** The use that settled the size of an instance; nothing for other sizes. */
  firstUse(size: Size): (FirstUse & { readonly span: Span }) | undefined {
    for (const { id } of variablesOf(size)) {
      const use = this.#uses.get(id);
      if (use?.span) return { ...use, span: use.span };
    }
    return undefined;
  }
  readonly #rowsOfCalls = new Map<string, ReadonlyMap<string, readonly AxisItem[]>>();
  /** Remembers what the rows of a called model's forward stand for. */
  noteRows(span: Span, rows: ReadonlyMap<string, readonly AxisItem[]>): void {
    this.#rowsOfCalls.set(`${span.file} ${span.start} ${span.end}`, rows);
  }
  /** What they stood for when the call was last looked at. */
  rowsOfCall(span: Span): ReadonlyMap<string, readonly AxisItem[]> {
    return this.#rowsOfCalls.get(`${span.file} ${span.start} ${span.end}`) ?? new Map();
  }
  readonly #ownRows = new Set<object>();
  /** Remembers that a module is called with other leading axes than the module around it has. */
  noteOwnRows(item: object): void {
    this.#ownRows.add(item);
  }
  hasOwnRows(item: object): boolean {
    return this.#ownRows.has(item);
  }
  readonly #leftOut = new Map<string, LeftOut>();
  /** Remembers a size that a call leaves out, to be asked for when everything has been looked at. */
  noteLeftOut(id: string, leftOut: LeftOut): void {
    this.#leftOut.set(id, leftOut);
  }
  /** Nothing is claimed any more of what a size is: a use of it is not followed. */
  forgetLeftOut(id: string): void {
    this.#leftOut.delete(id);
  }
  /** The sizes left out that nothing has settled. */
  get leftOut(): LeftOut[] {
    const asked = new Set(
      this.unifier.obligations.flatMap(({ left, right }) => [...variablesOf(left), ...variablesOf(right)].map((v) => v.id)),
    );
    return [...this.#leftOut].flatMap(([id, one]) => (this.unifier.isSolved(id) || asked.has(id) ? [] : [one]));
  }
  record(expr: Expr, type: Type): Type {
    if (this.#muted === 0) this.types.set(expr, type);
    return type;
  }
  /** Runs one evaluation within the bounds of depth and number. */
  within(span: Span, run: () => Type): Type {
    if (++this.#evaluations > mostEvaluations || this.#depth >= deepestNesting) return unknownType;
    const { origin } = this.unifier;
    this.#depth++;
    this.unifier.origin = span;
    try {
      const type = run();
      return weightOf(type) > mostWeight ? unknownType : type;
    } finally {
      this.#depth--;
      this.unifier.origin = origin;
    }
  }
  /** True where there is room to look into another function on the way. */
  get isShallow(): boolean {
    return this.#depth < deepestNesting / 2;
  }
  /** A value computed once per key and node; while it is being computed it is `during`. */
  once<T>(node: object, question: string, during: T, compute: () => T): T {
    let answers = this.#memo.get(node);
    if (!answers) {
      answers = new Map();
      this.#memo.set(node, answers);
    }
    if (answers.has(question)) return answers.get(question) as T;
    answers.set(question, during);
    const answer = compute();
    answers.set(question, answer);
    return answer;
  }
}
