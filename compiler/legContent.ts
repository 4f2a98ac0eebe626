import { createHash } from "node:crypto";
import { contentKey } from "./ir/builder.ts";
import type { OpAttrs, Value } from "./ir/value.ts";
import { graphValues } from "./ir/walk.ts";
import type { LegObject, LegRequest, Place } from "./legObject.ts";
import type { UniformDecl } from "./plan/host.ts";
import type { PlanBinding } from "./plan/plan.ts";
import { renumberUniforms } from "./wgsl/print.ts";

// What a leg is kept by. Two legs of one content become the same object, wherever in a program their steps stand and whatever other steps it
// has: values are numbered as they are met, and uniforms go by what they are computed from. What depends on the rest of the program is put
// back when a kept leg is taken: the numbers of uniforms, and the places in the sources, which are those that its values come from now.

export interface LegContent {
  readonly key: string;
  /** Its values in the order of first need. */
  readonly values: readonly Value[];
  /** The index of each uniform that it reads, in the order of first need. */
  readonly uniforms: readonly number[];
}

/** A leg as it is kept: a place in the sources is the origin of a value, both by number. */
export interface KeptLeg {
  readonly object: Omit<LegObject, "ops"> & {
    readonly ops: readonly (Exclude<LegObject["ops"][number], { readonly kind: "dispatch" }> | KeptDispatch)[];
  };
  readonly uniforms: readonly number[];
}
type Dispatch = Extract<LegObject["ops"][number], { readonly kind: "dispatch" }>;
type KeptDispatch = Omit<Dispatch, "origins"> & { readonly origins: readonly (readonly [value: number, origin: number])[] };

/** Where legs are kept between compilations. What else a leg depends on (target, options, the compiler) is for the store to know. */
export interface LegStore {
  take(key: string, leg: string): KeptLeg | null;
  keep(key: string, leg: string, kept: KeptLeg): void;
}

const placeKey = ({ file, start }: Place): string => `${file}@${start}`;

/** The content of a leg whose buffers are numbered by itself. */
export function legContent(request: LegRequest, uniforms: readonly UniformDecl[]): LegContent {
  const hash = createHash("sha256");
  const numberOf = new Map<number, number>(); // of values, by id
  const used: number[] = [];
  const indexOf = new Map(uniforms.map((u, i) => [u.name, i]));
  let lines: string[] = [];
  const write = (line: string): void => {
    if (lines.push(line) < 512) return;
    hash.update(`${lines.join("\n")}\n`);
    lines = [];
  };
  const binding = (b: PlanBinding | undefined): string => (b === undefined ? "nowhere" : `${b.buffer} ${b.offset} ${b.bytes}`);
  const values = graphValues(request.graph);
  for (const v of values) {
    numberOf.set(v.id, numberOf.size);
    let what: string;
    if (v.op === "input" && v.attrs.role === "uniform") {
      const index = indexOf.get(v.attrs.name)!;
      used.push(index);
      what = `uniform ${JSON.stringify(uniforms[index]!.expr)} ${v.dtype} ${v.shape.join()}`;
    } else {
      what = contentKey(v.op, [], v.attrs as OpAttrs[typeof v.op]);
      if (v.op === "input")
        what += ` at ${binding(request.inputs.get(v.attrs.name))}${request.written.has(v.attrs.name) ? " written" : ""}`;
    }
    let line = what;
    for (const a of v.args) line += ` ${numberOf.get(a.id)}`;
    write(line);
  }
  const { precision } = request;
  for (const { name, value } of request.graph.results) {
    const backward = precision?.backward(name) === true ? " backward" : "";
    write(
      `result ${JSON.stringify(name)} ${numberOf.get(value.id)} at ${binding(request.results.get(name))}${request.read.has(name) ? " read" : ""}${backward}`,
    );
  }
  if (precision) {
    const frozen = graphValues(request.graph).flatMap((v) =>
      v.op === "input" && precision.frozen.has(v.attrs.name) ? [v.attrs.name] : [],
    );
    write(`precision ${JSON.stringify(precision.policy)} ${JSON.stringify(frozen)}`);
  }
  hash.update(lines.join("\n"));
  return { key: hash.digest("hex"), values, uniforms: used };
}

/** A leg that was made, to be kept. A place that none of its values comes from is left out. */
export function toKeep(object: LegObject, content: LegContent): KeptLeg {
  const known = new Map<string, readonly [number, number]>();
  for (const [n, v] of content.values.entries())
    for (const [k, { span }] of v.origins.entries()) if (!known.has(placeKey(span))) known.set(placeKey(span), [n, k]);
  const numbered = (place: Place) => known.get(placeKey(place)) ?? [];
  const ops = object.ops.map((op) =>
    op.kind === "dispatch"
      ? { ...op, origins: op.origins.map(numbered).filter((at): at is readonly [number, number] => at.length === 2) }
      : op,
  );
  return { object: { ...object, ops }, uniforms: content.uniforms };
}

/** A kept leg with the places and the uniforms of the present program. */
export function fromKept(kept: KeptLeg, content: LegContent): LegObject {
  const now = new Map(kept.uniforms.map((index, i) => [index, content.uniforms[i]!]));
  const moved = [...now].some(([before, after]) => before !== after);
  // A value that steps share may come from fewer places than before.
  const placeOf = ([value, origin]: readonly [number, number]): readonly Place[] => {
    const { origins } = content.values[value]!;
    const from = origins[origin] ?? origins[0];
    return from === undefined ? [] : [from.span];
  };
  return {
    ...kept.object,
    kernels: kept.object.kernels.map((kernel) =>
      moved && kernel.bindings.includes("uniform")
        ? { ...kernel, wgsl: renumberUniforms(kernel.wgsl, (index) => now.get(index)!) }
        : kernel,
    ),
    ops: kept.object.ops.map((op) => (op.kind === "dispatch" ? { ...op, origins: op.origins.flatMap(placeOf) } : op)),
  };
}
