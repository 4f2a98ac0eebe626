import { type FileHandle, open, readFile } from "node:fs/promises";
import protobuf from "protobufjs";
import { maskedCrc32c } from "./crc32c.ts";

// Event files as TensorBoard reads them: records of a length, its checksum, a protobuf message and its checksum. A run that is resumed
// goes on in the same file, behind the last event of the step it resumes from.

const root = protobuf.Root.fromJSON({
  nested: {
    Event: {
      oneofs: { what: { oneof: ["fileVersion", "summary"] } },
      fields: {
        wallTime: { type: "double", id: 1 },
        step: { type: "int64", id: 2 },
        fileVersion: { type: "string", id: 3 },
        summary: { type: "Summary", id: 5 },
      },
    },
    Summary: {
      fields: { value: { rule: "repeated", type: "Value", id: 1 } },
      nested: { Value: { fields: { tag: { type: "string", id: 1 }, simpleValue: { type: "float", id: 2 } } } },
    },
  },
});
const eventType = root.lookupType("Event");

export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

const headerBytes = 12;
const footerBytes = 4;

/** One record of an event file. */
export function frame(message: Uint8Array): Uint8Array {
  const record = new Uint8Array(headerBytes + message.length + footerBytes);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(message.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(message, headerBytes);
  view.setUint32(headerBytes + message.length, maskedCrc32c(message), true);
  return record;
}

/** The record that begins every file. */
export function versionRecord(wallTime: number): Uint8Array {
  return frame(eventType.encode({ wallTime, fileVersion: "brain.Event:2" }).finish());
}

/** The record of one step's values. */
function scalarRecord(event: ScalarEvent): Uint8Array {
  const value = Object.entries(event.values).map(([tag, simpleValue]) => ({ tag, simpleValue }));
  return frame(eventType.encode({ wallTime: event.wallTime, step: event.step, summary: { value } }).finish());
}

export interface FoundRecord {
  readonly start: number;
  readonly end: number;
  readonly event: {
    readonly wallTime: number;
    readonly step: number;
    readonly fileVersion: string | null;
    readonly values: Readonly<Record<string, number>>;
  };
}

/** The whole records of a file; a last one that was not finished, and what follows a damaged one, is left out. */
export function readRecords(bytes: Uint8Array): FoundRecord[] {
  const records: FoundRecord[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let start = 0; start + headerBytes + footerBytes <= bytes.length; ) {
    const length = Number(view.getBigUint64(start, true));
    const end = start + headerBytes + length + footerBytes;
    if (maskedCrc32c(bytes.subarray(start, start + 8)) !== view.getUint32(start + 8, true) || end > bytes.length) break;
    const message = bytes.subarray(start + headerBytes, end - footerBytes);
    if (maskedCrc32c(message) !== view.getUint32(end - footerBytes, true)) break;
    const event = eventType.toObject(eventType.decode(message), { longs: Number, defaults: false }) as {
      wallTime?: number;
      step?: number;
      fileVersion?: string;
      summary?: { value?: { tag: string; simpleValue?: number }[] };
    };
    const values = Object.fromEntries((event.summary?.value ?? []).map((value) => [value.tag, value.simpleValue ?? 0]));
    records.push({
      start,
      end,
      event: { wallTime: event.wallTime ?? 0, step: event.step ?? 0, fileVersion: event.fileVersion ?? null, values },
    });
    start = end;
  }
  return records;
}

/** Writes scalars to an event file. */
export class EventWriter {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Opens a file for events after `step`; those that an interrupted run wrote beyond it are removed. */
  static async open(path: string, step: number, wallTime: number): Promise<EventWriter> {
    const old = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return new Uint8Array(0);
      throw error;
    });
    const kept = readRecords(old);
    const beyond = kept.findIndex((record) => record.event.step > step);
    const end = (beyond < 0 ? kept : kept.slice(0, beyond)).at(-1)?.end ?? 0;
    const file = await open(path, end === 0 ? "w" : "r+");
    await file.truncate(end);
    await file.close();
    const appended = new EventWriter(await open(path, "a"));
    if (end === 0) await appended.#file.writeFile(versionRecord(wallTime));
    return appended;
  }

  async write(event: ScalarEvent): Promise<void> {
    await this.#file.writeFile(scalarRecord(event));
  }
  close(): Promise<void> {
    return this.#file.close();
  }
}
