import type { ModuleItem, NameRef } from "../ast.ts";
import type { Diagnostic } from "../diagnostic.ts";
import { diagnose } from "../diagnostics.ts";
import type { Program } from "../program.ts";
import { walk } from "../walk.ts";
import type { Binding } from "./binding.ts";

interface Use {
  readonly module: ModuleItem;
  readonly at: NameRef;
}

/** A module that contains itself, directly or through others, would have no end of parameters. Each cycle is reported once, at the use that closes it. */
export function moduleCycles(program: Program, resolve: (node: NameRef) => Binding | undefined): Diagnostic[] {
  const found: Diagnostic[] = [];
  const finished = new Set<ModuleItem>();
  const chain: ModuleItem[] = [];
  const usesOf = (module: ModuleItem): Use[] => {
    const uses: Use[] = [];
    for (const member of module.members) {
      if (member.kind !== "part") continue;
      walk(member.value, (node) => {
        if (node.kind !== "name") return undefined;
        const at = node as NameRef;
        const binding = resolve(at);
        if (binding?.kind === "item" && binding.item.kind === "module") uses.push({ module: binding.item, at });
        return undefined;
      });
    }
    return uses;
  };
  const visit = (module: ModuleItem): void => {
    chain.push(module);
    for (const use of usesOf(module)) {
      const start = chain.indexOf(use.module);
      if (start >= 0) {
        const cycle = [...chain.slice(start), use.module].map((one) => one.name.name).join(" -> ");
        found.push(diagnose("module/cycle", use.at.span, { cycle }, { related: [{ span: use.module.name.span, label: "this module" }] }));
      } else if (!finished.has(use.module)) visit(use.module);
    }
    chain.pop();
    finished.add(module);
  };
  for (const file of program.files.values())
    for (const item of file.ast.items) if (item.kind === "module" && !finished.has(item)) visit(item);
  return found;
}
