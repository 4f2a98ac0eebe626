import type { HostBit, HostGrammar, HostSequence } from "./host.ts";
import type { Draws } from "./philox.ts";
import { pickIndex } from "./pick.ts";

// Texts from a grammar. In: the grammar as plain data and a sequence of draws. Out: one derivation as text; the same draws give the same text.

/** One text of the grammar. */
export function drawGrammar(grammar: HostGrammar, draws: Draws): string {
  return alternativesText(grammar, grammar.rules[grammar.start]!, draws);
}

function choose(alternatives: readonly HostSequence[], draws: Draws): HostSequence {
  return alternatives[
    pickIndex(
      alternatives.map((a) => a.weight),
      draws.uniform(),
    )
  ]!;
}

function alternativesText(grammar: HostGrammar, alternatives: readonly HostSequence[], draws: Draws): string {
  return sequenceText(grammar, choose(alternatives, draws), draws);
}

function sequenceText(grammar: HostGrammar, sequence: HostSequence, draws: Draws): string {
  let text = "";
  for (const bit of sequence.bits) {
    if (bit.kind === "chance" && !draws.coin(bit.probability)) return text;
    text += bitText(grammar, bit, draws);
  }
  return text;
}

function bitText(grammar: HostGrammar, bit: HostBit, draws: Draws): string {
  switch (bit.kind) {
    case "text":
      return bit.text;
    case "rule":
      return alternativesText(grammar, grammar.rules[bit.name]!, draws);
    case "group":
      return alternativesText(grammar, bit.alternatives, draws);
    case "chance":
      return "";
    case "distinct": {
      const wanted = bit.low + draws.integer(Math.max(1, bit.high - bit.low));
      const left = [...bit.alternatives];
      const parts: string[] = [];
      while (parts.length < wanted && left.length > 0) {
        const chosen = choose(left, draws);
        left.splice(left.indexOf(chosen), 1);
        parts.push(sequenceText(grammar, chosen, draws));
      }
      return parts.join(bit.separator);
    }
    default:
      bit satisfies never;
      throw new Error("internal: unknown bit of a grammar");
  }
}

const deepest = 40;

/** The longest text that a grammar can give (a rule that holds itself is followed a bounded number of times). */
export function longestDerivation(grammar: HostGrammar): string {
  const known = new Map<string, string>();
  const longer = (a: string, b: string) => (b.length > a.length ? b : a);
  const ofAlternatives = (alternatives: readonly HostSequence[], depth: number): string =>
    alternatives.map((sequence) => sequence.bits.map((bit) => ofBit(bit, depth)).join("")).reduce(longer, "");
  const ofBit = (bit: HostBit, depth: number): string => {
    if (depth > deepest) return "";
    switch (bit.kind) {
      case "text":
        return bit.text;
      case "chance":
        return "";
      case "group":
        return ofAlternatives(bit.alternatives, depth + 1);
      case "distinct":
        return bit.alternatives
          .map((sequence) => ofAlternatives([sequence], depth + 1))
          .sort((a, b) => b.length - a.length)
          .slice(0, Math.max(0, bit.high - 1))
          .join(bit.separator);
      case "rule": {
        const before = known.get(bit.name);
        if (before !== undefined) return before;
        const made = ofAlternatives(grammar.rules[bit.name]!, depth + 1);
        known.set(bit.name, made);
        return made;
      }
    }
  };
  return ofAlternatives(grammar.rules[grammar.start]!, 0);
}
