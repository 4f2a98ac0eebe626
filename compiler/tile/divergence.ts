// Which values may differ between the lanes of a workgroup, and so which blocks only some lanes may run. The rules are those by which
// WGSL itself refuses barriers and subgroup operations, and never weaker: what lanes exchange and what is read from writable memory counts
// as different.
import type { TileExpr, TileKernel, TileStmt } from "./tile.ts";
import { operandsOf } from "./walk.ts";

export class Divergence {
  readonly #varying = new Set<string>();
  readonly #uniformBuffers: ReadonlySet<string>;
  #memo = new Map<TileExpr, boolean>();

  constructor(kernel: TileKernel) {
    this.#uniformBuffers = new Set(kernel.buffers.filter((b) => b.access === "read" && b.storage === "buffer").map((b) => b.name));
    // A `var` may become different late in a loop body and be read early in it, so go over the body until nothing changes.
    for (let before = -1; before !== this.#varying.size; ) {
      before = this.#varying.size;
      this.#memo = new Map();
      this.#block(kernel.body, false);
    }
  }

  /** May the lanes of one workgroup see different values? */
  differs(e: TileExpr): boolean {
    const known = this.#memo.get(e);
    if (known !== undefined) return known;
    const result =
      e.kind === "lane" ||
      e.kind === "shared" ||
      e.kind === "fromLane" ||
      e.kind === "reduceLanes" ||
      (e.kind === "load" && !this.#uniformBuffers.has(e.buffer)) ||
      (e.kind === "ref" && this.#varying.has(e.name)) ||
      operandsOf(e).some((operand) => this.differs(operand));
    this.#memo.set(e, result);
    return result;
  }

  #block(statements: readonly TileStmt[], divergent: boolean): void {
    for (const s of statements) {
      switch (s.kind) {
        case "let":
        case "var":
        case "assign":
          if (divergent || this.differs(s.value)) this.#mark(s.name);
          break;
        case "for": {
          const inside = divergent || this.differs(s.from) || this.differs(s.to);
          if (inside) this.#mark(s.name);
          this.#block(s.body, inside);
          break;
        }
        case "if": {
          const inside = divergent || this.differs(s.condition);
          this.#block(s.then, inside);
          this.#block(s.otherwise, inside);
          break;
        }
        case "store":
        case "storeShared":
        case "barrier":
          break;
        default:
          throw new Error(`internal: tile statement ${JSON.stringify(s satisfies never)}`);
      }
    }
  }

  #mark(name: string): void {
    if (this.#varying.has(name)) return;
    this.#varying.add(name);
    this.#memo = new Map();
  }
}
