import type { DiagnosticExtra } from "./diagnostics.ts";
import { meant } from "./nearest.ts";
import type { Span } from "./span.ts";

// Names of other languages and libraries, for whoever writes them here out of habit: what the same thing is called in a program.

interface Foreign {
  readonly help: string;
  /** What can stand in the name's place as it is. */
  readonly text?: string;
}
const called = (text: string): Foreign => ({ help: `here it is called \`${text}\``, text });
const says = (help: string): Foreign => ({ help });

const outer = says("products of matrices are sums over an axis: `dot(a, b, over: k)`");
const turned = says("axes have names, so operands need no turning; `order(x, [w, h])` turns them");
const single = says("axes have names, so nothing needs an axis of size 1; `expand(x, [n])` repeats");
const foreign: Readonly<Record<string, Foreign>> = {
  True: called("true"),
  False: called("false"),
  None: called("none"),
  null: called("none"),
  nil: called("none"),
  undefined: called("none"),
  len: called("length"),
  cat: called("concat"),
  detach: called("stop"),
  stop_gradient: called("stop"),
  astype: called("cast"),
  pow: says("powers are written `x ** y`"),
  matmul: outer,
  mm: outer,
  bmm: outer,
  einsum: outer,
  permute: turned,
  transpose: turned,
  reshape: says("axes are split and joined by a pattern: `` view(x, `b (h d) -> b h d`, h: 8) ``"),
  squeeze: single,
  unsqueeze: single,
  broadcast_to: single,
  randn: says("random values are drawn: `draw(normal, [n])`"),
  rand: says("random values are drawn: `draw(uniform(0..1), [n])`"),
  randint: says("random values are drawn: `draw(integer(0..10), [n])`"),
  self: says("parts and parameters of a module are names by themselves: `first(x)`"),
  this: says("parts and parameters of a module are names by themselves: `first(x)`"),
  str: called("Text"),
  string: called("Text"),
  String: called("Text"),
  int: called("Int"),
  float: called("Real"),
  double: called("Real"),
  boolean: called("Bool"),
  Tensor: says("a tensor's type is its numbers and its axes: `real[batch, c: 3]`"),
};

/** What to do about an unknown name that means something elsewhere; nothing for other names. `known` are the names that are in force. */
export function foreignName(name: string, known: Iterable<string>, span: Span): Pick<DiagnosticExtra, "help" | "fix"> | undefined {
  if (!Object.hasOwn(foreign, name)) return undefined;
  const { help, text } = foreign[name]!;
  if (text === undefined) return { help };
  const isHere = /^(?:true|false|none)$/.test(text) || [...known].includes(text);
  return isHere ? { help, fix: { span, text } } : undefined;
}

const axesByName: Foreign = says("axes are named: `over: c`, `over: [h, w]`");
const foreignArguments: Readonly<Record<string, Readonly<Record<string, Foreign>>>> = {
  over: {
    dim: axesByName,
    dims: axesByName,
    axis: axesByName,
    axes: axesByName,
    keepdim: says("names align operands: `expand(…, like: x)` repeats what was reduced"),
  },
  lr: { learning_rate: called("lr") },
  weight_decay: { wd: called("weight_decay") },
  biased: { bias: called("biased") },
};

/** What to do about an argument that a callee lacks: what it is called here, the nearest one, or all there are. */
export function meantArgument(name: string, params: readonly string[], span: Span, all: string): Pick<DiagnosticExtra, "help" | "fix"> {
  for (const param of params) {
    const row = foreignArguments[param];
    if (!row || !Object.hasOwn(row, name)) continue;
    const { help, text } = row[name]!;
    return { help, ...(text === undefined ? {} : { fix: { span, text } }) };
  }
  return meant(name, params, span, all);
}
