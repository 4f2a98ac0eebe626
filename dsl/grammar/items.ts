import { Id, keyword, M, Word } from "../tokens.ts";
import type { Rule } from "./base.ts";
import { ExpressionGrammar } from "./expressions.ts";

/** Imports, types, constants, functions, losses, modules, models, states, keys, surgery. */
export abstract class ItemGrammar extends ExpressionGrammar {
  readonly importItem: Rule = this.RULE("importItem", () => {
    this.CONSUME(keyword("import"));
    this.OPTION(() => this.CONSUME(keyword("host")));
    this.CONSUME(M.openBrace);
    this.AT_LEAST_ONE_SEP(this.commas(() => this.SUBRULE(this.importName)));
    this.CONSUME(M.closeBrace);
    this.CONSUME(keyword("from"));
    this.CONSUME(M.text);
  });
  readonly importName: Rule = this.RULE("importName", () => {
    this.CONSUME(Id);
    this.OPTION(() => {
      this.CONSUME(keyword("as"));
      this.CONSUME2(Id, { LABEL: "alias" });
    });
  });
  readonly typeItem: Rule = this.RULE("typeItem", () => {
    this.CONSUME(keyword("type"));
    this.CONSUME(Id);
    this.CONSUME(M.assign);
    this.SUBRULE(this.type);
  });
  readonly constItem: Rule = this.RULE("constItem", () => {
    this.CONSUME(keyword("const"));
    this.CONSUME(Id);
    this.OPTION(() => {
      this.CONSUME(M.colon);
      this.SUBRULE(this.type);
    });
    this.CONSUME(M.assign);
    this.SUBRULE(this.expr);
  });

  // ---- functions and modules ----
  readonly fnItem: Rule = this.RULE("fnItem", () => {
    this.OPTION(() => this.CONSUME(keyword("fused")));
    this.CONSUME(keyword("fn"));
    this.CONSUME(Id);
    this.SUBRULE(this.signature);
    this.OPTION2(() => {
      this.CONSUME(keyword("by"));
      this.CONSUME2(Id, { LABEL: "template" });
    });
    this.SUBRULE(this.block);
  });
  readonly lossItem: Rule = this.RULE("lossItem", () => {
    this.CONSUME(keyword("loss"));
    this.CONSUME(Id);
    this.SUBRULE(this.signature);
    this.SUBRULE(this.block);
  });
  readonly signature: Rule = this.RULE("signature", () => {
    this.SUBRULE(this.params);
    this.MANY(() =>
      this.OR([
        { ALT: () => this.CONSUME(keyword("random"), { LABEL: "effect" }) },
        { ALT: () => this.CONSUME(keyword("updates"), { LABEL: "effect" }) },
      ]),
    );
    this.CONSUME(M.arrow);
    this.SUBRULE(this.type);
  });
  readonly params: Rule = this.RULE("params", () => {
    this.CONSUME(M.openParen);
    this.MANY_SEP(this.commas(() => this.SUBRULE(this.param)));
    this.CONSUME(M.closeParen);
  });
  readonly param: Rule = this.RULE("param", () => {
    this.OPTION({ GATE: () => this.ahead(1) === keyword("each") && this.ahead(2) !== M.colon, DEF: () => this.CONSUME(keyword("each")) });
    this.CONSUME(Word);
    this.CONSUME(M.colon);
    this.SUBRULE(this.type);
    this.OPTION2(() => {
      this.CONSUME(M.assign);
      this.SUBRULE(this.expr);
    });
  });
  readonly moduleItem: Rule = this.RULE("moduleItem", () => {
    this.CONSUME(keyword("module"));
    this.CONSUME(Id);
    this.SUBRULE(this.params);
    this.CONSUME(M.openBrace);
    this.MANY(() => this.SUBRULE(this.moduleMember));
    this.CONSUME(M.closeBrace);
  });
  readonly moduleMember: Rule = this.RULE("moduleMember", () =>
    this.OR([
      { ALT: () => this.SUBRULE(this.part) },
      { ALT: () => this.SUBRULE(this.leaf) },
      { ALT: () => this.SUBRULE(this.forward) },
      { ALT: () => this.SUBRULE(this.fnItem) },
    ]),
  );
  readonly part: Rule = this.RULE("part", () => {
    this.CONSUME(keyword("part"));
    this.CONSUME(Id, { LABEL: "name" });
    this.MANY(() => {
      this.CONSUME(M.dot);
      this.CONSUME(Word, { LABEL: "name" });
    });
    this.CONSUME(M.assign);
    this.SUBRULE(this.expr);
    this.OPTION(() => this.SUBRULE(this.when));
  });
  readonly when: Rule = this.RULE("when", () => {
    this.CONSUME(keyword("when"));
    this.SUBRULE(this.expr);
  });
  readonly leaf: Rule = this.RULE("leaf", () => {
    this.OR([
      { ALT: () => this.CONSUME(keyword("param"), { LABEL: "role" }) },
      { ALT: () => this.CONSUME(keyword("state"), { LABEL: "role" }) },
    ]);
    this.CONSUME(Id);
    this.CONSUME(M.colon);
    this.SUBRULE(this.type);
    this.OPTION(() => {
      this.CONSUME(M.assign);
      this.SUBRULE(this.expr);
    });
    this.OPTION2(() => this.SUBRULE(this.when));
  });
  readonly forward: Rule = this.RULE("forward", () => {
    this.CONSUME(keyword("forward"));
    this.SUBRULE(this.signature);
    this.SUBRULE(this.block);
  });

  // ---- models and their weights ----
  readonly modelItem: Rule = this.RULE("modelItem", () => {
    this.CONSUME(keyword("model"));
    this.CONSUME(Id);
    this.OPTION(() => {
      this.CONSUME(M.assign);
      this.SUBRULE(this.expr, { LABEL: "value" });
    });
    this.OPTION2(() => {
      this.CONSUME(keyword("from"));
      this.SUBRULE2(this.expr, { LABEL: "from" });
    });
    this.OPTION3(() => {
      this.CONSUME(keyword("keys"));
      this.CONSUME2(Id, { LABEL: "keys" });
    });
    this.OPTION4(() => {
      this.CONSUME(keyword("surgery"));
      this.SUBRULE3(this.expr, { LABEL: "surgery" });
    });
    this.OPTION5(() =>
      this.OR([
        { ALT: () => this.CONSUME(keyword("frozen"), { LABEL: "mode" }) },
        { ALT: () => this.CONSUME(keyword("trained"), { LABEL: "mode" }) },
      ]),
    );
  });
  readonly stateItem: Rule = this.RULE("stateItem", () => {
    this.CONSUME(keyword("state"));
    this.CONSUME(Id);
    this.CONSUME(M.colon);
    this.SUBRULE(this.type);
    this.SUBRULE(this.args);
  });
  readonly keysItem: Rule = this.RULE("keysItem", () => {
    this.CONSUME(keyword("keys"));
    this.CONSUME(Id);
    this.CONSUME(keyword("for"));
    this.CONSUME2(Id, { LABEL: "target" });
    this.OPTION(() => {
      this.CONSUME(keyword("under"));
      this.CONSUME(M.text);
    });
    this.CONSUME(M.openBrace);
    this.MANY(() => this.SUBRULE(this.keyRule));
    this.CONSUME(M.closeBrace);
  });
  readonly keyRule: Rule = this.RULE("keyRule", () => {
    this.SUBRULE(this.partPath);
    this.CONSUME(M.arrow);
    this.CONSUME(M.text);
    this.OPTION(() => {
      this.CONSUME(keyword("as"));
      this.CONSUME(M.pattern);
    });
  });
  readonly surgeryItem: Rule = this.RULE("surgeryItem", () => {
    this.CONSUME(keyword("surgery"));
    this.CONSUME(Id);
    this.OPTION(() => this.SUBRULE(this.params));
    this.CONSUME(keyword("for"));
    this.CONSUME2(Id, { LABEL: "target" });
    this.CONSUME(M.openBrace);
    this.MANY(() => this.SUBRULE(this.surgeryRule));
    this.CONSUME(M.closeBrace);
  });
  readonly surgeryRule: Rule = this.RULE("surgeryRule", () => {
    this.SUBRULE(this.partPath);
    this.CONSUME(M.assign);
    this.SUBRULE(this.expr);
  });
}
