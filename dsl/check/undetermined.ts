import type { Program } from "../program.ts";
import { type Size, variablesOf } from "../types/size.ts";
import { type AxisItem, type ModuleType, mapType, type Type } from "../types/type.ts";
import { walk } from "../walk.ts";
import { type ModuleInfo, moduleInfo } from "./modules.ts";
import type { Session } from "./session.ts";

// Sizes that nothing determines: of a leaf whose size no call brings in, and of a part that is never used. Looked for when everything has
// been checked, because a part may be used from another file.

/** Reports them for all modules of a program. */
export function checkUndetermined(session: Session, program: Program): void {
  for (const { name, callee, span, declared } of session.leftOut) {
    const help = `say it: \`${callee}(…, ${name}: 4)\`; it was left out, and no use says it`;
    session.report("shape/not-determined", span, { size: name }, { help, related: [{ span: declared, label: "declared here" }] });
  }
  const mentioned = mentionedNames(program);
  for (const [id, file] of program.files) {
    for (const item of file.ast.items) {
      if (item.kind !== "module") continue;
      const info = moduleInfo(session, item, id);
      if (!info) continue;
      leaves(session, info);
      parts(session, info, mentioned);
    }
  }
}

/** Names after a dot anywhere: a part of an instance may be used from outside. */
function mentionedNames(program: Program): ReadonlySet<string> {
  const names = new Set<string>();
  for (const file of program.files.values())
    walk(file.ast, (node) => {
      const { name } = node as { readonly name?: string | { readonly name: string } };
      if (node.kind === "field" && typeof name === "object") names.add(name.name);
      return undefined;
    });
  return names;
}

const keepRow = (row: Extract<AxisItem, { kind: "row" }>["row"]): AxisItem[] => [{ kind: "row", row }];
function idsIn(type: Type): Set<string> {
  const ids = new Set<string>();
  mapType(type, {
    size: (size: Size) => {
      for (const v of variablesOf(size)) ids.add(v.id);
      return size;
    },
    row: keepRow,
  });
  return ids;
}

/** `param weight: f32[out, cin]`, and no parameter of the module, its forward or its functions mentions `cin`. */
function leaves(session: Session, info: ModuleInfo): void {
  const brought = new Set<string>();
  for (const param of [...info.params, ...(info.forward?.params ?? []), ...[...info.functions.values()].flatMap((f) => f.params)]) {
    for (const id of idsIn(param.type)) brought.add(id);
  }
  for (const member of info.item.members) {
    if (member.kind !== "leaf") continue;
    const type = info.members.get(member.name.name);
    if (type?.kind !== "tensor") continue;
    for (const item of type.axes) {
      if (item.kind !== "axis") continue;
      const missing = variablesOf(item.size).find((v) => v.kind === "rigid" && !brought.has(v.id));
      if (!missing) continue;
      const help = `make it an argument, \`${info.item.name.name}(${missing.name}: Dim)\`, or name it in the parameters of \`forward\``;
      session.report("shape/not-determined", member.type.span, { size: missing.name }, { help });
    }
  }
}

function parts(session: Session, info: ModuleInfo, mentioned: ReadonlySet<string>): void {
  const inside = new Set<string>();
  walk(info.item, (node) => {
    if (node.kind === "name") inside.add((node as { readonly name?: string } & typeof node).name ?? "");
    return undefined;
  });
  for (const { part, type } of info.partInstances) {
    const name = part.path[0]?.name ?? "";
    if (inside.has(name) || mentioned.has(name) || type.kind !== "module") continue;
    const open = [...(type satisfies ModuleType).sizes].find(([, size]) =>
      variablesOf(session.unifier.size(size)).some((v) => v.kind === "open"),
    );
    if (open)
      session.report(
        "shape/not-determined",
        part.span,
        { size: open[0] },
        { help: `\`${name}\` is never used: call it in \`forward\`, or leave it out` },
      );
  }
}
