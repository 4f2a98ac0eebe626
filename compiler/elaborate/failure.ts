import type { Diagnostic } from "../../dsl/diagnostic.ts";
import { type DiagnosticArguments, type DiagnosticCode, type DiagnosticExtra, diagnose } from "../../dsl/diagnostics.ts";
import type { Span } from "../../dsl/span.ts";

/** Unwinds to the nearest boundary (one step, one setting) with the one message for its cause. Never leaves `compiler/elaborate`. */
export class Failure {
  readonly diagnostic: Diagnostic;
  constructor(diagnostic: Diagnostic) {
    this.diagnostic = diagnostic;
  }
}

/** Unwinds to the step whose path a `require` has ended. */
export class PathEnd {}

/** Stops the elaboration of this piece with a row of the table of diagnostics. */
export function fail<C extends DiagnosticCode>(code: C, span: Span, args: DiagnosticArguments<C>, extra: DiagnosticExtra = {}): never {
  throw new Failure(diagnose(code, span, args, extra));
}

/** Something the language describes and this version does not do. */
export function unsupported(what: string, span: Span, help?: string): never {
  fail("elaborate/unsupported", span, { what }, help === undefined ? {} : { help });
}

const mostCallers = 4;

/** Runs `fn`; a failure inside it also names the call that led there. */
export function withCaller<T>(span: Span, label: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { diagnostic } = error;
    const same = diagnostic.span.file === span.file && diagnostic.span.start === span.start;
    if (same || diagnostic.related.length >= mostCallers) throw error;
    throw new Failure({ ...diagnostic, related: [...diagnostic.related, { span, label }] });
  }
}

/** Runs `fn` where nothing could go on without its value, so that no `require` may end it. */
export function unended<T>(span: Span, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (error instanceof PathEnd) return unsupported("a `require` that ends what must be there", span);
    throw error;
  }
}

/** The value of `fn`, or the message that stopped it. */
export function attempt<T>(
  fn: () => T,
): { readonly ok: true; readonly value: T } | { readonly ok: false; readonly diagnostic: Diagnostic } {
  try {
    return { ok: true, value: fn() };
  } catch (error) {
    if (error instanceof Failure) return { ok: false, diagnostic: error.diagnostic };
    throw error;
  }
}
