import type { CstElement, CstNode, IToken } from "chevrotain";
import type { ErrorNode, Ident } from "../ast.ts";
import type { Diagnostic } from "../diagnostic.ts";
import { diagnose } from "../diagnostics.ts";
import type { Span } from "../span.ts";

// Reading the parser's concrete tree. After recovery any child may be missing and tokens may have been made up by the parser
// (without offsets), so everything here answers `undefined` instead of throwing, and made-up tokens are not seen.

const isNode = (element: CstElement): element is CstNode => "children" in element;
const isReal = (token: IToken): boolean => !token.isInsertedInRecovery && !Number.isNaN(token.startOffset);

export function nodes(cst: CstNode | undefined, name: string): CstNode[] {
  return (cst?.children[name] ?? []).filter(isNode);
}
export function node(cst: CstNode | undefined, name: string): CstNode | undefined {
  return nodes(cst, name)[0];
}
export function tokens(cst: CstNode | undefined, name: string): IToken[] {
  return (cst?.children[name] ?? []).filter((element): element is IToken => !isNode(element) && isReal(element));
}
export function token(cst: CstNode | undefined, name: string): IToken | undefined {
  return tokens(cst, name)[0];
}

/** Levels of the abstract tree that later stages must be able to walk by recursion. Real programs stay below 30. */
export const mostLevels = 300;

/** What the building functions share: the file, where to report, how deep they are. */
export class BuildContext {
  readonly file: string;
  readonly diagnostics: Diagnostic[] = [];
  /** Doc text that ends right before this offset, if any. */
  readonly docBefore: (offset: number) => string | null;
  private level = 0;
  private saidTooDeep = false;

  constructor(file: string, docBefore: (offset: number) => string | null) {
    this.file = file;
    this.docBefore = docBefore;
  }

  span(start: number, end: number): Span {
    return { file: this.file, start, end };
  }
  spanOfToken(found: IToken): Span {
    return this.span(found.startOffset, (found.endOffset ?? found.startOffset) + 1);
  }
  /** The text a concrete node covers; an empty node stands at the end of `within`. */
  spanOf(cst: CstNode | undefined, within?: CstNode): Span {
    const { startOffset, endOffset } = cst?.location ?? {};
    if (startOffset !== undefined && endOffset !== undefined && !Number.isNaN(startOffset) && !Number.isNaN(endOffset))
      return this.span(startOffset, endOffset + 1);
    return within ? this.spanAfter(within) : this.span(0, 0);
  }
  /** The empty span behind what a node covers: the place of a missing child. */
  spanAfter(cst: CstNode): Span {
    const end = this.spanOf(cst).end;
    return this.span(end, end);
  }
  ident(found: IToken | undefined, within: CstNode): Ident {
    if (!found) return { kind: "ident", name: "", span: this.spanAfter(within) };
    return { kind: "ident", name: found.image, span: this.spanOfToken(found) };
  }
  missing(within: CstNode): ErrorNode {
    return { kind: "error", span: this.spanAfter(within) };
  }

  /** Builds something `levels` deeper in the tree; a tree that gets too deep becomes an error node, reported once. */
  deeper<T>(levels: number, at: CstNode, build: () => T): T | ErrorNode {
    if (this.level + levels > mostLevels) {
      const span = this.spanOf(at);
      if (!this.saidTooDeep) this.diagnostics.push(diagnose("syntax/too-deep", span, { most: mostLevels }));
      this.saidTooDeep = true;
      return { kind: "error", span };
    }
    this.level += levels;
    const built = build();
    this.level -= levels;
    return built;
  }
}
