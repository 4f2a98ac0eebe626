import { elementsOf, gathered, pieceBytes } from "./tensorFile.ts";

// A view of a storage as row-major bytes, in pieces. In: how the view lies, and a way to read stretches of the storage. A view that is
// contiguous is passed on; any other is gathered, from one stretch where it is not much larger than the view, else row by row.

export interface View {
  readonly width: number; // bytes per element
  /** All in elements. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}
export type ReadStretch = (at: number, length: number) => AsyncIterable<Uint8Array>;

/** The last element that a view touches, plus one; its offset where it is empty. */
export function reach({ offset, shape, strides }: View): number {
  if (shape.includes(0)) return offset;
  return offset + shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, 0) + 1;
}

/** Axes without those of size 1, neighbours that lie behind each other as one. */
function merged({ shape, strides }: View): { readonly size: number; readonly stride: number }[] {
  const axes: { size: number; stride: number }[] = [];
  for (const [i, size] of shape.entries()) {
    if (size === 1) continue;
    const last = axes.at(-1);
    const stride = strides[i]!;
    if (last !== undefined && last.stride === stride * size) {
      last.size *= size;
      last.stride = stride;
    } else axes.push({ size, stride });
  }
  return axes;
}

/** Whether the elements of a view lie behind each other. */
function isContiguous(view: View): boolean {
  const axes = merged(view);
  return axes.length === 0 || (axes.length === 1 && axes[0]!.stride === 1);
}

/** The bytes of a view. */
export async function* readView(given: View, read: ReadStretch): AsyncGenerator<Uint8Array> {
  const view = inUnits(given);
  const { width, offset } = view;
  const count = elementsOf(view.shape);
  if (count === 0) return;
  if (isContiguous(view)) {
    yield* read(offset * width, count * width);
    return;
  }
  const span = (reach(view) - offset) * width;
  const axes = merged(view);
  const inner = axes.at(-1)!;
  const outer = axes.slice(0, -1);
  const rows = walk(outer, count / inner.size);
  const stretch = span <= Math.max(pieceBytes, count * width) ? unitsOf(await gathered(read(offset * width, span), span), width) : null;
  const perPiece = Math.max(1, Math.floor(pieceBytes / width));
  let left = count;
  let piece = unitsOf(new Uint8Array(Math.min(perPiece, left) * width), width);
  let at = 0;
  for (const start of rows) {
    // A row from the stretch, or, where that would be too long, on its own.
    const rowSpan = (inner.size - 1) * inner.stride + 1;
    const row = stretch ?? unitsOf(await gathered(read((offset + start) * width, rowSpan * width), rowSpan * width), width);
    let from = stretch === null ? 0 : start;
    for (let k = 0; k < inner.size; k++, from += inner.stride) {
      piece[at++] = row[from]!;
      if (at < piece.length) continue;
      yield new Uint8Array(piece.buffer);
      left -= at;
      piece = unitsOf(new Uint8Array(Math.min(perPiece, left) * width), width);
      at = 0;
    }
  }
}

/** Wide elements as several of four bytes, so that moving them never looks at them as numbers. */
function inUnits(view: View): View {
  const lanes = view.width / 4;
  if (lanes <= 1) return view;
  return {
    width: 4,
    offset: view.offset * lanes,
    shape: [...view.shape, lanes],
    strides: [...view.strides.map((stride) => stride * lanes), 1],
  };
}
function unitsOf(bytes: Uint8Array, width: number): Uint8Array | Uint16Array | Uint32Array {
  if (width === 1) return bytes;
  return width === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
}

/** Where each row begins, in the order of the elements. */
function* walk(axes: readonly { readonly size: number; readonly stride: number }[], count: number): Generator<number> {
  const index = axes.map(() => 0);
  let start = 0;
  for (let i = 0; i < count; i++) {
    yield start;
    for (let a = axes.length - 1; a >= 0; a--) {
      const { size, stride } = axes[a]!;
      start += stride;
      if (++index[a]! < size) break;
      start -= size * stride;
      index[a] = 0;
    }
  }
}
