import { fail, unsupported } from "../failure.ts";
import { compileNumber } from "../sizes.ts";
import { none, type PictureVal, type Val } from "../values.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

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

function picture(c: BuiltinCall): PictureVal {
  const x = c.value("x");
  if (x.kind !== "picture") return c.mismatch("x", "a picture: `load(file)`");
  return x;
}

function load(c: BuiltinCall): Val {
  const file = c.value("file");
  if (file.kind === "itemFact" && file.fact === "file") return { kind: "picture", file: "image", size: null, range: [0, 1] };
  if (file.kind === "text" && file.value === "{stem}_mask.png") return { kind: "picture", file: "mask", size: null, range: [0, 1] };
  return c.mismatch("file", '`file` or "{stem}_mask.png"');
}

/** `resize_to(32)` or `resize_to((32, 48))`, height first. */
function resize(c: BuiltinCall): Val {
  const x = picture(c);
  const size = c.value("size");
  const ends = size.kind === "tuple" && size.items.length === 2 ? size.items : [size, size];
  const [h, w] = ends.map((end) => compileNumber(end, c.spanOf("size"), c.scope, "a picture's size"));
  return { ...x, size: [h!, w!] };
}

function toRange(c: BuiltinCall): Val {
  const x = picture(c);
  const range = c.value("range");
  if (range.kind !== "range" || range.to === null) return c.mismatch("range", "a range `a..b`");
  const ends = [range.from, range.to].map((end) => compileNumber(end, c.spanOf("range"), c.scope, "a bound"));
  return { ...x, range: [ends[0]!, ends[1]!] };
}

const later = (name: string): BuiltinRow => ({ params: [], rest: "values", run: (c) => unsupported(`\`${name}\` in a data set`, c.span) });

export const dataRows: Readonly<Record<string, BuiltinRow>> = {
  folders: source(true),
  folder: source(false),
  load: { params: ["file", "or?"], run: load },
  resize_to: { params: ["x", "size"], run: resize },
  to_range: { params: ["x", "range"], run: toRange },
  made: later("made"),
  meta: later("meta"),
  weighted: {
    params: ["by?", "of?"],
    rest: "values",
    run: (c) => unsupported("`order weighted(…)`", c.span, "`order shuffled` or `order sequential`"),
  },
  exists: { params: ["file"], run: (c) => unsupported("`exists` in a data set", c.span) },
  align_face: { params: ["x", "to?"], rest: "values", run: (c) => unsupported("`align_face`", c.span) },
  cached: { params: ["x", "name?"], run: (c) => fail("elaborate/unsupported", c.span, { what: "`cached`" }) },
};
