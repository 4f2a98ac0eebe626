import { evaluateHost } from "./evalHost.ts";
import type { HostEnvironment } from "./host.ts";
import type { PlanPrompt, PromptPiece } from "./plan.ts";

// Prompts -> tokens and positions, on the host. In: a prompt of the plan, the step's values, a tokenizer. Out: the arrays that a leg's inputs
// take, by what follows the dot in their names. How many positions a slot has is part of the plan; where it starts depends on the texts.

export interface Tokenizer {
  readonly begin: number;
  readonly end: number;
  readonly pad: number;
  /** What stands at positions whose rows are supplied later. */
  readonly filler: number;
  /** A text without the marks of beginning and end. */
  readonly encode: (text: string) => readonly number[];
}

export type PromptArrays =
  | { readonly ok: true; readonly arrays: Readonly<Record<string, Int32Array | Float32Array>> }
  | { readonly ok: false; readonly text: string; readonly tokens: number; readonly most: number };

interface Encoded {
  readonly ids: readonly number[]; // with the marks
  readonly starts: ReadonlyMap<string, number>;
  readonly words: ReadonlyMap<string, number>;
  readonly text: string;
}

function encode(pieces: readonly PromptPiece[], environment: HostEnvironment, tokenizer: Tokenizer): Encoded {
  const ids = [tokenizer.begin];
  const starts = new Map<string, number>();
  const words = new Map<string, number>();
  let text = "";
  let plain = "";
  const flush = () => {
    if (plain.trim() !== "") ids.push(...tokenizer.encode(plain));
    plain = "";
  };
  for (const piece of pieces) {
    if (piece.kind === "text") {
      const part = String(evaluateHost(piece.text, environment));
      plain += part;
      text += part;
      continue;
    }
    flush();
    starts.set(piece.name, ids.length);
    if (piece.kind === "slot") {
      for (let i = 0; i < piece.count; i++) ids.push(tokenizer.filler);
      text += `{${piece.name}:${piece.count}}`;
      continue;
    }
    const own = String(evaluateHost(piece.text, environment));
    const tokens = tokenizer.encode(own);
    words.set(piece.name, tokens.length);
    ids.push(...tokens);
    for (let i = 0; i < piece.fillers; i++) ids.push(tokenizer.filler);
    text += own;
  }
  flush();
  ids.push(tokenizer.end);
  return { ids, starts, words, text };
}

/** The arrays of a prompt in one step; a prompt that is too long gives its text instead. */
export function promptArrays(prompt: PlanPrompt, environment: HostEnvironment, tokenizer: Tokenizer): PromptArrays {
  const { length, elements, slots } = prompt;
  const ids = new Int32Array(elements.length * length).fill(tokenizer.pad);
  const plain = new Float32Array(elements.length * length);
  const end = new Int32Array(elements.length);
  const places = slots.map((slot) => new Int32Array(elements.length * slot.count));
  const counts = slots.map(() => new Int32Array(elements.length));
  for (const [row, pieces] of elements.entries()) {
    const made = encode(pieces, environment, tokenizer);
    // a prompt of fixed length ends where its length says, if only the mark of the end is cut off
    if (made.ids.length - 1 > length || (made.ids.length > length && length === 77))
      return { ok: false, text: made.text, tokens: made.ids.length, most: length };
    ids.set(made.ids.slice(0, length), row * length);
    plain.fill(1, row * length + 1, row * length + Math.min(length, made.ids.length - 1));
    end[row] = Math.min(length, made.ids.length) - 1;
    for (const [i, slot] of slots.entries()) {
      const start = made.starts.get(slot.name)!;
      for (let k = 0; k < slot.count; k++) places[i]![row * slot.count + k] = start + k;
      counts[i]![row] = made.words.get(slot.name) ?? 0;
    }
  }
  const arrays: Record<string, Int32Array | Float32Array> = { ids, plain, end };
  for (const [i, slot] of slots.entries()) {
    arrays[slot.name] = places[i]!;
    if (slot.words) arrays[`${slot.name}.words`] = counts[i]!;
  }
  return { ok: true, arrays };
}
