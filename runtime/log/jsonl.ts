import { type FileHandle, open, readFile } from "node:fs/promises";

// metrics.jsonl: one row per logged update. What depends on the clock is under `time`, so two runs of one program differ there alone.

export interface MetricsRow {
  /** Micro-steps done. */
  readonly step: number;
  /** Updates done. */
  readonly update: number;
  readonly values: Readonly<Record<string, number>>;
  readonly time: { readonly seconds: number; readonly stepsPerSecond: number };
}

/** A row as text. A value that is no finite number is null. */
export function rowText(row: MetricsRow): string {
  const rounded = {
    seconds: Math.round(row.time.seconds * 1000) / 1000,
    stepsPerSecond: Math.round(row.time.stepsPerSecond * 1000) / 1000,
  };
  return `${JSON.stringify({ step: row.step, update: row.update, ...row.values, time: rounded })}\n`;
}

function parseRow(line: string): MetricsRow | null {
  try {
    const { step, update, time, ...values } = JSON.parse(line) as { step: number; update: number; time: MetricsRow["time"] };
    return { step, update, values, time };
  } catch {
    return null;
  }
}

/** The beginning of a file that holds whole rows up to a step. */
function wholeLines(text: string, upTo: number): string {
  let end = 0;
  for (let next = text.indexOf("\n"); next >= 0; next = text.indexOf("\n", end)) {
    const row = parseRow(text.slice(end, next));
    if (row === null || row.step > upTo) break;
    end = next + 1;
  }
  return text.slice(0, end);
}

/** The rows of a file, up to the first that is not whole. */
export function readRows(text: string): MetricsRow[] {
  return wholeLines(text, Number.POSITIVE_INFINITY)
    .split("\n")
    .flatMap((line) => parseRow(line) ?? []);
}

export class MetricsWriter {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Opens a file for rows after `step`; rows that an interrupted run wrote beyond it are removed. */
  static async open(path: string, step: number): Promise<MetricsWriter> {
    const old = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    const kept = Buffer.byteLength(wholeLines(old, step));
    const file = await open(path, "a");
    await file.truncate(kept);
    return new MetricsWriter(file);
  }

  async write(row: MetricsRow): Promise<void> {
    await this.#file.writeFile(rowText(row));
  }
  close(): Promise<void> {
    return this.#file.close();
  }
}
