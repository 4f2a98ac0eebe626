import type { Diagnostic } from "./diagnostic.ts";
import type { Span } from "./span.ts";

// The table of everything that can be wrong with a program: code -> severity, message, optional help. Names in braces are the
// arguments of the message; `diagnose` is type-checked against them, so a row and its callers cannot drift apart.
// To add a diagnostic, add a row. Codes are words and stay stable: users and tools refer to them.

interface Row {
  readonly severity: "error" | "warning";
  readonly message: string;
  readonly help: string;
}
const error = <const M extends string, const H extends string = "">(message: M, help?: H) =>
  ({ severity: "error", message, help: (help ?? "") as H }) as const;
const warning = <const M extends string, const H extends string = "">(message: M, help?: H) =>
  ({ severity: "warning", message, help: (help ?? "") as H }) as const;

export const diagnosticTable = {
  // ---- reading the text ----
  "syntax/unexpected": error("found {found} where {expected} should stand{place}"),
  "syntax/unknown-character": error("{text} has no meaning here", "only texts in quotes and comments may hold such characters"),
  "syntax/unclosed-text": error(
    "this text has no closing quote on its line",
    'end it with `"`; a line break inside a text is written `\\n`',
  ),
  "syntax/unclosed-pattern": error(
    "this pattern has no closing backquote on its line",
    "a pattern stands on one line between two backquotes",
  ),
  "syntax/unclosed-bracket": error("`{open}` is never closed", "add `{close}`"),
  "syntax/unknown-escape": error("`\\{escape}` is not an escape", 'known are `\\n`, `\\t`, `\\"`, `\\\\` and `\\u{{hex}}`'),
  "syntax/bad-pattern": error(
    "this pattern cannot be read: {problem}",
    "a pattern is `axes -> axes`, as in `...b c h w -> ...b f=(c h w)`",
  ),
  "syntax/number-too-large": error(
    "the number {text} is too large to be kept exactly",
    "whole numbers reach {most}; larger ones are written with an exponent, up to 1.7e308",
  ),
  "syntax/too-deep": error("this is nested more deeply than {most} levels", "give the inner parts names with `let`"),
  "syntax/file-too-large": error("this file has {size} characters; at most {most} are read", "split it into several files with `import`"),
  "syntax/if-without-else": error(
    "this `if` has no `else`, so it has no value when the condition is false",
    "add `else {{ … }}`; only an element of a list may be left out",
  ),
  "syntax/expected-one-of": error("found {found}; here stands {expected}"),

  // ---- names ----
  "name/unknown": error("nothing here is called `{name}`"),
  "name/duplicate": error("`{name}` is defined twice", "rename one of them"),
  "name/not-a-type": error("`{name}` is {kind}, not a type"),
  "name/wrong-kind": error("`{name}` is {kind}; {expected} should stand here"),

  // ---- files ----
  "import/not-found": error('there is no file "{path}"', "looked for {looked}"),
  "import/unreadable": error('"{path}" cannot be read: {reason}'),
  "import/bad-path": error(
    '"{path}" is not a path that can be imported',
    'write a path that begins with "./", "../", "std/" or "models/" and ends in ".ada" (for `import host` in ".ts")',
  ),
  "import/outside-root": error(
    '"{path}" lies outside of {root}',
    "imports stay inside the project or the installed library (`std`, `models`)",
  ),
  "import/cycle": error("these files import each other: {cycle}", "move what both need into a third file"),
  "import/no-such-name": error('"{path}" defines no `{name}`'),
  "import/host": error(
    "`{name}` cannot be called from a program: {problem}",
    "its signature is made of number, string, boolean, lists, typed arrays and records of these",
  ),

  // ---- modules ----
  "module/cycle": error("these modules contain each other: {cycle}", "a part must be smaller than the module that holds it"),
  "module/no-forward": error("module `{name}` has no `forward`, so it cannot be called", "add `forward(x: …) -> … {{ … }}`"),

  // ---- shapes ----
  "shape/axis-mismatch": error("`{axis}` is {left} here but {right} there"),
  "shape/missing-axis": error("there is no axis `{axis}` here: the axes are {axes}"),
  "shape/not-determined": error("nothing says how large `{size}` is"),
  "shape/reused-with-two-sizes": error("`{size}` would have to be {left} and {right} at once"),

  // ---- types and calls ----
  "type/mismatch": error("this is {found}, but {expected} is needed"),
  "call/unknown-argument": error("`{callee}` has no argument `{name}`"),
  "call/missing-argument": error("`{callee}` needs the argument `{name}`"),
  "call/duplicate-argument": error("the argument `{name}` is given twice"),
  "call/too-many-arguments": error("`{callee}` takes {most} arguments, not {given}"),
  "call/not-callable": error("{what} cannot be called"),

  // ---- elaboration: concrete sizes, models, steps ----
  "shape/not-a-subset": error(
    "the axes {left} and {right} do not line up",
    "axes align by name: those of one side are an ordered subset of the other's; `rename` and `expand` help",
  ),
  "shape/duplicate-axis": error("the axis `{axis}` would stand twice", "`rename` one of the two"),
  "shape/not-whole": error("{what} is {value}, which is no whole number from 0 on", "`floor(a / b)` where it need not divide"),
  "shape/rank": error("this is {found}, but {expected} is needed: the number of axes differs"),
  "shape/unnamed-axis": error("this axis has a size and no name", "write `name: size`"),
  "shape/unnamed-index": error("which axis of {found} is meant?", "write `x[axis: i]`"),
  "shape/axis-order": error("the axes of {found} are not in the order {expected}"),
  "shape/result-axes": error(
    "the result is {found}, but the axes {expected} are declared",
    "`rename`, `expand` or a reduction is missing, or the declaration is wrong",
  ),
  "shape/not-scalar": error("{what} is {found}, not one number", "`mean` or `sum` makes one number of it"),
  "shape/pattern": error("this pattern does not fit: {problem}"),
  "shape/does-not-divide": error("`{axis}` of size {size} cannot be split into ({parts}): {product} does not divide it"),
  "index/out-of-range": error("index {index} is outside of 0..{size}"),
  "type/no-field": error("{what} has no field `{name}`"),
  "bind/two-for-one": error("the parameters `{first}` and `{second}` have one key: {key}"),
  "bind/surgery": error(
    "surgery `{surgery}` cannot make `{path}`, {to}, of the file's {from}: {problem}",
    "a rule is a function from the file's tensor to the parameter; a size that it leaves open must take the one's shape to the other's",
  ),
  "bind/template": error("this key cannot be computed: {problem}"),
  "tap/missing": error("{part} has no tap and no part `{name}`", "a tap is written `tap name = …` in the part's module"),
  "call/too-deep": error("calls are nested more than {most} deep", "a function must not call itself: loops are `fold` and `for`"),
  "module/not-in-a-model": error(
    "this `{name}` is not part of a model, so its parameters have no place",
    "store it with `part` in a module, or declare a `model`",
  ),
  "module/frozen-update": error("`{path}` belongs to a frozen model and cannot be updated", "guard the update with `if training {{ … }}`"),
  "time/host-value-needed": error(
    "{what} must be known before the step runs",
    "a value of finite domain makes one graph per value: `coin`, `pick`, a short `integer`",
  ),
  "time/too-many-alternatives": error("step `{name}` would need more than {most} graphs", "these draws multiply: {draws}"),
  "elaborate/bad-line": error("{file}:{line}: {problem}"),
  "elaborate/unsupported": error("{what} is not available in this version"),
  "name/needs-itself": error("`{name}` is needed to say what `{name}` is"),
  "elaborate/too-long": error(
    "a list of {length} elements is longer than {most}",
    "lists are unrolled when compiling; long axes belong into tensors",
  ),
  "elaborate/misplaced": error("`{what}` may stand only in {where}"),
  "elaborate/unknown-entry": error("there is no `{kind}` block called `{name}`"),
  "elaborate/missing-setting": error("`{name}` does not say {setting}"),
  "elaborate/unknown-setting": error("nothing can be set that is called `{key}`"),
  "elaborate/bad-setting": error("`{key}` cannot be set to this: {problem}"),
  "elaborate/nothing-minimised": error(
    "no step of `{name}` minimises anything that depends on a trained parameter",
    "mark a model `trained`, or look for a `stop` on the way",
  ),
  "elaborate/no-such-part": error("no trained parameter matches `{path}`"),
  "elaborate/not-by-template": warning(
    "the body of `{name}` is not of the form that `{template}` makes fast, so it is computed as it is written",
    "`attend` is softmax(dot(q, k) * number + mask) contracted with v, the softmax over the keys",
  ),

  "memory/too-large": error(
    "a tensor here, {tensor}, has {bytes}; a kernel on this adapter can bind {limit}, and {why}",
    "make it smaller, or compute it in parts",
  ),
  // ---- functions of the project's TypeScript ----
  "host/threw": error("`{name}` threw: {message}"),
  "host/result": error("`{name}` gave {found}, which is not what its signature says"),

  // ---- data sets ----
  "data/field-cycle": error("a field of a data set needs itself: {path}"),
  "data/weights": error("{weights} weights for {sources} sources", "one weight for each `source` that is there"),

  // ---- settings from files ----
  "config/not-yaml": error("this is not YAML: {problem}"),
  "config/not-a-value": error("`{key}` is {found}; a setting is a number, a text, true or false, or a list of these"),

  // ---- the checker: sizes, effects, bodies, training ----
  "shape/unmet": error("`{callee}` needs {equation}, but here that is {left} and {right}"),
  "shape/axes-left-out": error("`order` must name every axis: {axes} is missing"),
  "shape/element-differs": error(
    "element {index} of this list is {found}, but element 0 is {expected}",
    "all elements must have the same axes and sizes",
  ),
  "type/missing-field": error("the field `{name}` is missing here"),
  "body/no-return": error("{what} has no `return`, so it has no value", "end it with `return …`"),
  "body/unreachable": error("this is never reached, because a `return` stands before it"),
  "effect/undeclared": error("{what}, but `{body}` does not say so", "write `{effect}` before the `->` of its signature"),
  "effect/not-here": error("{what} cannot stand in {place}"),
  "effect/not-state": error("`{name}` is no state, so it cannot be updated"),
  "prompt/too-long": error(
    "in its longest form this prompt has at least {least} tokens, of which {room} have room",
    "whatever the tokenizer, every word is a token, and so are its begin and end; shorten it, or say `length:`",
  ),
  "train/missing-setting": error("train block `{name}` does not say `{setting}`"),
  "train/doubled-setting": error("`{setting}` is said twice"),
  "train/wrong-data": error("step `{step}` reads `{setting}` from `{wanted}`, but the train block gives it {found}"),
  "train/bad-weights": error("the weights of {what} are {problem}", "weights are not negative, and at least one is more than 0"),
  "train/bad-number": error("{setting} must be {expected}, not {found}"),
  "train/not-each": error(
    "`{name}` is the same for all parameters, so it cannot be set for a group",
    "settings of groups are marked `each` in the optimizer",
  ),
  "schedule/span": error("{problem}"),
} as const satisfies Record<string, Row>;

export type DiagnosticCode = keyof typeof diagnosticTable;

// `{{` and `}}` are literal braces; what is left between single braces is an argument's name.
type WithoutEscapes<T extends string> = T extends `${infer A}{{${string}}}${infer B}` ? WithoutEscapes<`${A}${B}`> : T;
type NamesIn<T extends string> = T extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;
type ArgumentNames<C extends DiagnosticCode> =
  | NamesIn<WithoutEscapes<(typeof diagnosticTable)[C]["message"]>>
  | NamesIn<WithoutEscapes<(typeof diagnosticTable)[C]["help"]>>;
export type DiagnosticArguments<C extends DiagnosticCode> = { readonly [N in ArgumentNames<C>]: string | number };

export interface DiagnosticExtra {
  readonly label?: string;
  readonly related?: Diagnostic["related"];
  /** Replaces the help of the table. */
  readonly help?: string;
  readonly fix?: Diagnostic["fix"];
}

function fill(template: string, args: Readonly<Record<string, string | number>>): string {
  return template.replace(/\{\{|\}\}|\{([^{}]*)\}/g, (whole, name: string | undefined) => {
    if (whole === "{{") return "{";
    if (whole === "}}") return "}";
    if (name === undefined || !(name in args)) throw new Error(`internal: the message "${template}" lacks its argument ${name}`);
    return String(args[name]);
  });
}

/** Makes a diagnostic from its row of the table: `diagnose("name/unknown", span, { name: "lineer" }, { help: … })`. */
export function diagnose<C extends DiagnosticCode>(
  code: C,
  span: Span,
  args: DiagnosticArguments<C>,
  extra: DiagnosticExtra = {},
): Diagnostic {
  const row: Row = diagnosticTable[code];
  const values = args as Readonly<Record<string, string | number>>;
  const help = extra.help ?? (row.help === "" ? undefined : fill(row.help, values));
  return {
    code,
    severity: row.severity,
    message: fill(row.message, values),
    span,
    related: extra.related ?? [],
    ...(extra.label === undefined ? {} : { label: extra.label }),
    ...(help === undefined ? {} : { help }),
    ...(extra.fix === undefined ? {} : { fix: extra.fix }),
  };
}

/** True when at least one of them is an error (warnings do not stop a program). */
export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((one) => one.severity === "error");
}
