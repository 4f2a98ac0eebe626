import type { PlanBinding, PlanOp } from "../plan/plan.ts";
import { overlap } from "./place.ts";

// Copies between places. In: what goes where, all at once. Out: copies that the API takes, in an order in which nothing is replaced before
// it is read; what the API refuses, or what goes round in a circle, goes by way of buffers that only this file knows.

export interface Move {
  readonly from: PlanBinding;
  readonly to: PlanBinding;
}

/** A buffer that grows as it is told. */
export interface Room {
  readonly buffer: number;
  readonly needs: (bytes: number) => void;
}

export class Mover {
  readonly #room: (name: string) => Room;
  readonly #known = new Map<string, Room>();

  /** `room` makes a buffer for what is between two copies. */
  constructor(room: (name: string) => Room) {
    this.#room = room;
  }

  #staged(name: string, bytes: number): PlanBinding {
    const room = this.#known.get(name) ?? this.#room(name);
    this.#known.set(name, room);
    room.needs(bytes);
    return { buffer: room.buffer, offset: 0, bytes };
  }

  /** A copy; within one buffer, which the API refuses, by way of another. */
  copy(from: PlanBinding, to: PlanBinding): PlanOp[] {
    if (from.buffer !== to.buffer) return [{ kind: "copy", from, to }];
    const between = this.#staged("scratch", from.bytes);
    return [
      { kind: "copy", from, to: between },
      { kind: "copy", from: between, to },
    ];
  }

  /** Moves as if all happened at once: in an order in which nothing is replaced before it is read, in a circle by way of other buffers. */
  moves(moves: readonly Move[]): PlanOp[] {
    const ops: PlanOp[] = [];
    let pending = [...moves];
    for (;;) {
      const free = pending.filter((m) => !pending.some((other) => other !== m && overlap(m.to, other.from)));
      if (free.length === 0) break;
      for (const m of free) ops.push(...this.copy(m.from, m.to));
      pending = pending.filter((m) => !free.includes(m));
    }
    const between = pending.map((m, i) => this.#staged(`staging${i}`, m.from.bytes));
    for (const [i, m] of pending.entries()) ops.push({ kind: "copy", from: m.from, to: between[i]! });
    for (const [i, m] of pending.entries()) ops.push({ kind: "copy", from: between[i]!, to: m.to });
    return ops;
  }
}
