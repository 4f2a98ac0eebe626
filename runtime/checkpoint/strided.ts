import { elementsOf, pieceBytes } from "./tensorFile.ts";

// A view of a storage as row-major bytes, in pieces. In: how the view lies, and a way to read stretches of the storage. A view that is
// contiguous is passed on; any other is gathered, from one stretch where it is not much larger than the view, else run by run.

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
export function isContiguous(view: View): boolean {
  const axes = merged(view);
  return axes.length === 0 || (axes.length === 1 && axes[0]!.stride === 1);
}

async function whole(parts: AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  let at = 0;
  for await (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
  return into;
}

/** The bytes of a view. */
export async function* readView(view: View, read: ReadStretch): AsyncGenerator<Uint8Array> {
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
  const run = inner.stride === 1 ? inner.size : 1;
  const outer = run === 1 ? axes : axes.slice(0, -1);
  const starts = walk(outer, count / run);
  const stretch = span <= Math.max(pieceBytes, count * width) ? await whole(read(offset * width, span), span) : null;
  const runBytes = run * width;
  const perPiece = Math.max(1, Math.floor(pieceBytes / runBytes)) * runBytes;
  let piece = new Uint8Array(Math.min(perPiece, count * width));
  let at = 0;
  let left = count * width;
  for (const start of starts) {
    const bytes = stretch
      ? stretch.subarray(start * width, start * width + runBytes)
      : await whole(read((offset + start) * width, runBytes), runBytes);
    piece.set(bytes, at);
    at += runBytes;
    left -= runBytes;
    if (at === piece.length) {
      yield piece;
      piece = new Uint8Array(Math.min(perPiece, left));
      at = 0;
    }
  }
}

/** Where each run begins, in the order of the elements. */
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
