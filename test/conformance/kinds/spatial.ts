import type { Config, KindTable, Tensors, Unsupported, Written } from "../written.ts";
import { num } from "./text.ts";

// Operators on pictures: convolution, pooling, resampling, borders.

type Pair = readonly [number, number];
/** A size for both axes, or one for each. */
function pair(value: unknown, otherwise: number): Pair {
  if (value === null || value === undefined) return [otherwise, otherwise];
  if (!Array.isArray(value)) return [value as number, value as number];
  return value.length === 1 ? [value[0] as number, value[0] as number] : [value[0] as number, value[1] as number];
}
const equal = ([a, b]: Pair): boolean => a === b;

/** A picture of any number of leading dimensions, of which a body in `x` makes another. */
function picture(tensors: Tensors, from: string, names: readonly string[], body: string): Written {
  const lead = tensors["input.x"]!.shape.slice(0, -2).map((_, i) => `a${i}`);
  const axes = [...lead, "h", "w"];
  const line = names.length === 0 ? "" : `import { ${names.join(", ")} } from "std/${from}.ada"\n`;
  return { text: `${line}fn case(x: real[${axes.join(", ")}]) -> real[...r] { return ${body} }\n`, args: { "input.x": axes.join(" ") } };
}
const sizesOf = (tensors: Tensors): Pair => tensors["input.x"]!.shape.slice(-2) as unknown as Pair;

function conv2d(config: Config, tensors: Tensors): Written | Unsupported {
  const [kernel, stride, dilation] = [pair(config.kernel_size, 1), pair(config.stride, 1), pair(config.dilation, 1)];
  if (typeof config.padding === "string" && config.padding !== "valid") return { unsupported: `padding ${config.padding}` };
  const padding = typeof config.padding === "string" ? ([0, 0] as const) : pair(config.padding, 0);
  const groups = (config.groups as number | undefined) ?? 1;
  const biased = tensors["param.bias"] !== undefined;
  const x = tensors["input.x"]!.shape.length === 3 ? "c h w" : "b c h w";
  const out = tensors["param.weight"]!.shape[0]!;
  const params = `x: real[${x.replaceAll(" ", ", ")}]`;
  const plain = [kernel, stride, dilation, padding].every(equal) && dilation[0] === 1 && groups === 1;
  if (plain) {
    return {
      text: `import { Conv } from "std/nn.ada"
model net = Conv(${out}, ${kernel[0]}, stride: ${stride[0]}, pad: ${padding[0]}, biased: ${biased}) trained
fn case(${params}) -> real[...r] { return net(x) }
`,
      args: { "input.x": x },
    };
  }
  const options = [`stride: [${stride}]`, `pad: [${padding}]`, `dilation: [${dilation}]`, `groups: ${groups}`];
  const lines = [`let y = conv(x, weight, ${options.join(", ")})`, `return ${biased ? "y + rename(bias, out: c)" : "y"}`];
  return {
    text: `fn case(${params}, weight: real[out, cin, kh, kw]${biased ? ", bias: real[out]" : ""}) -> real[...r] {\n  ${lines.join("\n  ")}\n}\n`,
    args: { "input.x": x, "param.weight": "out cin kh kw", ...(biased ? { "param.bias": "out" } : {}) },
  };
}

/** Settings of a pool: those for `w` only where they differ. */
function pool(name: string, settings: Readonly<Record<string, Pair>>, more: readonly string[], tensors: Tensors): Written {
  const args = Object.entries(settings).map(([key, [h]]) => `${key}: ${h}`);
  const wide = Object.entries(settings).map(([key, [, w]]) => `${key}_w: ${w}`);
  return picture(tensors, "image", [name], `${name}(x, ${[...args, ...more, ...wide].join(", ")})`);
}

const matrices = (rows: string, cols: string): string => `resample(x, ${rows} |> rename(from: h), ${cols} |> rename(to: by, from: w))`;
function areas([to, by]: Pair, tensors: Tensors): Written {
  const [h, w] = sizesOf(tensors);
  const body = to === 1 && by === 1 ? "mean(x, over: [h, w])" : matrices(`area_weights(${to}, ${h})`, `area_weights(${by}, ${w})`);
  return picture(tensors, "image", ["resample", "area_weights"], body);
}

function interpolate(config: Config, tensors: Tensors): Written | Unsupported {
  const size = pair(config.size, 0);
  const from = sizesOf(tensors);
  const corners = config.align_corners === true;
  // The scale that the call was made with; without one, that of the sizes.
  const scale = (config.scale_factor ?? null) === null ? null : pair(config.scale_factor, 1);
  const ratio = from.map((n, d) => num(scale ? 1 / scale[d]! : n / size[d]!));
  // Where corners are aligned a widened kernel is as wide as the distance of its centres, which still begin half of it inside.
  const apart = from.map((n, d) => (corners ? num(size[d]! > 1 ? (n - 1) / (size[d]! - 1) : 0) : ratio[d]!));
  const both = (fn: string, args: (d: number) => string): Written =>
    picture(
      tensors,
      "image",
      ["resample", fn],
      matrices(`${fn}(${size[0]}, ${from[0]}, ${args(0)})`, `${fn}(${size[1]}, ${from[1]}, ${args(1)})`),
    );
  const mode = config.mode as string;
  if (config.antialias === true && (mode === "bilinear" || mode === "bicubic"))
    return both("smooth_weights", (d) => `${apart[d]}, ${mode === "bicubic"}`);
  if (config.antialias === true) return { unsupported: `${mode} with antialias` };
  switch (mode) {
    case "nearest":
      return picture(tensors, "", [], `resize_nearest(x, ${size[0]}, ${size[1]})`);
    case "area":
      return areas(size, tensors);
    case "bilinear":
      return both("linear_weights", (d) => `${ratio[d]}, ${corners}`);
    case "bicubic":
      return both("cubic_weights", (d) => `${ratio[d]}, ${corners}`);
    default:
      return { unsupported: `mode ${mode}` };
  }
}

function padded(config: Config, tensors: Tensors): Written | Unsupported {
  const [left = 0, right = 0, top = 0, bottom = 0, ...rest] = config.pad as number[];
  if (rest.some((p) => p !== 0)) return { unsupported: "padding of more than two dimensions" };
  // Negative amounts cut off.
  const cut = (axis: string, before: number, after: number): string => `${axis}: ${Math.max(-before, 0)}..${after < 0 ? `(${after})` : ""}`;
  const cuts = [...(top < 0 || bottom < 0 ? [cut("h", top, bottom)] : []), ...(left < 0 || right < 0 ? [cut("w", left, right)] : [])];
  const x = cuts.length === 0 ? "x" : `x[${cuts.join(", ")}]`;
  const [l, r, t, b] = [left, right, top, bottom].map((p) => Math.max(p, 0)) as [number, number, number, number];
  if (tensors["input.x"]!.shape.length < 2) return { unsupported: "padding of a vector" };
  switch (config.mode) {
    case "constant":
      return picture(tensors, "", [], `pad(${x}, h: ${t}..${b}, w: ${l}..${r}, value: ${num(config.value ?? 0)})`);
    case "reflect":
      return picture(tensors, "image", ["reflect"], `reflect(${x}, ${t}, ${b}, ${l}, ${r})`);
    default:
      return { unsupported: `mode ${String(config.mode)}` };
  }
}

export const spatialKinds: KindTable = {
  conv2d,
  interpolate,
  pad: padded,
  max_pool2d: (config, tensors) => {
    const size = pair(config.kernel_size, 1);
    const [stride, border, dilation] = [config.stride ?? size, pair(config.padding, 0), pair(config.dilation, 1)];
    return pool("max_pool", { size, stride: pair(stride, 1), border, dilation }, [`up: ${config.ceil_mode === true}`], tensors);
  },
  avg_pool2d: (config, tensors) => {
    const size = pair(config.kernel_size, 1);
    const more = [`up: ${config.ceil_mode === true}`, `count_border: ${config.count_include_pad !== false}`];
    if ((config.divisor_override ?? null) !== null) more.push(`divisor: ${num(config.divisor_override)}`);
    return pool("avg_pool", { size, stride: pair(config.stride ?? size, 1), border: pair(config.padding, 0) }, more, tensors);
  },
  adaptive_avg_pool2d: (config, tensors) => {
    const [h, w] = sizesOf(tensors);
    const given = Array.isArray(config.output_size) ? config.output_size : [config.output_size, config.output_size];
    return areas([(given[0] as number | null) ?? h, (given[1] as number | null) ?? w], tensors);
  },
  grid_sample: (config) => {
    if (config.mode !== "bilinear") return { unsupported: `mode ${String(config.mode)}` };
    if (config.padding_mode !== "border" && config.padding_mode !== "zeros")
      return { unsupported: `padding_mode ${String(config.padding_mode)}` };
    return {
      text: `import { sample_at } from "std/image.ada"
fn case(x: real[n, c, h, w], grid: real[n, row, col, xy: 2]) -> real[...r] {
  return sample_at(x, grid, border: ${config.padding_mode === "border"}, corners: ${config.align_corners === true})
}
`,
      args: { "input.x": "n c h w", "input.grid": "n row col xy" },
    };
  },
};
