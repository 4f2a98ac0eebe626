// How an operand lies in a texture of rgba32float, or of rgba16float if it is of 16-bit floats. The printer of kernels and the executor must agree
// on it, so it is said once, here. Two forms: texel after texel in rows of one width; or, of a matrix whose columns a kernel takes eight vectors
// at a time, in stripes: a layer of the texture holds eight vectors of every row of the matrix, so that a tile of columns is one run of memory
// (rows of a large matrix lie pages apart: 1.4 times as fast for a convolution with 15 MB of weights on lavapipe).

/** Texels per row. A power of two, so that a kernel finds row and column by shifting; rows are multiples of 256 bytes, as copies want. */
export const operandTextureWidth = 2048;

/** What every adapter offers as height of a 2D texture: a larger operand stays a buffer. */
export const maxOperandTextureRows = 8192;

/** Textures that one kernel may read: as many as every adapter offers. */
export const maxTextures = 4;

/** Vectors of a stripe. */
export const stripeVectors = 8;
/** What every adapter offers as layers of a texture. */
const mostStripes = 256;
/** Numbers that a stripe's elements take: element `(stripe * 8192 + row) * 8 + vector` is vector `8 stripe + vector` of a row. */
export const stripePlaces = stripeVectors * maxOperandTextureRows;

/** Kinds of bindings that are textures, with the bytes of four numbers. */
export const texelBytesOf = { texture: 16, halfTexture: 8, stripes: 16, halfStripes: 8 } as const;
export type TextureKind = keyof typeof texelBytesOf;
export type StripesKind = Extract<TextureKind, "stripes" | "halfStripes">;
export const isTextureKind = (kind: string): kind is TextureKind => kind in texelBytesOf;
export const isStriped = (kind: TextureKind): kind is StripesKind => kind === "stripes" || kind === "halfStripes";
/** The two forms, by whether the numbers are 16-bit floats. */
export const textureKind = (half: boolean): TextureKind => (half ? "halfTexture" : "texture");
export const stripesKind = (half: boolean): StripesKind => (half ? "halfStripes" : "stripes");

/** The vector of a matrix, counted row by row, that is an element of its stripes. */
export function vectorOfPlace(place: number, rowVectors: number): number {
  const [stripe, inStripe] = [Math.floor(place / stripePlaces), place % stripePlaces];
  return Math.floor(inStripe / stripeVectors) * rowVectors + stripe * stripeVectors + (inStripe % stripeVectors);
}

/** Whether a matrix can lie in stripes: whole stripes, as many as a texture has layers, rows as copies want them and no more than there are. */
export function canLieInStripes(bytes: number, rowBytes: number, kind: StripesKind): boolean {
  const stripes = rowBytes / (texelBytesOf[kind] * stripeVectors);
  return (
    rowBytes % 256 === 0 &&
    Number.isInteger(stripes) &&
    stripes <= mostStripes &&
    bytes % rowBytes === 0 &&
    bytes / rowBytes <= maxOperandTextureRows
  );
}

/** A range of a buffer; `rowBytes`: of the matrix that it holds, where it lies in stripes. */
export interface OperandRange {
  readonly bytes: number;
  readonly rowBytes?: number;
}

/** Width, rows and layers of the texture that holds a range. */
export function operandTextureSize(
  { bytes, rowBytes }: OperandRange,
  kind: TextureKind,
): readonly [width: number, rows: number, layers: number] {
  const texelBytes = texelBytesOf[kind];
  if (!isStriped(kind)) return [operandTextureWidth, Math.ceil(bytes / (texelBytes * operandTextureWidth)), 1];
  if (rowBytes === undefined) throw new Error("internal: an operand in stripes without the bytes of its rows");
  return [stripeVectors, bytes / rowBytes, rowBytes / (texelBytes * stripeVectors)];
}

/** A copy from a buffer into a texture: `offset` counts from the range's first byte. */
export interface OperandTextureCopy {
  readonly offset: number;
  readonly bytesPerRow: number;
  readonly row: number;
  readonly layer: number;
  readonly width: number;
  readonly rows: number;
}

/** Copies that bring a buffer range into its texture: whole rows at once, then what is left of the last row; or stripe after stripe. */
export function operandTextureCopies(range: OperandRange, kind: TextureKind): readonly OperandTextureCopy[] {
  const texelBytes = texelBytesOf[kind];
  const [width, rows, layers] = operandTextureSize(range, kind);
  if (isStriped(kind)) {
    const at = (layer: number) => ({ offset: layer * width * texelBytes, bytesPerRow: range.rowBytes!, row: 0, layer, width, rows });
    return Array.from({ length: layers }, (_, layer) => at(layer));
  }
  const bytesPerRow = texelBytes * width;
  const whole = Math.floor(range.bytes / bytesPerRow);
  const rest = Math.ceil((range.bytes - whole * bytesPerRow) / texelBytes);
  return [
    ...(whole > 0 ? [{ offset: 0, bytesPerRow, row: 0, layer: 0, width, rows: whole }] : []),
    ...(rest > 0 ? [{ offset: whole * bytesPerRow, bytesPerRow, row: whole, layer: 0, width: rest, rows: 1 }] : []),
  ];
}
