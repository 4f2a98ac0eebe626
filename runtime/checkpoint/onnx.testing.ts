// ONNX files written by hand, for tests: protobuf messages field by field.

const encoder = new TextEncoder();
function varint(value: number): number[] {
  const out: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return [...out, Number(rest)];
    out.push(Number(rest & 127n) | 128);
  }
}
export type Field = readonly [id: number, value: number | string | Uint8Array];

/** A message: numbers as varints, everything else with its length. */
export function message(...fields: readonly Field[]): Uint8Array {
  const parts = fields.map(([id, value]) => {
    if (typeof value === "number") return Uint8Array.from([...varint(id * 8), ...varint(value)]);
    const content = typeof value === "string" ? encoder.encode(value) : value;
    return Buffer.concat([Uint8Array.from([...varint(id * 8 + 2), ...varint(content.length)]), content]);
  });
  return Uint8Array.from(Buffer.concat(parts));
}
const dims = (shape: readonly number[]): Field[] => shape.map((size) => [1, size]);
export const floats = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
/** A weight of f32. */
export const weight = (name: string, shape: readonly number[], values: readonly number[]): Uint8Array =>
  message(...dims(shape), [2, 1], [8, name], [9, floats(values)]);
/** A weight of f32 in another file. */
export const weightBeside = (
  name: string,
  shape: readonly number[],
  location: string,
  more: Readonly<Record<string, string>> = {},
): Uint8Array =>
  message(
    ...dims(shape),
    [2, 1],
    [8, name],
    ...Object.entries({ location, ...more }).map(([key, value]): Field => [13, message([1, key], [2, value])]),
    [14, 1],
  );
export const shapeWeight = (name: string, values: readonly number[]): Uint8Array =>
  message([1, values.length], [2, 7], [8, name], [9, new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer)]);
export const value = (name: string, shape: readonly (number | string)[]): Uint8Array =>
  message(
    [1, name],
    [
      2,
      message([
        1,
        message([1, 1], [2, message(...shape.map((size): Field => [1, message(typeof size === "number" ? [1, size] : [2, size])]))]),
      ]),
    ],
  );
export const node = (
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, readonly number[]>> = {},
): Uint8Array =>
  message(
    ...inputs.map((name): Field => [1, name]),
    ...outputs.map((name): Field => [2, name]),
    [3, `${op.toLowerCase()}_${outputs[0]}`],
    [4, op],
    ...Object.entries(attributes).map(([name, list]): Field => [5, message([1, name], ...list.map((one): Field => [8, one]), [20, 7])]),
  );

export interface Graph {
  readonly nodes?: readonly Uint8Array[];
  readonly weights?: readonly Uint8Array[];
  readonly inputs?: readonly Uint8Array[];
  readonly outputs?: readonly Uint8Array[];
}
export const model = ({ nodes = [], weights = [], inputs = [], outputs = [] }: Graph): Uint8Array =>
  message(
    [1, 8],
    [
      7,
      message(
        ...nodes.map((one): Field => [1, one]),
        [2, "graph"],
        ...weights.map((one): Field => [5, one]),
        ...inputs.map((one): Field => [11, one]),
        ...outputs.map((one): Field => [12, one]),
      ),
    ],
    [8, message([2, 13])],
  );
