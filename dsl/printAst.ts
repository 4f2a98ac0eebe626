import type { AnyNode } from "./walk.ts";

// The tree of a file as text (`--emit ast`): one node per line, what is below it indented, with the span it came from. Fields in the order of
// the table; a field that is empty is left out, so that a tree stays readable.
//
//   const 40..55 name: ident "subjects"
//     value: number 56..59 value=400 text="400"

/** The tree below a node as text. */
export function printAst(root: AnyNode): string {
  const lines: string[] = [];
  node(root, "", 0, lines);
  return `${lines.join("\n")}\n`;
}

const isNode = (value: unknown): value is AnyNode => typeof value === "object" && value !== null && "kind" in value && "span" in value;
const isPlain = (value: unknown): value is string | number | boolean => typeof value !== "object" && value !== undefined;
const isEmpty = (value: unknown): boolean =>
  value === null || value === undefined || (Array.isArray(value) && value.length === 0) || value === false;

/** A field's value on the line of its node, when it is small enough to stand there. */
function inline(value: unknown): string | null {
  if (isPlain(value)) return JSON.stringify(value);
  if (isNode(value) && value.kind === "ident" && "name" in value) return String(value.name);
  return null;
}

function node(value: AnyNode, label: string, depth: number, lines: string[]): void {
  const fields = Object.entries(value).filter(([name, field]) => name !== "kind" && name !== "span" && !isEmpty(field));
  const small = fields.flatMap(([name, field]) => (inline(field) === null ? [] : [`${name}=${inline(field)}`]));
  lines.push(`${"  ".repeat(depth)}${label}${[value.kind, `${value.span.start}..${value.span.end}`, ...small].join(" ")}`);
  for (const [name, field] of fields) if (inline(field) === null) below(field, name, depth + 1, lines);
}

function below(value: unknown, name: string, depth: number, lines: string[]): void {
  if (isEmpty(value)) return;
  if (Array.isArray(value)) {
    for (const [at, one] of value.entries()) below(one, `${name}[${at}]`, depth, lines);
  } else if (isNode(value)) node(value, `${name}: `, depth, lines);
  else if (isPlain(value)) lines.push(`${"  ".repeat(depth)}${name}=${JSON.stringify(value)}`);
  else {
    lines.push(`${"  ".repeat(depth)}${name}:`);
    for (const [inner, field] of Object.entries(value as object)) if (inner !== "span") below(field, inner, depth + 1, lines);
  }
}
