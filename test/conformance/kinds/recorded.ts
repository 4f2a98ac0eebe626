import type { NdArray } from "../../../compiler/ir/ops/row.ts";
import type { Tensors, Written } from "../written.ts";
import { typeOf } from "./text.ts";

// How calls with several inputs and outputs are written: one function of all inputs that returns a record of all outputs.

export interface Declared {
  readonly params: string;
  readonly args: Readonly<Record<string, string>>;
}

/** Parameters from `tensor -> axis names`; an axis may be written with its size (`xy: 2` as `xy:2`). */
export function declare(tensors: Tensors, axes: Readonly<Record<string, string>>): Declared {
  const params = Object.entries(axes).map(([tensor, names]) => {
    const given: NdArray | undefined = tensors[tensor];
    if (!given) throw new Error(`internal: there is no tensor ${tensor}`);
    const name = tensor.replace(/^(input|param)\./, "").replaceAll(".", "_");
    return `${name}: ${typeOf(
      given,
      words(names).map((w) => w.replace(":", ": ")),
    )}`;
  });
  return {
    params: params.join(", "),
    args: Object.fromEntries(
      Object.entries(axes).map(([tensor, names]) => [
        tensor,
        words(names)
          .map((w) => w.split(":")[0]!)
          .join(" "),
      ]),
    ),
  };
}
const words = (text: string): string[] => text.split(" ").filter((w) => w !== "");

export interface BodyOptions {
  /** The recorded outputs of whole numbers. */
  readonly integers?: readonly string[];
  /** The network is recorded in evaluation: what it does besides when it is trained is declared, and does not happen. */
  readonly evaluated?: "random" | "updates";
}

/** The whole program: `head` is what stands above the function, `fields` are the recorded outputs. */
export function body(
  made: Declared,
  head: string,
  lines: readonly string[],
  fields: Readonly<Record<string, string>>,
  { integers = [], evaluated }: BodyOptions = {},
): Written {
  const names = Object.keys(fields).map((name) => ({ name, field: `out_${name.replaceAll(".", "_")}` }));
  const types = names.map(({ name, field }, i) => `${field}: ${integers.includes(name) ? "i32" : "real"}[...r${i}]`);
  const values = names.map(({ name, field }) => `${field}: ${fields[name]}`);
  return {
    text: `${head}fn case(${made.params})${evaluated === undefined ? "" : ` ${evaluated}`} -> { ${types.join(", ")} } {
${lines.map((l) => `  ${l}\n`).join("")}  return { ${values.join(",\n    ")} }
}
`,
    args: made.args,
    outputs: Object.fromEntries(names.map(({ name, field }) => [name, field])),
    ...(evaluated === undefined ? {} : { training: false }),
  };
}
