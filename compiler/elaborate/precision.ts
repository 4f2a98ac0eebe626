import type { Item, PrecisionItem } from "../../dsl/ast.ts";
import { type FloatType, fullPrecision, type PrecisionPolicy, readPrecision } from "../../dsl/precision.ts";
import { fail } from "./failure.ts";

/** The policy of a block: of its own item, else its file's, with what the command line says on top. */
export function precisionOf(
  settings: readonly { readonly kind: string }[],
  items: readonly Item[],
  overrides: ReadonlyMap<string, FloatType>,
): PrecisionPolicy {
  const isPrecision = (s: { readonly kind: string }): s is PrecisionItem => s.kind === "precision";
  const inFile = items.filter(isPrecision);
  if (inFile[1]) fail("name/duplicate", inFile[1].span, { name: "precision" });
  const item = settings.findLast(isPrecision) ?? inFile[0];
  if (!item) return { ...fullPrecision, ...Object.fromEntries(overrides) };
  const { policy, problems } = readPrecision(item);
  const [first] = problems;
  if (first?.code === "elaborate/bad-setting") fail(first.code, first.span, first.args);
  if (first) fail(first.code, first.span, first.args, first.extra);
  return { ...policy, ...Object.fromEntries(overrides) };
}
