import type { IProduction, Rule, TokenType } from "chevrotain";
import fc from "fast-check";
import { adaParser } from "../../dsl/grammar.ts";
import { Id, M, tokenRow, Word } from "../../dsl/tokens.ts";

// Random programs: walks of the parser's own grammar, so that every construct there is occurs in every place where it may stand. They can
// be read, as a rule; they mean nothing. Shrinking works on the choices made.

/** What is chosen on the way; when they run out, the first alternative is taken and nothing is repeated. */
class Choices {
  private readonly tape: readonly number[];
  private at = 0;
  constructor(tape: readonly number[]) {
    this.tape = tape;
  }
  of(count: number): number {
    const chosen = this.tape[this.at++];
    return chosen === undefined ? 0 : chosen % count;
  }
  get isOver(): boolean {
    return this.at >= this.tape.length;
  }
}

const names = ["x", "y", "width", "net", "loss", "step", "from", "batch", "a_long_name_of_something", "b"];
const numbers = ["0", "1", "16", "0.5", "1e-3", "120_000"];
const texts = ['"text"', '"a {face:16} b"', '""', '"\\n \\" // no comment"'];
const patterns = ["`a b -> (a b)`", "`...b c h w -> ...b n=(c h w)`"];
function imageOf(type: TokenType, choices: Choices): string {
  const pick = (list: readonly string[]): string => list[choices.of(list.length)]!;
  if (type === Id || type === Word) return pick(names);
  if (type === M.numeral) return pick(numbers);
  if (type === M.text) return pick(texts);
  if (type === M.pattern) return pick(patterns);
  return tokenRow(type)!.text!;
}

interface Production extends IProduction {
  readonly constructor: { readonly name: string };
  readonly definition: Production[];
  readonly separator: TokenType;
  readonly terminalType: TokenType;
  readonly referencedRule: Rule;
}
const rules = adaParser().getGAstProductions();
const definitionOf = (rule: Rule): Production[] => rule.definition as unknown as Production[];
const mostDepth = 45;

// How few levels each rule needs, so that a walk that must end takes the shortest way.
const heights = new Map<string, number>(Object.keys(rules).map((name) => [name, Number.POSITIVE_INFINITY]));
function height(production: Production): number {
  const all = (): number => 1 + Math.max(0, ...production.definition.map(height));
  switch (production.constructor.name) {
    case "Terminal":
    case "Option":
    case "Repetition":
    case "RepetitionWithSeparator":
      return 0;
    case "NonTerminal":
      return 1 + heights.get(production.referencedRule.name)!;
    case "Alternation":
      return Math.min(...production.definition.map(height));
    default:
      return all();
  }
}
for (let isChanged = true; isChanged; ) {
  isChanged = false;
  for (const rule of Object.values(rules)) {
    const now = Math.max(0, ...definitionOf(rule).map(height));
    if (now < heights.get(rule.name)!) isChanged = heights.set(rule.name, now) !== undefined;
  }
}
const shortest = (alternatives: readonly Production[]): Production =>
  alternatives.reduce((best, one) => (height(one) < height(best) ? one : best));

/** The tokens of one production. Deep down, options are left out and the shortest alternative is taken. */
function walk(production: Production, choices: Choices, depth: number, out: string[]): void {
  const all = (definition: readonly Production[]): void => {
    for (const one of definition) walk(one, choices, depth + 1, out);
  };
  const ends = depth > mostDepth || choices.isOver;
  const repeat = (least: number, separator?: TokenType): void => {
    const count = least + (ends ? 0 : choices.of(4 - least));
    for (let i = 0; i < count; i++) {
      if (i > 0 && separator) out.push(imageOf(separator, choices));
      all(production.definition);
    }
  };
  switch (production.constructor.name) {
    case "Terminal":
      out.push(imageOf(production.terminalType, choices));
      return;
    case "NonTerminal":
      all(definitionOf(production.referencedRule));
      return;
    case "Option":
      if (!ends && choices.of(3) === 0) all(production.definition);
      return;
    case "Alternation":
      walk(ends ? shortest(production.definition) : production.definition[choices.of(production.definition.length)]!, choices, depth, out);
      return;
    case "Repetition":
      repeat(0);
      return;
    case "RepetitionWithSeparator":
      repeat(0, production.separator);
      return;
    case "RepetitionMandatory":
      repeat(1);
      return;
    case "RepetitionMandatoryWithSeparator":
      repeat(1, production.separator);
      return;
    default:
      all(production.definition);
  }
}

/** The words of a random program of one to four items. */
export const randomWords: fc.Arbitrary<string[]> = fc.array(fc.nat(999), { minLength: 20, maxLength: 500 }).map((tape) => {
  const choices = new Choices(tape);
  const out: string[] = [];
  for (let i = 0; i <= choices.of(4); i++) for (const one of definitionOf(rules.item!)) walk(one, choices, 0, out);
  return out;
});

const gaps = [" ", " ", " ", " ", "  ", "\n", "\n\n", "\n    ", " // aside\n", "\n// alone\n", "\n/// told\n", "\n\n  // after a gap\n\n"];
/** A random program with random comments and line breaks between its words. */
export const randomProgram: fc.Arbitrary<string> = fc
  .tuple(randomWords, fc.array(fc.nat(gaps.length - 1), { minLength: 1, maxLength: 60 }))
  .map(([words, between]) => words.map((word, i) => word + gaps[between[i % between.length]!]!).join(""));
