import { castTo } from "../arithmetic.ts";
import { fail } from "../failure.ts";
import { scalarType } from "../hostExpr.ts";
import { describe, list, number, type TensorVal, text, type Val } from "../values.ts";
import { demand, type HostTensor } from "../walkRequests.ts";
import type { WalkState } from "../walkState.ts";
import { lineAs, linesAs } from "../walkTexts.ts";
import { requireArea } from "./data.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

// What an `evaluate` block may call that goes through folders, files and lines. Pictures of a walk hold numbers from -1 to 1.

function walkOf(c: BuiltinCall): WalkState {
  if (c.session.walk === null) throw new Error(`internal: ${c.name} outside of a walk`);
  return c.session.walk;
}

/** A path as it is now; where nothing runs, as it is written. */
function path(c: BuiltinCall, name: string): string {
  const value = c.value(name);
  if (value.kind === "text") return value.value;
  return value.kind === "host" && scalarType(value) === "text" ? String(walkOf(c).value(value.expr)) : c.mismatch(name, "a path");
}

function folders(c: BuiltinCall): Val {
  const walk = walkOf(c);
  const root = path(c, "root");
  const files = c.has("files") ? path(c, "files") : "*.{jpg,jpeg,png,webp}";
  const skip = c.has("skip") ? path(c, "skip") : null;
  const first = c.has("first") ? c.compile("first") : null;
  const asked = { root, files, skip, first, binder: walk.binder };
  const found = walk.ask(`folders ${JSON.stringify(asked)}`, () => demand({ kind: "folders", ...asked }));
  const known = walk.live ? "known" : "unsure";
  return {
    kind: "list",
    walk: known,
    items: found.map((folder) => ({
      kind: "record",
      fields: new Map<string, Val>([
        ["name", text(folder.name)],
        ["path", text(folder.path)],
        ["images", { kind: "list", walk: known, items: folder.images.map(text) }],
      ]),
    })),
  };
}

function lines(c: BuiltinCall): Val {
  const walk = walkOf(c);
  const file = path(c, "file");
  const given = c.optional("as");
  if (given !== undefined && given.kind !== "type") return c.mismatch("as", "the name of a type: `type Line = { … }`");
  const type = given === undefined ? null : given;
  const found = walk.ask(`lines ${file}`, () => demand({ kind: "lines", file }));
  const items = walk.live ? linesAs(type, file, found, c.spanOf("file")) : [lineAs(type, walk.binder, c.span)];
  return { kind: "list", walk: walk.live ? "known" : "unsure", items };
}

function load(c: BuiltinCall): Val {
  const walk = walkOf(c);
  const file = path(c, "file");
  return walk.ask(`load ${file}`, function* () {
    return walk.known(yield* demand({ kind: "load", file }), ["c", "h", "w"]);
  });
}

function plainArgument(c: BuiltinCall, name: string): number | string | boolean {
  const value = c.value(name);
  return value.kind === "number" || value.kind === "text" || value.kind === "bool"
    ? value.value
    : c.mismatch(name, "a value known when compiling");
}

/** A function of the data sets on one picture, which the host makes, or cannot make. */
function onPicture(c: BuiltinCall): Val {
  const walk = walkOf(c);
  const x = c.tensor("x");
  requireArea(c);
  if (x.axes.length !== 3) return c.mismatch("x", "one picture, with the axes of channels, rows and columns");
  const args = Object.fromEntries([...c.args.keys()].filter((name) => name !== "x").map((name) => [name, plainArgument(c, name)]));
  const of = walk.valueOf(castTo(c.session, x, "f32").value, c.name);
  const key = `made ${c.name} ${x.value.id} ${JSON.stringify(args)}`;
  return walk.ask(key, function* () {
    const made: HostTensor | null = yield* demand({ kind: "made", name: c.name, args, of });
    return made === null ? ({ kind: "none" } satisfies Val) : (walk.known(made, x.axes) satisfies TensorVal);
  });
}

export const walkRows: Readonly<Record<string, BuiltinRow>> = {
  folders: { params: ["root", "files?", "skip?", "first?"], run: folders },
  lines: { params: ["file", "as?"], run: lines },
  load: { params: ["file"], run: load },
  align_face: { params: ["x", "to", "largest?"], run: onPicture },
  present: {
    params: ["list"],
    run: (c) => ({ ...list(c.items("list").filter((one) => one.kind !== "none")), walk: walkOf(c).live ? "known" : "unsure" }),
  },
  length: {
    params: ["list"],
    run: (c) => {
      const given = c.value("list");
      const count = c.items("list").length;
      if (given.kind !== "list" || given.walk !== "unsure") return number(count);
      return { kind: "host", expr: walkOf(c).opaque(count), type: "int" };
    },
  },
  read: {
    params: ["x"],
    run: (c) => {
      const x = c.value("x");
      if (x.kind !== "tensor") return x;
      if (x.axes.length > 0) fail("shape/not-scalar", c.spanOf("x"), { what: "what is read", found: describe(x) });
      const { data } = walkOf(c).valueOf(x.value, "read");
      const value = data === null ? 1 : Number(data[0]);
      const isBool = x.value.dtype === "bool";
      return {
        kind: "host",
        expr: walkOf(c).opaque(isBool ? value !== 0 : value),
        type: isBool ? "bool" : x.value.dtype === "i32" ? "int" : "real",
      };
    },
  },
};
