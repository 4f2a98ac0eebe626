import { describe, expect, it } from "vitest";
import { canLieInStripes, operandTextureCopies, operandTextureSize, stripePlaces, vectorOfPlace } from "./operandTexture.ts";

describe("operands in textures", () => {
  it("lie in stripes where the copies bring them", () => {
    const [rows, rowVectors] = [5, 48];
    const range = { bytes: 16 * rows * rowVectors, rowBytes: 16 * rowVectors };
    const [width, height, layers] = operandTextureSize(range, "stripes");
    expect([width, height, layers]).toEqual([8, 5, 6]);
    const seen = new Map<number, number>();
    for (const copy of operandTextureCopies(range, "stripes"))
      for (let y = 0; y < copy.rows; y++)
        for (let x = 0; x < copy.width; x++)
          seen.set(copy.layer * stripePlaces + (copy.row + y) * width + x, (copy.offset + y * copy.bytesPerRow) / 16 + x);
    expect([...seen.values()].sort((a, b) => a - b)).toEqual(Array.from({ length: rows * rowVectors }, (_, i) => i));
    for (const [place, vector] of seen) expect(vectorOfPlace(place, rowVectors)).toBe(vector);
  });
  it("lie in stripes only if these are whole and a texture has them", () => {
    const can = (rows: number, columns: number, kind: "stripes" | "halfStripes" = "stripes") =>
      canLieInStripes((kind === "stripes" ? 4 : 2) * rows * columns, (kind === "stripes" ? 4 : 2) * columns, kind);
    expect(can(8192, 64)).toBe(true);
    expect(can(8193, 64)).toBe(false);
    expect(can(16, 96)).toBe(false); // rows of 384 bytes
    expect(can(16, 64, "halfStripes")).toBe(false);
    expect(can(16, 128, "halfStripes")).toBe(true);
    expect(can(16, 8192)).toBe(true);
    expect(can(16, 8256)).toBe(false);
  });
});
