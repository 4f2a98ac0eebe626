import { describe, expect, it } from "vitest";
import { Draws } from "../../compiler/plan/philox.ts";
import { crop, flip, type Pixels, place, plain, resizeNearest } from "./bytes.ts";

const counted = (height: number, width: number, channels = 1): Pixels => ({
  data: Uint8Array.from({ length: height * width * channels }, (_, i) => i + 1),
  height,
  width,
  channels,
});
const rows = ({ data, width, channels }: Pixels) =>
  Array.from({ length: data.length / (width * channels) }, (_, row) => [
    ...data.subarray(row * width * channels, (row + 1) * width * channels),
  ]);

describe("bytes of pictures", () => {
  it("resizes without mixing, as `resize_nearest` of the language does", () => {
    expect(rows(resizeNearest(counted(2, 3), 4, 2))).toEqual([
      [1, 2],
      [1, 2],
      [4, 5],
      [4, 5],
    ]);
    const same = counted(3, 5, 3);
    expect(resizeNearest(same, 3, 5)).toBe(same);
  });
  it("turns, with all channels of a pixel", () => {
    expect(rows(flip(counted(1, 3, 2)))).toEqual([[5, 6, 3, 4, 1, 2]]);
    const x = counted(4, 5, 3);
    expect(flip(flip(x)).data).toEqual(x.data);
  });
  it("cuts out the middle, a corner, and nothing that is not there", () => {
    const x = counted(3, 4);
    expect(rows(crop(x, 1, 2, [0.5, 0.5])!)).toEqual([[6, 7]]);
    expect(rows(crop(x, 2, 2, [0, 0])!)[0]).toEqual([1, 2]);
    expect(rows(crop(x, 2, 2, [0.999, 0.999])!)[1]).toEqual([11, 12]);
    expect(crop(x, 4, 2, [0, 0])).toBeNull();
  });
  it("shrinks about the centre and moves within the free border, margin left free", () => {
    const white = plain(32, 32, 1, 255);
    expect(place(white, 1, [0.9, 0.9], 3).data).toEqual(white.data);
    const draws = new Draws(1, "place");
    const tops = new Set<number>();
    for (let i = 0; i < 60; i++) {
      const scale = draws.uniform(0.4, 0.7);
      const placed = place(white, scale, [draws.uniform(), draws.uniform()], 3);
      const lit = rows(placed).map((row) => row.some((byte) => byte > 0));
      const [first, last] = [lit.indexOf(true), lit.lastIndexOf(true)];
      expect(Math.min(first, 31 - last)).toBeGreaterThanOrEqual(3);
      expect(Math.abs(last - first + 1 - 32 * scale)).toBeLessThanOrEqual(1.5);
      tops.add(first);
    }
    expect(tops.size).toBeGreaterThan(8);
  });
  it("moves picture and mask alike", () => {
    const x = counted(9, 9);
    const mask: Pixels = { ...x, data: x.data.map((byte) => (byte % 3 === 0 ? 255 : 0)) };
    const [a, b] = [place(x, 0.6, [0.2, 0.8], 1), place(mask, 0.6, [0.2, 0.8], 1)];
    expect([...b.data]).toEqual([...a.data].map((byte) => (byte !== 0 && byte % 3 === 0 ? 255 : 0)));
  });
});
