import { algebraRules } from "./algebra.ts";
import { constantRules } from "./constants.ts";
import { movementRules } from "./movement.ts";
import { productRules } from "./products.ts";
import { reductionRules } from "./reductions.ts";
import { argumentOf, type Rule, rule } from "./rule.ts";

// All rewrite rules, in the order in which they are tried.

export const simplifyRules: readonly Rule[] = [...constantRules, ...algebraRules, ...movementRules, ...reductionRules, ...productRules];

/** Markers have done their work when derivatives are taken; then they are the identities that they look like. */
export const markerRules: readonly Rule[] = [rule("strip-marker", ["stop", "gradScale", "save", "tap"], (_, v) => argumentOf(v))];

export type { Rule } from "./rule.ts";
