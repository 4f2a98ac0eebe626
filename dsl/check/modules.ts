import type { FnItem, ForwardDecl, LossItem, ModuleItem, PartDecl } from "../ast.ts";
import { meant } from "../nearest.ts";
import type { Span } from "../span.ts";
import { anySize, constantSize, flagTest, type Size, substituteSize, testsOf, variableSize, variablesOf } from "../types/size.ts";
import {
  type AxisItem,
  bool,
  describeType,
  errorType,
  type ModuleType,
  mapType,
  type Type,
  type TypeMap,
  unknownType,
  withMode,
} from "../types/type.ts";
import type { CallArg } from "./arguments.ts";
import { bindArguments } from "./bindArguments.ts";
import { callFunction } from "./calls.ts";
import { evaluate } from "./expressions.ts";
import { type FunctionInfo, functionInfo, type ParamInfo, paramInfos } from "./functions.ts";
import { fileScope } from "./globals.ts";
import { type Body, type Scope, sizeOfNumber } from "./scope.ts";
import type { Session } from "./session.ts";
import { Declared, namesIn, typeOfNode } from "./typeNodes.ts";

// Modules are checked once for all sizes. A module's sizes are the names in its leaves, its forward and its parts; those that its leaves
// or parts depend on belong to an instance (two uses must agree), the others to each call.

export interface ModuleInfo {
  readonly item: ModuleItem;
  readonly file: string;
  readonly params: readonly ParamInfo[];
  readonly declared: Declared;
  /** Ids of the parameters' own variables and flags, by name of the parameter. */
  readonly scope: Scope; // parameters, sizes and members
  readonly members: ReadonlyMap<string, Type>;
  readonly forward: FunctionInfo | null;
  readonly functions: ReadonlyMap<string, FunctionInfo>;
  /** Names of sizes that belong to an instance. Complete once the bodies are checked. */
  readonly instanceNames: Set<string>;
  readonly partInstances: readonly { readonly part: PartDecl; readonly type: Type }[];
}

/** Set by the bodies' checker: runs once for each module, before its first instance is used. */
let checkBodies: ((session: Session, info: ModuleInfo) => void) | undefined;
export function setModuleBodyCheck(check: (session: Session, info: ModuleInfo) => void): void {
  checkBodies = check;
}

/** What a module declares; nothing while it is being read (a module that contains itself is reported elsewhere). */
export function moduleInfo(session: Session, item: ModuleItem, file: string): ModuleInfo | null {
  const info = session.once(item, "module", null, (): ModuleInfo | null => session.loudly(() => readModule(session, item, file)));
  if (!info) return null;
  session.once(item, "bodies", true, () => {
    session.loudly(() => checkBodies?.(session, info));
    settleInstanceNames(session, info);
    return true;
  });
  return info;
}

const partBody = (name: string): Body => ({ kind: "initial", name, random: true, updates: false, training: false, span: null });

function readModule(session: Session, item: ModuleItem, file: string): ModuleInfo {
  const name = item.name.name;
  const outer = fileScope(session, file, partBody(name));
  const declared = new Declared();
  const params = paramInfos(item.params, outer, declared);
  const members = new Map<string, Type>();
  const training = bool(flagTest("training", "training"));
  const values = new Map<string, Type>([["training", training], ...params.map((p) => [p.name, p.type] as const)]);
  const scope = outer.child({ values, sizes: declared.sizes }).child({ values: members });
  for (const member of item.members) if (member.kind === "leaf") members.set(member.name.name, typeOfNode(member.type, scope, declared));
  const instanceNames = new Set(declared.sizes.keys());
  const forwardNode = item.members.find((m): m is ForwardDecl => m.kind === "forward");
  const forward = forwardNode ? functionInfo(forwardNode, name, scope, declared) : null;
  const functions = new Map<string, FunctionInfo>();
  for (const member of item.members) {
    if (member.kind !== "fn") continue;
    const info = functionInfo(member, member.name.name, scope);
    functions.set(member.name.name, info);
    members.set(member.name.name, { kind: "function", item: member, file, of: selfType(item, file, params, declared) });
  }
  const partInstances: { part: PartDecl; type: Type }[] = [];
  for (const member of item.members) {
    if (member.kind !== "part") continue;
    for (const used of namesIn(member.value)) if (declared.sizes.has(used.name)) instanceNames.add(used.name);
    const value = evaluate(member.value, scope);
    const when = member.when ? evaluate(member.when, scope) : null;
    const present = when === null ? null : when.kind === "bool" ? when.truth : anySize();
    partInstances.push({ part: member, type: value });
    addMember(
      members,
      member.path.map((p) => p.name),
      present ? { kind: "optional", of: value, present } : value,
    );
  }
  return { item, file, params, declared, scope, members, forward, functions, instanceNames, partInstances };
}

/** `part mlp.fc1 = …` puts `fc1` into the group `mlp`. */
function addMember(members: Map<string, Type>, path: readonly string[], type: Type): void {
  const [first, ...rest] = path;
  if (first === undefined) return;
  if (rest.length === 0) {
    members.set(first, type);
    return;
  }
  const group = members.get(first);
  const fields = new Map(group?.kind === "record" ? group.fields : []);
  addMember(fields, rest, type);
  members.set(first, { kind: "record", name: `the parts of \`${first}\``, fields });
}

/** The module as an instance of itself, for its own functions. */
function selfType(item: ModuleItem, file: string, params: readonly ParamInfo[], declared: Declared): ModuleType {
  return { kind: "module", item, file, arguments: new Map(params.map((p) => [p.name, p.type])), sizes: declared.sizes };
}

// A part whose sizes were found from the forward's sizes makes those belong to the instance too.
function settleInstanceNames(session: Session, info: ModuleInfo): void {
  const byId = new Map([...info.declared.sizes].flatMap(([name, size]) => variablesOf(size).map((v) => [v.id, name] as const)));
  for (const { type } of info.partInstances) {
    mapType(session.unifier.type(type), {
      size: (size) => {
        for (const v of variablesOf(size)) {
          const name = byId.get(v.id);
          if (name !== undefined) info.instanceNames.add(name);
        }
        return size;
      },
      row: (row) => [{ kind: "row", row }],
    });
  }
}

/** Replaces a module's own variables by those of one instance. Sizes of single calls stay as they are. */
export function moduleMap(session: Session, type: ModuleType): TypeMap {
  const info = moduleInfo(session, type.item, type.file);
  const sizes = new Map<string, Size>();
  const flags = new Map<string, Size>();
  if (info) {
    for (const param of info.params) {
      const given = type.arguments.get(param.name);
      collectParam(param.type, given, sizes, flags);
    }
    for (const [name, size] of info.declared.sizes) {
      if (!info.instanceNames.has(name)) continue;
      for (const v of variablesOf(size)) sizes.set(v.id, type.sizes.get(name) ?? anySize());
    }
  }
  return {
    size: (size) => substituteSize(size, { variable: (v) => sizes.get(v.id), flag: (id) => flags.get(id) }),
    row: (row) => [{ kind: "row", row }],
  };
}
function collectParam(type: Type, given: Type | undefined, sizes: Map<string, Size>, flags: Map<string, Size>): void {
  if (type.kind === "int") {
    for (const v of variablesOf(type.value)) sizes.set(v.id, (given && sizeOfNumber(given)) ?? anySize());
  } else if (type.kind === "bool") {
    for (const t of testsOf(type.truth)) if (t.test.kind === "flag") flags.set(t.test.id, given?.kind === "bool" ? given.truth : anySize());
  } else if (type.kind === "optional") {
    const present =
      given === undefined ? anySize() : given.kind === "none" ? notPresent : given.kind === "optional" ? given.present : isPresent;
    for (const t of testsOf(type.present)) if (t.test.kind === "flag") flags.set(t.test.id, present);
    collectParam(type.of, given?.kind === "optional" ? given.of : given?.kind === "none" ? undefined : given, sizes, flags);
  }
}
const isPresent = constantSize(1);
const notPresent = constantSize(0);

/** `Linear(64)`: an instance, with sizes still to be found. */
export function instantiate(callee: Extract<Type, { kind: "moduleKind" }>, args: readonly CallArg[], span: Span, scope: Scope): Type {
  const { session } = scope;
  const { unifier } = session;
  const name = callee.item.name.name;
  const info = moduleInfo(session, callee.item, callee.file);
  if (!info) return unknownType;
  const bound = bindArguments(
    { name, params: info.params, declared: info.declared, perElement: new Set(), outer: info.scope },
    null,
    args,
    span,
    scope,
  );
  if (bound.failed) return errorType;
  const given = new Map<string, Type>();
  for (const param of info.params) {
    const inner = bound.inner.get(param.name)!;
    const have = bound.given.get(param.name);
    given.set(
      param.name,
      param.type.kind === "optional" && have === undefined ? { kind: "none" } : param.type.kind === "optional" && have ? have : inner,
    );
  }
  for (const param of info.params) {
    const left = bound.inner.get(param.name);
    const isDim = param.node.kind === "namedType" && param.node.name.name === "Dim";
    if (session.isQuiet || !isDim || param.default || bound.given.has(param.name) || left?.kind !== "int") continue;
    for (const v of variablesOf(unifier.size(left.value)))
      if (v.kind === "open") session.noteLeftOut(v.id, { name: param.name, callee: name, span, declared: param.span });
  }
  const sizes = new Map<string, Size>();
  for (const size of info.instanceNames) {
    const variable = unifier.fresh(size, "open");
    session.watchUse(variable.id, size, name);
    sizes.set(size, variableSize(variable));
  }
  return { kind: "module", item: callee.item, file: callee.file, arguments: given, sizes };
}

/** Calls the forward of an instance. */
export function callModule(type: ModuleType, args: readonly CallArg[], span: Span, scope: Scope): Type {
  const { session } = scope;
  const info = moduleInfo(session, type.item, type.file);
  if (!info) return unknownType;
  if (!info.forward) {
    session.report("module/no-forward", span, { name: type.item.name.name });
    return errorType;
  }
  const forward = ofInstance(session, info, info.forward, type);
  const result = callFunction(forward, moduleMap(session, type), args, span, scope, (bound) => {
    const rows = new Map<string, readonly AxisItem[]>();
    for (const [row, items] of forward.declared.rows) {
      const found = items.flatMap((item) => (item.kind === "row" ? bound.map.row(item.row) : [item]));
      const solved = session.unifier.axes(found);
      if (!solved.some((item) => item.kind === "row" && item.row.kind === "open")) rows.set(row, solved);
      if (
        scope.body.kind === "forward" &&
        !session.isQuiet &&
        (solved.length !== 1 || solved[0]!.kind !== "row" || solved[0]!.row.name !== row)
      )
        session.noteOwnRows(type.item);
    }
    session.noteRows(span, rows);
    if (bound.vague || bound.failed) unfollowed(session, type);
  });
  session.noteUses(span);
  return result;
}

/** A use that is not followed might settle any of an instance's sizes. */
function unfollowed(session: Session, type: ModuleType): void {
  mapType(session.unifier.type(type), {
    size: (size) => {
      for (const v of variablesOf(size)) session.forgetLeftOut(v.id);
      return size;
    },
    row: (row) => [{ kind: "row", row }],
  });
}

/** A function of an instance. */
export function methodInfo(session: Session, type: ModuleType, item: FnItem | LossItem): FunctionInfo | null {
  const info = moduleInfo(session, type.item, type.file);
  const method = info?.functions.get(item.name.name);
  return info && method ? ofInstance(session, info, method, type) : null;
}
/** A function of a module as one instance has it. */
function ofInstance(session: Session, info: ModuleInfo, own: FunctionInfo, type: ModuleType): FunctionInfo {
  const updates = own.updates && type.isFrozen !== true;
  return own.inline ? { ...own, updates, outer: instanceScope(session, info, type) } : { ...own, updates };
}

function instanceScope(session: Session, info: ModuleInfo, type: ModuleType): Scope {
  const map = moduleMap(session, type);
  const mapped = (t: Type) => mapType(session.unifier.type(t), map);
  const params = info.params.map((p) => [p.name, type.arguments.get(p.name) ?? mapped(p.type)] as const);
  const members = [...info.members].map(([name, t]) => [name, mapped(t)] as const);
  const sizes = new Map([...info.declared.sizes].map(([name, size]) => [name, map.size(size)]));
  return fileScope(session, info.file, info.scope.body).child({
    values: new Map([["training", bool(flagTest("training", "training"))], ...params, ...members]),
    sizes,
  });
}

/** `m.name`: a part, a leaf, a function or an argument of an instance. */
export function memberOf(type: ModuleType, name: string, span: Span, scope: Scope): Type {
  const { session } = scope;
  const info = moduleInfo(session, type.item, type.file);
  if (!info) return unknownType;
  const member = info.members.get(name);
  if (member) {
    if (member.kind === "function") return { ...member, of: type };
    const found = session.unifier.type(member);
    const unsettled = openSizes(session, found, info);
    const mapped = mapType(found, moduleMap(session, type));
    const seen = mapType(mapped, { size: (size) => forgetForeign(size, info, unsettled), row: (row) => [{ kind: "row", row }] });
    return withMode(seen, type.isFrozen === true);
  }
  const param = info.params.find((p) => p.name === name);
  if (param) return type.arguments.get(name) ?? mapType(param.type, { size: () => anySize(), row: (row) => [{ kind: "row", row }] });
  const known = [...info.members.keys(), ...info.params.map((p) => p.name)];
  const all = known.length === 0 ? "it has no parts" : `it has ${known.map((k) => `\`${k}\``).join(", ")}`;
  session.report("type/no-field", span, { what: `a ${describeType(type)}`, name }, meant(name, known, span, all));
  return errorType;
}
/** Sizes of a part that the module's bodies leave open: each instance may settle them in its own way, by a use from outside. */
function openSizes(session: Session, member: Type, info: ModuleInfo): ReadonlySet<string> {
  const found = new Set<string>();
  mapType(member, {
    size: (size) => {
      for (const v of variablesOf(size)) if (v.kind === "open" && !info.declared.own.has(v.id)) found.add(v.id);
      return size;
    },
    row: (row) => [{ kind: "row", row }],
  });
  for (const id of found) session.forgetLeftOut(id);
  return found;
}
// A size of the module itself that no instance settles is not known outside.
function forgetForeign(size: Size, info: ModuleInfo, unsettled: ReadonlySet<string>): Size {
  const { own } = info.declared;
  return substituteSize(size, {
    variable: (v) => (own.has(v.id) || unsettled.has(v.id) ? anySize() : undefined),
    flag: (id) => (own.has(id) ? anySize() : undefined),
  });
}
