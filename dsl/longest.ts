import type { GrammarBit, GrammarItem, GrammarSeq } from "./ast.ts";

// The longest text that a grammar makes, as one text that it does make. Whatever the tokenizer, each word between spaces is at least one
// token, so a text with more words than there is room for cannot fit.

/** A longer witness proves nothing more. */
const mostText = 4_000;

/** How many words stand between spaces; what braces hold may be empty. */
export function wordsIn(text: string): number {
  return text
    .replace(/\{[^{}]*\}/g, "")
    .split(/\s+/)
    .filter((word) => word !== "").length;
}
/** The text with more words. */
export function longer(a: string, b: string): string {
  return wordsIn(b) > wordsIn(a) ? b : a;
}

/** A text with as many words as a derivation of the grammar can have, by the words of its parts; empty for a grammar that cannot be read. */
export function longestText(item: GrammarItem): string {
  const rules = new Map(item.rules.map((rule) => [rule.name.name, rule.alternatives] as const));
  const known = new Map<string, string | null>();
  // A rule inside of itself makes nothing longer that ends.
  const ofRule = (name: string): string | null => {
    if (!known.has(name)) {
      known.set(name, null);
      known.set(name, ofAlternatives(rules.get(name) ?? []));
    }
    return known.get(name) ?? null;
  };
  const ofAlternatives = (alternatives: readonly GrammarSeq[]): string | null => ranked(alternatives)[0] ?? null;
  const ranked = (alternatives: readonly GrammarSeq[]): string[] => {
    const texts = alternatives.flatMap((sequence) => ofSequence(sequence) ?? []);
    return texts.sort((a, b) => wordsIn(b) - wordsIn(a));
  };
  const ofSequence = ({ bits }: GrammarSeq): string | null => {
    if (bits.some((bit) => bit.weight === 0)) return null;
    let text = "";
    for (const bit of bits) {
      if (bit.body.kind === "chance" && bit.body.probability <= 0) break;
      const part = ofBit(bit);
      if (part === null) return null;
      text = (text + part).slice(0, mostText);
    }
    return text;
  };
  const ofBit = ({ body }: GrammarBit): string | null => {
    switch (body.kind) {
      case "text":
        return body.text;
      case "chance":
        return "";
      case "rule":
        return rules.has(body.name) ? ofRule(body.name) : "";
      case "group":
        return ofAlternatives(body.alternatives);
      case "distinct": {
        const { count } = body;
        const last = count.kind === "range" ? count.to : count;
        const most = last?.kind === "number" ? last.value - (count.kind === "range" ? 1 : 0) : 1;
        return ranked(body.alternatives).slice(0, Math.max(0, most)).join(body.separator);
      }
      default:
        return body satisfies never;
    }
  };
  const first = item.rules[0]?.name.name;
  return (rules.has("start") ? ofRule("start") : first === undefined ? null : ofRule(first)) ?? "";
}
