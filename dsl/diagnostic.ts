import type { Span } from "./span.ts";

/** One message for one cause. Made only through `diagnose(code, …)` of `diagnostics.ts`, the table of all codes. */
export interface Diagnostic {
  readonly code: string;
  readonly severity: "error" | "warning";
  readonly message: string;
  readonly span: Span;
  /** Text under the carets, when it adds something to the message. */
  readonly label?: string;
  /** Where the expectation came from. */
  readonly related: readonly { readonly span: Span; readonly label: string }[];
  readonly help?: string;
  /** The edit that is certain to be meant; an empty span inserts. `adac check --fix` makes it. */
  readonly fix?: { readonly span: Span; readonly text: string };
}
