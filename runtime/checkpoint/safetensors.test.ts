import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSafetensors, saveSafetensors, type TensorSource } from "./safetensors.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ada-safetensors-"));
});
afterAll(() => rm(folder, { recursive: true }));

const tensor = (name: string, shape: readonly number[], values: readonly number[]): TensorSource => ({
  name,
  shape,
  read: () => [new Uint8Array(Float32Array.from(values).buffer)],
});
const tensors = [tensor("b.weight", [2, 2], [1, 2, 3, 4]), tensor("a.scale", [], [0.5]), tensor("c.empty", [0, 3], [])];

describe("safetensors", () => {
  it("gives back what was written, sorted by name and aligned", async () => {
    const path = join(folder, "whole.safetensors");
    const facts = await saveSafetensors(path, tensors);
    const bytes = await readFile(path);
    expect(facts.bytes).toBe(bytes.length);
    expect(Number(bytes.readBigUInt64LE()) % 8).toBe(0);
    const opened = await openSafetensors(path);
    if (!opened.ok) throw new Error(opened.error.message);
    expect([...opened.value.tensors.values()].map((t) => [t.name, t.dtype, t.shape])).toEqual([
      ["a.scale", "F32", []],
      ["b.weight", "F32", [2, 2]],
      ["c.empty", "F32", [0, 3]],
    ]);
    const pieces: Uint8Array[] = [];
    for await (const piece of opened.value.read("b.weight")) pieces.push(piece);
    expect([...new Float32Array(Uint8Array.from(Buffer.concat(pieces)).buffer)]).toEqual([1, 2, 3, 4]);
    await opened.value.close();
    const again = await saveSafetensors(join(folder, "again.safetensors"), [...tensors].reverse());
    expect(again.sha256).toBe(facts.sha256);
    expect((await readdir(folder)).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it("names a truncation at every length", async () => {
    const whole = join(folder, "cut-source.safetensors");
    await saveSafetensors(whole, tensors);
    const bytes = await readFile(whole);
    const path = join(folder, "cut.safetensors");
    for (let length = 0; length < bytes.length; length++) {
      await writeFile(path, bytes.subarray(0, length));
      const opened = await openSafetensors(path);
      expect(opened.ok ? `read ${length} bytes of ${bytes.length}` : opened.error.kind).toBe("truncated");
    }
  });

  const bad: readonly (readonly [string, string, RegExp])[] = [
    ["text", "hello, world, hello", /no safetensors file/],
    ["a header that is no JSON", header("{]"), /header is not JSON/],
    ["a header that is a list", header("[]"), /does not begin with `{`/],
    ["an unknown type", header('{"w":{"dtype":"F7","shape":[1],"data_offsets":[0,4]}}'), /unknown type F7/],
    ["a negative size", header('{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}'), /w has no shape/],
    ["a range that does not fit", header('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}'), /w has 4 bytes for F32 \[2\]/],
    [
      "ranges that overlap",
      header('{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}', 6),
      /v and w overlap/,
    ],
  ];
  it.each(bad)("refuses %s", async (_, text, expected) => {
    const path = join(folder, "bad.safetensors");
    await writeFile(path, text, "latin1");
    const opened = await openSafetensors(path);
    expect(opened.ok ? null : opened.error.message).toMatch(expected);
  });

  it("says that a file is not there", async () => {
    const opened = await openSafetensors(join(folder, "none.safetensors"));
    expect(opened.ok ? null : opened.error).toMatchObject({ kind: "missing" });
  });
});

function header(json: string, data = 4): string {
  return `${String.fromCharCode(json.length)}${"\0".repeat(7)}${json}${"\0".repeat(data)}`;
}
