import type { TokenType } from "chevrotain";
import { Id, keyword, M } from "../tokens.ts";
import type { Rule } from "./base.ts";
import { ItemGrammar } from "./items.ts";

/** Data sets, text grammars, prompts, schedules, steps, optimisers, training, evaluation, tests. */
export abstract class ProgramGrammar extends ItemGrammar {
  readonly datasetItem: Rule = this.RULE("datasetItem", () => {
    this.CONSUME(keyword("dataset"));
    this.CONSUME(Id);
    this.SUBRULE(this.params);
    this.CONSUME(M.openBrace);
    this.MANY(() => this.SUBRULE(this.datasetMember));
    this.CONSUME(M.closeBrace);
  });
  readonly datasetMember: Rule = this.RULE("datasetMember", () =>
    this.OR([
      {
        ALT: () => {
          this.CONSUME(keyword("source"));
          this.SUBRULE(this.expr);
          this.OPTION(() => this.SUBRULE(this.when));
        },
      },
      {
        ALT: () => {
          this.CONSUME(keyword("order"));
          this.SUBRULE2(this.expr);
        },
      },
      {
        ALT: () => {
          this.CONSUME(keyword("let"));
          this.CONSUME(Id);
          this.CONSUME(M.assign);
          this.SUBRULE3(this.expr);
        },
      },
      {
        ALT: () => {
          this.CONSUME(keyword("field"));
          this.CONSUME2(Id);
          this.CONSUME(M.colon);
          this.SUBRULE(this.type);
          this.CONSUME2(M.assign);
          this.SUBRULE4(this.expr);
        },
      },
    ]),
  );

  // ---- text grammars and prompts ----
  readonly grammarItem: Rule = this.RULE("grammarItem", () => {
    this.CONSUME(keyword("grammar"));
    this.CONSUME(Id);
    this.CONSUME(M.openBrace);
    this.MANY(() => this.SUBRULE(this.grammarRule));
    this.CONSUME(M.closeBrace);
  });
  readonly grammarRule: Rule = this.RULE("grammarRule", () => {
    this.CONSUME(Id);
    this.CONSUME(M.assign);
    this.SUBRULE(this.alternatives);
  });
  readonly alternatives: Rule = this.RULE("alternatives", () => {
    this.guardDepth();
    this.SUBRULE(this.sequence);
    this.MANY(() => {
      this.CONSUME(M.bar);
      this.SUBRULE2(this.sequence);
    });
  });
  /** A name followed by `=` begins the next rule. */
  readonly sequence: Rule = this.RULE("sequence", () => {
    this.AT_LEAST_ONE({ GATE: () => this.ahead(2) !== M.assign, DEF: () => this.SUBRULE(this.bit) });
  });
  readonly bit: Rule = this.RULE("bit", () => {
    this.OR([
      { ALT: () => this.CONSUME(M.text) },
      {
        ALT: () => {
          this.CONSUME(M.openParen);
          this.SUBRULE(this.alternatives);
          this.CONSUME(M.closeParen);
        },
      },
      {
        ALT: () => {
          this.CONSUME(M.openBracket);
          this.CONSUME(M.numeral);
          this.CONSUME(M.closeBracket);
        },
      },
      {
        ALT: () => {
          this.CONSUME(Id);
          this.OPTION(() => this.SUBRULE(this.distinct));
        },
      },
    ]);
    this.OPTION2(() => {
      this.CONSUME(M.caret);
      this.CONSUME2(M.numeral, { LABEL: "weight" });
    });
  });
  readonly distinct: Rule = this.RULE("distinct", () => {
    this.CONSUME(M.openParen);
    this.SUBRULE(this.range);
    this.CONSUME(M.comma);
    this.CONSUME(M.text);
    this.CONSUME2(M.comma);
    this.SUBRULE(this.alternatives);
    this.CONSUME(M.closeParen);
  });
  readonly promptItem: Rule = this.RULE("promptItem", () => {
    this.CONSUME(keyword("prompt"));
    this.CONSUME(Id);
    this.OPTION(() => this.SUBRULE(this.params));
    this.CONSUME(M.assign);
    this.CONSUME(M.text);
  });

  // ---- schedules, steps, optimisers ----
  readonly scheduleItem: Rule = this.RULE("scheduleItem", () => {
    this.CONSUME(keyword("schedule"));
    this.CONSUME(Id);
    this.OPTION(() => this.SUBRULE(this.params));
    this.CONSUME(M.assign);
    this.SUBRULE(this.scheduleSpan);
    this.MANY(() => {
      this.CONSUME(keyword("then"));
      this.SUBRULE2(this.scheduleSpan);
    });
  });
  readonly scheduleSpan: Rule = this.RULE("scheduleSpan", () => {
    this.SUBRULE(this.expr);
    this.OPTION(() =>
      this.OR([
        {
          ALT: () => {
            this.CONSUME(keyword("for"));
            this.SUBRULE2(this.expr, { LABEL: "length" });
          },
        },
        {
          ALT: () => {
            this.CONSUME(keyword("to"));
            this.CONSUME(Id, { LABEL: "end" });
          },
        },
      ]),
    );
  });
  readonly stepItem: Rule = this.RULE("stepItem", () => {
    this.CONSUME(keyword("step"));
    this.CONSUME(Id);
    this.CONSUME(M.openParen);
    this.CONSUME2(Id, { LABEL: "batch" });
    this.CONSUME(M.colon);
    this.OPTION({
      GATE: () => this.ahead(2) === keyword("of"),
      DEF: () => {
        this.CONSUME(keyword("one"));
        this.CONSUME(keyword("of"));
      },
    });
    this.CONSUME3(Id, { LABEL: "dataset" });
    this.CONSUME(M.closeParen);
    this.SUBRULE(this.block);
  });
  readonly optimizerItem: Rule = this.RULE("optimizerItem", () => {
    this.CONSUME(keyword("optimizer"));
    this.CONSUME(Id);
    this.SUBRULE(this.params);
    this.CONSUME(M.openBrace);
    this.MANY(() => this.SUBRULE(this.optimizerState));
    this.CONSUME(keyword("step"));
    this.SUBRULE(this.signature);
    this.SUBRULE(this.block);
    this.CONSUME(M.closeBrace);
  });
  readonly optimizerState: Rule = this.RULE("optimizerState", () => {
    this.CONSUME(keyword("state"), { LABEL: "role" });
    this.CONSUME(Id);
    this.CONSUME(M.colon);
    this.SUBRULE(this.type);
    this.CONSUME(M.assign);
    this.SUBRULE(this.expr);
  });

  // ---- training ----
  readonly precisionItem: Rule = this.RULE("precisionItem", () => {
    this.CONSUME(keyword("precision"));
    this.SUBRULE(this.record);
  });
  readonly trainItem: Rule = this.RULE("trainItem", () => {
    this.CONSUME(keyword("train"));
    this.CONSUME(Id);
    this.OPTION(() => {
      this.CONSUME(keyword("like"));
      this.CONSUME2(Id, { LABEL: "like" });
    });
    this.CONSUME(M.openBrace);
    this.MANY(() => this.SUBRULE(this.setting));
    this.CONSUME(M.closeBrace);
  });
  readonly setting: Rule = this.RULE("setting", () =>
    this.OR([
      { ALT: () => this.SUBRULE(this.modelItem) },
      { ALT: () => this.SUBRULE(this.constItem) },
      { ALT: () => this.SUBRULE(this.precisionItem) },
      { ALT: () => this.SUBRULE(this.dataSetting) },
      { ALT: () => this.SUBRULE(this.numberSetting) },
      { ALT: () => this.SUBRULE(this.accumulate) },
      { ALT: () => this.SUBRULE(this.compat) },
      { ALT: () => this.SUBRULE(this.remat) },
      { ALT: () => this.SUBRULE(this.every) },
      { ALT: () => this.SUBRULE(this.optimizerSetting) },
      { ALT: () => this.SUBRULE(this.eachStep) },
    ]),
  );
  readonly dataSetting: Rule = this.RULE("dataSetting", () => {
    this.CONSUME(keyword("data"));
    this.CONSUME(Id);
    this.CONSUME(M.assign);
    this.SUBRULE(this.expr);
  });
  readonly numberSetting: Rule = this.RULE("numberSetting", () => {
    this.OR(this.oneOf(["batch", "micro_steps", "seed", "gradient"].map(keyword), "name"));
    this.SUBRULE(this.expr);
  });
  private oneOf(types: readonly TokenType[], label: string): { ALT: () => void }[] {
    return types.map((type) => ({
      ALT: () => {
        this.CONSUME(type, { LABEL: label });
      },
    }));
  }
  readonly accumulate: Rule = this.RULE("accumulate", () => {
    this.CONSUME(keyword("accumulate"));
    this.CONSUME(M.numeral);
    this.CONSUME(keyword("by"));
    this.CONSUME(Id);
  });
  readonly compat: Rule = this.RULE("compat", () => {
    this.CONSUME(keyword("compat"));
    this.CONSUME(Id);
  });
  readonly remat: Rule = this.RULE("remat", () => {
    this.CONSUME(keyword("remat"));
    this.OR([
      { ALT: () => this.CONSUME(keyword("none"), { LABEL: "none" }) },
      {
        ALT: () => {
          this.CONSUME(Id, { LABEL: "policy" });
          this.OPTION(() => {
            this.CONSUME(M.numeral);
            this.CONSUME2(Id, { LABEL: "unit" });
          });
          this.OPTION2(() => {
            this.CONSUME3(Id, { LABEL: "word" });
            this.CONSUME(M.openBrace);
            this.SUBRULE(this.keptName);
            this.MANY(() => {
              this.CONSUME(M.comma);
              this.SUBRULE2(this.keptName);
            });
            this.CONSUME(M.closeBrace);
          });
        },
      },
    ]);
  });
  readonly keptName: Rule = this.RULE("keptName", () => {
    this.CONSUME(Id);
    this.MANY(() => {
      this.CONSUME(M.dot);
      this.CONSUME2(Id);
    });
  });
  readonly every: Rule = this.RULE("every", () => {
    this.OR(this.oneOf(["save", "log", "preview"].map(keyword), "name"));
    this.CONSUME(keyword("every"));
    this.CONSUME(M.numeral);
    this.OPTION(() => {
      this.CONSUME(M.colon);
      this.SUBRULE(this.expr);
    });
  });
  readonly optimizerSetting: Rule = this.RULE("optimizerSetting", () => {
    this.CONSUME(keyword("optimizer"));
    this.SUBRULE(this.expr);
    this.OPTION(() => {
      this.CONSUME(M.openBrace);
      this.AT_LEAST_ONE(() => this.SUBRULE(this.optimizerGroup));
      this.CONSUME(M.closeBrace);
    });
  });
  readonly optimizerGroup: Rule = this.RULE("optimizerGroup", () => {
    this.SUBRULE(this.partPath);
    this.CONSUME(M.openParen);
    this.AT_LEAST_ONE_SEP(this.commas(() => this.SUBRULE(this.arg)));
    this.CONSUME(M.closeParen);
  });
  readonly eachStep: Rule = this.RULE("eachStep", () => {
    this.CONSUME(keyword("each"));
    this.CONSUME(keyword("step"));
    this.CONSUME(M.colon);
    this.SUBRULE(this.mix);
  });
  readonly mix: Rule = this.RULE("mix", () => {
    this.guardDepth();
    this.OR([
      { ALT: () => this.SUBRULE(this.mixEvery) },
      { ALT: () => this.AT_LEAST_ONE_SEP({ SEP: M.bar, DEF: () => this.SUBRULE(this.mixChoice) }) },
    ]);
  });
  readonly mixEvery: Rule = this.RULE("mixEvery", () => {
    this.CONSUME(keyword("every"));
    this.CONSUME(M.numeral);
    this.CONSUME(keyword("updates"));
    this.CONSUME(M.colon);
    this.SUBRULE(this.mix);
    this.CONSUME(keyword("otherwise"));
    this.CONSUME2(M.colon);
    this.SUBRULE2(this.mix);
  });
  readonly mixChoice: Rule = this.RULE("mixChoice", () => {
    this.OPTION(() => {
      this.CONSUME(M.openBracket);
      this.SUBRULE(this.expr);
      this.CONSUME(M.closeBracket);
    });
    this.CONSUME(Id);
  });

  // ---- evaluation and tests ----
  readonly evaluateItem: Rule = this.RULE("evaluateItem", () => {
    this.CONSUME(keyword("evaluate"));
    this.CONSUME(Id);
    this.CONSUME(M.openBrace);
    this.MANY(() => this.SUBRULE(this.evaluateMember));
    this.CONSUME(M.closeBrace);
  });
  readonly evaluateMember: Rule = this.RULE("evaluateMember", () =>
    this.OR([
      { ALT: () => this.SUBRULE(this.modelItem) },
      { ALT: () => this.SUBRULE(this.dataSetting) },
      { ALT: () => this.SUBRULE(this.seedMember) },
      { ALT: () => this.SUBRULE(this.report) },
      { ALT: () => this.SUBRULE(this.statement) },
    ]),
  );
  readonly seedMember: Rule = this.RULE("seedMember", () => {
    this.CONSUME(keyword("seed"));
    this.CONSUME(M.numeral);
  });
  readonly report: Rule = this.RULE("report", () => {
    this.CONSUME(keyword("report"));
    this.AT_LEAST_ONE_SEP(this.commas(() => this.CONSUME(Id)));
    this.CONSUME(keyword("by"));
    this.SUBRULE(this.expr);
    this.CONSUME(keyword("to"));
    this.CONSUME(M.text);
  });
  readonly testItem: Rule = this.RULE("testItem", () => {
    this.CONSUME(keyword("test"));
    this.CONSUME(M.text);
    this.SUBRULE(this.block);
  });
  readonly propertyItem: Rule = this.RULE("propertyItem", () => {
    this.CONSUME(keyword("property"));
    this.CONSUME(M.text);
    this.CONSUME(M.openBrace);
    this.CONSUME(keyword("forall"));
    this.AT_LEAST_ONE_SEP(this.commas(() => this.SUBRULE(this.forall)));
    this.MANY(() => this.SUBRULE(this.statement));
    this.CONSUME(M.closeBrace);
  });
  readonly forall: Rule = this.RULE("forall", () => {
    this.CONSUME(Id);
    this.CONSUME(M.colon);
    this.SUBRULE(this.type);
    this.OPTION(() => {
      this.CONSUME(keyword("in"));
      this.SUBRULE(this.range);
    });
  });
  readonly gradcheckItem: Rule = this.RULE("gradcheckItem", () => {
    this.CONSUME(keyword("gradcheck"));
    this.SUBRULE(this.expr);
  });
}
