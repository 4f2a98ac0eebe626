import type { Block, ForwardDecl, LeafDecl, ModuleItem, ModuleMember, PartDecl } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Span } from "../../dsl/span.ts";
import type { Value } from "../ir/value.ts";
import { matchArguments } from "./arguments.ts";
import { toTensor } from "./arithmetic.ts";
import { axisItems, spreadTo } from "./axes.ts";
import { argumentValue, axisNamesIn, type CallArg, enter, valueArg, withTaps } from "./calls.ts";
import { compileCondition, evaluate } from "./expressions.ts";
import { attempt, fail } from "./failure.ts";
import type { Instance, LeafEntry } from "./instance.ts";
import { Scope } from "./scope.ts";
import { bindCall } from "./signature.ts";
import { sizeOf } from "./sizes.ts";
import { runBlock } from "./statements.ts";
import { tableOf } from "./tables.ts";
import { bindValue, resolveType } from "./typeNodes.ts";
import { type AxisItem, bool, describe, isNumeric, type ModuleVal, none, plainAxis, type TensorVal, tensor, type Val } from "./values.ts";

// Modules: instances, their parts and their leaves. Parts and leaves are made when first needed, because their sizes may only be known then:
// `Linear(10)` learns its `cin` from the first tensor that goes through it.

/** A module with arguments. It becomes part of a model when it is stored in one. */
export function instantiate(module: ModuleVal, args: readonly CallArg[], span: Span): Instance {
  const { item } = module;
  const given = matchArguments(
    item.name.name,
    item.params.map((p) => ({ name: p.name.name })),
    args,
    span,
  );
  const values = new Map<string, Val>();
  let scope = module.scope;
  for (const param of item.params) {
    const name = param.name.name;
    const arg = given.get(name);
    const { type, scope: typeScope } = resolveType(param.type, module.scope);
    if (arg) values.set(name, bindValue(type, typeScope, argumentValue(arg), arg.span));
    else if (param.default) values.set(name, evaluate(param.default, scope));
    else if (!(type.kind === "namedType" && type.name.name === "Dim")) {
      fail(
        "call/missing-argument",
        span,
        { callee: item.name.name, name },
        { related: [{ span: param.span, label: "declared here, without a default" }] },
      );
    }
    const value = values.get(name);
    if (value) scope = scope.with(name, value);
  }
  const sizes: Instance["sizes"] = new Map();
  const sizeNames = new Set([...memberNames(item)].filter((name) => !values.has(name)));
  const holder: { instance: Instance | null } = { instance: null };
  const inside = new Scope(module.scope.session, module.scope, {
    values,
    resolve: (name) => resolveMember(holder.instance!, name),
    resolveSize: (name) => sizes.get(name)?.value,
    isOpenSize: (name) => sizeNames.has(name) && !sizes.has(name),
    names: () => item.members.flatMap(namesOfMember),
    owner: () => holder.instance!,
  });
  const instance: Instance = {
    module: item,
    scope: inside,
    args: values,
    path: null,
    trained: false,
    sizes,
    sizeNames,
    members: new Map(),
    leaves: new Map(),
    resolving: new Set(),
  };
  holder.instance = instance;
  return instance;
}

/** A part of the same kind with leaves of its own, which begin as the other's are when a run starts. */
export function copyInstance(instance: Instance, span: Span): Instance {
  const { parent, session } = instance.scope;
  const module: ModuleVal = { kind: "module", item: instance.module, scope: parent! };
  const args = [...instance.args].map(([name, value]) => valueArg(value, span, name));
  const to = instantiate(module, args, span);
  session.copies.push({ from: instance, to });
  return to;
}

function namesOfMember(member: ModuleMember): string[] {
  switch (member.kind) {
    case "part":
      return [member.path[0]!.name];
    case "leaf":
    case "fn":
      return [member.name.name];
    case "forward":
      return [];
  }
}

const memberNamesOf = new WeakMap<ModuleItem, ReadonlySet<string>>();

/** Names that parts and leaves mention and do not bind themselves. */
function memberNames(item: ModuleItem): ReadonlySet<string> {
  const known = memberNamesOf.get(item);
  if (known) return known;
  const names = new Set<string>();
  const walk = (node: unknown, bound: ReadonlySet<string>): void => {
    if (Array.isArray(node)) {
      for (const one of node) walk(one, bound);
      return;
    }
    if (typeof node !== "object" || node === null) return;
    const record = node as Readonly<Record<string, unknown>>;
    if (record.kind === "name" && !bound.has(record.name as string)) names.add(record.name as string);
    const inner = record.kind === "listComp" ? new Set([...bound, ...binderNames(record.binder)]) : bound;
    for (const [key, value] of Object.entries(record)) if (key !== "span") walk(value, inner);
  };
  for (const member of item.members) if (member.kind === "part" || member.kind === "leaf") walk(member, new Set());
  memberNamesOf.set(item, names);
  return names;
}

function binderNames(binder: unknown): string[] {
  const record = binder as { readonly kind: string; readonly name?: string; readonly elements?: readonly unknown[] };
  return record.kind === "ident" ? [record.name!] : (record.elements ?? []).flatMap(binderNames);
}

// ---- members -----------------------------------------------------------------------------------------------------------------------

function resolveMember(instance: Instance, name: string): Val | undefined {
  if (name === "training") return bool(instance.scope.session.training ?? instance.trained);
  const known = instance.members.get(name);
  if (known) return known;
  const parts = instance.module.members.filter((m): m is PartDecl => m.kind === "part" && m.path[0]!.name === name);
  if (parts.length > 0) {
    const value = partsValue(instance, parts);
    instance.members.set(name, value);
    return value;
  }
  for (const member of instance.module.members) {
    if (member.kind === "leaf" && member.name.name === name) return leafValue(instance, member);
    if (member.kind === "fn" && member.name.name === name) return { kind: "function", item: member, scope: instance.scope, instance };
  }
  return undefined;
}

/** A part, or the record of the parts whose paths begin with one name. */
function partsValue(instance: Instance, parts: readonly PartDecl[]): Val {
  const made = parts.map((part) => ({ path: part.path.map((p) => p.name), value: partValue(instance, part) }));
  const build = (level: readonly { readonly path: readonly string[]; readonly value: Val }[], depth: number): Val => {
    const own = level.find((p) => p.path.length === depth);
    if (own) return own.value;
    const fields = new Map<string, Val>();
    for (const { path } of level) {
      const name = path[depth]!;
      if (!fields.has(name))
        fields.set(
          name,
          build(
            level.filter((p) => p.path[depth] === name),
            depth + 1,
          ),
        );
    }
    return { kind: "record", fields };
  };
  return build(made, 1);
}

function partValue(instance: Instance, part: PartDecl): Val {
  const path = part.path.map((p) => p.name).join(".");
  if (instance.resolving.has(path)) fail("module/cycle", part.span, { cycle: `${instance.module.name.name}.${path}` });
  instance.resolving.add(path);
  try {
    const { session } = instance.scope;
    return session.inBody("compile", [], () => {
      if (part.when !== null && !compileCondition(part.when, instance.scope)) return none;
      const value = evaluate(part.value, instance.scope);
      place(value, instance.path === null ? null : `${instance.path}.${path}`, instance.trained, part.value.span);
      return value;
    }).value;
  } finally {
    instance.resolving.delete(path);
  }
}

/** Gives instances their place in the model; one that has a place keeps it, so a part used twice is shared. */
export function place(value: Val, path: string | null, trained: boolean, span: Span): void {
  if (value.kind === "instance") {
    if (value.instance.path !== null || path === null) return;
    value.instance.path = path;
    value.instance.trained = trained;
    return;
  }
  if (value.kind === "list") {
    for (const [i, item] of value.items.entries()) place(item, path === null ? null : `${path}[${i}]`, trained, span);
    return;
  }
  if (value.kind === "none") return;
  fail("type/mismatch", span, { found: describe(value), expected: "a module or a list of modules" });
}

/** `model.part`, `layer.kv`, `text.embed`. */
export function memberOf(instance: Instance, name: string, span: Span): Val {
  const value = instance.args.get(name) ?? resolveMember(instance, name);
  if (value !== undefined) return value;
  const known = [...instance.args.keys(), ...instance.module.members.flatMap(namesOfMember)];
  const near = nearest(name, known);
  fail("type/no-field", span, { what: `a \`${instance.module.name.name}\``, name }, near ? { help: `did you mean \`${near}\`?` } : {});
}

// ---- leaves ------------------------------------------------------------------------------------------------------------------------

function leafValue(instance: Instance, decl: LeafDecl): Val {
  const entry = leafEntry(instance, decl);
  if (entry === null) return none;
  return decl.role === "state" ? { kind: "cell", key: entry.path } : tensor(entry.input, entry.axes);
}

/** The parameter or state of a declaration; null if its `when` says no. Made once, when its sizes are known. */
function leafEntry(instance: Instance, decl: LeafDecl): LeafEntry | null {
  const name = decl.name.name;
  const known = instance.leaves.get(name);
  if (known !== undefined) return known;
  const { session } = instance.scope;
  if (decl.when !== null && !session.inBody("compile", [], () => compileCondition(decl.when!, instance.scope)).value) {
    instance.leaves.set(name, null);
    return null;
  }
  if (instance.path === null) {
    fail("module/not-in-a-model", decl.span, { name: instance.module.name.name });
  }
  const { type } = decl;
  if (type.kind !== "namedType" || type.name.name !== "f32")
    fail("type/mismatch", type.span, { found: "this type", expected: "`f32[…]`: parameters and state are stored in f32" });
  const axes = (type.axes ?? []).map((axis): AxisItem => {
    if (axis.kind === "rowAxis") return fail("type/mismatch", axis.span, { found: "a row", expected: "axes with sizes" });
    const axisName = axis.name?.name ?? (axis.value.kind === "name" ? axis.value.name : fail("shape/unnamed-axis", axis.span, {}));
    return { name: axisName, size: leafSize(instance, axis.value) };
  });
  const path = `${instance.path}.${name}`;
  const shape = axes.map((a) => a.size!);
  const input = session.builder.input(path, shape, {
    role: decl.role,
    dtype: "f32",
    labels: axes.map((a) => plainAxis(a.name)),
    origin: { span: decl.span },
  });
  const entry: LeafEntry = { path, decl, shape, axes: axes.map((a) => a.name), input };
  instance.leaves.set(name, entry);
  if (decl.role === "state") {
    session.cells.set(path, tensor(input, entry.axes));
    session.owners.set(path, instance);
  }
  return entry;
}

function leafSize(instance: Instance, expr: Parameters<typeof sizeOf>[0]): number {
  if (expr.kind === "name" && instance.scope.lookupSize(expr.name) === undefined && instance.sizeNames.has(expr.name)) {
    fail(
      "shape/not-determined",
      expr.span,
      { size: expr.name },
      {
        label: "no use of it says so",
        help: `\`${instance.path ?? instance.module.name.name}\` takes \`${expr.name}\` from what goes through it: call it first, or give the size`,
      },
    );
  }
  return sizeOf(expr, instance.scope);
}

/** The state that an `update` changes: its key and its axes. */
export function leafCell(name: string, scope: Scope, span: Span): { readonly key: string; readonly axes: readonly AxisItem[] } {
  const val = scope.lookup(name);
  if (val === undefined) fail("name/unknown", span, { name });
  if (val.kind !== "cell") {
    fail(
      "type/mismatch",
      span,
      { found: describe(val), expected: "a declared state" },
      { help: "only what is declared with `state` can be updated; a `let` gives a new value a name" },
    );
  }
  const { session } = scope;
  const cell = session.cells.get(val.key)!;
  const owner = session.owners.get(val.key);
  if (owner !== undefined && !owner.trained) fail("module/frozen-update", span, { path: val.key });
  return { key: val.key, axes: axisItems(cell) };
}

/** The starting value of a leaf, over draws that do not depend on the step. */
export function leafInit(instance: Instance, entry: LeafEntry): Value {
  const { session } = instance.scope;
  const { decl } = entry;
  const axes = entry.axes.map((name, i) => ({ name, size: entry.shape[i]! }));
  if (decl.init === null) return session.builder.splat(0, entry.shape);
  const init = decl.init;
  const { value } = session.inBody("init", [entry.path], () => {
    const made = evaluate(init, instance.scope);
    const source = made.kind === "list" ? tableOf(session, made, axes, init.span) : made;
    if (!isNumeric(source)) fail("type/mismatch", init.span, { found: describe(source), expected: "a number or a tensor" });
    return session.at(init.span, () => spreadTo(session.builder, toTensor(session, source, "f32"), axes, init.span));
  });
  return (value as TensorVal).value;
}

// ---- calls -------------------------------------------------------------------------------------------------------------------------

/** Sends tensors through a module. */
export function callInstance(instance: Instance, args: readonly CallArg[], span: Span, caller: Scope): Val {
  const forward = instance.module.members.find((m): m is ForwardDecl => m.kind === "forward");
  const name = instance.module.name.name;
  if (!forward) fail("module/no-forward", span, { name });
  const bound = bindCall(
    {
      name,
      params: forward.signature.params,
      result: forward.signature.result,
      scope: instance.scope,
      owner: instance,
      localNames: axisNamesIn(forward as { readonly body: Block }),
    },
    args,
    span,
  );
  return enter(caller, lastName(instance.path ?? name), span, () => {
    const { value, span: at } = withTaps(caller.session, bound, () => {
      caller.session.taps?.set(instance, new Map());
      return runBlock(forward.body, bound.scope);
    });
    return bound.finish(value, at);
  });
}

/** `face.layer[0][1]` -> `layer[0][1]`: what the chain of names says, once per level. */
function lastName(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

/** A part for the walk below. In a frozen model what nothing used may stay undetermined: it is not part of the program. */
function reach(instance: Instance, name: string): Val | undefined {
  if (instance.trained) return resolveMember(instance, name);
  const made = attempt(() => resolveMember(instance, name));
  return made.ok ? made.value : undefined;
}

/** All instances of a value in the order of declaration, each once. */
export function* instancesIn(value: Val, seen: Set<Instance> = new Set()): Iterable<Instance> {
  if (value.kind === "instance") {
    const { instance } = value;
    if (seen.has(instance)) return;
    seen.add(instance);
    yield instance;
    for (const member of instance.module.members) {
      if (member.kind !== "part") continue;
      const part = reach(instance, member.path[0]!.name);
      if (part) yield* instancesIn(part, seen);
    }
  }
  if (value.kind === "list" || value.kind === "tuple") for (const item of value.items) yield* instancesIn(item, seen);
  if (value.kind === "record") for (const field of value.fields.values()) yield* instancesIn(field, seen);
}

/** The leaves that an instance declares itself, without those of its parts. */
export function* ownLeaves(instance: Instance): Iterable<LeafEntry> {
  for (const member of instance.module.members) {
    if (member.kind !== "leaf") continue;
    const entry = leafEntry(instance, member);
    if (entry) yield entry;
  }
}
