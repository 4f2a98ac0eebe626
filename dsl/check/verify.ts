import type { Block, Expr } from "../ast.ts";
import { positionAt } from "../render.ts";
import { variablesOf } from "../types/size.ts";
import { mapType, type Type } from "../types/type.ts";
import { type AnyNode, walk } from "../walk.ts";
import type { CheckedProgram } from "./index.ts";

// What must hold of a program without mistakes before it is compiled: every name stands for something, every expression that a body
// computes has a type, and no type has a size or row that is still to be found. A violation is a fault of the checker, not of the program.

/** Violations as texts; empty for a program that has mistakes of its own (nothing is promised of those). */
export function verifyChecked(checked: CheckedProgram): string[] {
  if (checked.diagnostics.some((d) => d.severity === "error")) return [];
  const problems: string[] = [];
  for (const file of checked.program.files.values()) {
    const at = (node: AnyNode) => {
      const { line, column } = positionAt(file.text, node.span.start);
      return `${file.id}:${line}:${column}: \`${file.text.slice(node.span.start, node.span.end).slice(0, 60)}\``;
    };
    for (const item of file.ast.items) {
      for (const block of bodiesOf(item)) {
        walk(block, (node) => {
          if (node.kind === "name" && !checked.resolution.resolve(node as Extract<Expr, { kind: "name" }>))
            problems.push(`${at(node)} stands for nothing`);
          const value = valueIn(node);
          if (!value) return undefined;
          const type = checked.typeOf(value);
          if (!type) problems.push(`${at(value)} has no type`);
          else if (type.kind === "error") problems.push(`${at(value)} has the type of a mistake, but none was reported`);
          else if (isOpen(type)) problems.push(`${at(value)} has a size that was not found`);
          return undefined;
        });
      }
    }
  }
  return problems;
}

/** Bodies whose statements are checked for their types. */
function bodiesOf(item: AnyNode): Block[] {
  const blocks: Block[] = [];
  if (!["fn", "loss", "module", "step", "optimizer", "test"].includes(item.kind)) return blocks;
  walk(item, (node) => {
    if (node.kind !== "block") return undefined;
    blocks.push(node as Block);
    return false;
  });
  return blocks;
}
/** The value of a statement that makes one. */
function valueIn(node: AnyNode): Expr | undefined {
  switch (node.kind) {
    case "let":
    case "tap":
    case "return":
    case "minimize":
    case "update":
      return (node as { readonly value?: Expr } & AnyNode).value;
    default:
      return undefined;
  }
}
function isOpen(type: Type): boolean {
  let open = false;
  mapType(type, {
    size: (size) => {
      if (variablesOf(size).some((v) => v.kind === "open")) open = true;
      return size;
    },
    row: (row) => {
      if (row.kind === "open") open = true;
      return [{ kind: "row", row }];
    },
  });
  return open;
}
