import { attributesOf, isOfKind } from "./attributes.ts";
import { Builder } from "./builder.ts";
import { sameShape } from "./ops/row.ts";
import { OPS } from "./ops.ts";
import { typeText } from "./print.ts";
import type { Graph, GraphResult, OpAttrs, OpName, Origin, Value } from "./value.ts";

// Reads the text form of a graph. In: text. Out: the graph, made by a builder, or the first thing that is wrong with its line.
// Invariant: types are inferred again and must equal the written ones, so a text that parses is a well-typed graph.

export interface TextError {
  readonly line: number; // from 1
  readonly message: string;
}
export type ParsedGraph = { readonly graph: Graph } | { readonly error: TextError };

class BadText extends Error {}

/** The graph that `printGraph` wrote. */
export function parseGraph(text: string, own: Builder = new Builder()): ParsedGraph {
  const bodies = new Map<string, Graph>();
  let values = new Map<string, Value>();
  let b = own;
  let name: string | undefined;
  let results: GraphResult[] | undefined;
  let isBody = false;
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const line = new Line(lines[i]!);
    if (line.atEnd()) continue;
    try {
      if (name === undefined) {
        isBody = line.take("body");
        if (!isBody) line.expect("graph");
        name = line.name();
        line.expect("{");
        [values, b] = [new Map(), isBody ? new Builder() : own];
      } else if (line.take("return")) {
        results = line.atEnd() ? [] : line.list(() => parseResult(line, values));
      } else if (line.take("}")) {
        if (isBody && results !== undefined) {
          bodies.set(name, { name, results });
          [name, results] = [undefined, undefined];
        }
      } else parseValue(line, values, bodies, b);
      line.expectEnd();
    } catch (error) {
      // Both our complaints and the op table's about ill-typed applications are faults of the text.
      return { error: { line: i + 1, message: (error as Error).message.replace(/^internal: /, "") } };
    }
  }
  if (name === undefined || results === undefined) return { error: { line: lines.length, message: "no graph header or no return line" } };
  return { graph: { name, results } };
}

function parseResult(line: Line, values: ReadonlyMap<string, Value>): GraphResult {
  const name = line.name();
  line.expect("=");
  return { name, value: valueNamed(values, line) };
}

function parseValue(line: Line, values: Map<string, Value>, bodies: ReadonlyMap<string, Graph>, b: Builder): void {
  const own = line.match(/%\d+/y, "a value's name");
  line.expect(":");
  const dtype = line.match(/f32|f16|i32|u32|bool/y, "a dtype");
  line.expect("[");
  const shape: number[] = [];
  const labels: string[] = [];
  while (!line.take("]")) {
    if (shape.length > 0) line.expect(",");
    const label = line.peek(/[A-Za-z_"]/y) ? line.name() : "";
    if (label !== "") line.expect(":");
    labels.push(label);
    shape.push(line.number());
  }
  line.expect("=");
  const op = line.match(/\w+/y, "an op");
  if (!Object.hasOwn(OPS, op)) throw new BadText(`no op '${op}'`);
  const args: Value[] = [];
  while (line.peek(/%/y)) args.push(valueNamed(values, line));
  const attrs = parseAttributes(line, bodies, op as OpName);
  const origins = line.take("//") ? line.list(() => parseOrigin(line), ";") : [];
  const value = b.withOrigin(origins, () => b.make(op as OpName, args, attrs as OpAttrs[OpName], { labels }));
  if (value.dtype !== dtype || !sameShape(value.shape, shape))
    throw new BadText(`'${op}' gives ${typeText(value)} here, not ${dtype}[${shape.join(", ")}]`);
  values.set(own, value);
}

function parseAttributes(line: Line, bodies: ReadonlyMap<string, Graph>, op: OpName): Record<string, unknown> {
  const attrs: Record<string, unknown> = {};
  const wanted = attributesOf(op);
  if (line.take("{")) {
    line.list(() => {
      const name = line.match(/\w+/y, "an attribute");
      line.expect(":");
      const isGraph = wanted.some(([known, kind]) => known === name && kind === "graph");
      attrs[name] = isGraph ? bodyNamed(bodies, line) : line.attribute();
    });
    line.expect("}");
  }
  for (const [name, kind] of wanted)
    if (!isOfKind(attrs[name], kind)) throw new BadText(`'${op}' wants the attribute '${name}' of kind ${kind}`);
  const unknown = Object.keys(attrs).find((name) => !wanted.some(([known]) => known === name));
  if (unknown !== undefined) throw new BadText(`'${op}' has no attribute '${unknown}'`);
  return attrs;
}

function parseOrigin(line: Line): Origin {
  const file = line.peek(/"/y) ? line.text() : line.match(/[\w./-]+/y, "a file");
  line.expect(":");
  const start = Number(line.match(/\d+/y, "an offset"));
  line.expect("..");
  const span = { file, start, end: Number(line.match(/\d+/y, "an offset")) };
  return line.take("in") ? { span, chain: line.list(() => line.text(), ">") } : { span };
}

function valueNamed(values: ReadonlyMap<string, Value>, line: Line): Value {
  const name = line.match(/%\d+/y, "a value's name");
  const value = values.get(name);
  if (value === undefined) throw new BadText(`${name} is not defined above`);
  return value;
}

function bodyNamed(bodies: ReadonlyMap<string, Graph>, line: Line): Graph {
  const name = line.name();
  const body = bodies.get(name);
  if (body === undefined) throw new BadText(`the body '${name}' is not defined above`);
  return body;
}

/** A cursor in one line; blanks between tokens are skipped. */
class Line {
  private readonly source: string;
  private at = 0;

  constructor(source: string) {
    this.source = source;
  }

  atEnd(): boolean {
    return this.source.slice(this.at).trim() === "";
  }
  expectEnd(): void {
    if (!this.atEnd()) throw new BadText(`unexpected '${this.source.slice(this.at).trim()}'`);
  }
  peek(pattern: RegExp): boolean {
    this.skipBlanks();
    pattern.lastIndex = this.at;
    return pattern.test(this.source);
  }
  take(token: string): boolean {
    this.skipBlanks();
    if (!this.source.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }
  expect(token: string): void {
    if (!this.take(token)) throw new BadText(`'${token}' expected before '${this.source.slice(this.at).trim()}'`);
  }
  match(pattern: RegExp, what: string): string {
    this.skipBlanks();
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.source)?.[0];
    if (found === undefined) throw new BadText(`${what} expected before '${this.source.slice(this.at).trim()}'`);
    this.at += found.length;
    return found;
  }
  name(): string {
    return this.peek(/"/y) ? this.text() : this.match(/[A-Za-z_][\w.]*/y, "a name");
  }
  text(): string {
    return JSON.parse(this.match(/"(?:[^"\\]|\\.)*"/y, "a quoted text")) as string;
  }
  number(): number {
    return Number(this.match(/-?(?:Infinity|\d+(?:\.\d+)?(?:e[+-]?\d+)?)|NaN/y, "a number"));
  }
  attribute(): unknown {
    if (this.take("[")) {
      if (this.take("]")) return [];
      const numbers = this.list(() => this.number());
      this.expect("]");
      return numbers;
    }
    if (this.peek(/"/y)) return this.text();
    return this.peek(/[-\d]|NaN|Infinity/y) ? this.number() : this.match(/\w+/y, "an attribute's value");
  }
  list<T>(item: () => T, separator = ","): T[] {
    const items = [item()];
    while (this.take(separator)) items.push(item());
    return items;
  }

  private skipBlanks(): void {
    while (this.source[this.at] === " ") this.at++;
  }
}
