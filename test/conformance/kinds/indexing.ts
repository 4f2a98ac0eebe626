import { axesOf, type Config, type KindTable, type Tensors, type Unsupported, type Written } from "../written.ts";
import { dimsOf } from "./text.ts";

// Reading and writing at indices, and moving axes. `put` on zeros adds up what meets at one place, as scatter-add does.

const shapeOf = (tensors: Tensors, name: string): readonly number[] => tensors[name]!.shape;

function embedding(config: Config, tensors: Tensors): Written {
  const axes = axesOf(tensors["input.ids"]);
  const [rows, width] = shapeOf(tensors, "param.weight");
  const padding = (config.padding_idx ?? null) as number | null;
  const place = padding !== null && padding < 0 ? padding + rows! : padding;
  // The row of padding is read, and never changed.
  const y = place === null ? "net(ids)" : `where(ids == ${place}, stop(net(ids)), net(ids))`;
  return {
    text: `import { Embedding } from "std/nn.ada"
model net = Embedding(${rows}, ${width}) trained
fn case(ids: i32[${axes.join(", ")}]) -> real[...r] { return ${y} }
`,
    args: { "input.ids": axes.join(" ") },
  };
}

/** Axes of an index that runs beside another tensor: the other's names, but `at` along `dim`. */
function beside(axes: readonly string[], dim: number): string[] {
  return axes.map((a, i) => (i === dim ? "at" : a));
}

function gather(config: Config, tensors: Tensors): Written {
  const axes = axesOf(tensors["input.x"]);
  const dim = dimsOf(config.dim, axes.length)[0]!;
  const [x, index] = [shapeOf(tensors, "input.x"), shapeOf(tensors, "input.index")];
  const own = x.map((size, i) => (i === dim || size === index[i] ? axes[i]! : `${axes[i]}_all`));
  const cuts = own.flatMap((a, i) => (a === axes[i] ? [] : [`${a}: 0..${axes[i]}`]));
  const renames = own.flatMap((a, i) => (a === axes[i] ? [] : [`${a}: ${axes[i]}`]));
  const source = cuts.length === 0 ? "x" : `rename(x[${cuts.join(", ")}], ${renames.join(", ")})`;
  const places = beside(axes, dim);
  return {
    text: `fn case(x: real[${own.join(", ")}], index: i32[${places.join(", ")}]) -> real[...r] {
  let source = ${source}
  return source[${axes[dim]}: index]
}
`,
    args: { "input.x": own.join(" "), "input.index": places.join(" ") },
  };
}

function scatterAdd(config: Config, tensors: Tensors): Written {
  const axes = axesOf(tensors["input.x"]);
  const dim = dimsOf(config.dim, axes.length)[0]!;
  const [x, src, index] = ["input.x", "input.src", "input.index"].map((n) => shapeOf(tensors, n)) as [number[], number[], number[]];
  // Every tensor may be larger than the index along other axes; sizes with names of their own are cut to its size, the sum padded to x's.
  const xs = axes.map((a, i) => (i === dim || x[i] === index[i] ? a : `${a}_x`));
  const places = beside(axes, dim);
  const ss = places.map((a, i) => (src[i] === index[i] ? a : `${a}_src`));
  const cuts = ss.flatMap((a, i) => (a === places[i] ? [] : [`${a}: 0..${places[i]}`]));
  const renames = ss.flatMap((a, i) => (a === places[i] ? [] : [`${a}: ${places[i]}`]));
  const source = cuts.length === 0 ? "src" : `rename(src[${cuts.join(", ")}], ${renames.join(", ")})`;
  const larger = axes.filter((_, i) => xs[i] !== axes[i]);
  const pads = larger.map((a) => `${a}: 0..${a}_x - ${a}`);
  const padded = larger.length === 0 ? "sums" : `rename(pad(sums, ${pads.join(", ")}), ${larger.map((a) => `${a}: ${a}_x`).join(", ")})`;
  return {
    text: `fn case(x: real[${xs.join(", ")}], src: real[${ss.join(", ")}], index: i32[${places.join(", ")}]) -> real[...r] {
  let source = ${source}
  let sums = put(zeros([${axes.join(", ")}]), ${axes[dim]}: index, source)
  return x + ${padded}
}
`,
    args: { "input.x": xs.join(" "), "input.src": ss.join(" "), "input.index": places.join(" ") },
  };
}

/** x[b, n] = v: the two axes are one, of which rows are written. */
function indexPut(config: Config, tensors: Tensors): Written | Unsupported {
  const [first, second, ...rest] = shapeOf(tensors, "input.x");
  if (second === undefined) return { unsupported: "index_put of a vector" };
  const axes = rest.map((_, i) => `f${i}`);
  const [b, n, v] = ["input.b", "input.n", "input.v"].map((name) => tensors[name]!) as [Tensors[string], Tensors[string], Tensors[string]];
  if (b.shape.length !== 1 || n.shape.length !== 1 || v.shape.length !== 1 + rest.length || v.shape[0] !== b.shape[0])
    return { unsupported: "index_put of stretched indices or values" };
  const accumulate = config.accumulate === true;
  const flat = `view(x, \`p q ${axes.join(" ")} -> pq=(p q) ${axes.join(" ")}\`)`;
  const back = `view(\`(p q) ${axes.join(" ")} -> p q ${axes.join(" ")}\`, p: ${first}, q: ${second})`;
  const written = accumulate ? "flat + put(zeros_like(flat), pq: place, v)" : "put(flat, pq: place, v)";
  return {
    text: `fn case(x: real[${["p", "q", ...axes].join(", ")}], b: i32[at], n: i32[at], v: real[${["at", ...axes].join(", ")}]) -> real[...r] {
  let flat = ${flat}
  let place = where(b < 0, b + ${first}, b) * ${second} + where(n < 0, n + ${second}, n)
  return ${written} |> ${back}
}
`,
    args: {
      "input.x": ["p", "q", ...axes].join(" "),
      "input.b": "at",
      "input.n": "at",
      "input.v": ["at", ...axes].join(" "),
    },
  };
}

/** Start and end of a slice as Python reads them, both inside the axis. */
function slice(config: Config, size: number): { readonly start: number; readonly stop: number } {
  const bound = (value: unknown, otherwise: number): number => {
    const x = (value ?? otherwise) as number;
    return Math.min(Math.max(x < 0 ? x + size : x, 0), size);
  };
  const start = bound(config.slice_start, 0);
  return { start, stop: Math.max(start, bound(config.slice_stop, size)) };
}

function catSlicePermute(config: Config, tensors: Tensors): Written {
  const axes = axesOf(tensors["input.a"]);
  const rank = axes.length;
  const [cat, cut] = [dimsOf(config.cat_dim, rank)[0]!, dimsOf(config.slice_dim, rank)[0]!];
  const [a, b] = [shapeOf(tensors, "input.a"), shapeOf(tensors, "input.b")];
  const shape = a.map((size, i) => (i === cat ? size + b[i]! : size));
  const { start, stop } = slice(config, shape[cut]!);
  const step = (config.slice_step as number | null) ?? 1;
  const order = ((config.permute as number[] | null) ?? axes.map((_, i) => i)).map((d) => (d + rank) % rank);
  const moved = order.map((d) => axes[d]!);
  const count = shape.reduce((n, size, i) => n * (i === cut ? Math.ceil((stop - start) / step) : size), 1);
  const wanted = (config.reshape as number[] | null) ?? [];
  const known = wanted.reduce((n, s) => (s < 0 ? n : n * s), 1);
  const sizes = wanted.map((s) => (s < 0 ? count / known : s));
  const parts = sizes.map((_, i) => `s${i}`);
  const reshaped =
    sizes.length === 0
      ? ""
      : ` |> view(\`${moved.join(" ")} -> all=(${moved.join(" ")})\`) |> view(\`(${parts.join(" ")}) -> ${parts.join(" ")}\`, ${sizes.map((s, i) => `s${i}: ${s}`).join(", ")})`;
  const other = axes.map((x, i) => (i === cat ? `${x}_b` : x));
  return {
    text: `fn case(a: real[${axes.join(", ")}], b: real[${other.join(", ")}]) -> real[...r] {
  let both = concat([a, rename(b, ${axes[cat]}_b: ${axes[cat]})], axis: ${axes[cat]})
  return both[${axes[cut]}: ${start}..${stop}] |> every(${axes[cut]}: ${step}) |> order([${moved.join(", ")}])${reshaped}
}
`,
    args: { "input.a": axes.join(" "), "input.b": other.join(" ") },
  };
}

export const indexingKinds: KindTable = {
  embedding,
  gather,
  scatter_add: scatterAdd,
  index_put: indexPut,
  index_select: (config, tensors) => {
    const axes = axesOf(tensors["input.x"]);
    const axis = axes[dimsOf(config.dim, axes.length)[0]!]!;
    return {
      text: `fn case(x: real[${axes.join(", ")}], index: i32[at]) -> real[...r] { return x[${axis}: index] }\n`,
      args: { "input.x": axes.join(" "), "input.index": "at" },
    };
  },
  cat_slice_permute: catSlicePermute,
};
