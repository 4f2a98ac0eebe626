import { expect, test } from "vitest";
import type { FnItem, TypeNode } from "../ast.ts";
import { hostFunctionOf, readHostModule } from "./signatures.ts";

function shown(type: TypeNode): string {
  const mark = type.kind !== "error" && type.optional ? "?" : "";
  switch (type.kind) {
    case "namedType":
      return `${type.name.name}${type.args.map(({ value }) => `<${value.kind === "number" ? value.text : shown(value)}>`).join("")}${mark}`;
    case "recordType":
      return `{ ${type.fields.map((field) => `${field.name.name}: ${shown(field.type)}`).join(", ")} }${mark}`;
    case "tupleType":
      return `(${type.elements.map(shown).join(", ")})${mark}`;
    default:
      return "error";
  }
}
const signature = ({ signature: { params, result } }: FnItem): string =>
  `(${params.map((param) => `${param.name.name}: ${shown(param.type)}`).join(", ")}) -> ${shown(result)}`;
function read(text: string) {
  const { ast, refused } = readHostModule("a.ts", "/a.ts", text);
  return { signatures: Object.fromEntries(ast.items.map((item) => [(item as FnItem).name.name, signature(item as FnItem)])), refused, ast };
}

test("types map one to one", () => {
  const { signatures, refused } = read(`
type Int = number;
export function plain(a: number, b: string, c: boolean, n: Int): number { return a; }
export const lists = (a: number[], b: readonly string[], c: Array<boolean>, d: Float32Array): Int32Array => new Int32Array(0);
export const records = function (a: { x: number; y?: string }, b: [number, string]): { z: number[][] } { return { z: [] }; };
export function optional(a?: number, b: string | undefined = undefined): (number | undefined) { return a; }
function inner(): number { return 1; }
export default function maker(): string { return "."; }
`);
  expect(refused.size).toBe(0);
  expect(signatures).toEqual({
    plain: "(a: Real, b: Text, c: Bool, n: Int) -> Real",
    lists: "(a: List<Real>, b: List<Text>, c: List<Bool>, d: List<Real>) -> List<Int>",
    records: "(a: { x: Real, y: Text? }, b: (Real, Text)) -> { z: List<List<Real>> }",
    optional: "(a: Real?, b: Text?) -> Real?",
  });
});
test("what has no counterpart is refused with its place", () => {
  const text =
    "export function f(a: Map<string, number>): number { return 1; }\nexport function g(a: number) { return a; }\nexport const h = (x): number => 1;\n";
  const { refused, signatures } = read(text);
  expect(signatures).toEqual({});
  expect([...refused].map(([name, { problem, span }]) => [name, problem, text.slice(span.start, span.end)])).toEqual([
    ["f", "the type `Map<string, number>` has no counterpart", "Map<string, number>"],
    ["g", "its result has no type", "g"],
    ["h", "`x` has no type", "x"],
  ]);
});
test("an item knows where it comes from", () => {
  const { ast } = read("export const f = (d: Float32Array): number => 1;");
  expect(hostFunctionOf(ast.items[0]!)).toEqual({ absolute: "/a.ts", name: "f", arrays: new Map([["d", "Float32Array"]]) });
});
test("a text that is no TypeScript offers nothing and throws nothing", () => {
  for (const text of ["", "export function (", "%%%", "export const f = 3", "export function f(...a: number[]): number"])
    expect(read(text).signatures).toEqual({});
});
