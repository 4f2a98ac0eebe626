import type { GrammarItem, GrammarSeq, ModuleItem, PartPath, PathSegment } from "../ast.ts";
import { didYouMean, meant } from "../nearest.ts";
import { isSilent, type Type } from "../types/type.ts";
import { moduleInfo } from "./modules.ts";
import type { Session } from "./session.ts";

// Names that stand in rules: the parts that the paths of `keys`, `surgery` and an optimiser's groups name, and the rules of a grammar.

/** A path of a rule for a module: its names must be parts, as far as they can be followed. */
export function checkPartPath(session: Session, path: PartPath, item: ModuleItem, file: string): void {
  const root: Type = { kind: "module", item, file, arguments: new Map(), sizes: new Map() };
  follow(session, [root], path);
}
/** A path of an optimiser's group: it begins with a model, wherever in the program that is defined. */
export function checkGroupPath(session: Session, path: PartPath, models: ReadonlyMap<string, readonly Type[]>): void {
  const [first] = path.segments;
  if (first?.head.kind === "name" && !models.has(first.head.name)) {
    const { name } = first.head;
    const names = [...models.keys()];
    session.report("name/unknown", first.span, { name }, meant(name, names, first.span, `the models are ${names.join(", ")}`));
    return;
  }
  const roots = [...models].flatMap(([name, types]) =>
    types.map((type): Type => ({ kind: "record", name: null, fields: new Map([[name, type]]) })),
  );
  follow(session, roots, path);
}
function follow(session: Session, from: readonly Type[], path: PartPath): readonly Type[] | null {
  let at: readonly Type[] | null = from;
  for (const segment of path.segments) {
    if (at === null) return null;
    at = step(session, at, segment);
  }
  return at;
}
/** What a segment leads to; null: not followed, or reported. */
function step(session: Session, from: readonly Type[], segment: PathSegment): readonly Type[] | null {
  const { head } = segment;
  if (head.kind === "oneOf") {
    const ends = head.paths.map((path) => follow(session, from, path));
    return ends.some((end) => end === null) ? null : ends.flatMap((end) => end!);
  }
  const owners = from.flatMap(plain);
  if (owners.some((owner) => isSilent(owner))) return null;
  if (head.kind === "any") return owners.flatMap((owner) => [...membersOf(session, owner).values()]);
  if (head.kind === "deep") return withParts(session, owners);
  const known = owners.flatMap((owner) => [...membersOf(session, owner).keys()]);
  const found = owners.flatMap((owner) => membersOf(session, owner).get(head.name) ?? []);
  if (found.length > 0) return found;
  const modules = [...new Set(owners.flatMap((owner) => (owner.kind === "module" ? [`\`${owner.item.name.name}\``] : [])))];
  const what = modules.length === 0 ? "what the path leads to" : modules.join(" or ");
  const all = known.length === 0 ? "it has no parts" : `it has ${[...new Set(known)].map((k) => `\`${k}\``).join(", ")}`;
  session.report("type/no-field", segment.span, { what, name: head.name }, { help: didYouMean(head.name, known) ?? all });
  return null;
}
/** A part that may be absent, or one of a list, is any of them. */
function plain(type: Type): readonly Type[] {
  if (type.kind === "optional") return plain(type.of);
  if (type.kind === "list") return (type.elements ?? [type.element]).flatMap(plain);
  return [type];
}
/** Types with all that is below them; null where something of that is not known. */
function withParts(session: Session, from: readonly Type[]): readonly Type[] | null {
  const found: Type[] = [];
  const seen = new Set<unknown>();
  const open = [...from];
  for (let type = open.pop(); type !== undefined; type = open.pop()) {
    if (isSilent(type)) return null;
    // What a module is made of has the same names whatever its arguments.
    const same = type.kind === "module" ? type.item : type;
    if (seen.has(same)) continue;
    seen.add(same);
    found.push(type);
    for (const member of membersOf(session, type).values()) open.push(...plain(member));
  }
  return found;
}
function membersOf(session: Session, type: Type): ReadonlyMap<string, Type> {
  if (type.kind === "record") return type.fields;
  if (type.kind !== "module") return new Map();
  const members = moduleInfo(session, type.item, type.file)?.members ?? new Map<string, Type>();
  return new Map([...members].filter(([, member]) => member.kind !== "function"));
}

/** A grammar: its rules are there, its chances are chances, and something can be drawn. */
export function checkGrammar(session: Session, item: GrammarItem): void {
  const names = item.rules.map((rule) => rule.name.name);
  const sequences = (alternatives: readonly GrammarSeq[]): void => {
    const weights = alternatives.map((one) => one.bits.reduce((weight, bit) => weight * (bit.weight ?? 1), 1));
    if (alternatives[0] && weights.every((weight) => weight === 0))
      session.report("train/bad-weights", alternatives[0].span, { what: "these alternatives", problem: "all 0" });
    for (const bit of alternatives.flatMap((one) => one.bits)) {
      const { body, span } = bit;
      if (body.kind === "rule" && !names.includes(body.name))
        session.report("name/unknown", span, { name: body.name }, meant(body.name, names, span, `the rules are ${names.join(", ")}`));
      if (body.kind === "chance" && body.probability > 1)
        session.report("train/bad-number", span, { setting: "a chance", expected: "between 0 and 1", found: body.probability });
      if (body.kind === "group" || body.kind === "distinct") sequences(body.alternatives);
    }
  };
  for (const rule of item.rules) sequences(rule.alternatives);
}
