import type { LoopStore } from "../loops.ts";
import type { UniformDecl } from "../plan/host.ts";
import type { LegFigures, PlanBinding } from "../plan/plan.ts";
import type { Room } from "./moves.ts";
import { bytesOf } from "./place.ts";

// Where the tensors of loops lie: what is carried, and what one part of a leg leaves for others. Each has a buffer for as long as a part needs
// it, beside the slots that parts share; legs share these buffers too. What lies in a loop's body stays for the whole leg, since runs follow each other.

export interface RoomPlaces {
  readonly places: ReadonlyMap<string, PlanBinding>;
  /** Bytes of the buffers that were taken for these tensors. */
  readonly bytes: number;
  /** Bytes of tensors that are needed at a part. */
  readonly alive: (part: number) => number;
}

interface TakenRoom {
  readonly room: Room;
  bytes: number; // that this leg needs
  until: number;
}

export class LoopRooms {
  readonly #make: (name: string) => Room;
  readonly #rooms: Room[] = [];
  #taken = 0; // by the present leg

  constructor(make: (name: string) => Room) {
    this.#make = make;
  }

  /** Another leg begins: what others left means nothing any more. */
  begin(): void {
    this.#taken = 0;
  }

  places(stores: ReadonlyMap<string, LoopStore>): RoomPlaces {
    const taken: TakenRoom[] = [];
    const places = new Map<string, PlanBinding>();
    for (const [name, store] of [...stores].sort(([, a], [, b]) => a.from - b.from)) {
      const bytes = bytesOf(store);
      const over = taken.filter((t) => t.until < store.from).sort((a, b) => Math.abs(a.bytes - bytes) - Math.abs(b.bytes - bytes))[0];
      const one = over ?? { room: this.#next(), bytes: 0, until: 0 };
      if (!over) taken.push(one);
      one.bytes = Math.max(one.bytes, bytes);
      one.until = store.to;
      one.room.needs(bytes);
      places.set(name, { buffer: one.room.buffer, offset: 0, bytes });
    }
    return {
      places,
      bytes: taken.reduce((sum, t) => sum + t.bytes, 0),
      alive: (part) => [...stores.values()].reduce((sum, s) => (s.from <= part && part <= s.to ? sum + bytesOf(s) : sum), 0),
    };
  }

  #next(): Room {
    const room = this.#rooms[this.#taken] ?? this.#make(`loop${this.#taken}`);
    this.#rooms[this.#taken++] = room;
    return room;
  }
}

/** The uniforms that hold the items of a run: one row of them for each depth of loops, shared by all loops of that depth. */
export class ItemUniforms {
  readonly #add: (decl: UniformDecl) => number;
  readonly #rows = new Map<number, { first: number; count: number }[]>();

  /** `add` declares a uniform and gives its index. */
  constructor(add: (decl: UniformDecl) => number) {
    this.#add = add;
  }

  #row(depth: number, count: number): { readonly first: number; readonly index: number } {
    const rows = this.#rows.get(depth) ?? [];
    this.#rows.set(depth, rows);
    let index = rows.findIndex((row) => row.count >= count);
    if (index < 0) {
      index = rows.length;
      const made = Array.from({ length: count }, (_, k) => {
        const decl: UniformDecl = { name: itemName(depth, index, k), dtype: "u32", expr: { kind: "number", value: 0 } };
        return this.#add(decl);
      });
      rows.push({ first: made[0] ?? 0, count });
    }
    return { first: rows[index]!.first, index };
  }
  /** Names of the first `count` uniforms of a row. */
  names(depth: number, count: number): readonly string[] {
    const { index } = this.#row(depth, count);
    return Array.from({ length: count }, (_, k) => itemName(depth, index, k));
  }
  /** The index of the first. */
  first(depth: number, count: number): number {
    return this.#row(depth, count).first;
  }
}

const itemName = (depth: number, row: number, k: number): string => `item${depth}.${row}.${k}`;

/** The figures of a leg made of parts. */
export class Figures {
  #peak = 0;
  #live = 0;
  #flops = 0;
  #moved = 0;

  /** A part that runs `times` times while `alive` bytes wait for others. */
  add(part: LegFigures, alive: number, times: number): void {
    this.#peak = Math.max(this.#peak, part.peakBytes);
    this.#live = Math.max(this.#live, alive + part.liveBytes);
    this.#flops += times * part.flops;
    this.#moved += times * part.bytesMoved;
  }
  /** The sum, with the bytes that parts leave for each other. */
  with(bytes: number): LegFigures {
    return { peakBytes: bytes + this.#peak, liveBytes: this.#live, flops: this.#flops, bytesMoved: this.#moved };
  }
}
