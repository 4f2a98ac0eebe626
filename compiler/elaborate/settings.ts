import type { ConstItem, Item, Setting, TrainItem } from "../../dsl/ast.ts";
import type { Diagnostic } from "../../dsl/diagnostic.ts";
import { nearest } from "../../dsl/nearest.ts";
import { type FloatType, precisionKeys } from "../../dsl/precision.ts";
import type { Program } from "../../dsl/program.ts";
import type { Span } from "../../dsl/span.ts";
import { attempt, fail } from "./failure.ts";
import { entrySpan, type Files } from "./files.ts";
import { bool, list, number, text, type Val } from "./values.ts";

// Where settings come from: a `train` block, the block it is `like`, and `--set key=value`.

/** Settings that `--set` may change: by name, or by `block.name`. */
const settable = ["batch", "micro_steps", "seed", "accumulate", "save", "log"] as const;
export type SettableName = (typeof settable)[number];

export type Overrides = Readonly<Record<string, string>>;

/** The settings of a block in order: those of the block it is like first, so that its own come later and win. */
export function settingsOf(files: Files, item: TrainItem, chain: readonly TrainItem[] = []): readonly Setting[] {
  if (item.like === null) return item.settings;
  if (chain.includes(item)) fail("name/needs-itself", item.like.span, { name: item.name.name });
  const other = files.itemsOf(files.program.entry).get(item.like.name);
  if (other?.item.kind !== "train") fail("elaborate/unknown-entry", item.like.span, { kind: "train", name: item.like.name });
  return [...settingsOf(files, other.item, [...chain, item]), ...item.settings];
}

/** A value as `--set` gives it: a number, true or false, a list `[1, 2]` of such values, else a text. */
function readValue(written: string): Val {
  if (written === "true" || written === "false") return bool(written === "true");
  if (written.startsWith("[")) return readList(written) ?? text(written);
  const plain = written.replaceAll("_", "");
  if (plain !== "" && Number.isFinite(Number(plain))) return number(Number(plain));
  return text(written);
}

function readList(written: string): Val | undefined {
  try {
    return listValue(JSON.parse(written));
  } catch {
    return undefined;
  }
}
function listValue(value: unknown): Val {
  if (Array.isArray(value)) return list(value.map(listValue));
  return typeof value === "number" ? number(value) : typeof value === "boolean" ? bool(value) : text(String(value));
}

/** What a constant is, where its text says so; an override must be the same. */
function kindOfConst({ type, value }: ConstItem): Val["kind"] | undefined {
  if (type?.kind === "namedType" && type.axes === null) {
    const declared = { Int: "number", Dim: "number", Real: "number", Bool: "bool", Text: "text", Path: "text", List: "list" }[
      type.name.name
    ];
    if (declared !== undefined) return declared as Val["kind"];
  }
  switch (value.kind) {
    case "number":
      return "number";
    case "bool":
      return "bool";
    case "string":
      return "text";
    case "bracket":
    case "listComp":
      return "list";
    default:
      return undefined;
  }
}
const kindWords: { readonly [K in Val["kind"]]?: string } = { number: "a number", bool: "true or false", text: "a text", list: "a list" };

/** One override with the place where it is written. */
export interface GivenOverride {
  readonly key: string;
  readonly value: string;
  readonly span: Span;
}
/** What is wrong with overrides, whichever block they are for. */
export function checkOverrides(program: Program, given: readonly GivenOverride[]): Diagnostic[] {
  const items = program.files.get(program.entry)?.ast.items ?? [];
  const blocks = items.flatMap((item) => (item.kind === "train" || item.kind === "evaluate" ? [item.name.name] : []));
  return given.flatMap(({ key, value, span }) => {
    const tried = blocks.map((block) => attempt(() => readOverrides(program, block, { [key]: value })));
    const [first] = tried;
    if (!first || first.ok || tried.some((one) => one.ok)) return [];
    return [{ ...first.diagnostic, span }];
  });
}

export interface ReadOverrides {
  readonly settings: ReadonlyMap<SettableName, number>;
  readonly constants: ReadonlyMap<Item, Val>;
  readonly precision: ReadonlyMap<string, FloatType>;
}

/** Sorts overrides into settings and constants; an unknown key names its nearest neighbour. */
export function readOverrides(program: Program, block: string, overrides: Overrides): ReadOverrides {
  const settings = new Map<SettableName, number>();
  const constants = new Map<Item, Val>();
  const precision = new Map<string, FloatType>();
  const constItems = new Map<string, ConstItem>();
  for (const file of program.files.values()) {
    if (file.id === program.prelude) continue;
    for (const item of file.ast.items) if (item.kind === "const") constItems.set(item.name.name, item);
  }
  const span: Span = entrySpan(program);
  for (const [key, written] of Object.entries(overrides)) {
    const dot = key.indexOf(".");
    const owner = dot < 0 ? block : key.slice(0, dot);
    const name = dot < 0 ? key : key.slice(dot + 1);
    if (owner === "precision") {
      if (!precisionKeys.includes(name))
        fail("elaborate/unknown-setting", span, { key }, { help: `a precision has ${precisionKeys.join(", ")}` });
      if (written !== "f32" && written !== "f16") fail("elaborate/bad-setting", span, { key, problem: "`f32` or `f16` is wanted" });
      precision.set(name, written);
      continue;
    }
    const value = readValue(written);
    if (owner === block && (settable as readonly string[]).includes(name)) {
      if (value.kind !== "number" || !Number.isInteger(value.value) || value.value < 0)
        fail("elaborate/bad-setting", span, { key, problem: `"${written}" is no whole number` });
      settings.set(name as SettableName, value.value);
      continue;
    }
    const item = dot < 0 ? constItems.get(name) : undefined;
    if (item) {
      const wanted = kindOfConst(item);
      if (wanted !== undefined && wanted !== value.kind)
        fail("elaborate/bad-setting", span, { key, problem: `it is ${kindWords[wanted]}, and \`${written}\` is ${kindWords[value.kind]}` });
      constants.set(item, value);
      continue;
    }
    const blocks = [...program.files.get(program.entry)!.ast.items].flatMap((i) =>
      i.kind === "train" || i.kind === "evaluate" ? [i.name.name] : [],
    );
    if (owner !== block && blocks.includes(owner) && (settable as readonly string[]).includes(name)) continue; // meant for another block
    const known = [...settable, ...settable.map((s) => `${block}.${s}`), ...constItems.keys()];
    const near = nearest(key, known);
    fail(
      "elaborate/unknown-setting",
      span,
      { key },
      {
        help: near
          ? `did you mean \`${near}\`?`
          : `settings are ${settable.join(", ")}; constants are ${[...constItems.keys()].join(", ") || "none"}`,
      },
    );
  }
  return { settings, constants, precision };
}
