// The names the compiler itself knows: primitives, distributions, schedules, what data sets and evaluations may call, the built-in types.
// Everything else is `.ada` (the prelude first). One row per name; `args` lists the arguments in order, with what a bare name in that
// place means: `over:axes` an axis, `as:type` a type, `largest:word` a word of that function's own; without a mark, a value.
// `*:axes` marks every further named argument (`rename(x, a: b)`).

export type BuiltinKind = "primitive" | "reduction" | "list" | "distribution" | "schedule" | "dataset" | "host" | "test" | "type" | "value";
export type ArgumentSense = "value" | "axes" | "type" | "word";
/** Where a name exists; without a place it exists everywhere. */
export type Place = "step" | "train" | "evaluate" | "optimizer" | "dataset";
export interface BuiltinArgument {
  readonly name: string;
  readonly sense: ArgumentSense;
}
export interface Builtin {
  readonly name: string;
  readonly kind: BuiltinKind;
  readonly args: readonly BuiltinArgument[];
  readonly doc: string;
  readonly places?: readonly Place[];
}

const rows =
  (kind: BuiltinKind, places?: readonly Place[]) =>
  (table: Readonly<Record<string, readonly [args: string, doc: string]>>): Builtin[] =>
    Object.entries(table).map(([name, [args, doc]]) => ({ name, kind, args: readArguments(args), doc, ...(places ? { places } : {}) }));
function readArguments(text: string): BuiltinArgument[] {
  return text
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => {
      const [name = "", sense = "value"] = word.split(":");
      return { name, sense: sense as ArgumentSense };
    });
}

const table: readonly Builtin[] = [
  ...rows("primitive")({
    exp: ["x", "e to the power of x"],
    ln: ["x", "natural logarithm"],
    sin: ["x", "sine"],
    cos: ["x", "cosine"],
    tanh: ["x", "hyperbolic tangent"],
    sqrt: ["x", "square root"],
    rsqrt: ["x", "1 / sqrt(x)"],
    erf: ["x", "error function"],
    abs: ["x", "absolute value"],
    floor: ["x", "largest whole number not above x"],
    ceil: ["x", "smallest whole number not below x"],
    round: ["x", "nearest whole number, halves to even"],
    where: ["condition then otherwise", "chooses values element by element"],
    iota: ["axes:axes", "0, 1, 2, … along one axis"],
    dot: ["a b over:axes", "sum of products over axes: matrix product, inner product"],
    conv: ["x weight stride pad dilation groups", "convolution over h and w; stride, pad, dilation: a number, or `[h, w]`"],
    put: ["x *:value", "writes rows at indices: the inverse of a gather"],
    pad: ["x *:value", "zeros before and after along axes: `pad(x, h: 0..1)`"],
    every: ["x *:value", "each n-th element along axes"],
    concat: ["list axis:axes", "joins along an axis"],
    stack: ["list axis:axes", "joins along a new axis"],
    split: ["x axis:axes parts", "equal parts along an axis"],
    unstack: ["x axis:axes", "the list of slices along an axis"],
    view: ["x pattern *:value", "splits and merges axes by a pattern"],
    expand: ["x axes:axes like", "repeats along the axes it lacks"],
    rename: ["x *:axes", "other names for axes: `rename(x, old: new)`"],
    order: ["x axes:axes", "the same axes in another order"],
    cumprod: ["x over:axes", "running product"],
    cumsum: ["x over:axes", "running sum"],
    stop: ["x", "the value without its gradient"],
    draw: ["from axes:axes like", "a random value, or a tensor of them"],
    size: ["x axis:axes", "the size of an axis, as a number"],
    cast: ["x to:type", "another number type"],
  }),
  ...rows("reduction")({
    sum: ["x over:axes", "sum over axes, or over all"],
    mean: ["x over:axes", "mean over axes, or over all"],
    max: ["x over:axes", "largest over axes; of two arguments, the larger"],
    min: ["x over:axes", "smallest over axes; of two arguments, the smaller"],
    argmax: ["x over:axes", "index of the largest"],
    argmin: ["x over:axes", "index of the smallest"],
    any: ["x over:axes", "whether any holds"],
    all: ["x over:axes", "whether all hold"],
    count: ["x over:axes", "how many elements"],
  }),
  ...rows("list")({
    zip: ["a b", "pairs of two lists' elements"],
    enumerate: ["list", "pairs of index and element"],
    reverse: ["x axis:axes", "a list or an axis backwards"],
    flatten: ["list", "a list of lists as one list"],
    range: ["n to", "0, 1, …, n - 1"],
    fold: ["list start step", "carries a value through a list"],
    scan: ["list start step", "like fold, with every value on the way"],
    length: ["list", "number of elements"],
    has: ["x", "whether a value is present; known when compiling"],
    read: ["x", "the value of a scalar on the device; waits for it"],
    copy: ["model", "the model's values when training starts"],
    words: ["slot", "how many words stand in a slot"],
    present: ["list", "the elements that are present"],
    last: ["list", "the last element"],
  }),
  ...rows("list", ["optimizer"])({
    per_tensor: ["arenas step", "a function of each parameter by itself, its results put together again"],
  }),
  ...rows("distribution")({
    normal: ["", "mean 0, variance 1"],
    uniform: ["range", "between two numbers"],
    integer: ["range", "whole numbers of a range"],
    coin: ["p", "1 with probability p"],
    pick: ["list weights at_most", "an element of a list"],
    dirichlet: ["weights", "shares that sum to 1"],
    permutation: ["n", "the whole numbers below n in a random order"],
  }),
  ...rows("schedule")({
    linear: ["values", "from one value to another in a straight line"],
    cosine: ["values", "from one value to another along half a cosine"],
    constant: ["value", "one value"],
    polynomial: ["values power", "from one value to another along a power"],
    piecewise: ["points", "straight lines between points"],
    cycle: ["schedule times", "a schedule repeated"],
  }),
  ...rows("dataset")({
    folder: ["root files skip subject", "the files of one folder"],
    folders: ["root files skip first", "one subject per folder"],
    made: ["module", "data that the project makes"],
    weighted: ["key:word by:word", "each place draws a subject or a source, then one of its pictures"],
    alternate: ["key:word each", "the sources in turn"],
    shuffled: ["", "every item once per round, in a random order"],
    sequential: ["", "every item in turn"],
    load: ["path or:word", "reads a picture"],
    text_of: ["path or", "what a text file holds"],
    to_range: ["range", "maps pixel values to a range"],
    lookup: ["table key or", "looks a key up in a table file"],
    meta: ["file key or", "a field of a metadata file"],
    exists: ["path", "whether a file is there"],
    is: ["value", "1 where a pixel has this value"],
    cached: ["x name", "keeps the picture on disk"],
    subject_in_frame: ["size flip scale margin", "a drawn placement, the same for picture and masks"],
    align_face: ["x size largest:word", "a crop of the face at standard landmarks"],
    grayscale: ["x", "without colours"],
    alpha: ["x", "how opaque a picture is, as a grey picture"],
    flip: ["x", "left and right exchanged; drawn, with a probability"],
    crop_to: ["x size", "the middle cut out; drawn, any place"],
    resize_to: ["size", "resampled to a size"],
  }),
  ...rows("host")({
    lines: ["file as:type", "the lines of a text file"],
    pairs_of: ["list", "pairs of a list's elements"],
    grid: ["pictures columns", "pictures side by side"],
    encode_png: ["picture", "a picture file"],
    bytes: ["x", "the bytes of a tensor"],
    roc: ["score same", "receiver operating curve of scores"],
    auc: ["score same", "area under the receiver operating curve"],
    verification: ["embedding subject", "how well cosines tell pairs of one subject from pairs of two: the area under the curve"],
    eer: ["score same", "equal error rate"],
    histogram: ["x bins", "how often values fall into bins"],
  }),
  ...rows("test")({
    near: ["a b tolerance relative", "whether two values agree within a tolerance"],
    fresh: ["module from surgery seed", "a module with parameters as they are at the start"],
    minimum: ["f from by steps", "an optimiser at work on a function: after each step `x` and the optimiser's states"],
    gradient: ["f at", "the derivative of a function to one number"],
  }),
  ...rows("type")({
    real: ["", "a tensor in the policy's compute type"],
    f32: ["", "32-bit floats"],
    f16: ["", "16-bit floats"],
    i32: ["", "32-bit whole numbers"],
    u32: ["", "32-bit whole numbers from 0"],
    bool: ["", "true or false per element"],
    Dim: ["", "a size; solved from use when left out"],
    Int: ["", "a whole number on the host"],
    Real: ["", "a number on the host"],
    Bool: ["", "true or false on the host"],
    Text: ["", "a text on the host"],
    Path: ["", "a path on disk"],
    Axes: ["", "a list of axes"],
    Schedule: ["", "a number that follows progress"],
    List: ["element", "a list of known length"],
    Table: ["record", "records by a host key"],
    Prompt: ["slots", "text with slots"],
    Picture: ["", "a decoded picture on the host"],
    Distribution: ["", "what draw takes"],
  }),
  ...rows("value")({
    inf: ["", "infinity"],
    pi: ["", "the circle's number"],
    training: ["", "whether the model is being trained; known when compiling"],
  }),
  ...rows("value", ["step", "train", "evaluate"])({
    batch: ["", "samples per micro-step: an axis and its size"],
    progress: ["", "micro-step / micro_steps, from 0 to 1"],
    micro_step: ["", "number of the micro-step"],
  }),
  ...rows("value", ["dataset"])({
    file: ["", "path of the item's file"],
    stem: ["", "path of the item's file without its ending"],
    folder_name: ["", "name of the item's folder"],
    subject: ["", "the item's subject"],
    images: ["", "how many pictures the subject has"],
    source: ["", "which source the item is from: 0, 1, …"],
    index: ["", "the item's running number"],
    white: ["", "a white picture"],
    black: ["", "a black picture"],
  }),
];

export const builtins: ReadonlyMap<string, Builtin> = new Map(table.map((row) => [row.name, row] as const));

/** What a bare name means as this argument of a built-in function. */
export function argumentSense(builtin: Builtin, position: number, name: string | null): ArgumentSense {
  if (name !== null) {
    const named = builtin.args.find((arg) => arg.name === name) ?? builtin.args.find((arg) => arg.name === "*");
    return named?.sense ?? (name === "over" || name === "axis" ? "axes" : "value");
  }
  const arg = builtin.args[position];
  return arg && arg.name !== "*" ? arg.sense : "value";
}

/** Templates that `fused fn … by NAME` may name. */
export const templates: readonly string[] = ["contract", "reduce", "map", "index", "attend"];
