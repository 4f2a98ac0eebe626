// The text of a kernel in Tile IR, for people and for `--emit tiles`: the same kernel always gives the same text.

import type { TileExpr, TileKernel, TileStmt } from "./tile.ts";
import { typeText } from "./typing.ts";

const operators: { readonly [op: string]: string } = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  idiv: "//",
  imod: "%",
  lt: "<",
  le: "<=",
  eq: "==",
  and: "&",
  or: "|",
  xor: "^",
  shl: "<<",
  shr: ">>",
};

/** As an operand: an operation comes in brackets. */
function operandText(e: TileExpr): string {
  switch (e.kind) {
    case "lit":
      return literal(e.value, e);
    case "ref":
      return e.name;
    case "lane":
      return "lane";
    case "group":
      return `group.${"xyz"[e.axis]}`;
    case "uniform":
      return `uniform[${e.index}]:${typeText(e.type)}`;
    case "unary":
      return e.op === "neg" ? `-${operandText(e.arg)}` : call(e.op, e.arg);
    case "binary": {
      const operator = operators[e.op];
      if (operator === undefined) return call(e.op, e.left, e.right);
      if (e.op === "add" && e.right.kind === "lit" && e.right.value < 0) return `(${operandText(e.left)} - ${literal(-e.right.value, e)})`;
      return `(${operandText(e.left)} ${operator} ${operandText(e.right)})`;
    }
    case "fma":
      return call("fma", e.a, e.b, e.c);
    case "select":
      return call("select", e.condition, e.then, e.otherwise);
    case "cast":
      return call(typeText(e.type), e.arg);
    case "splat":
      return call("splat", e.arg);
    case "vec":
      return call("vec", ...e.parts);
    case "part":
      return `${operandText(e.arg)}.${"xyzw"[e.index]}`;
    case "load":
      return `${e.buffer}[${expressionText(e.index)}]`;
    case "shared":
      return `${e.array}[${expressionText(e.index)}]`;
    case "fromLane":
      return `fromLane(${expressionText(e.arg)}, ${e.lane})`;
    case "reduceLanes":
      return call(`${e.op}Lanes`, e.arg);
    case "philox":
      return `philox(key ${e.key0} ${expressionText(e.key1)}, word ${e.word}, element ${expressionText(e.element)}, step ${expressionText(e.step)})`;
    default:
      throw new Error(`internal: tile expression ${JSON.stringify(e satisfies never)}`);
  }
}

const call = (name: string, ...args: readonly TileExpr[]): string => `${name}(${args.map(expressionText).join(", ")})`;

/** One expression on one line. */
export function expressionText(e: TileExpr): string {
  const text = operandText(e);
  return e.kind === "binary" && text.startsWith("(") ? text.slice(1, -1) : text;
}

function literal(value: number, e: TileExpr): string {
  const { scalar, width } = e.type;
  const number = scalar === "bool" ? String(value !== 0) : Object.is(value, -0) ? "-0" : String(value);
  const suffix = scalar === "bool" ? "" : { f32: "f", i32: "", u32: "u" }[scalar];
  return width === 1 ? number + suffix : `splat(${number}${suffix})`;
}

function statementLines(s: TileStmt, indent: string): readonly string[] {
  const block = (statements: readonly TileStmt[]) => statements.flatMap((inner) => statementLines(inner, `${indent}  `));
  switch (s.kind) {
    case "let":
      return [`${indent}let ${s.name} = ${expressionText(s.value)}`];
    case "var":
      return [`${indent}var ${s.name}: ${typeText(s.type)} = ${expressionText(s.value)}`];
    case "assign":
      return [`${indent}${s.name} = ${expressionText(s.value)}`];
    case "store":
      return [`${indent}${s.buffer}[${expressionText(s.index)}] = ${expressionText(s.value)}`];
    case "storeShared":
      return [`${indent}${s.array}[${expressionText(s.index)}] = ${expressionText(s.value)}`];
    case "for": {
      const step = s.step === 1 ? "" : ` step ${s.step}`;
      return [`${indent}for ${s.name} in ${operandText(s.from)} .. ${operandText(s.to)}${step}`, ...block(s.body)];
    }
    case "if":
      return [
        `${indent}if ${expressionText(s.condition)}`,
        ...block(s.then),
        ...(s.otherwise.length === 0 ? [] : [`${indent}else`, ...block(s.otherwise)]),
      ];
    case "barrier":
      return [`${indent}barrier`];
    default:
      throw new Error(`internal: tile statement ${JSON.stringify(s satisfies never)}`);
  }
}

/** The whole kernel: a head line, its buffers and arrays, and its statements. */
export function printTileKernel(k: TileKernel): string {
  const subgroup = k.subgroupSize === null ? "" : `, subgroups of ${k.subgroupSize}`;
  return [
    `kernel "${k.name}" grid ${k.grid.join("x")}, workgroup ${k.workgroupSize}${subgroup}${k.usesUniforms ? ", uniforms" : ""}`,
    ...k.buffers.map(
      (b) =>
        `  ${b.access} ${b.name}: ${typeText(b.type)}[${b.length}]${b.storage === "texture" ? " in a texture" : ""}${b.rowVectors === undefined ? "" : ` in stripes of rows of ${b.rowVectors}`}${b.half === undefined ? "" : ` as ${b.half} f16`}`,
    ),
    ...k.shared.map((a) => `  shared ${a.name}: ${typeText(a.type)}[${a.length}]`),
    "do",
    ...k.body.flatMap((s) => statementLines(s, "  ")),
    "",
  ].join("\n");
}
