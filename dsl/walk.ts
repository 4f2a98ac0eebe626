import type { File } from "./ast.ts";
import { astSections, fieldType } from "./astTable.ts";
import type { Span } from "./span.ts";

/** Any node of the abstract tree; narrow it by `kind`. */
export interface AnyNode {
  readonly kind: string;
  readonly span: Span;
}

// Fields that can hold nodes, by kind: those whose type names another declaration.
const declared = new Set(astSections.flatMap((section) => section.declarations.map((row) => row.name)));
declared.delete("BinaryOp");
const nodeFields: ReadonlyMap<string, readonly string[]> = new Map(
  astSections.flatMap((section) =>
    section.declarations.flatMap((row) => {
      if (row.row !== "node") return [];
      const fields = Object.entries(row.fields).filter(([, text]) =>
        fieldType(text)
          .match(/\w+/g)
          ?.some((word) => declared.has(word)),
      );
      return [[row.kind, fields.map(([name]) => name)] as const];
    }),
  ),
);

const isNode = (value: object): value is AnyNode => "kind" in value && "span" in value;

/** The nodes right below a node, in the order of the table's fields (which is the order of the text but for a few optional parts). */
export function children(node: AnyNode): AnyNode[] {
  const found: AnyNode[] = [];
  const collect = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if (Array.isArray(value)) value.forEach(collect);
    else if (isNode(value)) found.push(value);
    else for (const [name, inner] of Object.entries(value)) if (name !== "span") collect(inner);
  };
  for (const field of nodeFields.get(node.kind) ?? []) collect((node as unknown as Readonly<Record<string, unknown>>)[field]);
  return found;
}

/** Visits a node and everything below it, outermost first; `visit` may answer `false` to leave out what is below. */
export function walk(root: AnyNode | File, visit: (node: AnyNode) => boolean | undefined): void {
  const waiting: AnyNode[] = [root];
  while (waiting.length > 0) {
    const node = waiting.pop()!;
    if (visit(node) !== false) waiting.push(...children(node).reverse());
  }
}
