import { type CstNode, CstParser, type ParserMethod, type TokenType } from "chevrotain";
import { expectedWords } from "../expected.ts";
import { M, vocabulary, Word } from "../tokens.ts";

export type Rule = ParserMethod<[], CstNode>;

/** Thrown out of the parser where the text nests too deeply; `parse` turns it into a diagnostic. Recovery does not catch it. */
export class TooDeep extends Error {
  readonly offset: number;
  constructor(offset: number) {
    super("nested too deeply");
    this.offset = offset;
  }
}

/**
 * Counted in grammar rules, of which a level of brackets costs up to nine. A rule costs about 1 kB of stack, so this is less than half of Node's
 * default stack (984 kB); the depth test runs the deepest mixes.
 */
const mostRules = 400;

/** What the grammar files share: the vocabulary, lists with commas, the optional `name:` before a value, the depth guard. */
export abstract class GrammarBase extends CstParser {
  protected constructor() {
    super(vocabulary, { recoveryEnabled: true, maxLookahead: 3, nodeLocationTracking: "onlyOffset", errorMessageProvider: expectedWords });
  }

  /** The type of the n-th token ahead. */
  protected ahead(n: number): TokenType {
    return this.LA(n).tokenType;
  }
  protected commas(def: () => void): { SEP: TokenType; DEF: () => void } {
    return { SEP: M.comma, DEF: def };
  }
  /** For `OPTION`: `name :` where the next word is followed by a colon. */
  protected readonly nameColon = {
    GATE: () => this.ahead(2) === M.colon,
    DEF: () => {
      this.CONSUME(Word, { LABEL: "argName" });
      this.CONSUME(M.colon);
    },
  };
  /** Stands first in every rule through which a program can nest. The rule stack's height is internal to Chevrotain (pinned; the depth test would notice). */
  protected guardDepth(): void {
    if ((this as unknown as { readonly RULE_STACK_IDX: number }).RULE_STACK_IDX > mostRules) throw new TooDeep(this.LA(1).startOffset);
  }
}
