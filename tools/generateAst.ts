import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { IndentationText, Project, type SourceFile } from "ts-morph";
import { astSections, fieldType, type NodeRow } from "../dsl/astTable.ts";

// Writes `dsl/ast.ts` from `dsl/astTable.ts`. Run it after changing the table: `npm run build && node dist/tools/generateAst.js`.
// A test says when the file is not current.

const header = `// The abstract syntax of \`.ada\`, written by tools/generateAst.ts from astTable.ts: change the table, not this file.
// Every node has \`kind\` and \`span\`. A place the parser could not read is an \`error\` node, so later stages see every node that could be
// read and stay silent about the rest. A name lost to a mistake is an \`Ident\` without letters.
`;

/** The text of \`dsl/ast.ts\`, formatted as the repository's formatter does. */
export function generateAst(root: string): string {
  const project = new Project({ useInMemoryFileSystem: true, manipulationSettings: { indentationText: IndentationText.TwoSpaces } });
  const file = project.createSourceFile("ast.ts", `import type { Span } from "./span.ts";\n\n${header}`);
  file.addInterface({ name: "NodeBase", properties: [{ name: "span", type: "Span", isReadonly: true }] });
  file.addInterface({
    name: "ItemBase",
    extends: ["NodeBase"],
    properties: [{ name: "doc", type: "string | null", isReadonly: true, trailingTrivia: " // text of the `///` lines before it" }],
  });
  for (const section of astSections) {
    file.addStatements(`\n// ---- ${section.title} ${"-".repeat(Math.max(4, 126 - section.title.length))}`);
    for (const row of section.declarations) {
      const docs = row.doc === undefined ? [] : [row.doc];
      if (row.row === "node") addNode(file, row, docs);
      else file.addTypeAlias({ name: row.name, type: row.members.join(" | "), isExported: true, docs });
    }
  }
  const text = file.getFullText().replace(/\}\n\n(?=export |\/\*\*)/g, "}\n");
  const biome = path.join(root, "node_modules", ".bin", "biome");
  return execFileSync(biome, ["format", "--stdin-file-path=dsl/ast.ts"], {
    cwd: root,
    input: text,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "ignore"],
  });
}

function addNode(file: SourceFile, row: NodeRow, docs: string[]): void {
  file.addInterface({
    name: row.name,
    isExported: true,
    extends: [row.item ? "ItemBase" : "NodeBase"],
    docs,
    properties: [
      { name: "kind", type: JSON.stringify(row.kind), isReadonly: true },
      ...Object.entries(row.fields).map(([name, text]) => {
        const remark = text.slice(fieldType(text).length);
        return { name, type: fieldType(text), isReadonly: true, ...(remark === "" ? {} : { trailingTrivia: remark }) };
      }),
    ],
  });
}

/** The repository's root, from the sources or from the built files. */
export function repositoryRoot(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  return path.basename(path.dirname(here)) === "dist" ? path.resolve(here, "../..") : path.resolve(here, "..");
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === path.resolve(process.argv[1])) {
  const target = path.join(repositoryRoot(), "dsl", "ast.ts");
  const text = generateAst(repositoryRoot());
  if (readFileSync(target, "utf8") !== text) writeFileSync(target, text);
}
