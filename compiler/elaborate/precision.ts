import type { Expr, Item, PrecisionItem, Setting } from "../../dsl/ast.ts";
import type { Span } from "../../dsl/span.ts";
import { type FloatType, fullPrecision, type PrecisionPolicy } from "../precision.ts";
import { fail } from "./failure.ts";

// Reads `precision { … }`. In: the record of a file or of a block, and `--set precision.…`. Out: the policy. Fields that are not given are
// f32, which is what a program without the item means.

const choices = ["frozen", "compute", "gradients"] as const;
type Choice = (typeof choices)[number];
/** Always f32; may be said, for those who look for it. */
const fixed = ["trained", "accumulate"] as const;
/** What never leaves f32, whatever else is said. */
const kept = ["norm", "softmax", "loss"] as const;
export const precisionKeys: readonly string[] = choices;

const has = <T extends string>(names: readonly T[], name: string): name is T => (names as readonly string[]).includes(name);

/** The policy of a block: its own item, else its file's, with what the command line says on top. */
export function precisionOf(
  settings: readonly (Setting | { readonly kind: string })[],
  items: readonly Item[],
  overrides: ReadonlyMap<string, FloatType>,
): PrecisionPolicy {
  const isPrecision = (s: { readonly kind: string }): s is PrecisionItem => s.kind === "precision";
  const inFile = items.filter(isPrecision);
  if (inFile[1]) fail("name/duplicate", inFile[1].span, { name: "precision" });
  const item = settings.findLast(isPrecision) ?? inFile[0];
  const policy: PrecisionPolicy = item ? readPolicy(item) : fullPrecision;
  return { ...policy, ...Object.fromEntries(overrides) };
}

function readPolicy(item: PrecisionItem): PrecisionPolicy {
  const read: { -readonly [c in Choice]: FloatType } = { ...fullPrecision };
  for (const { name, value } of item.record.fields) {
    if (has(choices, name.name)) read[name.name] = floatType(name.name, value, name.span);
    else if (has(fixed, name.name)) {
      if (floatType(name.name, value, name.span) !== "f32")
        fail("elaborate/bad-setting", value?.span ?? name.span, { key: name.name, problem: "it is always f32" });
    } else if (name.name === "keep") readKept(value, name.span);
    else
      fail(
        "elaborate/unknown-setting",
        name.span,
        { key: name.name },
        { help: `a precision has ${[...choices, ...fixed].join(", ")} and keep` },
      );
  }
  return read;
}

function floatType(key: string, value: Expr | null, span: Span): FloatType {
  if (value?.kind === "name" && (value.name === "f32" || value.name === "f16")) return value.name;
  fail("elaborate/bad-setting", value?.span ?? span, { key, problem: "`f32` or `f16` is wanted" });
}

/** `keep: { f32: [norm, softmax, loss] }`: a reminder of what is always so; anything else cannot be kept. */
function readKept(value: Expr | null, span: Span): void {
  const refuse = (at: Span): void => {
    fail("elaborate/bad-setting", at, { key: "keep", problem: `only \`{ f32: [${kept.join(", ")}] }\`, or fewer of them, can be kept` });
  };
  if (value?.kind !== "record") {
    refuse(value?.span ?? span);
    return;
  }
  for (const field of value.fields) {
    if (field.name.name !== "f32" || field.value?.kind !== "bracket") refuse(field.name.span);
    else
      for (const element of field.value.elements) {
        const name = element.kind === "namedAxis" && element.name === null && element.value.kind === "name" ? element.value.name : "";
        if (!has(kept, name)) refuse(element.span);
      }
  }
}
