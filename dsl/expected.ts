import type { IParserErrorMessageProvider, TokenType } from "chevrotain";
import { tokenWords } from "./tokens.ts";

// What a syntax message says was expected, in plain words. The parser's "error message" is only this expectation; `parse.ts`
// adds what was found. One row per grammar rule that can be named; a rule without a row lists the tokens that could follow.

interface RuleWords {
  /** What the rule as a whole is, when nothing of it could be read. */
  readonly what?: string;
  /** Where we are, for a token that is missing inside the rule. */
  readonly place?: string;
  /** What could have stood instead of the closing bracket that was expected. */
  readonly orElse?: string;
  readonly help?: string;
}
const rules: Readonly<Record<string, RuleWords>> = {
  item: { what: "an item (`fn`, `module`, `model`, `step`, `train`, …)" },
  type: { what: "a type", place: "in a type" },
  arg: { what: "an argument", place: "in the arguments of a call" },
  index: { what: "an index", place: "in an index" },
  fnParam: { what: "a parameter", place: "in the parameters" },
  typeArg: { what: "a type or a number", place: "in the arguments of a type" },
  fieldType: { what: "a field `name: type`", place: "in a record type" },
  axes: { what: "axes in brackets", place: "in the axes", orElse: "`,`" },
  axis: { what: "an axis" },
  block: {
    what: "a block in braces",
    place: "in a block",
    orElse: "a statement (`let`, `return`, …)",
    help: "a statement begins with a keyword, as in `let x = …` or `return …`",
  },
  body: { what: "a value or statements in braces", place: "in an `if`" },
  statement: { what: "a statement (`let`, `return`, …)" },
  letStmt: { place: "in a `let`" },
  tapStmt: { place: "in a `tap`" },
  updateStmt: { place: "in an `update`" },
  requireStmt: { place: "in a `require`" },
  forStmt: { place: "in a `for`" },
  writeStmt: { place: "in a `write`" },
  measureStmt: { place: "in a `measure`" },
  binder: { what: "a name, or names in parentheses" },
  range: { what: "an expression" },
  expr: { what: "an expression" },
  operators: { what: "an expression" },
  unary: { what: "an expression" },
  postfix: { what: "an expression" },
  primary: { what: "an expression" },
  suffix: { place: "after `.`" },
  args: { place: "in the arguments of a call", orElse: "`,`" },
  indices: { place: "in an index", orElse: "`,`" },
  watch: { place: "in a `watch`", orElse: "`,`" },
  parens: { place: "in parentheses", orElse: "`,`" },
  brackets: { place: "in a list", orElse: "`,`" },
  comprehension: { place: "in a list comprehension" },
  fnExpr: { place: "in a `fn`" },
  record: { what: "a record `{ name: value }`", place: "in a record", orElse: "`,`" },
  partPath: { what: "a path of parts" },
  segment: { what: "a part's name, `*`, `**` or `{…}`", place: "in a path of parts" },
  importItem: { place: "in an `import`", orElse: "`,`" },
  importName: { place: "in an `import`" },
  typeItem: { place: "in a `type`" },
  constItem: { place: "in a `const`" },
  fnItem: { place: "in a `fn`" },
  lossItem: { place: "in a `loss`" },
  signature: { place: "in a signature", help: "a signature ends in `-> type`" },
  params: { what: "parameters in parentheses", place: "in the parameters", orElse: "`,`" },
  param: { what: "a parameter `name: type`", place: "in the parameters", help: "every parameter has a type: `name: type`" },
  moduleItem: { place: "in a `module`", orElse: "a `part`, `param`, `state`, `forward` or `fn`" },
  moduleMember: { what: "a `part`, `param`, `state`, `forward` or `fn`" },
  part: { place: "in a `part`" },
  leaf: { place: "in a `param` or `state`" },
  modelItem: { place: "in a `model`" },
  stateItem: { place: "in a `state`" },
  keysItem: { place: "in a `keys` block", orElse: 'a rule `path -> "key"`' },
  keyRule: { place: "in a rule of a `keys` block" },
  surgeryItem: { place: "in a `surgery`", orElse: "a rule `path = value`" },
  surgeryRule: { place: "in a rule of a `surgery`" },
  datasetItem: { place: "in a `dataset`", orElse: "a `source`, `order`, `let` or `field`" },
  datasetMember: { what: "a `source`, `order`, `let` or `field`", place: "in a `dataset`" },
  grammarItem: { place: "in a `grammar`", orElse: "a rule `name = …`" },
  grammarRule: { place: "in a `grammar`" },
  sequence: { what: "a text, a rule's name or a group" },
  bit: { what: "a text, a rule's name or a group", place: "in a `grammar`" },
  promptItem: { place: "in a `prompt`" },
  scheduleItem: { place: "in a `schedule`" },
  scheduleSpan: { place: "in a `schedule`" },
  stepItem: { place: "in a `step`" },
  optimizerItem: { place: "in an `optimizer`", orElse: "a `state`" },
  optimizerState: { place: "in a `state`" },
  trainItem: { place: "in a `train` block", orElse: "a setting (`data`, `batch`, `optimizer`, `each step`, …)" },
  setting: { what: "a setting (`data`, `batch`, `optimizer`, `each step`, …)" },
  accumulate: { place: "in `accumulate N by sum`" },
  every: { place: "in `every N`" },
  eachStep: { place: "in `each step: …`" },
  mix: { what: "a step's name" },
  mixEvery: { place: "in `every N updates: … otherwise: …`" },
  mixChoice: { place: "in `each step: …`" },
  evaluateItem: { place: "in an `evaluate` block", orElse: "a `data`, `model`, `measure`, `report` or another statement" },
  evaluateMember: { what: "a `data`, `model`, `measure`, `report` or another statement" },
  report: { place: "in a `report`" },
  propertyItem: { place: "in a `property`", orElse: "a statement" },
  forall: { place: "in a `forall`" },
};

const closers: ReadonlySet<string> = new Set(["CloseParen", "CloseBracket", "CloseBrace"]);

/** What the parser's error text carries. */
export interface Expectation {
  readonly expected: string;
  /** " in a block", or nothing. */
  readonly place: string;
  readonly help: string | undefined;
}
/** Reads an error text back. */
export function readExpectation(message: string): Expectation {
  const [expected = "something else", rule = ""] = message.split("\n");
  const row = rules[rule];
  return { expected, place: row?.place ? ` ${row.place}` : "", help: row?.help };
}

function alternatives(paths: readonly TokenType[][]): string {
  const words = [...new Set(paths.map((path) => path[0]).filter((type) => type !== undefined))].map(tokenWords);
  const shown = words.length > 6 ? [...words.slice(0, 5), "…"] : words;
  return shown.length < 2 ? (shown[0] ?? "something else") : `${shown.slice(0, -1).join(", ")} or ${shown.at(-1)}`;
}

/** Thrown when one item holds more mistakes than anyone would read; it keeps recovery linear, also in noise. */
export class TooManyErrors extends Error {}
const mostErrors = 40;
let errorsSoFar = 0;
/** To be called before each item is parsed. */
export function startCountingErrors(): void {
  errorsSoFar = 0;
}
/** The text of an error: what was expected, and the rule it was expected in (none when the rule as a whole is missing). */
function text(expected: string, rule = ""): string {
  errorsSoFar += 1;
  if (errorsSoFar > mostErrors) throw new TooManyErrors("too many errors");
  return `${expected}\n${rule}`;
}
function missing(ruleName: string, paths: readonly TokenType[][]): string {
  const what = rules[ruleName]?.what;
  return what ? text(what) : text(alternatives(paths), ruleName);
}

/** Chevrotain asks here for the text of its errors; it gets the expectation alone. */
export const expectedWords: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected, ruleName }) => {
    const also = closers.has(expected.name) ? rules[ruleName]?.orElse : undefined;
    return text(`${also ? `${also} or ` : ""}${tokenWords(expected)}`, ruleName);
  },
  buildNotAllInputParsedMessage: () => text("the next item (`fn`, `module`, `model`, `step`, `train`, …)"),
  buildNoViableAltMessage: ({ expectedPathsPerAlt, ruleName }) => missing(ruleName, expectedPathsPerAlt.flat()),
  buildEarlyExitMessage: ({ expectedIterationPaths, ruleName }) => missing(ruleName, expectedIterationPaths),
};
