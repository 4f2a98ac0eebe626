import type { IProduction, Rule as Production } from "chevrotain";
import { adaParser } from "../dsl/grammar.ts";
import { tokenRows } from "../dsl/tokens.ts";

// The parser's own grammar as text, so that what spec/language.md prints is what the parser reads. Written as EBNF: `x?`, `x*`, `x+`, `{x ","}`
// for a list with commas that may be empty, `{x ","}+` for one that may not.

const rowOf = new Map(tokenRows.map((row) => [row.name, row]));

/** All rules of the parser, one line each, in the order of their definition. */
export function grammarText(): string {
  const productions = adaParser().getGAstProductions();
  const width = Math.max(...Object.keys(productions).map((name) => name.length));
  return Object.values(productions)
    .map((rule: Production) => `${rule.name.padEnd(width)} = ${sequence(rule.definition)} .`)
    .join("\n");
}

function sequence(parts: readonly IProduction[]): string {
  return parts.map((part) => text(part)).join(" ");
}
function bracketed(parts: readonly IProduction[]): string {
  const inner = sequence(parts);
  return parts.length === 1 && !inner.includes(" ") ? inner : `(${inner})`;
}

/** The fields of Chevrotain's productions that are read here. Its classes are told apart by name: each is what its constructor is called. */
interface Parts {
  readonly definition: readonly IProduction[];
  readonly nonTerminalName: string;
  readonly terminalType: { readonly name: string };
  readonly separator: { readonly name: string };
}

function text(production: IProduction): string {
  const p = production as unknown as Parts;
  const kind = production.constructor.name;
  switch (kind) {
    case "NonTerminal":
      return p.nonTerminalName;
    case "Terminal":
      return terminal(p.terminalType.name);
    case "Alternative":
      return sequence(p.definition);
    case "Option":
      return `${bracketed(p.definition)}?`;
    case "Repetition":
      return `${bracketed(p.definition)}*`;
    case "RepetitionMandatory":
      return `${bracketed(p.definition)}+`;
    case "RepetitionWithSeparator":
      return `{${sequence(p.definition)} ${terminal(p.separator.name)}}`;
    case "RepetitionMandatoryWithSeparator":
      return `{${sequence(p.definition)} ${terminal(p.separator.name)}}+`;
    case "Alternation": {
      const choices = p.definition.map(text);
      return choices.length === 1 ? choices[0]! : `(${choices.join(" | ")})`;
    }
    default:
      throw new Error(`internal: a production of the kind ${kind}`);
  }
}

/** A keyword or mark in quotes, anything else by its name. */
function terminal(name: string): string {
  const exact = rowOf.get(name)?.text;
  return exact === undefined ? name : `"${exact}"`;
}
