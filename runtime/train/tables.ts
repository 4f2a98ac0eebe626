import { evaluateHost } from "../../compiler/plan/evalHost.ts";
import type { HostEnvironment } from "../../compiler/plan/host.ts";
import { Draws } from "../../compiler/plan/philox.ts";
import type { PlanTable, PlanTableUse } from "../../compiler/plan/plan.ts";

// The host's side of tables: which key lies in which row, and the fields that the host knows. The rows themselves are in device buffers. What a
// table holds is a function of the history of steps: a full table gives up a row by a draw of its own stream.

type HostFact = number | boolean | string;
interface Entry {
  readonly key: string;
  readonly row: number;
  readonly host: Readonly<Record<string, HostFact>>;
  readonly present: readonly string[];
}
/** All tables as plain data, in the order in which records were stored. */
export type TablesState = Readonly<Record<string, readonly Entry[]>>;

export class Tables {
  readonly #tables: ReadonlyMap<string, PlanTable>;
  readonly #entries = new Map<string, Entry[]>();
  /** Records that the present step has taken: still read by it, gone for the next. */
  readonly #taken = new Map<string, Entry>();

  constructor(tables: readonly PlanTable[], state: TablesState = {}) {
    this.#tables = new Map(tables.map((table) => [table.name, table]));
    for (const { name } of tables) this.#entries.set(name, [...(state[name] ?? [])]);
  }

  state(): TablesState {
    return Object.fromEntries(this.#entries);
  }

  holds(table: string, key: string): boolean {
    return this.#find(table, key) !== undefined;
  }

  taken(table: string, key: string, field: string, present: boolean): HostFact | undefined {
    const entry = this.#taken.get(`${table} ${key}`) ?? this.#find(table, key);
    return present ? entry?.present.includes(field) : entry?.host[field];
  }

  /** The row of a record that is taken, or the one that a new record gets. */
  row(table: string, key: string, use: "take" | "put", environment: HostEnvironment): number {
    if (use === "take") return (this.#taken.get(`${table} ${key}`) ?? this.#find(table, key))?.row ?? 0;
    return this.#rowFor(table, key, environment).row;
  }

  /** The way of this step is known: what it takes is gone from the tables. */
  take(uses: readonly PlanTableUse[], environment: HostEnvironment): void {
    this.#taken.clear();
    for (const use of uses) {
      if (use.kind !== "take") continue;
      const key = String(evaluateHost(use.key, environment));
      const entry = this.#find(use.table, key);
      if (!entry) continue;
      this.#taken.set(`${use.table} ${key}`, entry);
      this.#remove(use.table, key);
    }
  }

  /** The step has been launched: what it stores is there for the next. */
  put(uses: readonly PlanTableUse[], environment: HostEnvironment): void {
    for (const use of uses) {
      if (use.kind !== "put") continue;
      const key = String(evaluateHost(use.key, environment));
      const host = Object.fromEntries(Object.entries(use.host).map(([name, expr]) => [name, evaluateHost(expr, environment)]));
      const { row, instead } = this.#rowFor(use.table, key, environment);
      if (instead !== null) this.#remove(use.table, instead);
      this.#entries.get(use.table)!.push({ key, row, host, present: use.present });
    }
    this.#taken.clear();
  }

  #rowFor(table: string, key: string, environment: HostEnvironment): { readonly row: number; readonly instead: string | null } {
    const same = this.#find(table, key);
    if (same) return { row: same.row, instead: key };
    const entries = this.#entries.get(table) ?? [];
    const { atMost } = this.#tables.get(table)!;
    const used = new Set(entries.map((entry) => entry.row));
    for (let row = 0; row < atMost; row++) if (!used.has(row)) return { row, instead: null };
    const given = entries[new Draws(environment.seed, `${table}.evict`, environment.microStep).integer(entries.length)]!;
    return { row: given.row, instead: given.key };
  }
  #find(table: string, key: string): Entry | undefined {
    return this.#entries.get(table)?.find((entry) => entry.key === key);
  }
  #remove(table: string, key: string): void {
    const entries = this.#entries.get(table)!;
    entries.splice(
      entries.findIndex((entry) => entry.key === key),
      1,
    );
  }
}
