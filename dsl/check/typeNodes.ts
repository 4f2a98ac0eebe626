import type { Axis, Expr, NamedType, NameRef, TypeNode } from "../ast.ts";
import { meant } from "../nearest.ts";
import { anySize, constantSize, flagTest, type Size, variableSize } from "../types/size.ts";
import {
  type AxisItem,
  axis,
  type DType,
  errorType,
  type ModuleType,
  realType,
  type SlotType,
  type Type,
  tensor,
  textType,
  unknownType,
} from "../types/type.ts";
import { evaluate } from "./expressions.ts";
import { fileScope } from "./globals.ts";
import { type Scope, sizeOfNumber } from "./scope.ts";

// From written types to types. A size name that nothing binds is quantified: it becomes a variable, collected in `Declared` together with
// the rows and conditions that the same signature brings in.

export class Declared {
  readonly sizes = new Map<string, Size>();
  readonly rows = new Map<string, readonly AxisItem[]>();
  /** Ids of all variables, rows and flags made here: what a call replaces by its own. */
  readonly own = new Set<string>();
  /** How new sizes and rows are made: rigid in parameters, open in results (where the body says what they are). */
  mode: "rigid" | "open" = "rigid";
  /** Inside a named type, whose rows may be any axes at each use. */
  isAlias = false;
  /** Made in open mode: they depend on the body. */
  readonly fromBody = new Map<string, { readonly name: string; readonly node: TypeNode }>();

  newSize(name: string, scope: Scope, node: TypeNode): Size {
    const variable = scope.session.unifier.fresh(name, this.mode);
    this.own.add(variable.id);
    if (this.mode === "open") this.fromBody.set(variable.id, { name, node });
    return variableSize(variable);
  }
  newRow(name: string, scope: Scope, node: TypeNode): readonly AxisItem[] {
    const row = scope.session.unifier.freshRow(name, this.mode === "rigid" && this.isAlias ? "loose" : this.mode);
    this.own.add(row.id);
    if (this.mode === "open") this.fromBody.set(row.id, { name: `...${name}`, node });
    return [{ kind: "row", row }];
  }
  newFlag(text: string, scope: Scope): Size {
    const { id } = scope.session.unifier.freshFlag(text);
    this.own.add(id);
    return flagTest(id, text);
  }
}

const tensorNames = new Map<string, DType>((["real", "f32", "f16", "i32", "bool"] as const).map((name) => [name, name]));
/** Whether a name is that of a number type, which tensors are made of. */
export const isTensorName = (name: string): boolean => tensorNames.has(name);
const perSample = new Map<string, DType>([
  ["Int", "i32"],
  ["Real", "real"],
  ["Bool", "bool"],
  ["Text", "text"],
]);

/** A name where a type could stand, as the type that it writes. */
export function nodeOfName({ name, span }: NameRef, axes: NamedType["axes"] = null): NamedType {
  return { kind: "namedType", name: { kind: "ident", name, span }, args: [], axes, optional: false, span };
}
/** The type that a node writes. `name` is the parameter it belongs to, for messages. */
export function typeOfNode(node: TypeNode, scope: Scope, declared: Declared, name = ""): Type {
  if (node.kind === "error") return errorType;
  const plain = requiredType(node, scope, declared, name);
  if (!node.optional) return plain;
  return { kind: "optional", of: plain, present: declared.newFlag(`has(${name === "" ? "…" : name})`, scope) };
}

function requiredType(node: Exclude<TypeNode, { kind: "error" }>, scope: Scope, declared: Declared, name: string): Type {
  switch (node.kind) {
    case "recordType":
      return {
        kind: "record",
        name: null,
        fields: new Map(node.fields.map((f) => [f.name.name, typeOfNode(f.type, scope, declared, f.name.name)])),
      };
    case "tupleType":
      return { kind: "tuple", elements: node.elements.map((e) => typeOfNode(e, scope, declared, name)) };
    case "namedType":
      return namedType(node, scope, declared, name);
    default:
      return node satisfies never;
  }
}

function namedType(node: NamedType, scope: Scope, declared: Declared, name: string): Type {
  const word = node.name.name;
  const dtype = tensorNames.get(word);
  if (dtype) {
    const axes = node.axes ? axesOfNodes(node.axes, node, scope, declared) : [];
    return node.axes?.some(isUnnamed) ? errorType : tensor(dtype, axes);
  }
  const host = perSample.get(word);
  if (host && node.axes) return tensor(host, axesOfNodes(node.axes, node, scope, declared), "host");
  switch (word) {
    case "Int":
    case "Dim":
      return { kind: "int", value: name === "" ? anySize() : declared.newSize(name, scope, node) };
    case "Real":
      return realType;
    case "Bool":
      return { kind: "bool", truth: name === "" ? anySize() : declared.newFlag(name, scope) };
    case "Text":
      return textType;
    case "Path":
      return { kind: "path" };
    case "Axes":
      return { kind: "axes", axes: null };
    case "Schedule":
      return { kind: "schedule" };
    case "Prompt":
      return promptOfNode(node, scope, declared);
    case "List": {
      const inner = node.args[0]?.value;
      if (!inner || inner.kind === "number") return unknownType;
      return { kind: "list", element: typeOfNode(inner, scope, declared), elements: null, length: anySize() };
    }
    default: {
      const type = itemType(word, scope, declared);
      // Of a type that is not known at least the axes are: their sizes are not missed elsewhere.
      if (type.kind === "unknown" && node.axes) axesOfNodes(node.axes, node, scope, declared);
      return type;
    }
  }
}

/** `Prompt<face: 16>[...b]`: slots that it must have, with these numbers of positions; without any, whatever slots it has. */
function promptOfNode(node: NamedType, scope: Scope, declared: Declared): Type {
  const slots = new Map<string, SlotType>();
  for (const arg of node.args)
    if (arg.name && arg.value.kind === "number") slots.set(arg.name.name, { count: arg.value.value, words: false, isCertain: true });
  return {
    kind: "prompt",
    axes: node.axes ? axesOfNodes(node.axes, node, scope, declared) : null,
    slots: slots.size === 0 ? null : slots,
    length: anySize(),
    longest: "",
    positions: 0,
    item: null,
  };
}

function itemType(word: string, scope: Scope, declared: Declared): Type {
  const { session } = scope;
  const place = session.lookup(scope.file, word);
  if (!place) return unknownType;
  const { item, file } = place;
  if (item.kind === "module") return { kind: "module", item, file, arguments: new Map(), sizes: new Map() } satisfies ModuleType;
  if (item.kind !== "type") return unknownType;
  // An alias has its own sizes and rows at each use; their names are in scope where nothing else has them. One that holds itself is unknown.
  const { aliases } = session;
  if (!session.mayExpand(item)) return unknownType;
  aliases.add(item);
  const own = new Declared();
  own.mode = declared.mode;
  own.isAlias = true;
  const type = typeOfNode(item.type, fileScope(session, file), own);
  aliases.delete(item);
  for (const id of own.own) declared.own.add(id);
  for (const [id, from] of own.fromBody) declared.fromBody.set(id, from);
  for (const [size, value] of own.sizes) if (!declared.sizes.has(size) && scope.size(size) === undefined) declared.sizes.set(size, value);
  return type.kind === "record" ? { ...type, name: word } : type;
}

/** An axis of which only the size is said. */
const isUnnamed = (one: Axis) => one.kind === "namedAxis" && one.name === null && one.value.kind !== "name" && one.value.kind !== "error";

function axesOfNodes(axes: readonly Axis[], node: NamedType, scope: Scope, declared: Declared): AxisItem[] {
  return axes.flatMap((one): readonly AxisItem[] => {
    if (one.kind === "rowAxis") {
      const name = one.name.name;
      const known = declared.rows.get(name) ?? scope.row(name);
      if (known) return known;
      const row = declared.newRow(name, scope, node);
      declared.rows.set(name, row);
      return row;
    }
    if (one.name === null) {
      if (isUnnamed(one)) {
        scope.session.report("shape/unnamed-axis", one.span, {});
      }
      if (one.value.kind !== "name") return [];
      const name = one.value.name;
      const value = scope.lookup(name);
      if (value?.kind === "axes") return value.axes ?? declared.newRow(name, scope, node);
      return [axis(name, sizeNamed(name, node, scope, declared))];
    }
    if (one.value.kind === "range") return [axis(one.name.name, sizeNamed(one.name.name, node, scope, declared))]; // `forall x: real[h: 1..9]`
    return [axis(one.name.name, declaredSize(one.value, node, scope, declared))];
  });
}

function sizeNamed(name: string, node: TypeNode, scope: Scope, declared: Declared): Size {
  const known = declared.sizes.get(name) ?? scope.size(name);
  if (known) return known;
  const size = declared.newSize(name, scope, node);
  declared.sizes.set(name, size);
  return size;
}

/** The size that an expression in a type writes; its unbound names are quantified in parameters, and mistakes in results. */
function declaredSize(expr: Expr, node: TypeNode, scope: Scope, declared: Declared): Size {
  if (expr.kind === "number" && Number.isInteger(expr.value)) return constantSize(expr.value);
  for (const name of namesIn(expr)) {
    if (declared.sizes.has(name.name) || scope.size(name.name) !== undefined) continue;
    // A function of that name does not stop a size from having it.
    const value = scope.lookup(name.name);
    if (value && !isCallable(value)) continue;
    if (declared.mode === "open") {
      const known = [...declared.sizes.keys(), ...scope.names()];
      undetermined(name.name, name, known, scope);
      declared.sizes.set(name.name, anySize());
    } else sizeNamed(name.name, node, scope, declared);
  }
  const inner = scope.child({ sizes: declared.sizes });
  if (expr.kind === "name") return inner.size(expr.name) ?? anySize();
  return sizeOfNumber(evaluate(expr, inner)) ?? anySize();
}
function undetermined(size: string, at: Expr, known: readonly string[], scope: Scope): void {
  const otherwise = `a size is named by an axis of a parameter, or by a parameter \`${size}: Dim\``;
  const { help, fix } = meant(size, known, at.span, otherwise);
  const isName = scope.session.textOf(at.span) === size;
  scope.session.report("shape/not-determined", at.span, { size }, { ...(help ? { help } : {}), ...(fix && isName ? { fix } : {}) });
}

const callables: ReadonlySet<Type["kind"]> = new Set([
  "builtin",
  "function",
  "moduleKind",
  "promptKind",
  "scheduleKind",
  "datasetKind",
  "optimizerKind",
]);
const isCallable = (type: Type) => callables.has(type.kind);

/** All plain names in a size expression. */
export function namesIn(expr: Expr): Extract<Expr, { kind: "name" }>[] {
  switch (expr.kind) {
    case "name":
      return [expr];
    case "binary":
      return [...namesIn(expr.left), ...namesIn(expr.right)];
    case "unary":
      return namesIn(expr.operand);
    case "call":
      return expr.args.flatMap((a) => namesIn(a.value));
    case "ifExpr":
      return [expr.condition, expr.then, expr.otherwise].flatMap((e) => (e && e.kind !== "block" ? namesIn(e) : []));
    default:
      return [];
  }
}
