// The one printer from Tile IR to WGSL. In: a kernel that the verifier accepts. Out: its text with entry point `main`, the kind of each
// binding in order, and the optional device features it needs. Kernels that differ only in their name print the same text.

import { createHash } from "node:crypto";
import { operandTextureWidth, stripePlaces, stripesKind, stripeVectors, type TextureKind, textureKind } from "../plan/operandTexture.ts";
import type { BindingKind } from "../plan/plan.ts";
import { Ranges } from "../tile/bounds.ts";
import * as build from "../tile/build.ts";
import type { BinaryOp, Scalar, TileBuffer, TileExpr, TileKernel, TileStmt, TileType } from "../tile/tile.ts";
import { operandsOf, visitExpressions } from "../tile/walk.ts";
import { Helpers, helperNames, largestIntegerPower } from "./helpers.ts";
import { literalText } from "./literal.ts";
import { Identifiers } from "./names.ts";

export interface PrintedKernel {
  readonly wgsl: string;
  /** In binding order (group 0, binding i); the uniform buffer, if used, is the last. */
  readonly bindings: readonly BindingKind[];
  readonly features: readonly string[];
}

const vectorNames: { readonly [s in Scalar]: string } = { f32: "vec4f", i32: "vec4i", u32: "vec4u", bool: "vec4<bool>" };
const wgslType = (type: TileType): string => (type.width === 1 ? type.scalar : vectorNames[type.scalar]);
/** Truth is no type of host memory: it is stored as u32. */
const storedType = (type: TileType): TileType => (type.scalar === "bool" ? build.typeOf("u32", type.width) : type);

const halfType = (type: TileType): string => (type.width === 1 ? "f16" : "vec4<f16>");
function elementType({ type, half }: TileBuffer): string {
  if (half === "native") return halfType(type);
  if (half === "packed") return type.width === 1 ? "u32" : "vec2u";
  return wgslType(storedType(type));
}

export function printKernel(kernel: TileKernel): PrintedKernel {
  const printer = new Printer(kernel);
  const body = printer.block(kernel.body, Ranges.of(kernel), "  ");
  const uses = usesOf(kernel);
  const enabled = [...(kernel.subgroupSize === null ? [] : ["enable subgroups;"]), ...(printer.native ? ["enable f16;"] : [])];
  if (enabled.length > 0) enabled.push("");
  const lines = [
    ...enabled,
    ...kernel.buffers.map((buffer, i) => printer.declaration(buffer, i)),
    ...(kernel.usesUniforms ? [`@group(0) @binding(${kernel.buffers.length}) ${uniformDeclaration(uses.lastUniform)}`] : []),
    ...kernel.shared.map((s) => `var<workgroup> ${printer.names.of(s.name)}: array<${wgslType(s.type)}, ${s.length}>;`),
    "",
    ...printer.textureLoads(),
    ...printer.helpers.texts().flatMap((text) => [text, ""]),
    `@compute @workgroup_size(${kernel.workgroupSize})`,
    `fn main(${[
      ...(uses.lane ? ["@builtin(local_invocation_index) laneIndex: u32"] : []),
      ...(uses.group ? ["@builtin(workgroup_id) groupIndex: vec3u"] : []),
    ].join(", ")}) {`,
    ...(uses.lane ? ["  let lane = i32(laneIndex);"] : []),
    ...(uses.group ? ["  let group = vec3i(groupIndex);"] : []),
    ...body,
    "}",
    "",
  ];
  const kinds = kernel.buffers.map((b) => (b.storage === "buffer" ? b.access : textureKindOf(b)));
  return {
    wgsl: lines.join("\n"),
    bindings: kernel.usesUniforms ? [...kinds, "uniform"] : kinds,
    features: [...(printer.native ? ["shader-f16"] : []), ...(kernel.subgroupSize === null ? [] : ["subgroups"])],
  };
}

const textureKindOf = (b: TileBuffer): TextureKind =>
  b.rowVectors === undefined ? textureKind(b.half !== undefined) : stripesKind(b.half !== undefined);
/** Where element `i` of a texture lies. */
const placeInRows = `vec2i(i & ${operandTextureWidth - 1}, i >> ${Math.log2(operandTextureWidth)}u)`;
const placeInStripes = `vec2i(i & ${stripeVectors - 1}, (i >> ${Math.log2(stripeVectors)}u) & ${stripePlaces / stripeVectors - 1}), i >> ${Math.log2(stripePlaces)}u`;

interface Uses {
  readonly lane: boolean;
  readonly group: boolean;
  /** Only what is read is declared, so that binding the whole uniform buffer is always valid. */
  readonly lastUniform: number;
}
function usesOf(kernel: TileKernel): Uses {
  let lane = false;
  let group = false;
  let last = 0;
  visitExpressions(kernel.body, (e) => {
    if (e.kind === "lane") lane = true;
    if (e.kind === "group") group = true;
    if (e.kind === "uniform") last = Math.max(last, e.index);
  });
  return { lane, group, lastUniform: last };
}

/** What names a kernel: a hash of its text. */
export function kernelId(wgsl: string): string {
  return createHash("sha256").update(wgsl).digest("hex").slice(0, 16);
}

const uniformDeclaration = (last: number): string => `var<uniform> u: array<vec4u, ${Math.floor(last / 4) + 1}>;`;
const uniformElement = (index: number): string => `u[${Math.floor(index / 4)}].${parts[index % 4]}`;

/** The text of a kernel that reads the uniforms at other places. */
export function renumberUniforms(wgsl: string, placeOf: (index: number) => number): string {
  let last = 0;
  const text = wgsl.replace(/\bu\[(\d+)\]\.([xyzw])/g, (_, vector: string, part: (typeof parts)[number]) => {
    const index = placeOf(4 * Number(vector) + parts.indexOf(part));
    last = Math.max(last, index);
    return uniformElement(index);
  });
  return text.replace(/var<uniform> u: array<vec4u, \d+>;/, uniformDeclaration(last));
}

const operators: { readonly [op in BinaryOp]?: string } = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  lt: "<",
  le: "<=",
  eq: "==",
  and: "&",
  or: "|",
  xor: "^",
  shl: "<<",
  shr: ">>",
};
const parts = ["x", "y", "z", "w"] as const;
const isPowerOfTwo = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n));

class Printer {
  readonly names = new Identifiers(helperNames);
  readonly helpers = new Helpers();
  readonly #buffers: ReadonlyMap<string, TileBuffer>;
  readonly #textures: readonly TileBuffer[];
  /** Whether the kernel uses the device's own 16-bit floats. */
  readonly native: boolean;

  constructor(kernel: TileKernel) {
    this.#buffers = new Map(kernel.buffers.map((b) => [b.name, b]));
    this.#textures = kernel.buffers.filter((b) => b.storage === "texture");
    let native = kernel.buffers.some((b) => b.half === "native" && b.storage === "buffer");
    visitExpressions(kernel.body, (e) => {
      if (e.kind === "binary" && e.op === "mulHalf") native = true;
    });
    this.native = native;
    // Buffers take their names first, in binding order.
    for (const { name } of [...kernel.buffers, ...kernel.shared]) this.names.of(name);
  }

  declaration(buffer: TileBuffer, binding: number): string {
    const place = `@group(0) @binding(${binding}) var`;
    const name = this.names.of(buffer.name);
    if (buffer.storage === "texture")
      return `${place} ${name}: texture_storage_2d${buffer.rowVectors === undefined ? "" : "_array"}<rgba${buffer.half === undefined ? 32 : 16}float, read>;`;
    const access = buffer.access === "read" ? "read" : "read_write";
    return `${place}<storage, ${access}> ${name}: array<${elementType(buffer)}>;`;
  }

  textureLoads(): readonly string[] {
    return this.#textures.flatMap((buffer) => [
      `fn ${this.#textureLoad(buffer)}(i: i32) -> vec4f {`,
      `  return textureLoad(${this.names.of(buffer.name)}, ${buffer.rowVectors === undefined ? placeInRows : placeInStripes});`,
      "}",
      "",
    ]);
  }
  #textureLoad(buffer: TileBuffer): string {
    return this.names.of(`${buffer.name} load`);
  }

  block(statements: readonly TileStmt[], ranges: Ranges, indent: string): readonly string[] {
    return statements.flatMap((s) => this.#statement(s, ranges, indent));
  }

  #statement(s: TileStmt, ranges: Ranges, indent: string): readonly string[] {
    const print = (e: TileExpr): string => bare(this.#expression(e, ranges));
    switch (s.kind) {
      case "let": {
        const line = `${indent}let ${this.names.of(s.name)} = ${print(s.value)};`;
        ranges.bindLet(s.name, s.value);
        return [line];
      }
      case "var":
        return [`${indent}var ${this.names.of(s.name)} = ${print(s.value)};`];
      case "assign":
        return [`${indent}${this.names.of(s.name)} = ${print(s.value)};`];
      case "store": {
        const { half } = this.#buffer(s.buffer);
        if (half !== undefined) {
          const place = `${indent}${this.names.of(s.buffer)}[${print(s.index)}]`;
          if (half === "native") return [`${place} = ${halfType(s.value.type)}(${print(s.value)});`];
          return [`${place} = ${this.helpers.call("packHalves", 4)}(${print(s.value)});`];
        }
        const stored = s.value.type.scalar === "bool" ? `${wgslType(storedType(s.value.type))}(${print(s.value)})` : print(s.value);
        return [`${indent}${this.names.of(s.buffer)}[${print(s.index)}] = ${stored};`];
      }
      case "storeShared":
        return [`${indent}${this.names.of(s.array)}[${print(s.index)}] = ${print(s.value)};`];
      case "for": {
        const name = this.names.of(s.name);
        const head = `for (var ${name} = ${print(s.from)}; ${name} < ${this.#expression(s.to, ranges)}; ${name} += ${s.step}) {`;
        const inside = ranges.bindLoop(s.name, s.from, s.to, s.step);
        return [indent + head, ...this.block(s.body, inside, `${indent}  `), `${indent}}`];
      }
      case "if": {
        const then = this.block(s.then, ranges.assuming(s.condition, true), `${indent}  `);
        const otherwise = this.block(s.otherwise, ranges.assuming(s.condition, false), `${indent}  `);
        const rest = otherwise.length === 0 ? [] : [`${indent}} else {`, ...otherwise];
        return [`${indent}if (${print(s.condition)}) {`, ...then, ...rest, `${indent}}`];
      }
      case "barrier":
        return [`${indent}workgroupBarrier();`];
      default:
        throw new Error(`internal: tile statement ${JSON.stringify(s satisfies never)}`);
    }
  }

  /** Text that can stand as an operand: compound expressions come in brackets. */
  #expression(e: TileExpr, ranges: Ranges): string {
    const print = (operand: TileExpr): string => this.#expression(operand, ranges);
    const free = (operand: TileExpr): string => bare(print(operand));
    const folded = foldedLiteral(e);
    if (folded !== e) return print(folded);
    const { width } = e.type;
    switch (e.kind) {
      case "lit":
        return this.#literal(e.value, e.type);
      case "ref":
        return this.names.of(e.name);
      case "lane":
        return "lane";
      case "group":
        return `group.${parts[e.axis]}`;
      case "uniform": {
        const element = uniformElement(e.index);
        return e.type.scalar === "u32" ? element : `bitcast<${e.type.scalar}>(${element})`;
      }
      case "unary":
        return this.#unary(e.op, free(e.arg), print(e.arg), e.type);
      case "binary":
        return this.#binary(e, ranges);
      case "fma":
        return `fma(${free(e.a)}, ${free(e.b)}, ${free(e.c)})`;
      case "select":
        return `select(${free(e.otherwise)}, ${free(e.then)}, ${free(e.condition)})`;
      case "cast":
      case "splat":
        return `${wgslType(e.type)}(${free(e.arg)})`;
      case "vec":
        return `${wgslType(e.type)}(${e.parts.map(free).join(", ")})`;
      case "part":
        return `${print(e.arg)}.${parts[e.index]}`;
      case "load": {
        const buffer = this.#buffer(e.buffer);
        if (buffer.storage === "texture") return `${this.#textureLoad(buffer)}(${free(e.index)})`;
        if (buffer.half === "packed") return this.#unpacked(buffer, e.index, ranges);
        const element = `${this.names.of(e.buffer)}[${free(e.index)}]`;
        if (buffer.half === "native") return `${wgslType(e.type)}(${element})`;
        return e.type.scalar === "bool" ? `(${element} != ${width === 1 ? "0u" : "vec4u(0u)"})` : element;
      }
      case "shared":
        return `${this.names.of(e.array)}[${free(e.index)}]`;
      case "fromLane":
        return `subgroupBroadcast(${free(e.arg)}, ${e.lane}u)`;
      case "reduceLanes":
        return `${{ add: "subgroupAdd", max: "subgroupMax", min: "subgroupMin" }[e.op]}(${free(e.arg)})`;
      case "philox": {
        const counter = `vec4u(${free(e.element)}, ${free(e.step)}, ${e.word >>> 2}u, 0u)`;
        return `${this.helpers.call("philox", 1)}(vec2u(${e.key0}u, ${free(e.key1)}), ${counter}).${parts[(e.word & 3) as 0 | 1 | 2 | 3]}`;
      }
      default:
        throw new Error(`internal: tile expression ${JSON.stringify(e satisfies never)}`);
    }
  }

  #buffer(name: string): TileBuffer {
    const buffer = this.#buffers.get(name);
    if (buffer === undefined) throw new Error(`internal: no buffer ${name}`);
    return buffer;
  }
  /** One 16-bit float of a word, or the four of two words. */
  #unpacked(buffer: TileBuffer, index: TileExpr, ranges: Ranges): string {
    const name = this.names.of(buffer.name);
    if (buffer.type.width === 4) return `${this.helpers.call("unpackHalves", 4)}(${name}[${bare(this.#expression(index, ranges))}])`;
    const at = this.#expression(index, ranges);
    return `unpack2x16float(${name}[${at} >> 1u])[${at} & 1]`;
  }

  #literal(value: number, type: TileType): string {
    const text = this.#scalarLiteral(value, type.scalar);
    return type.width === 1 ? text : `${wgslType(type)}(${bare(text)})`;
  }
  #scalarLiteral(value: number, scalar: Scalar): string {
    if (scalar !== "f32" || Number.isFinite(value)) return literalText(value, scalar);
    if (Number.isNaN(value)) return `${this.helpers.call("notANumber", 1)}()`;
    const infinity = `${this.helpers.call("infinity", 1)}()`;
    return value > 0 ? infinity : `(-${infinity})`;
  }

  #unary(op: Extract<TileExpr, { kind: "unary" }>["op"], free: string, operand: string, type: TileType): string {
    switch (op) {
      case "neg":
        return `(-${operand})`;
      case "not":
        return `(!${operand})`;
      case "rsqrt":
        return `inverseSqrt(${free})`;
      case "half":
        // A conversion there and back is what drivers leave out.
        return `${this.helpers.call("half", type.width)}(${free})`;
      case "erf":
      case "tanh":
        return `${this.helpers.call(op, type.width)}(${free})`;
      case "sin":
      case "cos":
        return `${this.helpers.call("sine", type.width)}(${free}, ${bare(this.#literal(op === "sin" ? 0 : 1, type))})`;
      case "abs":
      case "exp":
      case "log":
      case "sqrt":
      case "floor":
      case "round": // WGSL rounds halves to even
        return `${op}(${free})`;
      default:
        throw new Error(`internal: tile operation ${op satisfies never}`);
    }
  }

  #binary(e: Extract<TileExpr, { kind: "binary" }>, ranges: Ranges): string {
    const left = this.#expression(e.left, ranges);
    const right = this.#expression(e.right, ranges);
    const { width } = e.type;
    switch (e.op) {
      case "max":
      case "min":
        return `${e.op}(${bare(left)}, ${bare(right)})`;
      case "mulHalf": {
        const half = halfType(e.type);
        return `${wgslType(e.type)}(${half}(${bare(left)}) * ${half}(${bare(right)}))`;
      }
      case "pow":
        return this.#power(e, bare(left), bare(right));
      case "idiv":
      case "imod":
        return this.#division(e.op, e, left, right, ranges);
      case "shl":
      case "shr": {
        const count = e.right.kind === "lit" ? `${e.right.value & 31}u` : bare(right);
        const typed = width === 1 ? (e.right.kind === "lit" ? count : `u32(${count})`) : `vec4u(${count})`;
        return `(${left} ${operators[e.op]} ${typed})`;
      }
      case "xor":
        return `(${left} ${e.left.type.scalar === "bool" ? "!=" : "^"} ${right})`;
      case "add":
        if (e.right.kind === "lit" && e.type.scalar === "i32" && e.right.value < 0 && e.right.value > -2147483648) {
          return `(${left} - ${this.#literal(-e.right.value, e.right.type)})`;
        }
        return `(${left} + ${right})`;
      case "sub":
      case "mul":
      case "div":
      case "lt":
      case "le":
      case "eq":
      case "and":
      case "or":
        return `(${left} ${operators[e.op]} ${right})`;
      default:
        throw new Error(`internal: tile operation ${e.op satisfies never}`);
    }
  }

  #power(e: Extract<TileExpr, { kind: "binary" }>, left: string, right: string): string {
    const { width } = e.type;
    const exponent = e.right.kind === "lit" ? e.right.value : Number.NaN;
    if (exponent === 0.5) return `sqrt(${left})`;
    if (exponent === -0.5) return `inverseSqrt(${left})`;
    if (Number.isInteger(exponent) && exponent !== 0 && Math.abs(exponent) <= largestIntegerPower) {
      return `${this.helpers.integerPower(exponent, width)}(${left})`;
    }
    return `${this.helpers.call("power", width)}(${left}, ${right})`;
  }

  /** Floor division. `/` and `%` round towards zero, which is the same where nothing is negative; shifts and masks are always right. */
  #division(op: "idiv" | "imod", e: Extract<TileExpr, { kind: "binary" }>, left: string, right: string, ranges: Ranges): string {
    const { width, scalar } = e.type;
    if (e.right.kind === "lit" && isPowerOfTwo(e.right.value)) {
      const count = this.#literal(op === "idiv" ? Math.log2(e.right.value) : e.right.value - 1, {
        scalar: op === "idiv" ? "u32" : scalar,
        width,
      });
      return `(${left} ${op === "idiv" ? ">>" : "&"} ${count})`;
    }
    const positive = e.right.kind === "lit" ? e.right.value > 0 : ranges.range(e.right).low > 0;
    if (scalar === "u32" || (positive && ranges.range(e.left).low >= 0)) return `(${left} ${op === "idiv" ? "/" : "%"} ${right})`;
    const name = op === "idiv" ? "floorDivide" : "floorRemainder";
    return `${this.helpers.call(positive ? `${name}By` : name, width)}(${bare(left)}, ${bare(right)})`;
  }
}

/** Without the brackets around the whole. */
function bare(text: string): string {
  if (!text.startsWith("(")) return text;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")" && --depth === 0) return i === text.length - 1 ? text.slice(1, -1) : text;
  }
  return text;
}

/**
 * An operation on literals only, computed: WGSL evaluates those while compiling, where overflow is an error. Kernels made with the
 * constructors hold none.
 */
function foldedLiteral(e: TileExpr): TileExpr {
  const operands = operandsOf(e);
  if (operands.length === 0 || operands.some((o) => o.kind !== "lit")) return e;
  switch (e.kind) {
    case "unary":
      return build.unary(e.op, e.arg);
    case "binary": {
      const folded = build.binary(e.op, e.left, e.right);
      return folded.kind === "lit" ? folded : e;
    }
    case "fma":
      return build.fma(e.a, e.b, e.c);
    case "select":
      return build.select(e.condition, e.then, e.otherwise);
    case "cast":
      return e.arg.type.scalar === e.type.scalar ? e.arg : build.cast(e.arg, e.type.scalar);
    case "splat":
      return build.splat(e.arg);
    case "part":
      return build.part(e.arg, e.index);
    default:
      return e;
  }
}
