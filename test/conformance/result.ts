/** What became of a case. */
export interface CaseResult {
  readonly case: string;
  readonly status: "passed" | "failed" | "unsupported";
  readonly detail: string;
}

/** A result from what is wrong; null: nothing. */
export function judged(name: string, problem: string | null): CaseResult {
  return problem === null ? { case: name, status: "passed", detail: "" } : { case: name, status: "failed", detail: problem };
}
