import { nearest } from "../../dsl/nearest.ts";
import type { Span } from "../../dsl/span.ts";
import type { CallArg } from "./calls.ts";
import { fail } from "./failure.ts";

// Arguments by position and by name.

/** Which argument belongs to which parameter, by position and by name. */
export function matchArguments(
  callee: string,
  params: readonly { readonly name: string }[],
  args: readonly CallArg[],
  span: Span,
): Map<string, CallArg> {
  const byName = new Map<string, CallArg>();
  let next = 0;
  for (const arg of args) {
    if (arg.name === null) {
      // a position that was already given by name is skipped: `standardize(x, over: h, eps)`
      while (params[next] !== undefined && byName.has(params[next]!.name)) next++;
      const param = params[next++];
      if (param === undefined) {
        fail("call/too-many-arguments", arg.span, { callee, most: params.length, given: args.filter((a) => a.name === null).length });
      }
      byName.set(param.name, arg);
      continue;
    }
    const { name } = arg;
    if (!params.some((p) => p.name === name)) {
      const near = nearest(
        name,
        params.map((p) => p.name),
      );
      const known = params.map((p) => `\`${p.name}\``).join(", ");
      fail(
        "call/unknown-argument",
        arg.span,
        { callee, name },
        { help: near ? `did you mean \`${near}\`?` : known === "" ? "it takes none" : `it takes ${known}` },
      );
    }
    if (byName.has(name)) fail("call/duplicate-argument", arg.span, { name });
    byName.set(name, arg);
  }
  void span;
  return byName;
}
