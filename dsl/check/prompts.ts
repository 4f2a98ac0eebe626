import type { CallExpr, GrammarItem, PromptItem } from "../ast.ts";
import { longer, longestText, wordsIn } from "../longest.ts";
import { didYouMean, meant } from "../nearest.ts";
import type { Span } from "../span.ts";
import { positionsOf, readTemplate, type TemplateBit, templateForms, usualLength } from "../template.ts";
import { anySize, constantSize, wholeOf } from "../types/size.ts";
import {
  type AxisItem,
  axis,
  describeType,
  errorType,
  isSilent,
  type PromptType,
  type SlotType,
  type Type,
  tensor,
  unknownType,
} from "../types/type.ts";
import { walk } from "../walk.ts";
import { argType, type CallArg, matchParams } from "./arguments.ts";
import { reportMissing } from "./bindArguments.ts";
import { evaluate } from "./expressions.ts";
import { fileScope } from "./globals.ts";
import { hasOpenRow, missingAxis } from "./indexing.ts";
import { showAxes } from "./match.ts";
import { reportAlign } from "./mismatch.ts";
import { type Scope, sizeOfNumber } from "./scope.ts";
import type { Session } from "./session.ts";

// Prompts: which slots a template has, along which axes it runs, and whether it can fit. Slots of the parts are slots of the whole.

/** Tokens that begin and end every prompt. */
const marks = 2;

type Part = PromptType | null; // null: a text
interface Value {
  readonly type: Type;
  readonly span: Span;
}

/** The prompt that a template makes of its parts; the type of a mistake after reporting one. */
function assemble(item: PromptItem, values: ReadonlyMap<string, Value>, length: Type | null, session: Session): Type {
  let slots: Map<string, SlotType> | null = new Map();
  let longest = "";
  let positions = 0;
  const add = (name: string, slot: SlotType, at: Span): boolean => {
    if (slots?.has(name)) {
      slotTwice(session, name, at);
      return false;
    }
    slots?.set(name, slot);
    return true;
  };
  for (const bit of readTemplate(item.text.value, item.text.span)) {
    switch (bit.kind) {
      case "wrong":
        return errorType;
      case "text":
        longest += bit.text;
        break;
      case "slot":
        if (!add(bit.name, { count: bit.count, words: false, isCertain: true }, bit.span)) return errorType;
        positions += bit.count;
        longest += " ";
        break;
      case "words":
        if (!add(bit.name, { count: positionsOf(bit), words: true, isCertain: true }, bit.span)) return errorType;
        positions += bit.fillers;
        longest += ` ${textIn(values.get(bit.name)?.type)} `;
        break;
      case "part": {
        const value = values.get(bit.name);
        const part = promptIn(value?.type);
        if (part === null) {
          longest += textIn(value?.type);
          break;
        }
        if (part.slots === null) slots = null;
        for (const [name, slot] of part.slots ?? []) if (!add(name, slot, value!.span)) return errorType;
        positions += part.positions;
        longest += part.longest;
        break;
      }
      default:
        bit satisfies never;
    }
  }
  const axes = commonAxes([...values.values()], session);
  if (axes === undefined) return errorType;
  const size = length === null ? constantSize(usualLength) : (sizeOfNumber(length) ?? anySize());
  return { kind: "prompt", axes, slots, length: size, longest, positions, item: null };
}
function slotTwice(session: Session, name: string, span: Span): void {
  const expected = "each slot once: a position can be filled once";
  session.report("type/mismatch", span, { found: `the slot \`${name}\` twice`, expected });
}
/** A long text that a value may be. */
function textIn(type: Type | undefined): string {
  if (type?.kind === "textValue") return type.text ?? type.longest ?? "";
  if (type?.kind === "tensor") return type.longest ?? "";
  return type?.kind === "optional" ? textIn(type.of) : "";
}
function promptIn(type: Type | undefined): Part {
  return type?.kind === "prompt" ? type : type?.kind === "optional" ? promptIn(type.of) : null;
}
/** The axes of all parts: the longest, of which the others are ordered subsets. Null: not known; undefined: reported. */
function commonAxes(values: readonly Value[], session: Session): readonly AxisItem[] | null | undefined {
  const { unifier } = session;
  let widest: { readonly axes: readonly AxisItem[]; readonly span: Span } | null = null;
  for (const { type, span } of values) {
    const part = promptIn(type);
    if (isSilent(type) || type.kind === "optional" || part?.axes === null) return null;
    const axes = unifier.axes(part?.axes ?? (type.kind === "tensor" ? type.axes : []));
    if (axes.length === 0) continue;
    if (widest === null) {
      widest = { axes, span };
      continue;
    }
    const aligned = unifier.align(widest.axes, axes);
    if (aligned.kind === "uncertain") return null;
    if (aligned.kind === "problem") {
      const place = { span, left: widest.axes, right: axes, leftSpan: widest.span, leftLabel: showAxes(widest.axes) };
      reportAlign(session, aligned.problem, place);
      return undefined;
    }
    widest = { axes: aligned.axes, span };
  }
  return widest?.axes ?? [];
}

/** At least so many tokens has the longest form of a prompt, whatever the tokenizer. */
const leastTokens = (prompt: PromptType) => marks + prompt.positions + wordsIn(prompt.longest);
/** Reports a prompt that cannot fit in its longest form. */
function fits(prompt: PromptType, span: Span, session: Session): boolean {
  const room = wholeOf(session.unifier.size(prompt.length));
  const least = leastTokens(prompt);
  // Of a length that is said only the mark of the end may be cut off.
  if (room === undefined || least <= (room === usualLength ? room : room + 1)) return true;
  const text = prompt.longest.replace(/\s+/g, " ").trim();
  const shown = text.length > 60 ? `${text.slice(0, 60).trim()}…` : text;
  const words = wordsIn(prompt.longest);
  const label = `${prompt.positions} positions of slots and fillers, ${words} word${words === 1 ? "" : "s"}${shown === "" ? "" : `: “${shown}”`}`;
  session.report("prompt/too-long", span, { least, room }, { label });
  return false;
}

/** A call of a prompt: its parts must be texts and prompts whose slots differ. */
export function callPrompt(item: PromptItem, file: string, args: readonly CallArg[], span: Span, scope: Scope): Type {
  const { session } = scope;
  const name = item.name.name;
  let failed = false;
  const names = [...item.params.map((p) => p.name.name), "length"];
  const given = matchParams(name, names, args, session, () => {
    failed = true;
  });
  const values = new Map<string, Value>();
  let inner = fileScope(session, file);
  for (const param of item.params) {
    const arg = given.get(param.name.name);
    if (!arg && !param.default) {
      if (!failed) reportMissing(session, name, param.name.name, span, param.span);
      failed = true;
      continue;
    }
    const place = inner;
    const type = arg ? argType(arg) : session.quietly(() => evaluate(param.default!, place));
    const at = arg?.span ?? span;
    if (type.kind === "error" || !suitsPart(param.type.kind === "namedType" ? param.type.name.name : "", type, at, session)) failed = true;
    values.set(param.name.name, { type, span: at });
    inner = inner.with(param.name.name, type);
  }
  const length = given.get("length");
  const size = length ? argType(length) : null;
  if (failed) return errorType;
  const made = assemble(item, values, size, session);
  return made.kind === "prompt" && !fits(made, span, session) ? errorType : made;
}
function suitsPart(wanted: string, type: Type, span: Span, session: Session): boolean {
  if (isSilent(type)) return true;
  if (type.kind === "optional") return suitsPart(wanted, type.of, span, session);
  const isText = type.kind === "textValue" || type.kind === "path" || (type.kind === "tensor" && type.dtype === "text");
  if (wanted === "Prompt" ? type.kind === "prompt" : wanted === "Text" ? isText : true) return true;
  const grammar = type.kind === "distribution" && type.dtype === "text";
  const help =
    type.kind === "promptKind" ? `give its arguments: \`${type.item.name.name}(…)\`` : grammar ? "a grammar is drawn from: `draw(…)`" : "";
  session.report(
    "type/mismatch",
    span,
    { found: describeType(type), expected: wanted === "Prompt" ? "a prompt" : "a text" },
    help === "" ? {} : { help },
  );
  return false;
}

/** What a prompt is as a value: one without arguments is itself, another waits for them. */
export function promptValue(session: Session, item: PromptItem, file: string): Type {
  if (item.params.some((p) => p.default === null)) return { kind: "promptKind", item, file };
  return session.once(item, "value", unknownType, (): Type => {
    const made = session.quietly(() => callPrompt(item, file, [], item.span, fileScope(session, file)));
    // One that is too long as it stands may be called with another length.
    return made.kind === "prompt" ? { ...made, item: { item, file } } : { kind: "promptKind", item, file };
  });
}
/** What a grammar makes: texts, of which a long one is known. */
export function grammarValue(session: Session, item: GrammarItem): Type {
  const longest = session.once(item, "longest", "", () => longestText(item));
  return { kind: "distribution", dtype: "text", host: { kind: "textValue", text: null, longest } };
}

/** The template of a prompt by itself: what it names, and whether it fits where nothing else is said. */
export function checkPrompt(session: Session, item: PromptItem, file: string): void {
  const params = new Map(item.params.map((p) => [p.name.name, p] as const));
  const bits = readTemplate(item.text.value, item.text.span);
  let clean = true;
  for (const bit of bits) clean = checkBit(session, bit, params) && clean;
  const used = new Set(bits.flatMap((bit) => ("name" in bit ? [bit.name] : [])));
  const slots = bits.filter((bit) => bit.kind === "slot" || bit.kind === "words");
  const twice = slots.find((bit, i) => slots.findIndex((other) => other.name === bit.name) < i);
  if (twice) slotTwice(session, twice.name, twice.span);
  else if (clean && item.params.length === 0 && used.size === slots.length && !saysLength(session, item.name.name)) {
    const made = session.quietly(() => assemble(item, new Map(), null, session));
    if (made.kind === "prompt") fits(made, item.text.span, session);
  }
  for (const param of item.params) {
    if (!param.default) continue;
    const type = evaluate(param.default, fileScope(session, file));
    suitsPart(param.type.kind === "namedType" ? param.type.name.name : "", type, param.default.span, session);
  }
}
function checkBit(session: Session, bit: TemplateBit, params: ReadonlyMap<string, PromptItem["params"][number]>): boolean {
  if (bit.kind === "text" || bit.kind === "slot") return true;
  if (bit.kind === "wrong") {
    session.report("type/mismatch", bit.span, { found: `\`${bit.text}\``, expected: templateForms });
    return false;
  }
  const param = params.get(bit.name);
  if (!param) {
    const help = didYouMean(bit.name, params.keys()) ?? `a slot has a number of positions: \`{${bit.name}:16}\``;
    session.report("name/unknown", bit.span, { name: bit.name }, { help });
    return false;
  }
  if (bit.kind === "words" && param.type.kind === "namedType" && param.type.name.name === "Prompt") {
    const related = [{ span: param.span, label: "declared here" }];
    session.report("type/mismatch", bit.span, { found: "a prompt", expected: "a text, whose words get fillers" }, { related });
    return false;
  }
  return true;
}
/** Whether a prompt of this name is called with a length of its own anywhere. */
function saysLength(session: Session, name: string): boolean {
  let found = false;
  for (const file of session.program.files.values())
    walk(file.ast, (node) => {
      if (node.kind !== "call") return undefined;
      const { callee, args } = node as CallExpr;
      if (callee.kind === "name" && callee.name === name && args.some((arg) => arg.name?.name === "length")) found = true;
      return undefined;
    });
  return found;
}

// ---- what a prompt offers ------------------------------------------------------------------------------------------------------------
/** `p.ids`, `p.face`: what the host makes of a prompt. */
export function promptField(prompt: PromptType, name: string, span: Span, { session }: Scope): Type {
  const { axes, slots, length } = prompt;
  const made = (dtype: "i32" | "f32", more: readonly AxisItem[]): Type => (axes ? tensor(dtype, [...axes, ...more]) : unknownType);
  if (name === "ids") return made("i32", [axis("tokens", length)]);
  if (name === "plain") return made("f32", [axis("tokens", length)]);
  if (name === "end") return made("i32", []);
  const slot = slots?.get(name);
  if (slot) return made("i32", [axis("slot", slot.count === null ? anySize() : constantSize(slot.count))]);
  if (slots === null) return made("i32", [axis("slot", anySize())]);
  const otherwise = `a slot is written into the prompt's text: \`{${name}:16}\``;
  session.report(
    "type/no-field",
    span,
    { what: describeType(prompt), name },
    meant(name, ["ids", "plain", "end", ...slots.keys()], span, otherwise),
  );
  return errorType;
}

/** One place along an axis of a prompt. */
export function indexPrompt(
  prompt: PromptType,
  name: string,
  index: Type,
  spans: { readonly name: Span; readonly index: Span },
  scope: Scope,
): Type {
  const { session } = scope;
  if (prompt.axes === null) return prompt;
  const axes = session.unifier.axes(prompt.axes);
  const at = axes.findIndex((a) => a.kind === "axis" && a.name === name);
  if (at < 0) {
    if (hasOpenRow(axes)) return { ...prompt, axes: null, item: null };
    missingAxis(name, axes, spans.name, scope);
    return errorType;
  }
  const here = axes[at]!;
  const value = sizeOfNumber(index);
  const [place, size] = [value && wholeOf(value), here.kind === "axis" ? wholeOf(session.unifier.size(here.size)) : undefined];
  if (place !== undefined && size !== undefined && (place < 0 || place >= size)) {
    session.report("index/out-of-range", spans.index, { index: place, size }, { label: `\`${name}\` has the size ${size}` });
    return errorType;
  }
  return { ...prompt, axes: axes.filter((_, i) => i !== at), item: null };
}

/** Prompts of one structure along a new axis. */
export function stackPrompts(prompts: readonly PromptType[], front: AxisItem, span: Span, session: Session): Type {
  const [first] = prompts;
  if (!first) return unknownType;
  const slotsOf = ({ slots }: PromptType) => [...slots!].map(([name, s]) => `${name}:${s.count}:${s.words}`).join();
  const isKnown = ({ slots }: PromptType) => slots !== null && [...slots.values()].every((s) => s.isCertain && s.count !== null);
  const differs = prompts.findIndex((p) => isKnown(p) && isKnown(first) && slotsOf(p) !== slotsOf(first));
  if (differs > 0) {
    session.report("type/mismatch", span, {
      found: `element ${differs}: ${describeType(prompts[differs]!)}`,
      expected: `${describeType(first)}, as element 0`,
    });
    return errorType;
  }
  const whole = prompts.reduce(joinPrompts);
  return { ...whole, slots: isKnown(first) ? first.slots : whole.slots, axes: whole.axes && [front, ...whole.axes], item: null };
}

/** What two prompts have in common where one of them stands. */
export function joinPrompts(a: PromptType, b: PromptType): PromptType {
  const longest = longer(a.longest, b.longest);
  const positions = longest === a.longest ? a.positions : b.positions;
  const same = a.axes !== null && b.axes !== null && showAxes(a.axes) === showAxes(b.axes);
  const length = a.length === b.length || wholeOf(a.length) === wholeOf(b.length) ? a.length : anySize();
  return { kind: "prompt", axes: same ? a.axes : null, slots: joinSlots(a.slots, b.slots), length, longest, positions, item: null };
}
function joinSlots(a: PromptType["slots"], b: PromptType["slots"]): PromptType["slots"] {
  if (a === null || b === null) return null;
  return new Map(
    [...new Set([...a.keys(), ...b.keys()])].map((name): [string, SlotType] => {
      const [left, right] = [a.get(name), b.get(name)];
      const one = (left ?? right)!;
      if (!left || !right) return [name, { ...one, isCertain: false }];
      return [
        name,
        { count: left.count === right.count ? left.count : null, words: one.words, isCertain: left.isCertain && right.isCertain },
      ];
    }),
  );
}
