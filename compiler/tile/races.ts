// Finds two invocations that touch the same element of a memory without an order between them, one of them writing. Workgroup memory is
// ordered by barriers; a buffer is ordered only by the end of the launch. One invocation is always in order with itself.

const none = -1;
const several = -2;

export class Races {
  readonly #name: string;
  readonly #writer: Int32Array;
  readonly #reader: Int32Array;
  readonly #orderedBy: "barrier" | "launch";
  #firstLane = 0;

  constructor(name: string, length: number, orderedBy: "barrier" | "launch") {
    this.#name = name;
    this.#orderedBy = orderedBy;
    this.#writer = new Int32Array(length).fill(none);
    this.#reader = new Int32Array(length).fill(none);
  }

  /** Workgroups do not share workgroup memory; in a buffer the invocations of all workgroups count. */
  startWorkgroup(firstLane: number): void {
    if (this.#orderedBy === "barrier") this.#forget();
    else this.#firstLane = firstLane;
  }
  barrier(): void {
    if (this.#orderedBy === "barrier") this.#forget();
  }
  #forget(): void {
    this.#writer.fill(none);
    this.#reader.fill(none);
  }

  /** Notes a read; the result says what is wrong with it, if anything. */
  read(at: number, lane: number): string | null {
    const me = this.#firstLane + lane;
    const writer = this.#writer[at]!;
    if (writer !== none && writer !== me) return `element ${at} of ${this.#name} is read by ${me} and written by ${writer}`;
    const reader = this.#reader[at]!;
    this.#reader[at] = reader === none || reader === me ? me : several;
    return null;
  }

  /** Notes a write; the result says what is wrong with it, if anything. */
  write(at: number, lane: number): string | null {
    const me = this.#firstLane + lane;
    const writer = this.#writer[at]!;
    if (writer !== none && writer !== me) return `element ${at} of ${this.#name} is written by ${me} and by ${writer}`;
    const reader = this.#reader[at]!;
    if (reader !== none && reader !== me)
      return `element ${at} of ${this.#name} is written by ${me} and read by ${reader === several ? "others" : reader}`;
    this.#writer[at] = me;
    return null;
  }
}
