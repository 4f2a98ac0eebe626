import type { PrecisionItem } from "../ast.ts";
import { readPrecision } from "../precision.ts";
import type { Session } from "./session.ts";

/** A precision says what is stored how. */
export function checkPrecision(session: Session, item: PrecisionItem): void {
  for (const problem of readPrecision(item).problems) {
    if (problem.code === "elaborate/bad-setting") session.report(problem.code, problem.span, problem.args);
    else session.report(problem.code, problem.span, problem.args, problem.extra);
  }
}
