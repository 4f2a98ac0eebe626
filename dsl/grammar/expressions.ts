import type { TokenType } from "chevrotain";
import { Id, keyword, M, Word } from "../tokens.ts";
import { GrammarBase, type Rule } from "./base.ts";

const binaryOperators: readonly TokenType[] = [
  keyword("or"),
  keyword("and"),
  M.equal,
  M.notEqual,
  M.lessEqual,
  M.greaterEqual,
  M.less,
  M.greater,
  M.plus,
  M.minus,
  M.star,
  M.slash,
  M.power,
];
const statementWords: ReadonlySet<TokenType> = new Set(
  "let tap return minimize require update expect for write measure".split(" ").map(keyword),
);

/** Types, axes, expressions, statements, part paths. Operators are one flat list here; the builder groups them by rank. */
export abstract class ExpressionGrammar extends GrammarBase {
  // ---- types ----
  readonly type: Rule = this.RULE("type", () => {
    this.guardDepth();
    this.OR([
      {
        ALT: () => {
          this.CONSUME(Id);
          this.OPTION(() => {
            this.CONSUME(M.less);
            this.AT_LEAST_ONE_SEP(this.commas(() => this.SUBRULE(this.typeArg)));
            this.CONSUME(M.greater);
          });
          this.OPTION2(() => this.SUBRULE(this.axes));
        },
      },
      {
        ALT: () => {
          this.CONSUME(M.openBrace);
          this.AT_LEAST_ONE_SEP2(this.commas(() => this.SUBRULE(this.fieldType)));
          this.CONSUME(M.closeBrace);
        },
      },
      {
        ALT: () => {
          this.CONSUME(M.openParen);
          this.AT_LEAST_ONE_SEP3(this.commas(() => this.SUBRULE(this.type)));
          this.CONSUME(M.closeParen);
        },
      },
    ]);
    this.OPTION3(() => this.CONSUME(M.question));
  });
  readonly typeArg: Rule = this.RULE("typeArg", () => {
    this.OPTION(this.nameColon);
    this.OR([{ ALT: () => this.CONSUME(M.numeral) }, { ALT: () => this.SUBRULE(this.type) }]);
  });
  readonly fieldType: Rule = this.RULE("fieldType", () => {
    this.CONSUME(Word);
    this.CONSUME(M.colon);
    this.SUBRULE(this.type);
  });
  readonly axes: Rule = this.RULE("axes", () => {
    this.CONSUME(M.openBracket);
    this.MANY_SEP(this.commas(() => this.SUBRULE(this.axis)));
    this.CONSUME(M.closeBracket);
  });
  readonly axis: Rule = this.RULE("axis", () =>
    this.OR([
      {
        ALT: () => {
          this.CONSUME(M.dots3);
          this.CONSUME(Id);
        },
      },
      {
        ALT: () => {
          this.OPTION(this.nameColon);
          this.SUBRULE(this.range);
        },
      },
    ]),
  );

  // ---- statements ----
  /** A statement begins with a keyword, and no expression does: so a newline means nothing. `log` is soft and needs its record. */
  private startsStatement(n: number): boolean {
    const type = this.ahead(n);
    return statementWords.has(type) || (type === keyword("log") && this.ahead(n + 1) === M.openBrace);
  }
  readonly block: Rule = this.RULE("block", () => {
    this.CONSUME(M.openBrace);
    this.MANY(() => this.SUBRULE(this.statement));
    this.CONSUME(M.closeBrace);
  });
  /** Of an `if` expression: one expression, or statements that end in `return`. */
  readonly body: Rule = this.RULE("body", () => {
    this.CONSUME(M.openBrace);
    this.OR([
      { GATE: () => this.startsStatement(1), ALT: () => this.AT_LEAST_ONE(() => this.SUBRULE(this.statement)) },
      { ALT: () => this.SUBRULE(this.expr) },
    ]);
    this.CONSUME(M.closeBrace);
  });
  readonly statement: Rule = this.RULE("statement", () => {
    this.guardDepth();
    this.OR([
      { ALT: () => this.SUBRULE(this.letStmt) },
      { ALT: () => this.SUBRULE(this.tapStmt) },
      { ALT: () => this.SUBRULE(this.returnStmt) },
      { ALT: () => this.SUBRULE(this.minimizeStmt) },
      { ALT: () => this.SUBRULE(this.updateStmt) },
      { ALT: () => this.SUBRULE(this.requireStmt) },
      { ALT: () => this.SUBRULE(this.expectStmt) },
      { ALT: () => this.SUBRULE(this.logStmt) },
      { ALT: () => this.SUBRULE(this.ifStmt) },
      { ALT: () => this.SUBRULE(this.forStmt) },
      { ALT: () => this.SUBRULE(this.writeStmt) },
      { ALT: () => this.SUBRULE(this.measureStmt) },
    ]);
  });
  readonly letStmt: Rule = this.RULE("letStmt", () => {
    this.CONSUME(keyword("let"));
    this.SUBRULE(this.binder);
    this.CONSUME(M.assign);
    this.SUBRULE(this.expr);
  });
  readonly tapStmt: Rule = this.RULE("tapStmt", () => {
    this.CONSUME(keyword("tap"));
    this.CONSUME(Id);
    this.CONSUME(M.assign);
    this.SUBRULE(this.expr);
  });
  readonly returnStmt: Rule = this.RULE("returnStmt", () => {
    this.CONSUME(keyword("return"));
    this.SUBRULE(this.expr);
  });
  readonly minimizeStmt: Rule = this.RULE("minimizeStmt", () => {
    this.CONSUME(keyword("minimize"));
    this.SUBRULE(this.expr);
  });
  readonly updateStmt: Rule = this.RULE("updateStmt", () => {
    this.CONSUME(keyword("update"));
    this.SUBRULE(this.postfix);
    this.CONSUME(M.assign);
    this.SUBRULE(this.expr);
  });
  readonly requireStmt: Rule = this.RULE("requireStmt", () => {
    this.CONSUME(keyword("require"));
    this.SUBRULE(this.expr);
    this.OPTION(() => {
      this.CONSUME(keyword("as"));
      this.CONSUME(M.text);
    });
  });
  readonly expectStmt: Rule = this.RULE("expectStmt", () => {
    this.CONSUME(keyword("expect"));
    this.SUBRULE(this.expr);
  });
  readonly logStmt: Rule = this.RULE("logStmt", () => {
    this.CONSUME(keyword("log"));
    this.SUBRULE(this.record);
  });
  readonly ifStmt: Rule = this.RULE("ifStmt", () => {
    this.CONSUME(keyword("if"));
    this.SUBRULE(this.expr);
    this.SUBRULE(this.block, { LABEL: "then" });
    this.OPTION(() => {
      this.CONSUME(keyword("else"));
      this.SUBRULE2(this.block, { LABEL: "otherwise" });
    });
  });
  readonly forStmt: Rule = this.RULE("forStmt", () => {
    this.CONSUME(keyword("for"));
    this.SUBRULE(this.binder);
    this.CONSUME(keyword("in"));
    this.SUBRULE(this.range);
    this.SUBRULE(this.block);
  });
  readonly writeStmt: Rule = this.RULE("writeStmt", () => {
    this.CONSUME(keyword("write"));
    this.SUBRULE(this.expr);
    this.CONSUME(keyword("to"));
    this.CONSUME(M.text);
  });
  readonly measureStmt: Rule = this.RULE("measureStmt", () => {
    this.CONSUME(keyword("measure"));
    this.CONSUME(Id);
    this.CONSUME(M.colon);
    this.SUBRULE(this.expr);
    this.OPTION(() => {
      this.CONSUME(keyword("when"));
      this.SUBRULE2(this.expr, { LABEL: "when" });
    });
  });
  readonly binder: Rule = this.RULE("binder", () => {
    this.guardDepth();
    this.OR([
      { ALT: () => this.CONSUME(Id) },
      {
        ALT: () => {
          this.CONSUME(M.openParen);
          this.AT_LEAST_ONE_SEP(this.commas(() => this.SUBRULE(this.binder)));
          this.CONSUME(M.closeParen);
        },
      },
    ]);
  });

  // ---- expressions ----
  readonly range: Rule = this.RULE("range", () => {
    this.SUBRULE(this.expr, { LABEL: "from" });
    this.OPTION(() => {
      this.CONSUME(M.dots);
      this.OPTION2(() => this.SUBRULE2(this.expr, { LABEL: "to" }));
    });
  });
  /** Right of `|>` stands a callee or a call, nothing looser. */
  readonly expr: Rule = this.RULE("expr", () => {
    this.guardDepth();
    this.SUBRULE(this.operators);
    this.MANY(() => {
      this.CONSUME(M.pipe);
      this.SUBRULE(this.postfix);
    });
  });
  /** Flat, and the builder groups by rank. `**` or `*` before a dot begins the path of the next rule (`**.bias = …`): no operand begins with a dot. */
  readonly operators: Rule = this.RULE("operators", () => {
    this.SUBRULE(this.unary);
    this.MANY({
      GATE: () => this.ahead(2) !== M.dot,
      DEF: () => {
        this.OR(binaryOperators.map((operator) => ({ ALT: () => this.CONSUME(operator, { LABEL: "operator" }) })));
        this.SUBRULE2(this.unary);
      },
    });
  });
  readonly unary: Rule = this.RULE("unary", () => {
    this.MANY(() =>
      this.OR([{ ALT: () => this.CONSUME(M.minus, { LABEL: "sign" }) }, { ALT: () => this.CONSUME(keyword("not"), { LABEL: "sign" }) }]),
    );
    this.SUBRULE(this.postfix);
  });
  readonly postfix: Rule = this.RULE("postfix", () => {
    this.SUBRULE(this.primary);
    this.MANY(() => this.SUBRULE(this.suffix));
  });
  readonly suffix: Rule = this.RULE("suffix", () =>
    this.OR([
      { ALT: () => this.SUBRULE(this.args) },
      { ALT: () => this.SUBRULE(this.indices) },
      {
        ALT: () => {
          this.CONSUME(M.dot);
          this.CONSUME(Word);
        },
      },
      { ALT: () => this.SUBRULE(this.watch) },
      {
        ALT: () => {
          this.CONSUME(keyword("with"));
          this.SUBRULE(this.record);
        },
      },
    ]),
  );
  readonly args: Rule = this.RULE("args", () => {
    this.CONSUME(M.openParen);
    this.MANY_SEP(this.commas(() => this.SUBRULE(this.arg)));
    this.CONSUME(M.closeParen);
  });
  readonly indices: Rule = this.RULE("indices", () => {
    this.CONSUME(M.openBracket);
    this.AT_LEAST_ONE_SEP(this.commas(() => this.SUBRULE(this.index)));
    this.CONSUME(M.closeBracket);
  });
  readonly watch: Rule = this.RULE("watch", () => {
    this.CONSUME(keyword("watch"));
    this.CONSUME(M.openBrace);
    this.AT_LEAST_ONE_SEP(this.commas(() => this.SUBRULE(this.partPath)));
    this.CONSUME(keyword("as"));
    this.CONSUME(Id);
    this.CONSUME(M.closeBrace);
  });
  readonly arg: Rule = this.RULE("arg", () => {
    this.OPTION(this.nameColon);
    this.OR([
      {
        ALT: () => {
          this.CONSUME(M.dots3);
          this.CONSUME(Id);
        },
      },
      {
        ALT: () => {
          this.SUBRULE(this.range);
          this.OPTION2(() => {
            this.CONSUME(M.arrow);
            this.SUBRULE(this.expr, { LABEL: "end" });
          });
        },
      },
    ]);
    this.MANY(() => {
      this.CONSUME(M.bar);
      this.SUBRULE2(this.expr, { LABEL: "alternative" });
    });
  });
  readonly index: Rule = this.RULE("index", () =>
    this.OR([
      {
        ALT: () => {
          this.CONSUME(M.dots3);
          this.CONSUME(Id);
        },
      },
      {
        ALT: () => {
          this.OPTION(this.nameColon);
          this.OR2([{ ALT: () => this.CONSUME(M.star) }, { ALT: () => this.SUBRULE(this.range) }]);
        },
      },
    ]),
  );
  readonly primary: Rule = this.RULE("primary", () =>
    this.OR([
      { ALT: () => this.CONSUME(M.numeral) },
      { ALT: () => this.CONSUME(M.text) },
      { ALT: () => this.CONSUME(M.pattern) },
      { ALT: () => this.CONSUME(Id) },
      { ALT: () => this.CONSUME(keyword("true")) },
      { ALT: () => this.CONSUME(keyword("false")) },
      { ALT: () => this.CONSUME(keyword("none")) },
      { ALT: () => this.SUBRULE(this.parens) },
      { ALT: () => this.SUBRULE(this.brackets) },
      { ALT: () => this.SUBRULE(this.record) },
      { ALT: () => this.SUBRULE(this.ifExpr) },
      { ALT: () => this.SUBRULE(this.fnExpr) },
    ]),
  );
  readonly parens: Rule = this.RULE("parens", () => {
    this.CONSUME(M.openParen);
    this.AT_LEAST_ONE_SEP(this.commas(() => this.SUBRULE(this.expr)));
    this.CONSUME(M.closeParen);
  });
  readonly brackets: Rule = this.RULE("brackets", () => {
    this.CONSUME(M.openBracket);
    this.OR([{ ALT: () => this.SUBRULE(this.comprehension) }, { ALT: () => this.MANY_SEP(this.commas(() => this.SUBRULE(this.axis))) }]);
    this.CONSUME(M.closeBracket);
  });
  readonly comprehension: Rule = this.RULE("comprehension", () => {
    this.CONSUME(keyword("for"));
    this.SUBRULE(this.binder);
    this.CONSUME(keyword("in"));
    this.SUBRULE(this.range);
    this.OPTION(() => {
      this.CONSUME(keyword("if"));
      this.SUBRULE(this.expr, { LABEL: "where" });
    });
    this.CONSUME(M.colon);
    this.OR([
      {
        GATE: () => this.ahead(1) === M.openBrace && (this.startsStatement(2) || this.ahead(2) === keyword("if")),
        ALT: () => this.SUBRULE(this.block),
      },
      { ALT: () => this.SUBRULE2(this.expr) },
    ]);
  });
  readonly ifExpr: Rule = this.RULE("ifExpr", () => {
    this.CONSUME(keyword("if"));
    this.SUBRULE(this.expr);
    this.SUBRULE(this.body, { LABEL: "then" });
    this.OPTION(() => {
      this.CONSUME(keyword("else"));
      this.SUBRULE2(this.body, { LABEL: "otherwise" });
    });
  });
  readonly fnExpr: Rule = this.RULE("fnExpr", () => {
    this.CONSUME(keyword("fn"));
    this.CONSUME(M.openParen);
    this.MANY_SEP(this.commas(() => this.SUBRULE(this.fnParam)));
    this.CONSUME(M.closeParen);
    this.OR([
      {
        ALT: () => {
          this.CONSUME(M.fatArrow);
          this.SUBRULE(this.expr);
        },
      },
      { ALT: () => this.SUBRULE(this.block) },
    ]);
  });
  readonly fnParam: Rule = this.RULE("fnParam", () => {
    this.SUBRULE(this.binder);
    this.OPTION(() => {
      this.CONSUME(M.colon);
      this.SUBRULE(this.type);
    });
  });
  readonly record: Rule = this.RULE("record", () => {
    this.CONSUME(M.openBrace);
    this.AT_LEAST_ONE_SEP(this.commas(() => this.SUBRULE(this.fieldValue)));
    this.CONSUME(M.closeBrace);
  });
  readonly fieldValue: Rule = this.RULE("fieldValue", () => {
    this.CONSUME(Word);
    this.OPTION(() => {
      this.CONSUME(M.colon);
      this.SUBRULE(this.expr);
    });
  });

  // ---- paths of parts, for `watch`, keys, surgery and optimiser groups ----
  readonly partPath: Rule = this.RULE("partPath", () => {
    this.guardDepth();
    this.SUBRULE(this.segment);
    this.MANY(() => {
      this.CONSUME(M.dot);
      this.SUBRULE2(this.segment);
    });
  });
  readonly segment: Rule = this.RULE("segment", () => {
    this.OR([
      { ALT: () => this.CONSUME(Word) },
      { ALT: () => this.CONSUME(M.star) },
      { ALT: () => this.CONSUME(M.power) },
      {
        ALT: () => {
          this.CONSUME(M.openBrace);
          this.AT_LEAST_ONE_SEP(this.commas(() => this.SUBRULE(this.partPath)));
          this.CONSUME(M.closeBrace);
        },
      },
    ]);
    this.MANY(() => {
      this.CONSUME(M.openBracket);
      this.SUBRULE(this.index);
      this.CONSUME(M.closeBracket);
    });
  });
}
