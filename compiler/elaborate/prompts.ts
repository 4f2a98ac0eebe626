import type { GrammarBit, GrammarItem, GrammarSeq, NamedType, TypeNode } from "../../dsl/ast.ts";
import { nearest } from "../../dsl/nearest.ts";
import type { Span } from "../../dsl/span.ts";
import { positionsOf, readTemplate, templateForms, usualLength } from "../../dsl/template.ts";
import type { HostBit, HostExpr, HostGrammar, HostSequence } from "../plan/host.ts";
import type { PromptPiece } from "../plan/plan.ts";
import { matchArguments } from "./arguments.ts";
import { isOrderedSubset, showAxes } from "./axes.ts";
import { argumentValue, type CallArg } from "./calls.ts";
import { evaluate } from "./expressions.ts";
import { fail, unsupported } from "./failure.ts";
import { hostConstant, scalarType, toHost } from "./hostExpr.ts";
import type { Scope } from "./scope.ts";
import { compileNumber } from "./sizes.ts";
import {
  type AxisItem,
  describe,
  isScalar,
  type PromptItemVal,
  type PromptVal,
  type TensorVal,
  type TextsVal,
  type Val,
} from "./values.ts";

// Prompts and grammars. A prompt is a template: text, slots (`{face:16}`: positions that the program fills), words with fillers
// (`{class+15}`), and parameters, which are texts or other prompts. Slots of the parts are slots of the whole.

/** A prompt with its arguments. Texts that run along axes give prompts along these axes. */
export function applyPrompt(prompt: PromptItemVal, args: readonly CallArg[], span: Span): PromptVal {
  const { item } = prompt;
  const given = matchArguments(item.name.name, [...item.params.map((p) => ({ name: p.name.name })), { name: "length" }], args, span);
  const values = new Map<string, Val>();
  let scope = prompt.scope;
  for (const param of item.params) {
    const name = param.name.name;
    const arg = given.get(name);
    const value = arg ? argumentValue(arg) : param.default ? evaluate(param.default, scope) : undefined;
    if (value === undefined)
      fail(
        "call/missing-argument",
        span,
        { callee: item.name.name, name },
        { related: [{ span: param.span, label: "declared here, without a default" }] },
      );
    checkPart(param.type, value, arg?.span ?? span);
    values.set(name, value);
    scope = scope.with(name, value);
  }
  const lengthArg = given.get("length");
  const length = lengthArg ? compileNumber(argumentValue(lengthArg), lengthArg.span, scope, "the length of a prompt") : usualLength;
  const bits = readTemplate(item.text.value, item.text.span);
  const axes = commonAxes([...values.values()], span);
  const count = axes.reduce((n, a) => n * a.size!, 1);
  const slots = new Map<string, { readonly count: number; readonly words: boolean }>();
  const addSlot = (name: string, slot: { readonly count: number; readonly words: boolean }, at: Span): void => {
    if (slots.has(name))
      fail("type/mismatch", at, { found: `the slot \`${name}\` twice`, expected: "each slot once: a position can be filled once" });
    slots.set(name, slot);
  };
  const parts = bits.map((bit): ((index: number) => readonly PromptPiece[]) => {
    if (bit.kind === "text") {
      const piece: PromptPiece = { kind: "text", text: hostConstant(bit.text) };
      return () => [piece];
    }
    if (bit.kind === "wrong") fail("type/mismatch", bit.span, { found: `\`${bit.text}\``, expected: templateForms });
    if (bit.kind === "slot") {
      addSlot(bit.name, { count: positionsOf(bit), words: false }, bit.span);
      const piece: PromptPiece = { kind: "slot", name: bit.name, count: bit.count };
      return () => [piece];
    }
    const value = values.get(bit.name);
    if (value === undefined) {
      const near = nearest(bit.name, values.keys());
      fail(
        "name/unknown",
        bit.span,
        { name: bit.name },
        { help: near ? `did you mean \`{${near}}\`?` : `a slot has a size: \`{${bit.name}:16}\`` },
      );
    }
    if (bit.kind === "words") {
      addSlot(bit.name, { count: positionsOf(bit), words: true }, bit.span);
      const texts = textsOf(value, bit.span);
      return (index) => [{ kind: "words", name: bit.name, text: pick(texts, axes, index), fillers: bit.fillers }];
    }
    if (value.kind === "prompt") {
      for (const [name, slot] of value.slots) addSlot(name, slot, bit.span);
      return (index) => pickFrom(value.axes, value.elements, axes, index);
    }
    const texts = textsOf(value, bit.span);
    return (index) => [{ kind: "text", text: pick(texts, axes, index) }];
  });
  const elements = Array.from({ length: count }, (_, index) => joined(parts.flatMap((part) => part(index))));
  return { kind: "prompt", axes, elements, slots, length, span };
}

/** Neighbouring known texts as one. */
function joined(pieces: readonly PromptPiece[]): PromptPiece[] {
  const out: PromptPiece[] = [];
  for (const piece of pieces) {
    const last = out.at(-1);
    if (piece.kind === "text" && last?.kind === "text" && piece.text.kind === "text" && last.text.kind === "text")
      out[out.length - 1] = { kind: "text", text: hostConstant(last.text.value + piece.text.value) };
    else if (piece.kind !== "text" || piece.text.kind !== "text" || piece.text.value !== "") out.push(piece);
  }
  return out;
}

function checkPart(type: TypeNode, value: Val, span: Span): void {
  const wanted = type.kind === "namedType" ? type.name.name : "";
  if (wanted === "Prompt" && value.kind !== "prompt") fail("type/mismatch", span, { found: describe(value), expected: "a prompt" });
  if (wanted === "Text") textsOf(value, span);
}

function textsOf(value: Val, span: Span): TextsVal {
  if (value.kind === "texts") return value;
  if (isScalar(value) && scalarType(value) === "text") return { kind: "texts", axes: [], items: [toHost(value)] };
  fail("type/mismatch", span, { found: describe(value), expected: "a text" });
}

/** The axes of all parts: the longest, of which the others are ordered subsets. */
function commonAxes(values: readonly Val[], span: Span): readonly AxisItem[] {
  let widest: readonly AxisItem[] = [];
  const all = values.flatMap((v) => (v.kind === "texts" || v.kind === "prompt" ? [v.axes] : []));
  for (const axes of all) if (axes.length > widest.length) widest = axes;
  for (const axes of all) {
    const fits = isOrderedSubset(
      axes.map((a) => a.name),
      widest.map((a) => a.name),
    );
    if (!fits || axes.some((a) => widest.find((w) => w.name === a.name)!.size !== a.size))
      fail("shape/not-a-subset", span, { left: showAxes(axes), right: showAxes(widest) });
  }
  return widest;
}

function pick(texts: TextsVal, axes: readonly AxisItem[], index: number): HostExpr {
  return pickFrom(texts.axes, texts.items, axes, index);
}

/** The element that stands at place `index` of `axes`. */
function pickFrom<T>(own: readonly AxisItem[], items: readonly T[], axes: readonly AxisItem[], index: number): T {
  let rest = index;
  const at = new Map<string, number>();
  for (const axis of [...axes].reverse()) {
    at.set(axis.name, rest % axis.size!);
    rest = Math.floor(rest / axis.size!);
  }
  return items[own.reduce((n, axis) => n * axis.size! + at.get(axis.name)!, 0)]!;
}

/** `p.ids`, `p.face`: an input that the host makes of a prompt. */
export function promptField(prompt: PromptVal, name: string, span: Span, scope: Scope): TensorVal {
  const { session } = scope;
  if (!session.takesPrompts || session.body === "init")
    unsupported("a prompt outside of steps, evaluations and tests", span, "tokens are made by the host for each step");
  const made = session.at(span, () => session.prompts.field(session.builder, prompt, name));
  if (made) return made;
  const known = ["ids", "plain", "end", ...prompt.slots.keys()];
  const near = nearest(name, known);
  fail(
    "type/no-field",
    span,
    { what: describe(prompt), name },
    {
      related: [{ span: prompt.span, label: "made here" }],
      help: near ? `did you mean \`${near}\`?` : `a slot is written into the prompt's text: \`{${name}:16}\``,
    },
  );
}

/** Prompts of one structure along a new axis. */
export function stackPrompts(items: readonly PromptVal[], axis: string, span: Span): PromptVal {
  const first = items[0]!;
  const shape = (p: PromptVal) =>
    `${p.length} ${p.axes.map((a) => `${a.name}:${a.size}`).join()} ${[...p.slots].map(([name, s]) => `${name}:${s.count}:${s.words}`).join()}`;
  items.forEach((item, i) => {
    if (shape(item) !== shape(first))
      fail("type/mismatch", span, { found: `element ${i}: ${describe(item)}`, expected: `${describe(first)}, as element 0` });
  });
  return {
    ...first,
    axes: [{ name: axis, size: items.length }, ...first.axes],
    elements: items.flatMap((item) => item.elements),
    span,
  };
}

/** One place along an axis of a prompt. */
export function indexPrompt(prompt: PromptVal, axis: string, index: number, span: Span): PromptVal {
  const at = prompt.axes.findIndex((a) => a.name === axis);
  if (at < 0) fail("shape/missing-axis", span, { axis, axes: showAxes(prompt.axes) });
  const { size } = prompt.axes[at]!;
  if (!Number.isInteger(index) || index < 0 || index >= size!) fail("index/out-of-range", span, { index, size: size! });
  const rest = prompt.axes.toSpliced(at, 1);
  const inner = prompt.axes.slice(at + 1).reduce((n, a) => n * a.size!, 1);
  const elements = prompt.elements.filter((_, i) => Math.floor(i / inner) % size! === index);
  return { ...prompt, axes: rest, elements, span };
}

/** The slots that a type asks for: `Prompt<face: 16>`. */
export function requireSlots(type: NamedType, prompt: PromptVal, span: Span): void {
  for (const arg of type.args) {
    if (arg.name === null || arg.value.kind !== "number") continue;
    const slot = prompt.slots.get(arg.name.name);
    if (slot?.count !== arg.value.value)
      fail("type/mismatch", span, {
        found: describe(prompt),
        expected: `a prompt with the slot \`{${arg.name.name}:${arg.value.value}}\``,
      });
  }
}

// ---- grammars ----------------------------------------------------------------------------------------------------------------------

/** A grammar as plain data; its first rule is called `start`, or is the first. */
export function readGrammar(item: GrammarItem, scope: Scope): HostGrammar {
  const names = new Set(item.rules.map((rule) => rule.name.name));
  const bound = (expr: Parameters<typeof evaluate>[0]) => compileNumber(evaluate(expr, scope), expr.span, scope, "a count");
  const sequences = (alternatives: readonly GrammarSeq[]): HostSequence[] =>
    alternatives.map((sequence) => ({
      weight: sequence.bits.reduce((weight, bit) => weight * (bit.weight ?? 1), 1),
      bits: sequence.bits.map(bitOf),
    }));
  const bitOf = ({ body, span }: GrammarBit): HostBit => {
    switch (body.kind) {
      case "text":
      case "chance":
        return body;
      case "rule": {
        if (names.has(body.name)) return body;
        const near = nearest(body.name, names);
        return fail("name/unknown", span, { name: body.name }, near ? { help: `did you mean \`${near}\`?` } : {});
      }
      case "group":
        return { kind: "group", alternatives: sequences(body.alternatives) };
      case "distinct": {
        const { count } = body;
        const [low, high] =
          count.kind === "range" && count.to !== null ? [bound(count.from), bound(count.to)] : [bound(count), bound(count) + 1];
        return { kind: "distinct", low, high, separator: body.separator, alternatives: sequences(body.alternatives) };
      }
      default:
        body satisfies never;
        throw new Error("internal: unknown bit of a grammar");
    }
  };
  const rules = Object.fromEntries(item.rules.map((rule) => [rule.name.name, sequences(rule.alternatives)]));
  const start = names.has("start") ? "start" : item.rules[0]?.name.name;
  if (start === undefined) fail("type/mismatch", item.name.span, { found: "a grammar without rules", expected: "a rule `start = …`" });
  return { name: item.name.name, start, rules };
}
