import type { Span } from "../../dsl/span.ts";
import type { HostExpr, ItemFact } from "../plan/host.ts";
import type { PictureStep, PlanField } from "../plan/plan.ts";
import { argumentValue, type CallArg } from "./calls.ts";
import { fail } from "./failure.ts";
import { constantOf, fromHost, hostConstant, hostJoin } from "./hostExpr.ts";
import type { Session } from "./session.ts";
import { bool, describe, type HostVal, type PictureVal, type ScalarVal, type TransformVal, type Val } from "./values.ts";

// Pictures of a data set: a file and what is done to its bytes, step by step. A picture whose size is known is also a tensor of the graph of
// one item, so that any function of the language takes it; what has been computed from it is no picture any more.

/** The picture that a value is, if it is one. */
export function pictureOf(val: Val): PictureVal | null {
  if (val.kind === "picture") return val;
  return val.kind === "tensor" ? (val.picture ?? null) : null;
}

/** A picture as a value: a tensor too, as soon as its size is known. */
export function settlePicture(session: Session, picture: PictureVal): Val {
  return picture.size === null || session.items === null ? picture : session.items.picture(picture);
}

export const noSteps = { or: null, steps: [], size: null, range: [0, 1], is: null } as const;
export const plainPicture = (colour: "white" | "black"): PictureVal => ({ kind: "picture", file: colour, isGrey: true, ...noSteps });

/** One more thing done to the bytes; what the bytes mean as numbers comes last. */
export function withStep(picture: PictureVal, step: PictureStep, size = picture.size): PictureVal {
  return { ...picture, steps: [...picture.steps, step], size };
}

/** Calls a function of pictures. */
export function applyTransform(session: Session, transform: TransformVal, args: readonly CallArg[], span: Span): Val {
  const [first] = args;
  const given = first === undefined ? null : argumentValue(first);
  const picture = given === null ? null : pictureOf(given);
  if (picture === null || args.length !== 1)
    fail("type/mismatch", first?.span ?? span, {
      found: given === null ? "nothing" : describe(given),
      expected: "a picture of the data set: `load(file)`",
    });
  if (!transform.isPlain) fail("type/mismatch", span, { found: describe(transform), expected: "a drawn one (`let placed = draw(…)`)" });
  return settlePicture(session, transform.apply(picture));
}

/** Something that the data set knows of the item at hand. */
export function itemFact(fact: ItemFact, type: HostVal["type"], args: readonly HostExpr[] = []): HostExpr {
  return { kind: "item", fact, args, type };
}

const braces: Readonly<Record<string, HostExpr>> = {
  stem: itemFact("stem", "text"),
  file: itemFact("file", "text"),
  folder_name: itemFact("subject", "text"),
  subject: itemFact("subject", "text"),
  source: itemFact("source", "int"),
  index: itemFact("index", "int"),
};

/** A path as a data set writes it: `"{stem}_depth.png"`, or any text. */
export function pathOf(val: Val, span: Span): HostExpr {
  if (val.kind === "host" && val.type === "text") return val.expr;
  if (val.kind !== "text") fail("type/mismatch", span, { found: describe(val), expected: 'a path: `file` or "{stem}_mask.png"' });
  const parts = val.value.split(/\{([^}]*)\}/);
  return hostJoin(
    parts.flatMap((part, i) => {
      if (i % 2 === 0) return part === "" ? [] : hostConstant(part);
      const known = Object.hasOwn(braces, part) ? braces[part] : undefined;
      if (known === undefined)
        fail("type/mismatch", span, {
          found: `\`{${part}}\` in a path`,
          expected: Object.keys(braces)
            .map((name) => `\`{${name}}\``)
            .join(", "),
        });
      return known;
    }),
  );
}
export const maskPath = hostJoin([braces.stem!, hostConstant("_mask.png")]);

/** `has(picture)`: whether its file is there, and where a face is cut out, whether there is one. Undefined for what is no picture. */
export function isThere(val: Val): ScalarVal | undefined {
  const picture = pictureOf(val);
  if (picture === null) return undefined;
  const kept = picture.steps.find((step) => step.kind === "cached");
  if (picture.steps.some((step) => step.kind === "align"))
    return fromHost(itemFact("hasFace", "bool", [hostConstant(kept?.kind === "cached" ? kept.name : "")]), "bool");
  if (picture.or !== null || typeof picture.file === "string") {
    if (picture.file !== "mask" || picture.or !== null) return bool(true);
    return fromHost(itemFact("exists", "bool", [maskPath]), "bool");
  }
  const known = constantOf(picture.file);
  return known === "" ? bool(false) : fromHost(itemFact("exists", "bool", [picture.file]), "bool");
}

/** A picture as a field of the plan. */
export function pictureField(
  name: string,
  picture: PictureVal,
  [channels, height, width]: readonly [1 | 3, number, number],
): Extract<PlanField, { kind: "image" }> {
  return {
    name,
    kind: "image",
    channels,
    height,
    width,
    range: picture.range,
    file: picture.file,
    ...(picture.is === null ? {} : { is: picture.is }),
    ...(picture.or === null ? {} : { or: picture.or }),
    ...(picture.steps.length === 0 ? {} : { steps: picture.steps }),
  };
}
