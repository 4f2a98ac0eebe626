import type { Expr, PrecisionItem } from "./ast.ts";
import type { DiagnosticExtra } from "./diagnostics.ts";
import { meant } from "./nearest.ts";
import type { Span } from "./span.ts";

// What `precision { … }` says. In: its record. Out: the policy, and what is wrong with it. Fields that are not given are f32, which is what a
// program without the item means.

export type FloatType = "f32" | "f16";

/** How the numbers of a program are stored. Parameters that are trained, optimiser states and sums are always f32. */
export interface PrecisionPolicy {
  readonly frozen: FloatType; // parameters that no step changes
  readonly compute: FloatType; // activations: the values between the kernels of a forward pass
  readonly gradients: FloatType; // cotangents: the values between the kernels of a backward pass
  readonly products: FloatType; // of two f16 operands of a contraction; f16 where the adapter multiplies f16 itself, sums are f32
}
export const fullPrecision: PrecisionPolicy = { frozen: "f32", compute: "f32", gradients: "f32", products: "f32" };

const choices = ["frozen", "compute", "gradients", "products"] as const satisfies (keyof PrecisionPolicy)[];
/** Always f32; may be said, for those who look for it. */
const fixed = ["trained", "accumulate"] as const;
/** What never leaves f32, whatever else is said. */
const kept = ["norm", "softmax", "loss"] as const;
export const precisionKeys: readonly string[] = choices;

export type PrecisionProblem =
  | { readonly code: "elaborate/bad-setting"; readonly span: Span; readonly args: { readonly key: string; readonly problem: string } }
  | {
      readonly code: "elaborate/unknown-setting";
      readonly span: Span;
      readonly args: { readonly key: string };
      readonly extra: DiagnosticExtra;
    };

const has = <T extends string>(names: readonly T[], name: string): name is T => (names as readonly string[]).includes(name);

/** The policy that an item asks for. */
export function readPrecision(item: PrecisionItem): { readonly policy: PrecisionPolicy; readonly problems: readonly PrecisionProblem[] } {
  const policy: { -readonly [c in keyof PrecisionPolicy]: FloatType } = { ...fullPrecision };
  const problems: PrecisionProblem[] = [];
  const bad = (span: Span, key: string, problem: string) => problems.push({ code: "elaborate/bad-setting", span, args: { key, problem } });
  for (const { name, value } of item.record.fields) {
    const span = value?.span ?? name.span;
    const key = name.name;
    const type = value?.kind === "name" && (value.name === "f32" || value.name === "f16") ? value.name : null;
    if (key === "keep") {
      for (const at of wrongKept(value, span)) bad(at, key, `only \`{ f32: [${kept.join(", ")}] }\`, or fewer of them, can be kept`);
    } else if (!has(choices, key) && !has(fixed, key)) {
      const known = [...choices, ...fixed];
      const extra = meant(key, [...known, "keep"], name.span, `a precision has ${known.join(", ")} and keep`);
      problems.push({ code: "elaborate/unknown-setting", span: name.span, args: { key }, extra });
    } else if (type === null) bad(span, key, "`f32` or `f16` is wanted");
    else if (has(choices, key)) policy[key] = type;
    else if (type !== "f32") bad(span, key, "it is always f32");
  }
  return { policy, problems };
}

/** `keep: { f32: [norm, softmax, loss] }` is a reminder of what is always so; anything else cannot be kept. */
function wrongKept(value: Expr | null, span: Span): Span[] {
  if (value?.kind !== "record") return [span];
  return value.fields.flatMap((field) => {
    if (field.name.name !== "f32" || field.value?.kind !== "bracket") return [field.name.span];
    return field.value.elements.flatMap((element) => {
      const name = element.kind === "namedAxis" && element.name === null && element.value.kind === "name" ? element.value.name : "";
      return has(kept, name) ? [] : [element.span];
    });
  });
}
