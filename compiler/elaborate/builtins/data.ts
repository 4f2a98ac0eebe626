import { dataCall } from "../dataValues.ts";
import { callMaker } from "../hostCalls.ts";
import { compileNumber } from "../sizes.ts";
import { type DataVal, none, text, type Val } from "../values.ts";
import { BuiltinCall, type BuiltinRow } from "./table.ts";

// What may stand in a `dataset`: sources, and pictures on their way from a file to a field. Here they are only described; the runtime
// loads them.

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

function load(c: BuiltinCall): Val {
  const file = c.value("file");
  if (c.has("or")) return called(c);
  if (file.kind === "itemFact" && file.fact === "file") return { kind: "picture", file: "image", size: null, range: [0, 1] };
  if (file.kind === "text" && file.value === "{stem}_mask.png") return { kind: "picture", file: "mask", size: null, range: [0, 1] };
  return c.mismatch("file", '`file` or "{stem}_mask.png"');
}

/** `resize_to(32)` or `resize_to((32, 48))`, height first. */
function resize(c: BuiltinCall): Val {
  const x = c.value("x");
  if (x.kind !== "picture") return called(c);
  const size = c.value("size");
  const ends = size.kind === "tuple" && size.items.length === 2 ? size.items : [size, size];
  const [h, w] = ends.map((end) => compileNumber(end, c.spanOf("size"), c.scope, "a picture's size"));
  return { ...x, size: [h!, w!] };
}

function toRange(c: BuiltinCall): Val {
  const x = c.value("x");
  if (x.kind !== "picture") return called(c);
  const range = c.value("range");
  if (range.kind !== "range" || range.to === null) return c.mismatch("range", "a range `a..b`");
  const ends = [range.from, range.to].map((end) => compileNumber(end, c.spanOf("range"), c.scope, "a bound"));
  return { ...x, range: [ends[0]!, ends[1]!] };
}

/** A call that the runtime makes when it prepares the field. */
function called(c: BuiltinCall): DataVal {
  return dataCall(c.name, Object.fromEntries([...c.args, ...c.rest].map(([name, { value }]) => [name, value])), c.span);
}
const told = (...params: readonly string[]): BuiltinRow => ({ params, run: called });

export const dataRows: Readonly<Record<string, BuiltinRow>> = {
  folders: source(true),
  folder: source(false),
  load: { params: ["file", "or?"], run: load },
  resize_to: { params: ["x", "size"], run: resize },
  to_range: { params: ["x", "range"], run: toRange },
  made: { params: ["from"], run: made },
  meta: told("file", "key?", "or?"),
  lookup: told("in", "key", "or?"),
  weighted: told("of", "by?"),
  exists: told("file"),
  is: told("x", "value"),
  resize_nearest: told("x", "to", "by?"),
  subject_in_frame: told("size", "flip?", "scale?", "margin?"),
  align_face: told("x", "to", "largest?"),
  cached: told("x", "name"),
};
