import { longer } from "../longest.ts";
import { anySize, chooseSize, constantSize, isAny, type Size, sameSize } from "../types/size.ts";
import { axis, axisKey, bool, type DType, int, isSilent, type Type, tensor, unknownType } from "../types/type.ts";
import { joinPrompts } from "./prompts.ts";
import type { Session } from "./session.ts";

// The type of a choice: `if truth { a } else { b }`. Sizes that differ become choices themselves; kinds that differ are not followed (each
// alternative is checked when it is compiled).

export function join(session: Session, a: Type, b: Type, truth: Size): Type {
  if (a === b) return a;
  if (isSilent(a) || isSilent(b)) return a.kind === "error" || b.kind === "error" ? { kind: "error" } : unknownType;
  const { unifier } = session;
  const size = (x: Size, y: Size) => {
    const [left, right] = [unifier.size(x), unifier.size(y)];
    return sameSize(left, right) ? left : isAny(truth) ? anySize() : chooseSize(truth, left, right);
  };
  const again = (x: Type, y: Type) => join(session, x, y, truth);
  if (a.kind === "none" && b.kind === "none") return a;
  if (a.kind === "none" || b.kind === "none") {
    const of = a.kind === "none" ? b : a;
    const inner = of.kind === "optional" ? of.of : of;
    return { kind: "optional", of: inner, present: a.kind === "none" ? size(constantZero, constantOne) : size(constantOne, constantZero) };
  }
  if (a.kind === "optional" || b.kind === "optional") {
    const of = again(a.kind === "optional" ? a.of : a, b.kind === "optional" ? b.of : b);
    return { kind: "optional", of, present: anySize() };
  }
  if (a.kind === "int" && b.kind === "int") return int(size(a.value, b.value));
  if ((a.kind === "int" || a.kind === "realNumber") && (b.kind === "int" || b.kind === "realNumber"))
    return { kind: "realNumber", value: size(a.value, b.value) };
  if (a.kind === "bool" && b.kind === "bool") return bool(size(a.truth, b.truth));
  if (a.kind === "textValue" && b.kind === "textValue") {
    const longest = longer(a.text ?? a.longest ?? "", b.text ?? b.longest ?? "");
    return { kind: "textValue", text: a.text === b.text ? a.text : null, longest };
  }
  if (a.kind === "tensor" && b.kind === "tensor") {
    const [left, right] = [unifier.axes(a.axes), unifier.axes(b.axes)];
    if (left.length !== right.length || left.some((item, i) => axisKey(item) !== axisKey(right[i]!))) return unknownType;
    const axes = left.map((item, i) => {
      const other = right[i]!;
      return item.kind === "axis" && other.kind === "axis" ? axis(item.name, size(item.size, other.size)) : item;
    });
    return tensor(commonDType(a.dtype, b.dtype), axes, a.time === "host" && b.time === "host" ? "host" : "device");
  }
  // A number and a tensor without axes: a tensor.
  if (a.kind === "tensor" && a.axes.length === 0 && (b.kind === "int" || b.kind === "realNumber")) return a;
  if (b.kind === "tensor" && b.axes.length === 0 && (a.kind === "int" || a.kind === "realNumber")) return b;
  if (a.kind === "tuple" && b.kind === "tuple" && a.elements.length === b.elements.length) {
    return { kind: "tuple", elements: a.elements.map((e, i) => again(e, b.elements[i]!)) };
  }
  if (a.kind === "list" && b.kind === "list") {
    const elements =
      a.elements && b.elements && a.elements.length === b.elements.length ? a.elements.map((e, i) => again(e, b.elements![i]!)) : null;
    return { kind: "list", element: again(a.element, b.element), elements, length: size(a.length, b.length) };
  }
  if (a.kind === "record" && b.kind === "record") {
    if (a.fields.size !== b.fields.size || [...a.fields.keys()].some((name) => !b.fields.has(name))) return unknownType;
    return {
      kind: "record",
      name: a.name === b.name ? a.name : null,
      fields: new Map([...a.fields].map(([name, t]) => [name, again(t, b.fields.get(name)!)])),
    };
  }
  if (a.kind === "module" && b.kind === "module" && a.item === b.item) {
    const args = new Map(
      [...a.arguments].map(([name, t]) => [name, b.arguments.has(name) ? again(t, b.arguments.get(name)!) : unknownType]),
    );
    const sizes = new Map([...a.sizes].map(([name, s]) => [name, b.sizes.has(name) ? size(s, b.sizes.get(name)!) : anySize()]));
    return { ...a, arguments: args, sizes, isFrozen: a.isFrozen === true && b.isFrozen === true };
  }
  if (a.kind === "prompt" && b.kind === "prompt") return joinPrompts(a, b);
  if (a.kind === "tapped" && b.kind === "tapped") {
    const part = again(a.part, b.part);
    return part.kind === "module" ? { ...a, part } : unknownType;
  }
  if (a.kind === b.kind && ["path", "schedule", "pattern"].includes(a.kind)) return a;
  return unknownType;
}
const constantOne = constantSize(1);
const constantZero = constantSize(0);

/** The dtype of a result made of two: equal ones stay, a whole number gives way to a real one. */
export function commonDType(a: DType, b: DType): DType {
  if (a === b) return a;
  if (a === "bool") return b;
  if (b === "bool") return a;
  if (a === "i32") return b;
  if (b === "i32") return a;
  return "real";
}
