import type { Span } from "../../dsl/span.ts";
import type { HostValue } from "../plan/evalHost.ts";
import type { HostExpr } from "../plan/host.ts";
import { Choices } from "./choices.ts";
import type { WalkState } from "./walkState.ts";

/** The choices of a walk while it runs: everything that the host knows is known already, so there is one way and no trying. */
export class WalkChoices extends Choices {
  readonly #walk: WalkState;
  constructor(walk: WalkState) {
    super([]);
    this.#walk = walk;
  }
  override settle(expr: HostExpr, _isBool: boolean, _what: string, _span: Span): HostValue {
    return this.#walk.value(expr);
  }

  /** Runs `make` with every choice decided by what is so now. */
  static decided<T>(walk: WalkState, make: () => T): T {
    const { session } = walk;
    session.choices = new WalkChoices(walk);
    try {
      return make();
    } finally {
      session.choices = null;
    }
  }
}
