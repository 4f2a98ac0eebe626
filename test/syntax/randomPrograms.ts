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

/** Rules whose words are fewer than the grammar says: their reader knows only some names there. */
const fixedTexts: Readonly<Record<string, readonly string[]>> = {
  accumulate: ["accumulate 2 by sum", "accumulate 16 by mean"],
  compat: ["compat source", "compat fixed"],
  remat: ["remat none", "remat all except { attn . out , x }", "remat fit 6 GB", "remat all"],
  bit: ['"text"', "x", 'distinct ( 1 .. 3 , "," , x | y )', '( x | "y" ^ 2 ) ^ 4', "[ 0.4 ]"],
  numberSetting: ["batch 4", "micro_steps 120_000", "seed 42", "gradient clip ( 0.5 )"],
  every: ["save every 500", "log every 10", "preview every 100 : x ( y )"],
};

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

// How many rules lie between a production and a rule: the way to a rule that a program is to have.
const waysTo = new Map<string, ReadonlyMap<string, number>>();
function wayTo(target: string): ReadonlyMap<string, number> {
  const known = waysTo.get(target);
  if (known) return known;
  const found = new Map([[target, 0]]);
  waysTo.set(target, found);
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const rule of Object.values(rules)) {
      const now = Math.min(...definitionOf(rule).map((one) => distance(one, target))) + 1;
      if (now < (found.get(rule.name) ?? Number.POSITIVE_INFINITY)) isChanged = found.set(rule.name, now) !== undefined;
    }
  }
  return found;
}
function distance(production: Production, target: string): number {
  if (production.constructor.name === "Terminal") return Number.POSITIVE_INFINITY;
  if (production.constructor.name === "NonTerminal") return wayTo(target).get(production.referencedRule.name) ?? Number.POSITIVE_INFINITY;
  return Math.min(Number.POSITIVE_INFINITY, ...production.definition.map((one) => distance(one, target)));
}
/** A rule that a program is to have, until it has it. */
interface Goal {
  rule: string | null;
  /** How far it is at most: every turn on the way comes nearer. */
  limit: number;
}

/** The tokens of one production. Deep down, options are left out and the shortest alternative is taken. */
function walk(production: Production, choices: Choices, depth: number, out: string[], goal: Goal): void {
  const far = (one: Production): number => (goal.rule === null ? Number.POSITIVE_INFINITY : distance(one, goal.rule));
  const isOnTheWay = (one: Production): boolean => far(one) < goal.limit;
  const all = (definition: readonly Production[]): void => {
    for (const one of definition) walk(one, choices, depth + 1, out, goal);
  };
  const ends = depth > mostDepth || choices.isOver;
  const repeat = (least: number, separator?: TokenType): void => {
    const wanted = least + (ends ? 0 : choices.of(4 - least));
    const count = Math.max(wanted, production.definition.some(isOnTheWay) ? 1 : 0);
    for (let i = 0; i < count; i++) {
      if (i > 0 && separator) out.push(imageOf(separator, choices));
      all(production.definition);
    }
  };
  switch (production.constructor.name) {
    case "Terminal":
      out.push(imageOf(production.terminalType, choices));
      return;
    case "NonTerminal": {
      goal.limit = Math.min(goal.limit, far(production));
      if (production.referencedRule.name === goal.rule) goal.rule = null;
      const fixed = fixedTexts[production.referencedRule.name];
      if (fixed) {
        out.push(...fixed[choices.of(fixed.length)]!.split(" "));
        return;
      }
      all(definitionOf(production.referencedRule));
      return;
    }
    case "Option":
      if (production.definition.some(isOnTheWay) || (!ends && choices.of(3) === 0)) all(production.definition);
      return;
    case "Alternation":
      walk(
        (isOnTheWay(production) ? production.definition.reduce((best, one) => (far(one) < far(best) ? one : best)) : undefined) ??
          (ends ? shortest(production.definition) : production.definition[choices.of(production.definition.length)]!),
        choices,
        depth,
        out,
        goal,
      );
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
export const randomWords: fc.Arbitrary<string[]> = fc.array(fc.nat(999), { minLength: 40, maxLength: 500 }).map((tape) => {
  const choices = new Choices(tape);
  const out: string[] = [];
  // The first item has one rule for certain, so that rare ones occur too.
  const goal: Goal = { rule: Object.keys(rules)[choices.of(Object.keys(rules).length)]!, limit: Number.POSITIVE_INFINITY };
  for (let i = 0; i <= choices.of(4); i++) for (const one of definitionOf(rules.item!)) walk(one, choices, 0, out, goal);
  return out;
});

const gaps = [" ", " ", " ", " ", "  ", "\n", "\n\n", "\n    ", " // aside\n", "\n// alone\n", "\n/// told\n", "\n\n  // after a gap\n\n"];
/** A random program with random comments and line breaks between its words. */
export const randomProgram: fc.Arbitrary<string> = fc
  .tuple(randomWords, fc.array(fc.nat(gaps.length - 1), { minLength: 1, maxLength: 60 }))
  .map(([words, between]) => words.map((word, i) => word + gaps[between[i % between.length]!]!).join(""));
