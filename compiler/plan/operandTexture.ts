// How an operand lies in an rgba32float texture, or in an rgba16float one if it is of 16-bit floats. The printer of kernels and the executor must agree on it, so it is said once, here.

/** Texels per row. A power of two, so that a kernel finds row and column by shifting; rows are multiples of 256 bytes, as copies want. */
export const operandTextureWidth = 2048;

/** What every adapter offers as height of a 2D texture: a larger operand stays a buffer. */
export const maxOperandTextureRows = 8192;

/** Kinds of bindings that are textures, with the bytes of four numbers. */
export const texelBytesOf = { texture: 16, halfTexture: 8 } as const;
export type TextureKind = keyof typeof texelBytesOf;
export const isTextureKind = (kind: string): kind is TextureKind => kind in texelBytesOf;

/** Rows of the texture that holds `bytes` bytes. */
export function operandTextureRows(bytes: number, kind: TextureKind): number {
  return Math.ceil(bytes / (texelBytesOf[kind] * operandTextureWidth));
}

/** Copies that bring a buffer range into its texture: whole rows at once, then what is left of the last row. */
export function operandTextureCopies(
  bytes: number,
  kind: TextureKind,
): readonly { readonly offset: number; readonly row: number; readonly width: number; readonly rows: number }[] {
  const texelBytes = texelBytesOf[kind];
  const rowBytes = texelBytes * operandTextureWidth;
  const whole = Math.floor(bytes / rowBytes);
  const rest = Math.ceil((bytes - whole * rowBytes) / texelBytes);
  return [
    ...(whole > 0 ? [{ offset: 0, row: 0, width: operandTextureWidth, rows: whole }] : []),
    ...(rest > 0 ? [{ offset: whole * rowBytes, row: whole, width: rest, rows: 1 }] : []),
  ];
}
