import path from "node:path";
import type { File, ImportItem } from "./ast.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { diagnose } from "./diagnostics.ts";
import { readHostModule } from "./host/signatures.ts";
import { type Comment, parse } from "./parse.ts";
import { isInside, type SourceHost } from "./source.ts";
import type { Span } from "./span.ts";

// A file with everything it imports. In: the entry's path and a host. Out: all files, parsed, and who imports what. Invariants: every
// file is read once; imports stay inside the project or the standard library; a cycle is reported and cut, so what is left is a tree of uses.

/** How a file is called in spans and messages: the path as the user gave it, or as an import resolved it; `std/…` and `models/…` for the library. */
export type SourceFileId = string;

export interface SourceFile {
  readonly id: SourceFileId;
  readonly absolute: string;
  readonly text: string;
  readonly ast: File;
  readonly comments: readonly Comment[];
  /** Where each import leads; an import that could not be followed is missing here. */
  readonly imports: ReadonlyMap<ImportItem, SourceFileId>;
  /** TypeScript of the project: its items are functions without a body. */
  readonly isHost: boolean;
}
export interface Program {
  readonly entry: SourceFileId;
  /** In the order of use: a file stands behind everything it imports. The entry is last. */
  readonly files: ReadonlyMap<SourceFileId, SourceFile>;
  /** The file whose names are in scope everywhere, when the library has one. */
  readonly prelude: SourceFileId | null;
  readonly diagnostics: readonly Diagnostic[];
}

const preludeId = "std/prelude.ada";

/** Reads a file and its imports. Mistakes are diagnostics; the files that could be read are there in any case. */
export function loadProgram(entry: string, host: SourceHost): Program {
  const loader = new Loader(host);
  const preludeFile = path.join(host.stdRoot, "prelude.ada");
  const hasPrelude = host.exists(preludeFile);
  if (hasPrelude) loader.load(preludeFile, preludeId, undefined);
  const absolute = path.resolve(host.workingFolder ?? host.projectRoot, entry);
  const id = loader.idOf(absolute, entry);
  loader.load(absolute, id, undefined);
  if (!hasPrelude) {
    const nowhere: Span = { file: id, start: 0, end: 0 };
    loader.diagnostics.push(diagnose("import/not-found", nowhere, { path: preludeId, looked: preludeFile }));
  }
  return { entry: id, files: loader.files, prelude: hasPrelude ? preludeId : null, diagnostics: loader.diagnostics };
}

/** The folders of the installed library: its functions and its networks. Imports name them from any project. */
function libraryFolders({ stdRoot }: SourceHost): readonly { readonly name: string; readonly root: string }[] {
  return [
    { name: "std", root: stdRoot },
    { name: "models", root: path.join(path.dirname(stdRoot), "models") },
  ];
}

class Loader {
  readonly files = new Map<SourceFileId, SourceFile>();
  readonly diagnostics: Diagnostic[] = [];
  private readonly host: SourceHost;
  private readonly idByAbsolute = new Map<string, SourceFileId>();
  /** The chain of imports that leads to the file being read. */
  private readonly chain: SourceFileId[] = [];

  constructor(host: SourceHost) {
    this.host = host;
  }

  /** Two ways to write the same file give the same id. */
  idOf(absolute: string, wanted: string): SourceFileId {
    const known = this.idByAbsolute.get(absolute);
    if (known !== undefined) return known;
    const folder = libraryFolders(this.host).find(({ root }) => isInside(absolute, root));
    let id = folder ? `${folder.name}/${path.relative(folder.root, absolute).split(path.sep).join("/")}` : wanted;
    if (!folder && libraryFolders(this.host).some(({ name }) => id.startsWith(`${name}/`))) id = `./${id}`;
    this.idByAbsolute.set(absolute, id);
    return id;
  }

  /** Reads a file once. `from` is the import that asks for it (none for the entry). */
  load(absolute: string, id: SourceFileId, from: Span | undefined): boolean {
    if (this.files.has(id)) return true;
    const read = this.host.readFile(absolute);
    if ("reason" in read) {
      this.diagnostics.push(diagnose("import/unreadable", from ?? { file: id, start: 0, end: 0 }, { path: id, reason: read.reason }));
      return false;
    }
    const { file: ast, diagnostics, comments } = parse(id, read.text);
    this.diagnostics.push(...diagnostics);
    this.chain.push(id);
    const imports = new Map<ImportItem, SourceFileId>();
    for (const item of ast.items) {
      if (item.kind !== "import") continue;
      const target = this.follow(item, id, absolute);
      if (target !== undefined) imports.set(item, target);
    }
    this.chain.pop();
    this.files.set(id, { id, absolute, text: read.text, ast, comments, imports, isHost: false });
    return true;
  }

  /** The file an import leads to, loaded; or a diagnostic. */
  private follow(item: ImportItem, importer: SourceFileId, importerAbsolute: string): SourceFileId | undefined {
    const { value: wanted, span } = item.from;
    const { projectRoot, exists } = this.host;
    const folders = libraryFolders(this.host);
    const library = folders.find(({ name }) => wanted.startsWith(`${name}/`));
    const isLibrary = library !== undefined;
    const isRelative = wanted.startsWith("./") || wanted.startsWith("../");
    if ((!isLibrary && !isRelative) || !wanted.endsWith(item.host ? ".ts" : ".ada") || wanted.includes("\0") || wanted.includes("\\")) {
      this.diagnostics.push(diagnose("import/bad-path", span, { path: wanted }));
      return undefined;
    }
    const absolute = library
      ? path.join(library.root, wanted.slice(library.name.length + 1))
      : path.resolve(path.dirname(importerAbsolute), wanted);
    const inLibrary = (file: string) => folders.some(({ root }) => isInside(file, root));
    const inProject = isInside(importerAbsolute, projectRoot) && !isLibrary;
    const fromLibrary = isLibrary || inLibrary(importerAbsolute);
    if (!(fromLibrary && inLibrary(absolute)) && !(inProject && isInside(absolute, projectRoot))) {
      const root = fromLibrary ? "the standard library" : `the project's folder ${projectRoot}`;
      this.diagnostics.push(diagnose("import/outside-root", span, { path: wanted, root }));
      return undefined;
    }
    if (!exists(absolute)) {
      this.diagnostics.push(diagnose("import/not-found", span, { path: wanted, looked: absolute }));
      return undefined;
    }
    const id = this.idOf(absolute, isLibrary ? wanted : path.posix.join(path.posix.dirname(importer.split(path.sep).join("/")), wanted));
    const start = this.chain.indexOf(id);
    if (start >= 0) {
      const cycle = [...this.chain.slice(start), id].join(" -> ");
      this.diagnostics.push(diagnose("import/cycle", span, { cycle }));
      return undefined;
    }
    if (item.host) return this.loadHost(absolute, id, item);
    return this.load(absolute, id, span) ? id : undefined;
  }

  /** The functions of a TypeScript file, as a file of `fn` items. */
  private loadHost(absolute: string, id: SourceFileId, item: ImportItem): SourceFileId | undefined {
    const read = this.host.readFile(absolute);
    if ("reason" in read) {
      this.diagnostics.push(diagnose("import/unreadable", item.from.span, { path: id, reason: read.reason }));
      return undefined;
    }
    const { ast, refused } = readHostModule(id, absolute, read.text);
    for (const { name } of item.names) {
      const why = refused.get(name.name);
      if (!why) continue;
      const related = [{ span: why.span, label: "here" }];
      this.diagnostics.push(diagnose("import/host", name.span, { name: name.name, problem: why.problem }, { related }));
    }
    if (!this.files.has(id)) this.files.set(id, { id, absolute, text: read.text, ast, comments: [], imports: new Map(), isHost: true });
    return item.names.every(({ name }) => !refused.has(name.name)) ? id : undefined;
  }
}
