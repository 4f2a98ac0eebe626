import type { Binder } from "../ast.ts";
import type { Span } from "../span.ts";
import { anySize, type Size } from "../types/size.ts";
import { type AxisItem, int, type Type, unknownType } from "../types/type.ts";
import type { Session } from "./session.ts";

// Names in force at one place. Values, sizes (`h` of `real[h, w]`) and rows (`...b`) live side by side, as in the language.

/** What kind of body an expression stands in, which decides what it may do. */
export interface Body {
  readonly kind: "fn" | "loss" | "forward" | "step" | "optimizer" | "evaluate" | "test" | "property" | "initial" | "host";
  readonly name: string;
  readonly random: boolean;
  readonly updates: boolean;
  /** Inside of an `if training`. */
  readonly training: boolean;
  /** Where the body's contract is written. */
  readonly span: Span | null;
  /** Texts name values in braces: an `evaluate` block that goes through folders, files and lines. */
  readonly isWalk?: boolean;
  /** What `update` may change here; undefined where that is not followed. */
  readonly stateNames?: ReadonlySet<string>;
}

interface Content {
  readonly values?: ReadonlyMap<string, Type>;
  readonly sizes?: ReadonlyMap<string, Size>;
  readonly rows?: ReadonlyMap<string, readonly AxisItem[]>;
  /** Sizes of axes that a named value has: they count where nothing else has the name. */
  readonly axisSizes?: ReadonlyMap<string, Size>;
  readonly resolve?: (name: string) => Type | undefined;
}

export class Scope {
  readonly session: Session;
  readonly file: string;
  readonly body: Body;
  readonly #parent: Scope | null;
  readonly #content: Content;

  constructor(session: Session, file: string, body: Body, parent: Scope | null, content: Content) {
    this.session = session;
    this.file = file;
    this.body = body;
    this.#parent = parent;
    this.#content = content;
  }
  child(content: Content, body: Body = this.body): Scope {
    return new Scope(this.session, this.file, body, this, content);
  }
  with(name: string, type: Type): Scope {
    return this.child({ values: new Map([[name, type]]) });
  }

  /** What a name stands for; a size is a number where no value hides it. */
  lookup(name: string): Type | undefined {
    for (let scope: Scope | null = this; scope; scope = scope.#parent) {
      const { values, sizes, resolve } = scope.#content;
      const value = values?.get(name);
      if (value) return value;
      const size = sizes?.get(name);
      if (size) return int(size);
      const made = resolve?.(name);
      if (made) return made;
    }
    const size = this.#axisSize(name);
    return size && int(size);
  }
  #axisSize(name: string): Size | undefined {
    for (let scope: Scope | null = this; scope; scope = scope.#parent) {
      const size = scope.#content.axisSizes?.get(name);
      if (size) return size;
    }
    return undefined;
  }
  /** The size called `name`, also where a value that is no number hides it. */
  size(name: string): Size | undefined {
    for (let scope: Scope | null = this; scope; scope = scope.#parent) {
      const { values, sizes, resolve } = scope.#content;
      const size = sizes?.get(name);
      if (size) return size;
      const value = values?.get(name) ?? resolve?.(name);
      const known = value && sizeOfNumber(value);
      if (known) return known;
    }
    return this.#axisSize(name);
  }
  row(name: string): readonly AxisItem[] | undefined {
    for (let scope: Scope | null = this; scope; scope = scope.#parent) {
      const row = scope.#content.rows?.get(name);
      if (row) return row;
    }
    return undefined;
  }
  /** All names of values in force, nearest first. */
  names(): string[] {
    const names: string[] = [];
    for (let scope: Scope | null = this; scope; scope = scope.#parent) names.push(...(scope.#content.values?.keys() ?? []));
    return names;
  }
}

/** The size that a host number is; nothing for what is no host number. */
export function sizeOfNumber(type: Type): Size | undefined {
  switch (type.kind) {
    case "int":
    case "realNumber":
      return type.value;
    case "optional":
      return sizeOfNumber(type.of);
    case "error":
    case "unknown":
      return anySize();
    case "tensor":
      return type.axes.length === 0 && type.time === "host" && type.dtype === "i32" ? anySize() : undefined;
    default:
      return undefined;
  }
}

/** A scope in which a binder's names stand for the parts of a type. */
export function bind(binder: Binder, type: Type, scope: Scope): Scope {
  const values = new Map<string, Type>();
  collectBinder(binder, type, values);
  const axisSizes = new Map(
    [...values.values()].flatMap((value) =>
      value.kind === "tensor" ? value.axes.flatMap((a): [string, Size][] => (a.kind === "axis" ? [[a.name, a.size]] : [])) : [],
    ),
  );
  return axisSizes.size === 0 ? scope.child({ values }) : scope.child({ values, axisSizes });
}
function collectBinder(binder: Binder, type: Type, values: Map<string, Type>): void {
  if (binder.kind === "ident") {
    values.set(binder.name, type);
    return;
  }
  binder.elements.forEach((element, i) => {
    const part = type.kind === "tuple" ? type.elements[i] : type.kind === "list" ? (type.elements?.[i] ?? type.element) : undefined;
    collectBinder(element, part ?? unknownType, values);
  });
}
