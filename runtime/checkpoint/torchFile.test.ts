import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { wholeFloats } from "./floats.ts";
import { openTensorFile } from "./open.ts";
import { safetensorsBytes } from "./safetensors.ts";
import { Refused } from "./tensorFile.ts";
import { archive, bytes, call, dict, floats, global, int, legacy, pickle, str, tensor, tuple, zip } from "./torch.testing.ts";

const folder = mkdtempSync(join(tmpdir(), "ada-torch-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
async function opened(content: Uint8Array, name = `${count++}.pt`) {
  writeFileSync(join(folder, name), content);
  return openTensorFile(join(folder, name));
}
async function allOf(content: Uint8Array): Promise<Record<string, number[]>> {
  const file = await opened(content);
  if (!file.ok) throw new Error(file.error.message);
  const found: Record<string, number[]> = {};
  for (const name of file.value.tensors.keys()) found[name] = [...(await wholeFloats(file.value, name))];
  await file.value.close();
  return found;
}
const six = floats(0, 1, 2, 3, 4, 5);
const view = (shape: readonly number[], strides: readonly number[], offset = 0, old = false) =>
  tensor({ key: "a", elements: 6, shape, strides, offset, legacy: old });
const module = (name: string, state: Readonly<Record<string, Uint8Array>>) => bytes(global("my.net", name), ")", 0x81, dict(state), "b");

describe.each([
  ["an archive", archive, false],
  ["the older form", legacy, true],
] as const)("%s", (_, write, old) => {
  test("gives views of one storage, row-major, each under its name", async () => {
    const value = dict({
      state_dict: dict({ w: view([2, 3], [3, 1], 0, old), t: view([3, 2], [1, 3], 0, old), r: view([2, 2], [0, 1], 4, old) }),
      list: bytes("](", view([2], [3], 1, old), view([], [], 5, old), "e"),
      empty: view([0, 4], [4, 1], 6, old),
    });
    expect(await allOf(write(value, { a: six }))).toEqual({
      "state_dict.w": [0, 1, 2, 3, 4, 5],
      "state_dict.t": [0, 3, 1, 4, 2, 5],
      "state_dict.r": [4, 5, 4, 5],
      "list.0": [1, 4],
      "list.1": [5],
      empty: [],
    });
  });
  test("reads module objects as their parameters, and classes of others as nothing", async () => {
    const inner = module("Layer", { _parameters: dict({ weight: view([2], [1], 0, old), bias: bytes("N") }), _modules: dict({}) });
    const value = dict({
      z: module("Net", {
        training: Buffer.of(0x88),
        _parameters: dict({}),
        _buffers: dict({ seen: view([1], [1], 3, old) }),
        _modules: dict({ fc: inner }),
        _forward_hooks: dict({ hidden: view([1], [1], 0, old) }),
        pad_embeddings: view([1], [1], 4, old),
        tokenizer: call(global("tokenizers", "Tokenizer"), str("x")),
      }),
      callbacks: bytes("}(", global("lightning.callbacks", "ModelCheckpoint"), int(1), "u"),
    });
    expect(await allOf(write(value, { a: six }))).toEqual({ "z.seen": [3], "z.fc.weight": [0, 1], "z.pad_embeddings": [4] });
  });
  test.each([
    ["posix", "system"],
    ["subprocess", "Popen"],
    ["builtins", "eval"],
    ["__builtin__", "getattr"],
    ["torch.hub", "load"],
    ["collections", "abc.sys.modules"],
  ])("names %s.%s as what it is, wherever it stands", async (moduleName, name) => {
    const found = await opened(write(dict({ w: view([6], [1], 0, old), x: call(global(moduleName, name), str("echo")) }), { a: six }));
    expect(found).toMatchObject({ ok: false, error: { kind: "malicious", message: expect.stringMatching(/byte \d+.*nothing was run/) } });
  });
  test.each([
    ["reaches beyond", view([7], [1], 0, old), /reaches to element 7 of a storage of 6/],
    ["a negative size", view([-1], [1], 0, old), /a shape with -1 in it/],
    ["a huge stride", view([2], [0x7fffffff], 0, old), /reaches to element 2147483648/],
    ["sizes without strides", view([2, 2], [1], 0, old), /2 sizes and 1 strides/],
    ["repeats itself without end", view([0x7fffffff], [0], 0, old), /repeats a storage of 24 bytes/],
    [
      "an unknown way to make tensors",
      call(global("torch._utils", "_rebuild_qtensor"), int(1)),
      /w is made by torch._utils._rebuild_qtensor/,
    ],
    ["is appended to a dictionary", bytes("]", ")", "R", "a"), /appended to what is no list/],
  ])("refuses a tensor: %s", async (__, value, message) => {
    const found = await opened(write(dict({ w: value }), { a: six }));
    expect(found).toMatchObject({ ok: false, error: { message: expect.stringMatching(message) } });
  });
  test("refuses every truncation", async () => {
    const whole = write(dict({ w: view([6], [1], 0, old) }), { a: six });
    for (let length = 0; length < whole.length; length += 3) {
      const found = await opened(whole.subarray(0, length), `cut-${old}.pt`);
      expect([length, found.ok]).toEqual([length, false]);
    }
  });
});

describe("archives", () => {
  const good = { "archive/data.pkl": pickle(dict({ w: view([6], [1]) })), "archive/data/a": six };
  test.each([
    ["leaves the archive", { ...good, "../../x": six }, /byte \d+\).*leaves the archive/],
    ["has no pickle", { "archive/data/a": six }, /no data.pkl/],
    ["lacks a storage", { "archive/data.pkl": good["archive/data.pkl"] }, /w lies in the storage a, which is not there/],
    ["has a storage too short", { ...good, "archive/data/a": floats(1) }, /said to have 24 bytes; 4 are there/],
    ["is big-endian", { ...good, "archive/byteorder": bytes("big") }, /big-endian/],
    ["is a program", { ...good, "archive/constants.pkl": six }, /TorchScript/],
  ])("that %s is refused", async (_, records, message) => {
    expect(await opened(zip(records))).toMatchObject({ ok: false, error: { message: expect.stringMatching(message) } });
  });
  test("records that overlap, or are there twice, are refused with their place", async () => {
    const whole = zip({ ...good, "archive/data/b": six });
    const second = whole.indexOf("PK\x01\x02", whole.indexOf("archive/data/b", whole.indexOf("PK\x01\x02")) - 46);
    const twice = Buffer.from(whole);
    twice.write("archive/data/a", second + 46);
    expect(await opened(twice)).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/byte \d+\): the record archive\/data\/a is there twice/) },
    });
    const overlapping = Buffer.from(whole);
    overlapping.writeUInt32LE(overlapping.readUInt32LE(second + 20) + 30, second + 20);
    overlapping.writeUInt32LE(overlapping.readUInt32LE(second + 24) + 30, second + 24);
    const first = whole.indexOf("PK\x01\x02");
    overlapping.writeUInt32LE(overlapping.readUInt32LE(first + 20) + 30, first + 20);
    overlapping.writeUInt32LE(overlapping.readUInt32LE(first + 24) + 30, first + 24);
    expect(await opened(overlapping)).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/byte \d+\): the records .* overlap|ends behind/) },
    });
  });
  test("a wrong checksum shows when the record is read", async () => {
    const whole = zip(good);
    const at = whole.indexOf(six);
    whole[at] = whole[at]! ^ 1;
    const file = await opened(whole);
    if (!file.ok) throw new Error(file.error.message);
    await expect(wholeFloats(file.value, "w")).rejects.toThrow(/checksum of the record archive\/data\/a is wrong/);
    await file.value.close();
  });
});

describe("mutated files are read or refused, in bounded time and memory", () => {
  const sources = async () => {
    const value = (old: boolean) =>
      dict({
        state_dict: dict({ w: view([2, 3], [3, 1], 0, old), t: view([3, 2], [1, 3], 0, old) }),
        other: tuple(str("name"), int(7), bytes("](", int(1), int(2), "e")),
        z: module("Net", { _parameters: dict({ weight: view([2], [1], 0, old) }), _modules: dict({}) }),
      });
    const parts: Uint8Array[] = [];
    const one = { name: "a.w", shape: [2, 3], read: () => [six] };
    const two = { name: "b", dtype: "I64", shape: [1], read: () => [Buffer.alloc(8)] };
    for await (const part of safetensorsBytes([one, two], { note: "x" })) parts.push(part);
    return { pt: archive(value(false), { a: six }), old: legacy(value(true), { a: six }), safetensors: Buffer.concat(parts) };
  };
  test.each(["pt", "old", "safetensors"] as const)("%s", async (form) => {
    const source = (await sources())[form];
    const name = `mutated.${form === "safetensors" ? form : `${form}.pt`}`;
    const before = process.memoryUsage();
    const change = fc.record({
      at: fc.nat(source.length - 1),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff, 0x2e)),
      drop: fc.nat(9),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        let mutated = Buffer.from(source);
        for (const { at, byte, drop } of changes) {
          mutated[at % mutated.length] = byte;
          if (drop === 0) mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(at + 3)]);
        }
        const file = await opened(mutated, name);
        if (!file.ok) return;
        try {
          for (const [key, entry] of file.value.tensors) {
            let read = 0;
            for await (const piece of file.value.read(key)) read += piece.length;
            expect(read).toBe(entry.bytes);
          }
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
        } finally {
          await file.value.close();
        }
      }),
      { numRuns: 400, seed: 11 },
    );
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(64e6);
    expect(after.rss - before.rss).toBeLessThan(400e6);
  });
});
