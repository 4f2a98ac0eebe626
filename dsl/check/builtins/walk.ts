import { anySize, constantSize } from "../../types/size.ts";
import { axis, type Type, tensor, textType, unknownType } from "../../types/type.ts";
import { Declared, nodeOfName, typeOfNode } from "../typeNodes.ts";
import type { BuiltinCall, BuiltinRule } from "./call.ts";

// What an `evaluate` block calls that goes through folders, files and lines.

const listOf = (element: Type): Type => ({ kind: "list", element, elements: null, length: anySize() });

const folder: Type = {
  kind: "record",
  name: "the folder",
  fields: new Map<string, Type>([
    ["name", textType],
    ["path", textType],
    ["images", listOf(textType)],
  ]),
};

/** `lines("a.txt", as: Line)`: the type that a name stands for. */
function lines(c: BuiltinCall): Type {
  c.evaluateAll();
  const source = c.args.get("as")?.source;
  if (source === undefined) return listOf(textType);
  if (source.kind !== "expr" || source.expr.kind !== "name") return listOf(unknownType);
  const { expr, scope } = source;
  return listOf(typeOfNode(nodeOfName(expr), scope, new Declared()));
}

/** A crop of one picture, or nothing. */
function onPicture(c: BuiltinCall): Type {
  c.evaluateAll();
  const x = c.tensor("x");
  const to = c.type("to");
  const size = to.kind === "int" ? to.value : anySize();
  if (!x) return c.silent("x");
  const axes = c.scope.session.unifier.axes(x.axes);
  if (axes.length !== 3 || axes.some((a) => a.kind !== "axis")) return unknownType;
  const [channels] = axes;
  return { kind: "optional", of: tensor("real", [channels!, axis("h", size), axis("w", size)]), present: anySize() };
}

export const walkRules: Readonly<Record<string, BuiltinRule>> = {
  folders: {
    params: "root files? skip? first?",
    type: (c) => {
      c.evaluateAll();
      return listOf(folder);
    },
  },
  lines: { params: "file as?:type", type: lines },
  load: {
    params: "file",
    type: (c) => {
      c.evaluateAll();
      return tensor("real", [axis("c", constantSize(3)), axis("h", anySize()), axis("w", anySize())]);
    },
  },
  align_face: { params: "x to largest?:word", type: onPicture },
};
