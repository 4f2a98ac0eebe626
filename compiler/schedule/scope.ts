import { dependsOn, type Ix } from "../index/ix.ts";
import type * as t from "../tile/build.ts";
import type { TileExpr } from "../tile/tile.ts";

/** A place for statements, with what has been computed there and around it. */
export class Scope {
  readonly block: t.Block;
  readonly parent: Scope | null;
  readonly known = new Map<string, TileExpr>();
  /** In the body of a loop: the index variables that get their values here. What moves with none of them belongs before the loop. */
  readonly moving: string[] | null;
  constructor(block: t.Block, parent: Scope | null = null, loop: string | null = null) {
    this.block = block;
    this.parent = parent;
    this.moving = loop === null ? null : [loop];
  }
  /** The outermost place where something at these indices may be computed once for all. */
  homeOf(index: readonly Ix[]): Scope {
    if (this.moving === null || this.parent === null) return this;
    return this.moving.some((name) => index.some((ix) => dependsOn(ix, name))) ? this : this.parent.homeOf(index);
  }
  lookup(key: string): TileExpr | undefined {
    return this.known.get(key) ?? this.parent?.lookup(key);
  }
}
