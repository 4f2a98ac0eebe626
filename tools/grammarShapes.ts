import type { IProduction } from "chevrotain";
import { adaParser } from "../dsl/grammar.ts";
import { tokenRows } from "../dsl/tokens.ts";

// The parser's own grammar as plain data, read from what Chevrotain recorded of its rules: what the text and the diagrams of spec/ are made of.

export type Shape =
  | { readonly kind: "rule"; readonly name: string }
  /** A keyword or mark has its text; the others (names, numbers, texts) have only the name of their token. */
  | { readonly kind: "token"; readonly name: string; readonly text: string | undefined }
  | { readonly kind: "sequence"; readonly parts: readonly Shape[] }
  | { readonly kind: "choice"; readonly parts: readonly Shape[] }
  | { readonly kind: "optional"; readonly part: Shape }
  | { readonly kind: "repeat"; readonly part: Shape; readonly least: 0 | 1; readonly separator: Shape | null };

const rowOf = new Map(tokenRows.map((row) => [row.name, row]));

/** All rules of the parser by name, in the order of their definition. */
export function grammarShapes(): ReadonlyMap<string, Shape> {
  return new Map(Object.values(adaParser().getGAstProductions()).map((rule) => [rule.name, sequence(rule.definition)]));
}

/** The fields of Chevrotain's productions that are read here. Its classes are told apart by name: each is what its constructor is called. */
interface Parts {
  readonly definition: readonly IProduction[];
  readonly nonTerminalName: string;
  readonly terminalType: { readonly name: string };
  readonly separator: { readonly name: string };
}

function sequence(parts: readonly IProduction[]): Shape {
  return parts.length === 1 ? shape(parts[0]!) : { kind: "sequence", parts: parts.map(shape) };
}
const token = (name: string): Shape => ({ kind: "token", name, text: rowOf.get(name)?.text });

function shape(production: IProduction): Shape {
  const p = production as unknown as Parts;
  const kind = production.constructor.name;
  const repeat = (least: 0 | 1, separator: Shape | null): Shape => ({ kind: "repeat", part: sequence(p.definition), least, separator });
  switch (kind) {
    case "NonTerminal":
      return { kind: "rule", name: p.nonTerminalName };
    case "Terminal":
      return token(p.terminalType.name);
    case "Alternative":
      return sequence(p.definition);
    case "Option":
      return { kind: "optional", part: sequence(p.definition) };
    case "Repetition":
      return repeat(0, null);
    case "RepetitionMandatory":
      return repeat(1, null);
    case "RepetitionWithSeparator":
      return repeat(0, token(p.separator.name));
    case "RepetitionMandatoryWithSeparator":
      return repeat(1, token(p.separator.name));
    case "Alternation": {
      const parts = p.definition.map(shape);
      return parts.length === 1 ? parts[0]! : { kind: "choice", parts };
    }
    default:
      throw new Error(`internal: a production of the kind ${kind}`);
  }
}
