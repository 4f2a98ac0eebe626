import fc from "fast-check";
import { expect, test } from "vitest";
import { reach, readView, type View } from "./strided.ts";

// Any view of any storage, against the elements picked one by one.

const axis = fc.record({ size: fc.integer({ min: 0, max: 4 }), stride: fc.nat(7) });
const views = fc
  .record({ width: fc.constantFrom(1, 2, 4, 8, 16), offset: fc.nat(3), axes: fc.array(axis, { maxLength: 4 }) })
  .map(({ width, offset, axes }): View => ({ width, offset, shape: axes.map((a) => a.size), strides: axes.map((a) => a.stride) }));

test("a view is what its strides say", async () => {
  await fc.assert(
    fc.asyncProperty(views, async (view) => {
      const { width, shape, strides, offset } = view;
      const storage = Uint8Array.from({ length: reach(view) * width }, (_, i) => (i * 37 + 11) % 251);
      const places = shape.reduce<number[]>(
        (all, size, i) => all.flatMap((at) => Array.from({ length: size }, (_, k) => at + k * strides[i]!)),
        [offset],
      );
      const wanted = places.flatMap((at) => [...storage.subarray(at * width, (at + 1) * width)]);
      const found: number[] = [];
      const read = async function* (at: number, length: number) {
        expect(at + length).toBeLessThanOrEqual(storage.length);
        yield storage.slice(at, at + length);
      };
      for await (const piece of readView(view, read)) found.push(...piece);
      expect(found).toEqual(wanted);
    }),
    { numRuns: 300 },
  );
});

test("a view that is spread over much more than it has is read row by row", async () => {
  const view: View = { width: 4, offset: 1, shape: [2, 3], strides: [2 ** 24, 2] };
  const asked: number[] = [];
  const read = async function* (at: number, length: number) {
    asked.push(length);
    yield new Uint8Array(Uint32Array.from({ length: length / 4 }, (_, i) => at / 4 + i).buffer);
  };
  const found: number[] = [];
  for await (const piece of readView(view, read)) found.push(...new Uint32Array(piece.buffer));
  expect(found).toEqual([1, 3, 5, 2 ** 24 + 1, 2 ** 24 + 3, 2 ** 24 + 5]);
  expect(asked).toEqual([20, 20]);
});
