import { builtins, type Place } from "../builtins.ts";
import type { Binding } from "./binding.ts";

/**
 * Names in sight at one place. Scopes form a chain; the last one holds the built-in names. Values, sizes and rows are kept apart, because a
 * tensor may bear the name of its own axis (`e: real[...b, e]`): in a type the size is meant, in a body the tensor.
 */
export class Scope {
  private readonly parent: Scope | undefined;
  private readonly values = new Map<string, Binding>();
  private readonly sizes = new Map<string, Binding>();
  private readonly rows = new Map<string, Binding>();
  /** What kind of item this is inside of; decides which built-in names exist. */
  readonly place: Place | undefined;

  constructor(parent?: Scope, place?: Place) {
    this.parent = parent;
    this.place = place ?? parent?.place;
  }

  /** A later binding of the same name replaces the earlier one from here on: `let` may shadow. */
  bind(name: string, binding: Binding): void {
    if (name !== "") this.values.set(name, binding);
  }
  bindSize(name: string, binding: Binding): void {
    if (name !== "" && !this.sizes.has(name)) this.sizes.set(name, binding);
  }
  bindRow(name: string, binding: Binding): void {
    if (name !== "" && !this.rows.has(name)) this.rows.set(name, binding);
  }

  /** What a name means as a value: the nearest value, else a size of the same scope. */
  value(name: string): Binding | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) {
      const found = scope.values.get(name) ?? scope.sizes.get(name);
      if (found) return found;
    }
    return this.builtin(name);
  }
  /** The nearest value of this name that can be a type. */
  typeValue(name: string): Binding | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) {
      const found = scope.values.get(name);
      if (found?.kind === "item" && (found.item.kind === "type" || found.item.kind === "module")) return found;
    }
    const builtin = builtins.get(name);
    return builtin?.kind === "type" ? { kind: "builtin", builtin } : undefined;
  }
  /** What a name means as a size in a type. `isFresh` tells which enclosing sizes are not meant (those of other signatures). */
  size(name: string, isFresh: (binding: Binding) => boolean = () => false): Binding | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) {
      const value = scope.values.get(name);
      if (value && isNumberLike(value)) return value;
      const size = scope.sizes.get(name);
      if (size && !isFresh(size)) return size;
    }
    const builtin = this.builtin(name);
    return builtin && isNumberLike(builtin) ? builtin : undefined;
  }
  row(name: string): Binding | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) {
      const found = scope.rows.get(name);
      if (found) return found;
    }
    return undefined;
  }
  private builtin(name: string): Binding | undefined {
    const builtin = builtins.get(name);
    return builtin && this.hasPlace(builtin.places) ? { kind: "builtin", builtin } : undefined;
  }
  private hasPlace(places: readonly Place[] | undefined): boolean {
    return !places || (this.place !== undefined && places.includes(this.place));
  }

  /** Every name that `value` would find, nearest first, for suggestions. */
  *valueNames(): Iterable<string> {
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) {
      yield* scope.values.keys();
      yield* scope.sizes.keys();
    }
    for (const builtin of builtins.values()) if (this.hasPlace(builtin.places)) yield builtin.name;
  }
  *rowNames(): Iterable<string> {
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) yield* scope.rows.keys();
  }
}

/** Whether a name in a type means this binding rather than a new size: only what is a number can be a size. */
export function isNumberLike(binding: Binding): boolean {
  if (binding.kind === "param") return binding.param.type.kind === "namedType" && ["Dim", "Int"].includes(binding.param.type.name.name);
  if (binding.kind === "item" && binding.item.kind === "const")
    return binding.item.value.kind === "number" || binding.item.value.kind === "binary";
  if (binding.kind === "builtin") return binding.builtin.name === "batch";
  return false;
}
