import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crc32c, maskedCrc32c } from "./crc32c.ts";
import { MetricsWriter, readRows } from "./jsonl.ts";
import { clockText, openProgress, Speed, stateText } from "./progress.ts";
import { EventWriter, frame, readRecords, versionRecord } from "./tensorboard.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-log-"));
});
afterAll(() => rm(folder, { recursive: true }));

const bytes = (text: string) => new TextEncoder().encode(text);

describe("crc32c", () => {
  it("gives the values of RFC 3720, appendix B.4", () => {
    expect(crc32c(bytes("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });
  it("masks by turning right by 15 bits and adding a constant", () => {
    const crc = BigInt(crc32c(bytes("foo")));
    const turned = ((crc >> 15n) | (crc << 17n)) & 0xffffffffn;
    expect(BigInt(maskedCrc32c(bytes("foo")))).toBe((turned + 0xa282ead8n) & 0xffffffffn);
  });
});

describe("event files", () => {
  it("begin as every event file does", () => {
    // 24 bytes of message: wall time (field 1, double), version (field 3, text).
    expect(Buffer.from(versionRecord(0)).toString("latin1")).toContain("\x1a\x0dbrain.Event:2");
    expect(readRecords(versionRecord(1.5))).toMatchObject([{ event: { wallTime: 1.5, fileVersion: "brain.Event:2" } }]);
  });

  it("give back what was written", async () => {
    const path = join(folder, "events.out.tfevents.ada");
    const writer = await EventWriter.open(path, 0, 100);
    for (const step of [1, 2, 3]) await writer.write({ wallTime: 100 + step, step, values: { loss: step / 2, grad_norm: -step } });
    await writer.close();
    const records = readRecords(await readFile(path));
    expect(records.map((record) => [record.event.step, record.event.values])).toEqual([
      [0, {}],
      [1, { loss: 0.5, grad_norm: -1 }],
      [2, { loss: 1, grad_norm: -2 }],
      [3, { loss: 1.5, grad_norm: -3 }],
    ]);
    expect(records[1]!.event.wallTime).toBe(101);
  });

  it("go on behind the step that is resumed from, without what was written beyond it or not finished", async () => {
    const path = join(folder, "resumed");
    const first = await EventWriter.open(path, 0, 1);
    for (const step of [10, 20, 30]) await first.write({ wallTime: step, step, values: { loss: step } });
    await first.close();
    await appendFile(path, frame(bytes("cut")).subarray(0, 13));
    const second = await EventWriter.open(path, 20, 2);
    await second.write({ wallTime: 31, step: 30, values: { loss: 31 } });
    await second.close();
    expect(readRecords(await readFile(path)).map((record) => record.event.values.loss)).toEqual([undefined, 10, 20, 31]);
  });

  it("are read up to the first damaged record", () => {
    const file = Buffer.concat([versionRecord(1), versionRecord(2), versionRecord(3)]);
    file[versionRecord(1).length + 20]! ^= 1;
    expect(readRecords(file).map((record) => record.event.wallTime)).toEqual([1]);
  });
});

describe("metrics.jsonl", () => {
  it("goes on behind the step that is resumed from", async () => {
    const path = join(folder, "metrics.jsonl");
    const time = { seconds: 1.23456, stepsPerSecond: 2 };
    const first = await MetricsWriter.open(path, 0);
    for (const step of [2, 4, 6]) await first.write({ step, update: step / 2, values: { loss: step, bad: Number.NaN }, time });
    await first.close();
    expect(await readFile(path, "utf8")).toContain(
      '{"step":2,"update":1,"loss":2,"bad":null,"time":{"seconds":1.235,"stepsPerSecond":2}}\n',
    );
    await appendFile(path, '{"step":8,"upd');
    const second = await MetricsWriter.open(path, 4);
    await second.write({ step: 6, update: 3, values: { loss: 7 }, time });
    await second.close();
    expect(readRows(await readFile(path, "utf8")).map((row) => [row.step, row.update, row.values.loss])).toEqual([
      [2, 1, 2],
      [4, 2, 4],
      [6, 3, 7],
    ]);
  });
  it("starts anew on an empty or broken file", async () => {
    const path = join(folder, "broken.jsonl");
    await writeFile(path, "no rows\n");
    await (await MetricsWriter.open(path, 100)).close();
    expect(await readFile(path, "utf8")).toBe("");
  });
});

describe("progress", () => {
  it("says step, loss, speed and time left", () => {
    expect(stateText({ step: 50, loss: 2.31415 }, 100, 10)).toBe("loss 2.314, 10.00 steps/s, 0:05 left");
    expect(stateText({ step: 50, loss: null }, 100, null)).toBe("");
    expect([clockText(5), clockText(65), clockText(7384)]).toEqual(["0:05", "1:05", "2:03:04"]);
  });
  it("forgets how slow the start was", () => {
    const speed = new Speed();
    speed.mark(0, 0);
    speed.mark(10_000, 1);
    for (let s = 0; s <= 30; s++) speed.mark(10_000 + 1000 * s, 1 + 4 * s);
    expect(speed.perSecond()).toBe(4);
  });
  it("prints a plain line every five seconds where there is no terminal", () => {
    const lines: string[] = [];
    let at = 0;
    const stream = { isTTY: false, write: (text: string) => lines.push(text) } as unknown as NodeJS.WriteStream;
    const progress = openProgress({ what: "step", total: 100, from: 0, stream, now: () => at });
    for (let step = 1; step <= 12; step++) {
      at += 1000;
      progress.update({ step, loss: 1 });
    }
    expect(lines).toEqual([
      "step 5 of 100, loss 1.000, 1.000 steps/s, 1:35 left\n",
      "step 10 of 100, loss 1.000, 1.000 steps/s, 1:30 left\n",
    ]);
  });
});
