import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { halfValue, toHalves } from "../../compiler/plan/half.ts";
import { narrowed, readFloats, widened } from "./floats.ts";
import { openSafetensors } from "./safetensors.ts";

it("F16 tensors of a file are read as f32, every bit pattern", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ada-floats-"));
  const path = join(folder, "half.safetensors");
  const bits = Uint16Array.from({ length: 0x7c01 }, (_, i) => i); // an odd number: all that are not negative, and infinity
  const header = JSON.stringify({ w: { dtype: "F16", shape: [bits.length], data_offsets: [0, bits.byteLength] } });
  const length = new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer);
  await writeFile(path, Buffer.concat([length, Buffer.from(header), new Uint8Array(bits.buffer)]));
  const file = await openSafetensors(path);
  if (!file.ok) throw new Error(file.error.message);
  const pieces: Uint8Array[] = [];
  for await (const piece of readFloats(file.value, "w")) pieces.push(piece);
  expect([...new Float32Array(Uint8Array.from(Buffer.concat(pieces)).buffer)]).toEqual([...bits].map(halfValue));
  await file.value.close();
  await rm(folder, { recursive: true });
});

it("what is filled up for the device is left out on the way back", () => {
  const numbers = new Float32Array([1, -2, 0.5, 65504, 2 ** -24]);
  const stored = narrowed(new Uint8Array(numbers.buffer));
  expect([...stored]).toEqual([...new Uint8Array(toHalves(numbers).buffer)]);
  expect(stored.length).toBe(16);
  expect([...new Float32Array(widened(stored, 5).buffer)]).toEqual([...numbers]);
});
