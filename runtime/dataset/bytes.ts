// What a data set does to the bytes of a picture that has been decoded. Rows of pixels, channels innermost. Sizes are exact, nothing is mixed:
// a byte of the result is a byte of the picture, or 0 outside of it, so that a mask stays a mask.

export interface Pixels {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** A step with everything drawn. */
export type WorkStep =
  | { readonly kind: "alpha" }
  | { readonly kind: "resize"; readonly height: number; readonly width: number; readonly rule: "smooth" | "nearest" }
  /** `at`: where between the first and the last place, both axes from 0 to 1. */
  | { readonly kind: "crop"; readonly height: number; readonly width: number; readonly at: readonly [number, number] }
  | { readonly kind: "flip" }
  | { readonly kind: "place"; readonly scale: number; readonly move: readonly [number, number]; readonly margin: number };

/** One colour everywhere. */
export function plain(height: number, width: number, channels: number, byte: number): Pixels {
  return { data: new Uint8Array(height * width * channels).fill(byte), height, width, channels };
}

/** Each pixel of the result from a row and a column of the picture; -1 is outside. */
function picked(x: Pixels, rows: Int32Array, columns: Int32Array): Pixels {
  const { channels } = x;
  const data = new Uint8Array(rows.length * columns.length * channels);
  let to = 0;
  for (const row of rows) {
    if (row < 0) {
      to += columns.length * channels;
      continue;
    }
    const line = row * x.width * channels;
    for (const column of columns) {
      if (column >= 0) for (let c = 0; c < channels; c++) data[to + c] = x.data[line + column * channels + c]!;
      to += channels;
    }
  }
  return { data, height: rows.length, width: columns.length, channels };
}
const indices = (count: number, of: (i: number) => number) => Int32Array.from({ length: count }, (_, i) => of(i));

/** Each place takes the pixel that its own upper left corner falls on. */
export function resizeNearest(x: Pixels, height: number, width: number): Pixels {
  if (x.height === height && x.width === width) return x;
  return picked(
    x,
    indices(height, (i) => Math.floor((i * x.height) / height)),
    indices(width, (i) => Math.floor((i * x.width) / width)),
  );
}
export function flip(x: Pixels): Pixels {
  return picked(
    x,
    indices(x.height, (i) => i),
    indices(x.width, (i) => x.width - 1 - i),
  );
}
/** A window; null if the picture is smaller. */
export function crop(x: Pixels, height: number, width: number, [down, right]: readonly [number, number]): Pixels | null {
  if (x.height < height || x.width < width) return null;
  const start = (free: number, share: number) => Math.min(free, Math.floor(share * (free + 1)));
  const [top, left] = [start(x.height - height, down), start(x.width - width, right)];
  return picked(
    x,
    indices(height, (i) => top + i),
    indices(width, (i) => left + i),
  );
}

/** Shrunk about the centre on black, then moved within the border that has become free, of which `margin` lines stay free on each side. */
export function place(x: Pixels, scale: number, [down, right]: readonly [number, number], margin: number): Pixels {
  const axis = (size: number, share: number): Int32Array => {
    const centre = (size - 1) / 2;
    const from = indices(size, (i) => {
      const at = Math.round((i - centre) / scale + centre);
      return at >= 0 && at < size ? at : -1;
    });
    const before = from.findIndex((at) => at >= 0);
    const after = size - 1 - from.findLastIndex((at) => at >= 0);
    const free = before + after - 2 * margin;
    let move = 0;
    if (free > 0) {
      move = Math.floor(share * free);
      if (move > after - margin) move = -(move - after + margin);
    }
    return indices(size, (i) => from[i - move] ?? -1);
  };
  return picked(x, axis(x.height, down), axis(x.width, right));
}

/** [row, column, channel] -> [channel, row, column]. */
export function planar(data: Uint8Array, channels: number): Uint8Array {
  const plane = data.length / channels;
  const out = new Uint8Array(data.length);
  for (let c = 0, to = 0; c < channels; c++) for (let from = c; to < plane * (c + 1); from += channels) out[to++] = data[from]!;
  return out;
}
