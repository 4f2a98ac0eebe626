import type { Instance } from "./instance.ts";
import type { Session } from "./session.ts";
import type { AxisItem, Val } from "./values.ts";

// Names in force at one place. Scopes are never changed after they are made (a `let` makes a child), so what a closure sees is what stood
// above it. Three kinds of name live side by side: values, sizes (`h` of `real[h, w]`) and rows (`...b`).

const callable: ReadonlySet<Val["kind"]> = new Set([
  "builtin",
  "function",
  "closure",
  "module",
  "instance",
  "scheduleItem",
  "schedule",
  "optimizer",
  "surgery",
  "dataset",
  "promptItem",
  "tableMethod",
  "transform",
]);

export interface ScopeContent {
  readonly values?: ReadonlyMap<string, Val>;
  readonly sizes?: ReadonlyMap<string, number>;
  readonly rows?: ReadonlyMap<string, readonly AxisItem[]>;
  /** Sizes of axes that a named value has: they count where nothing else has the name. */
  readonly axisSizes?: ReadonlyMap<string, number>;
  /** Names that are made when first asked for: items of a file, parts of a module. */
  readonly resolve?: (name: string) => Val | undefined;
  readonly resolveSize?: (name: string) => number | undefined;
  /** Sizes that this place has and that no use has solved yet. */
  readonly isOpenSize?: (name: string) => boolean;
  /** Whose body this is: taps in it belong to this part. */
  readonly owner?: () => Instance;
  /** For «did you mean»: what `resolve` knows. */
  readonly names?: () => Iterable<string>;
}

export class Scope {
  readonly session: Session;
  readonly parent: Scope | null;
  readonly content: ScopeContent;

  constructor(session: Session, parent: Scope | null, content: ScopeContent) {
    this.session = session;
    this.parent = parent;
    this.content = content;
  }

  child(content: ScopeContent): Scope {
    return new Scope(this.session, this, content);
  }

  /** A child in which `name` stands for `value`. */
  with(name: string, value: Val): Scope {
    return this.child({ values: new Map([[name, value]]) });
  }

  /** What `name` stands for; a size is a number where no value hides it. */
  lookup(name: string): Val | undefined {
    for (let scope: Scope | null = this; scope; scope = scope.parent) {
      const { values, sizes, resolve, resolveSize } = scope.content;
      const value = values?.get(name);
      if (value !== undefined) return value;
      const size = sizes?.get(name) ?? resolveSize?.(name);
      if (size !== undefined) return { kind: "number", value: size };
      const made = resolve?.(name);
      if (made !== undefined) return made;
    }
    const size = this.axisSize(name);
    return size === undefined ? undefined : { kind: "number", value: size };
  }

  /** The nearest thing of that name that can be called: a number does not hide a function. */
  lookupCallable(name: string): Val | undefined {
    for (let scope: Scope | null = this; scope; scope = scope.parent) {
      const made = scope.content.values?.get(name) ?? scope.content.resolve?.(name);
      if (made !== undefined && callable.has(made.kind)) return made;
    }
    return undefined;
  }

  private axisSize(name: string): number | undefined {
    for (let scope: Scope | null = this; scope; scope = scope.parent) {
      const size = scope.content.axisSizes?.get(name);
      if (size !== undefined) return size;
    }
    return undefined;
  }

  /** The size called `name`, even where a value of that name hides it; else a number of that name. */
  lookupSize(name: string): number | undefined {
    for (let scope: Scope | null = this; scope; scope = scope.parent) {
      const { sizes, values, resolve, resolveSize } = scope.content;
      const size = sizes?.get(name) ?? resolveSize?.(name);
      if (size !== undefined) return size;
      const value = values?.get(name) ?? resolve?.(name);
      if (value !== undefined) {
        if (value.kind === "number") return value.value;
        if (values?.has(name) === true && value.kind !== "tensor" && value.kind !== "list") return undefined;
      }
    }
    return this.axisSize(name);
  }

  /** Whether a name that stands for nothing yet is a size waiting to be solved from use. */
  isOpenSize(name: string): boolean {
    for (let scope: Scope | null = this; scope; scope = scope.parent) if (scope.content.isOpenSize?.(name)) return true;
    return false;
  }

  /** The part of a model whose body this is. */
  owner(): Instance | undefined {
    for (let scope: Scope | null = this; scope; scope = scope.parent) if (scope.content.owner) return scope.content.owner();
    return undefined;
  }

  row(name: string): readonly AxisItem[] | undefined {
    for (let scope: Scope | null = this; scope; scope = scope.parent) {
      const row = scope.content.rows?.get(name);
      if (row !== undefined) return row;
    }
    return undefined;
  }

  /** Every name in force, the nearest first. */
  *names(): Iterable<string> {
    for (let scope: Scope | null = this; scope; scope = scope.parent) {
      yield* scope.content.values?.keys() ?? [];
      yield* scope.content.sizes?.keys() ?? [];
      yield* scope.content.names?.() ?? [];
    }
  }
}
