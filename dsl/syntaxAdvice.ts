import type { IToken } from "chevrotain";
import type { DiagnosticExtra } from "./diagnostics.ts";
import { didYouMean } from "./nearest.ts";
import type { Span } from "./span.ts";
import { Id, isHardKeyword, M, tokenRow, tokenRows } from "./tokens.ts";

// What to do about a syntax error: a sentence, and the edit where it is certain. Most mistakes are habits of other languages; they are rows of
// the tables below. In: the tokens around the one that does not fit and what should have stood there.

export interface Found {
  readonly tokens: readonly IToken[];
  /** Place of the token that does not fit. */
  readonly at: number;
  readonly expected: string;
  /** " in a block", or nothing. */
  readonly place: string;
  /** The bracket that is open there. */
  readonly opener: IToken | undefined;
  readonly spanOf: (token: IToken) => Span;
}
type Advice = Pick<DiagnosticExtra, "help" | "fix" | "related">;

interface Habit {
  readonly help: string;
  /** What should stand instead, where that is all there is to it. */
  readonly text?: string;
}
/** Words that begin something elsewhere. */
const wordHabits: Readonly<Record<string, Habit>> = {
  def: { help: "a function is `fn name(x: real[...b]) -> real[...b] { … }`", text: "fn" },
  func: { help: "a function is `fn name(x: real[...b]) -> real[...b] { … }`", text: "fn" },
  function: { help: "a function is `fn name(x: real[...b]) -> real[...b] { … }`", text: "fn" },
  class: { help: "a layer is a `module`, a record of values a `type`" },
  var: { help: "to name a value write `let x = …`", text: "let" },
  const: { help: "inside of a body a value gets its name by `let x = …`", text: "let" },
  elif: { help: "write `else { if … { … } }`" },
  while: { help: "loops run over what is known when compiling: `for i in 0..4 { … }`" },
  print: { help: "`log { name: value }` writes numbers down" },
  assert: { help: '`require condition as "reason"` ends a step, `expect condition` stands in tests' },
};
/** Marks that mean something elsewhere. */
const markHabits: Readonly<Record<string, Habit>> = {
  "^": { help: "powers are written `x ** 2`", text: "**" },
  "?": { help: "a choice is written `if c { a } else { b }`" },
  "=>": { help: "a function in an expression is written `fn(x) => …`" },
};
/** Characters that no program has outside of texts and comments. */
const characterHabits: Readonly<Record<string, Habit>> = {
  ";": { help: "statements need no `;`: each begins with a keyword", text: "" },
  "#": { help: "comments begin with `//`", text: "//" },
  "&&": { help: "both must hold: `and`", text: "and" },
  "!": { help: "the opposite is `not x`", text: "not " },
  "@": { help: "products of matrices are sums over an axis: `dot(a, b, over: k)`" },
  "%": { help: "what is left of a division is `a - b * floor(a / b)`" },
  "'": { help: 'a text stands in double quotes: `"…"`' },
  "~": { help: "the opposite is `not x`", text: "not " },
};

const habitOf = (habits: Readonly<Record<string, Habit>>, text: string): Habit | undefined =>
  Object.hasOwn(habits, text) ? habits[text] : undefined;
const adviceOf = ({ help, text }: Habit, span: Span): Advice => ({ help, ...(text === undefined ? {} : { fix: { span, text } }) });

/** What to do about characters that no program has. */
export function characterAdvice(text: string, span: Span): Advice {
  const habit = habitOf(characterHabits, text);
  return habit ? adviceOf(habit, span) : {};
}

/** What to do about a token that does not fit; empty where the table's own words are all there is. */
export function syntaxAdvice(found: Found): Advice {
  for (const rule of rules) {
    const advice = rule(found);
    if (advice) return advice;
  }
  return {};
}

const binarySigns: ReadonlySet<unknown> = new Set([
  M.equal,
  M.notEqual,
  M.less,
  M.lessEqual,
  M.greater,
  M.greaterEqual,
  M.plus,
  M.minus,
  M.star,
  M.slash,
  M.power,
]);
const keywordTexts: readonly string[] = tokenRows.flatMap((row) => (row.role === "hard" || row.role === "soft" ? [row.text!] : []));
/** Hard keywords that begin neither a statement nor an expression: where one stands as a value, somebody took it for a name. */
const neverFirst: ReadonlySet<string> = new Set("import in else and or fused forall".split(" "));
/** Hard keywords that begin a value. */
const valueWords: ReadonlySet<string> = new Set("if fn true false none not".split(" "));
export const closeOf: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

const isName = (token: IToken | undefined): boolean =>
  token !== undefined && /^[A-Za-z_]\w*$/.test(token.image) && !isHardKeyword(token.image);
const endOf = (token: IToken): number => token.startOffset + token.image.length;
const behind = (token: IToken, { spanOf }: Found): Span => ({ ...spanOf(token), start: endOf(token), end: endOf(token) });

/** Each looks at one kind of mistake; the first that knows it speaks. */
const rules: readonly ((found: Found) => Advice | undefined)[] = [
  function keywordAsName({ tokens, at, expected }) {
    const { image } = tokens[at]!;
    const isAsName = expected.startsWith("a name") || (neverFirst.has(image) && /^an (expression|argument)$/.test(expected));
    return isHardKeyword(image) && isAsName ? { help: `\`${image}\` is a keyword and cannot be a name` } : undefined;
  },
  function elseWithIf({ tokens, at, expected }) {
    if (tokens[at]!.image === "if" && tokens[at - 1]?.image === "else") return { help: "write `else { if … { … } else { … } }`" };
    if (tokens[at]!.image === "else" && expected === "`{`") return { help: "a choice is written `if c { a } else { b }`" };
    return undefined;
  },
  function foreignWord({ tokens, at, expected, place, spanOf }) {
    const token = tokens[at]!;
    const habit = habitOf(wordHabits, token.image);
    if (!habit || !/statement|item|`part`/.test(expected) || (token.image === "const" && !place.includes("block"))) return undefined;
    return adviceOf(habit, spanOf(token));
  },
  function foreignMark({ tokens, at, spanOf }) {
    const token = tokens[at]!;
    const habit = habitOf(markHabits, token.image);
    return habit && adviceOf(habit, spanOf(token));
  },
  function twoBars({ tokens, at, spanOf }) {
    const [first, second] = [tokens[at]!, tokens[at + 1]];
    if (first.image !== "|" || second?.image !== "|" || second.startOffset !== endOf(first)) return undefined;
    return { help: "one of both must hold: `or`", fix: { span: { ...spanOf(first), end: endOf(second) }, text: "or" } };
  },
  function signBehindPipe({ tokens, at, expected }) {
    const before = tokens[at - 1];
    if (!binarySigns.has(tokens[at]!.tokenType) || !before || binarySigns.has(before.tokenType) || expected === "an expression")
      return undefined;
    return { help: "`|>` takes only a function or a call on its right; put the pipe in parentheses, as in `(x |> f) * 2`" };
  },
  function assignment({ tokens, at, expected, spanOf }) {
    const [token, next, third] = [tokens[at]!, tokens[at + 1], tokens[at + 2]];
    if (!expected.includes("statement") || !isName(token)) return undefined;
    if (next?.tokenType === M.assign)
      return {
        help: `to name a value write \`let ${token.image} = …\``,
        fix: { span: { ...spanOf(token), end: token.startOffset }, text: "let " },
      };
    const isChange = next && third?.tokenType === M.assign && binarySigns.has(next.tokenType) && third.startOffset === endOf(next);
    if (isChange)
      return { help: `values do not change; a new one of that name is \`let ${token.image} = ${token.image} ${next.image} …\`` };
    if (next?.image === "(" || next?.image === ".") return { help: "what is computed is named (`let x = …`) or given back (`return …`)" };
    return undefined;
  },
  function parameterDefault({ tokens, at, expected, place, spanOf }) {
    const token = tokens[at]!;
    const isValue = token.tokenType === M.numeral || token.tokenType === M.text;
    if (!isValue || place !== " in the parameters" || !expected.includes("`,`")) return undefined;
    return {
      help: "a default stands behind `=`: `width: Dim = 16`",
      fix: { span: { ...spanOf(token), end: token.startOffset }, text: "= " },
    };
  },
  function unclosed(found) {
    const { tokens, at, expected, opener, spanOf } = found;
    const token = tokens[at]!;
    const before = tokens[at - 1];
    const close = opener && closeOf[opener.image];
    const beginsAnew = isHardKeyword(token.image) && !valueWords.has(token.image) && !neverFirst.has(token.image);
    if (!close || !before || !beginsAnew || opener.image === "{" || !expected.includes(`\`${close}\``)) return undefined;
    return {
      help: `\`${opener.image}\` is not closed: add \`${close}\``,
      related: [{ span: spanOf(opener), label: "opened here" }],
      fix: { span: behind(before, found), text: close },
    };
  },
  function missingComma(found) {
    const { tokens, at, expected } = found;
    const [token, before] = [tokens[at]!, tokens[at - 1]];
    if (!before || !/^`,` or/.test(expected)) return undefined;
    const begins =
      isName(token) || valueWords.has(token.image) || ["[", "(", "{", "..."].includes(token.image) || /^["`\d]/.test(token.image);
    const ends =
      isName(before) ||
      [")", "]", "}"].includes(before.image) ||
      /^["`\d]/.test(before.image) ||
      /^(?:true|false|none)$/.test(before.image);
    if (!begins || !ends || tokens[at + 1]?.image === "=") return undefined;
    return { help: "is a `,` missing before it?", fix: { span: behind(before, found), text: "," } };
  },
  function importForm({ tokens, at, expected, place, spanOf }) {
    const token = tokens[at]!;
    if (place !== " in an `import`") return undefined;
    if (expected === "`{`" && isName(token)) {
      const fix = tokens[at + 1]?.image === "from" ? { fix: { span: spanOf(token), text: `{ ${token.image} }` } } : {};
      return { help: `what is imported stands in braces: \`import { ${token.image} } from …\``, ...fix };
    }
    if (!expected.startsWith("a text")) return undefined;
    let last = at;
    while (tokens[last + 1]?.startOffset === endOf(tokens[last]!)) last++;
    const path = tokens
      .slice(at, last + 1)
      .map((one) => one.image)
      .join("");
    return {
      help: `a path stands in quotes: \`"${path}"\``,
      fix: { span: { ...spanOf(token), end: endOf(tokens[last]!) }, text: `"${path}"` },
    };
  },
  function logForm({ tokens, at, expected, spanOf }) {
    const [token, before] = [tokens[at]!, tokens[at - 1]];
    if (before?.image === "log" && isName(token)) {
      const next = tokens[at + 1];
      const isAlone =
        !next || next.image === "}" || (tokenRow(next.tokenType)?.role === "hard" && next.image !== "and" && next.image !== "or");
      const fix = isAlone ? { fix: { span: spanOf(token), text: `{ ${token.image} }` } } : {};
      return { help: `what is logged stands in braces: \`log { ${token.image} }\``, ...fix };
    }
    const name = /^"([A-Za-z_]\w*)"$/.exec(token.image)?.[1];
    if (name && tokens[at + 1]?.image === ":" && /record|argument/.test(expected))
      return { help: `names stand without quotes: \`${name}: …\``, fix: { span: spanOf(token), text: name } };
    return undefined;
  },
  function misspelt({ tokens, at, expected }) {
    const token = tokens[at]!;
    const help = token.tokenType === Id && /…\)|^a `/.test(expected) ? didYouMean(token.image, keywordTexts) : undefined;
    return help === undefined ? undefined : { help };
  },
];
