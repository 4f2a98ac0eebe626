import type { EvaluateItem, EvaluateMember, Item, Setting, TrainItem } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Program } from "../../dsl/program.ts";
import { fail } from "./failure.ts";
import { entrySpan, Files, findItem, type Replacements } from "./files.ts";
import type { Scope } from "./scope.ts";
import type { Session } from "./session.ts";
import { type Overrides, type ReadOverrides, readOverrides, settingsOf } from "./settings.ts";

// A `train` or `evaluate` block opened: the files of its program, with what the block and `--set` put in the place of their items.

export interface Entries {
  readonly train: readonly string[];
  /** Evaluations over a data set. */
  readonly evaluate: readonly string[];
  /** Evaluations that go through folders, files and lines. */
  readonly walk: readonly string[];
}
/** The names of the blocks that can be trained or evaluated. */
export function listEntries(program: Program): Entries {
  const items = program.files.get(program.entry)?.ast.items ?? [];
  const evaluations = items.filter((item) => item.kind === "evaluate");
  const overData = (item: EvaluateItem) => item.members.some((m) => m.kind === "dataMember");
  return {
    train: items.flatMap((item) => (item.kind === "train" ? [item.name.name] : [])),
    evaluate: evaluations.filter(overData).map((item) => item.name.name),
    walk: evaluations.filter((item) => !overData(item)).map((item) => item.name.name),
  };
}

interface OpenedBlock<T> {
  readonly item: T;
  readonly files: Files;
  /** Of the file that the block stands in. */
  readonly scope: Scope;
  readonly read: ReadOverrides;
}
export interface OpenedTrain extends OpenedBlock<TrainItem> {
  /** With those of the block that it is `like`. */
  readonly settings: readonly Setting[];
}
export interface OpenedEvaluate extends OpenedBlock<EvaluateItem> {
  readonly seed: number;
}

/** Opens a `train` block. */
export function openTrain(program: Program, session: Session, name: string, overrides: Overrides): OpenedTrain {
  const known = listEntries(program).train;
  const opened = open(program, session, "train", name, overrides, known, { trainedByDefault: true, allFrozen: false });
  const settings = settingsOf(opened.files, opened.item);
  replaceItems(opened, settings);
  const compat = settings.findLast((setting) => setting.kind === "compat");
  if (compat?.kind === "compat") session.compat = compatOf(compat);
  return { ...opened, settings };
}

/** Opens an `evaluate` block, in which all models are frozen; `known` are the names of those of its kind. */
export function openEvaluate(
  program: Program,
  session: Session,
  name: string,
  overrides: Overrides,
  known: readonly string[],
): OpenedEvaluate {
  const opened = open(program, session, "evaluate", name, overrides, known, { trainedByDefault: false, allFrozen: true });
  const { members } = opened.item;
  replaceItems(opened, members);
  const seed = opened.read.settings.get("seed") ?? members.findLast((m) => m.kind === "seedMember")?.value ?? 0;
  return { ...opened, seed };
}

function open<K extends "train" | "evaluate">(
  program: Program,
  session: Session,
  kind: K,
  name: string,
  overrides: Overrides,
  known: readonly string[],
  models: Pick<Replacements, "trainedByDefault" | "allFrozen">,
): OpenedBlock<Extract<Item, { kind: K }>> {
  const read = readOverrides(program, name, overrides);
  const files = new Files(program, session, { items: new Map(), values: new Map(read.constants), ...models });
  const block = findItem(files, kind, name);
  if (!block) {
    const near = nearest(name, known) ?? known[0];
    return fail("elaborate/unknown-entry", entrySpan(program), { kind, name }, near ? { help: `there is \`${near}\`` } : {});
  }
  return { item: block.item, files, scope: files.scope(block.file), read };
}

/** Constants and models of a block take the place of the file's of that name. */
function replaceItems({ files, scope }: OpenedBlock<unknown>, members: readonly (Setting | EvaluateMember)[]): void {
  const items = files.itemsOf(files.program.entry);
  for (const item of members) {
    if (item.kind !== "model" && item.kind !== "const") continue;
    const { name, span } = item.name;
    const found = items.get(name);
    if (found?.item.kind !== item.kind) {
      const known = [...items].flatMap(([one, { item: other }]) => (other.kind === item.kind ? [one] : []));
      const near = nearest(name, known);
      fail(
        "name/unknown",
        span,
        { name },
        { help: near ? `did you mean \`${near}\`?` : `a block replaces a ${item.kind} of its file; there is none of that name` },
      );
    }
    files.replacements.items.set(found.item, { item, scope });
  }
}

function compatOf({ value }: Extract<Setting, { kind: "compat" }>): Session["compat"] {
  if (value.name === "fixed" || value.name === "source") return value.name;
  return fail("elaborate/bad-setting", value.span, { key: "compat", problem: "`fixed` or `source`" });
}
