import type { HostDistribution, HostExpr } from "../../plan/host.ts";
import { call, valueArg } from "../calls.ts";
import { fail } from "../failure.ts";
import { callMaker } from "../hostCalls.ts";
import { constantOf, fromHost, hostConstant, hostKey, hostNumber, toHost } from "../hostExpr.ts";
import { itemFact, maskPath, noSteps, pathOf, pictureOf, settlePicture, withStep } from "../itemPictures.ts";
import type { Scope } from "../scope.ts";
import { compileNumber } from "../sizes.ts";
import { type HostVal, isScalar, none, type PictureVal, type TransformVal, text, type Val } from "../values.ts";
import { BuiltinCall, type BuiltinRow } from "./table.ts";

// What may stand in a `dataset`: sources, orders, facts of an item, and pictures on their way from a file to a field. Here they are only
// described; the runtime loads them.

function source(perSubject: boolean): BuiltinRow {
  return {
    params: ["root", "files?", "skip?", "first?", "on_broken?", "subject?"],
    run: (c) => {
      const root = c.value("root");
      if (root.kind !== "text") return c.mismatch("root", "a path known when compiling");
      const fields = new Map<string, Val>([
        ["root", root],
        ["per_subject", { kind: "bool", value: perSubject }],
      ]);
      for (const name of ["files", "skip", "on_broken", "subject"]) {
        const value = c.optional(name) ?? none;
        if (value.kind !== "text" && value.kind !== "none") return c.mismatch(name, "a text");
        fields.set(name, value);
      }
      const broken = fields.get("on_broken")!;
      if (broken.kind === "text" && broken.value !== "skip" && broken.value !== "fatal")
        return c.mismatch("on_broken", '"skip" or "fatal"');
      fields.set("first", c.has("first") ? { kind: "number", value: c.compile("first") } : none);
      return { kind: "record", fields };
    },
  };
}

/**
 * `made("./make_faces.ts")`: pictures that the project makes itself. The default export of the file, called while the program is compiled, makes
 * them where they are not there yet, and gives their folder, with one folder for each subject in it.
 */
function made(c: BuiltinCall): Val {
  const from = c.value("from");
  if (from.kind !== "text") return c.mismatch("from", "the path of a TypeScript file");
  const folder = callMaker(c.session.absoluteOf(c.span.file), from.value, c.spanOf("from"));
  return source(true).run(new BuiltinCall("folders", c.span, c.scope, new Map([["root", { value: text(folder), span: c.span }]])));
}

// ---- orders ------------------------------------------------------------------------------------------------------------------------

/** `subject` or `source`. */
function groupOf(c: BuiltinCall): "subject" | "source" {
  const of = c.value("of");
  if (of.kind === "host" && of.expr.kind === "item") {
    if (of.expr.fact === "source") return "source";
    if (of.expr.fact === "subject" || of.expr.fact === "subjectIndex") return "subject";
  }
  return c.mismatch("of", "`subject` or `source`");
}

/** `weighted(subject, by: images)`, `weighted(subject)`, `weighted(source, by: [3, 1])`. */
function weighted(c: BuiltinCall): Val {
  const of = groupOf(c);
  const by = c.optional("by");
  if (by === undefined) return { kind: "order", order: { kind: "drawn", of, weights: null } };
  if (by.kind === "host" && by.expr.kind === "item" && by.expr.fact === "images") return { kind: "order", order: "weighted" };
  if (by.kind !== "list" || of === "subject")
    return c.mismatch("by", of === "subject" ? "`images`" : "`images`, or a weight for each source");
  const weights = by.items.map((w) => compileNumber(w, c.spanOf("by"), c.scope, "a weight"));
  if (weights.some((w) => !(w >= 0)) || !weights.some((w) => w > 0)) return c.mismatch("by", "weights that are not negative and not all 0");
  return { kind: "order", order: { kind: "drawn", of, weights } };
}

/** `alternate(source)`, `alternate(source, each: 4)`. */
function alternate(c: BuiltinCall): Val {
  if (groupOf(c) !== "source") return c.mismatch("of", "`source`");
  const run = c.compile("each", 1);
  if (!Number.isInteger(run) || run < 1) return c.mismatch("each", "a whole number from 1 on");
  return { kind: "order", order: { kind: "alternate", run } };
}

// ---- pictures ----------------------------------------------------------------------------------------------------------------------

function load(c: BuiltinCall): Val {
  const path = pathOf(c.value("file"), c.spanOf("file"));
  const isOwn = path.kind === "item" && path.fact === "file";
  const file = isOwn ? "image" : hostKey(path) === hostKey(maskPath) ? "mask" : path;
  const or = c.optional("or") ?? none;
  const stands = or.kind === "none" ? null : or.kind === "picture" && (or.file === "white" || or.file === "black") ? or.file : undefined;
  if (stands === undefined) return c.mismatch("or", "`white` or `black`");
  return { kind: "picture", file, isGrey: !isOwn, ...noSteps, or: stands };
}

function picture(c: BuiltinCall, name = "x"): PictureVal {
  return pictureOf(c.value(name)) ?? c.mismatch(name, "a picture of the data set: `load(file)`");
}
const settled = (c: BuiltinCall, x: PictureVal): Val => settlePicture(c.session, x);

/** A size: one number, or `(32, 48)`, height first. */
function sizeOf(c: BuiltinCall, name: string): readonly [number, number] {
  const size = c.value(name);
  const ends = size.kind === "tuple" && size.items.length === 2 ? size.items : [size, size];
  const made = ends.map((end) => compileNumber(end, c.spanOf(name), c.scope, "a picture's size"));
  if (made.some((n) => !Number.isInteger(n) || n < 1)) return c.mismatch(name, "a whole number from 1 on");
  return made as unknown as readonly [number, number];
}
const resized = (x: PictureVal, [height, width]: readonly [number, number], rule: "smooth" | "nearest"): PictureVal =>
  withStep(x, { kind: "resize", height, width, rule }, [height, width]);

/** In a data set the bytes of pictures are resized; what is computed is resized by the function of the same name. */
function resizeNearest(c: BuiltinCall): Val {
  const x = pictureOf(c.value("x"));
  if (x !== null) {
    const size = c.has("by") ? ([c.compile("to"), c.compile("by")] as const) : sizeOf(c, "to");
    return settled(c, resized(x, size, "nearest"));
  }
  const args = ["x", "to", "by"].flatMap((name) => (c.has(name) ? [valueArg(c.value(name), c.spanOf(name))] : []));
  return call(outside(c.name, c.scope)!, args, c.span, c.scope);
}

/** What a name stands for outside of the data set. */
function outside(name: string, scope: Scope): Val | undefined {
  for (let at: Scope | null = scope; at; at = at.parent) {
    const here = at.content.values?.get(name);
    if (here?.kind === "builtin" && here.name === `dataset.${name}`) return at.parent?.lookup(name);
  }
  return undefined;
}

function toRange(c: BuiltinCall): Val {
  const x = picture(c);
  const range = c.value("range");
  if (range.kind !== "range" || range.to === null) return c.mismatch("range", "a range `a..b`");
  const ends = [range.from, range.to].map((end) => compileNumber(end, c.spanOf("range"), c.scope, "a bound"));
  return settled(c, { ...x, range: [ends[0]!, ends[1]!], is: null });
}

function is(c: BuiltinCall): Val {
  const value = c.compile("value");
  if (!Number.isInteger(value) || value < 0 || value > 255) return c.mismatch("value", "a byte, 0 to 255");
  return settled(c, { ...picture(c), is: value, range: [0, 1] });
}

/** `largest: area`, the one way to choose among faces. */
export function requireArea(c: BuiltinCall): void {
  const largest = c.optional("largest");
  if (largest !== undefined && !(largest.kind === "text" && largest.value === "area")) c.mismatch("largest", "`area`");
}

function alignFace(c: BuiltinCall): Val {
  const [side] = sizeOf(c, "to");
  requireArea(c);
  return settled(c, withStep(picture(c), { kind: "align", side, largest: "area" }, [side, side]));
}

function cached(c: BuiltinCall): Val {
  const x = picture(c);
  const name = c.value("name");
  if (name.kind !== "text" || !/^[\w-]+$/.test(name.value)) return c.mismatch("name", "a text of letters, digits, `_` and `-`");
  if (x.steps.some(isDrawn)) return c.mismatch("x", "a picture that is always the same: draw after `cached`");
  return settled(c, withStep(x, { kind: "cached", name: name.value }));
}
function isDrawn(step: PictureVal["steps"][number]): boolean {
  const open = (expr: HostExpr) => constantOf(expr) === undefined;
  if (step.kind === "flip") return open(step.when);
  if (step.kind === "crop") return step.at?.some(open) ?? false;
  return step.kind === "place";
}

// ---- functions of pictures ---------------------------------------------------------------------------------------------------------

const drawn = (stream: string, distribution: HostDistribution): HostExpr => ({ kind: "draw", stream, distribution });
const unit = (stream: string) => drawn(stream, { kind: "uniform", low: hostNumber(0), high: hostNumber(1) });
const plain = (apply: TransformVal["apply"]): TransformVal => ({ kind: "transform", apply, drawn: null, isPlain: true });
const open = (of: (stream: string) => TransformVal["apply"]): TransformVal => ({
  kind: "transform",
  apply: (x) => x,
  drawn: (stream) => plain(of(stream)),
  isPlain: false,
});

/** `x |> flip`, or `draw(flip(0.5))`: left and right exchanged. */
function flip(c: BuiltinCall): Val {
  const given = c.optional("x");
  const x = given === undefined ? null : pictureOf(given);
  if (x !== null) return settled(c, withStep(x, { kind: "flip", when: hostConstant(true) }));
  const probability = given === undefined ? hostNumber(0.5) : numberOf(c, "x");
  return open((stream) => (picture) => withStep(picture, { kind: "flip", when: drawn(stream, { kind: "coin", probability }) }));
}

/** `x |> crop_to(28)` cuts out the middle, `draw(crop_to(28))` any place. */
function cropTo(c: BuiltinCall): Val {
  const x = pictureOf(c.value("x"));
  const [height, width] = sizeOf(c, x === null ? "x" : "size");
  const crop = (at: readonly [HostExpr, HostExpr] | null) => (picture: PictureVal) => {
    if (picture.size !== null && (picture.size[0] < height || picture.size[1] < width))
      fail("type/mismatch", c.span, {
        found: `a picture of ${picture.size.join(" x ")}`,
        expected: `one of at least ${height} x ${width}`,
      });
    return withStep(picture, { kind: "crop", height, width, at }, [height, width]);
  };
  if (x !== null) return settled(c, crop(null)(x));
  return { ...open((stream) => crop([unit(`${stream}.top`), unit(`${stream}.left`)])), isPlain: true, apply: crop(null) };
}

/** `draw(subject_in_frame(512, flip: 0.5, scale: 0.7..1, margin: 12))`. */
function subjectInFrame(c: BuiltinCall): Val {
  const size = sizeOf(c, "size");
  const mirrored = c.has("flip") ? numberOf(c, "flip") : hostNumber(0);
  const margin = c.compile("margin", 0);
  const range = c.optional("scale");
  if (range !== undefined && (range.kind !== "range" || range.to === null)) return c.mismatch("scale", "a range `a..b`");
  const ends = range?.kind === "range" ? [range.from, range.to!] : [];
  const [low = 1, high = 1] = ends.map((end) => compileNumber(end, c.spanOf("scale"), c.scope, "a scale"));
  if (!(low > 0 && low <= high && high <= 1)) return c.mismatch("scale", "a range within 0..1");
  if (!Number.isInteger(margin) || margin < 0) return c.mismatch("margin", "a whole number of pixels");
  return open((stream) => {
    const when = drawn(`${stream}.flip`, { kind: "coin", probability: mirrored });
    const scale = drawn(`${stream}.scale`, { kind: "uniform", low: hostNumber(low), high: hostNumber(high) });
    const move = [unit(`${stream}.down`), unit(`${stream}.right`)] as const;
    return (x) => withStep(withStep(resized(x, size, "nearest"), { kind: "flip", when }), { kind: "place", scale, move, margin });
  });
}

// ---- what is known of an item ------------------------------------------------------------------------------------------------------

function numberOf(c: BuiltinCall, name: string): HostExpr {
  const value = c.value(name);
  return isScalar(value) && value.kind !== "text" ? toHost(value) : c.mismatch(name, "a number");
}

/** `or: "person"`, and the type that the value then has; a text where nothing is said. */
function otherwise(c: BuiltinCall): { readonly or: readonly HostExpr[]; readonly type: HostVal["type"] } {
  const or = c.optional("or");
  if (or === undefined || or.kind === "none") return { or: [], type: "text" };
  if (!isScalar(or)) return c.mismatch("or", "a text, a number or a Bool");
  const type = or.kind === "host" ? or.type : or.kind === "text" ? "text" : or.kind === "bool" ? "bool" : "real";
  return { or: [toHost(or)], type };
}
function textArg(c: BuiltinCall, name: string): HostExpr {
  const value = c.value(name);
  return value.kind === "text" || (value.kind === "host" && value.type === "text") ? toHost(value) : c.mismatch(name, "a text");
}

/** `meta("metainfo.json", "age", or: 0)`: a value of a JSON object beside the picture. */
function meta(c: BuiltinCall): Val {
  const { or, type } = otherwise(c);
  return fromHost(itemFact("meta", type, [textArg(c, "file"), textArg(c, "key"), ...or]), type);
}
/** `lookup(table, subject, or: "person")`: a value of a JSON object; `table` may be `none`. */
function lookup(c: BuiltinCall): Val {
  const { or, type } = otherwise(c);
  const table = c.value("in");
  if (table.kind === "none" && or.length === 0) return c.mismatch("in", "a path, or say what is taken instead: `or:`");
  const path = table.kind === "none" ? hostConstant("") : textArg(c, "in");
  const key = c.value("key");
  if (!isScalar(key)) return c.mismatch("key", "a text or a number");
  return fromHost(itemFact("lookup", type, [path, toHost(key), ...or]), type);
}
const fact = (name: "exists" | "textOf", type: HostVal["type"]) => (c: BuiltinCall) => {
  const or = name === "textOf" && c.has("or") ? [textArg(c, "or")] : [];
  return fromHost(itemFact(name, type, [pathOf(c.value("file"), c.spanOf("file")), ...or]), type);
};

export const dataRows: Readonly<Record<string, BuiltinRow>> = {
  folders: source(true),
  folder: source(false),
  made: { params: ["from"], run: made },
  weighted: { params: ["of", "by?"], run: weighted },
  alternate: { params: ["of", "each?"], run: alternate },
  load: { params: ["file", "or?"], run: load },
  alpha: { params: ["x"], run: (c) => settled(c, { ...withStep(picture(c), { kind: "alpha" }), isGrey: true }) },
  grayscale: { params: ["x"], run: (c) => settled(c, { ...picture(c), isGrey: true }) },
  resize_to: { params: ["x", "size"], run: (c) => settled(c, resized(picture(c), sizeOf(c, "size"), "smooth")) },
  resize_nearest: { params: ["x", "to", "by?"], run: resizeNearest },
  crop_to: { params: ["x", "size?"], run: cropTo },
  flip: { params: ["x?"], run: flip },
  subject_in_frame: { params: ["size", "flip?", "scale?", "margin?"], run: subjectInFrame },
  align_face: { params: ["x", "to", "largest?"], run: alignFace },
  cached: { params: ["x", "name"], run: cached },
  to_range: { params: ["x", "range"], run: toRange },
  is: { params: ["x", "value"], run: is },
  meta: { params: ["file", "key", "or?"], run: meta },
  lookup: { params: ["in", "key", "or?"], run: lookup },
  exists: { params: ["file"], run: fact("exists", "bool") },
  text_of: { params: ["file", "or?"], run: fact("textOf", "text") },
};
