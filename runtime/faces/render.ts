// Shapes -> pixels, through the image library: one SVG document per picture, with its mask beside it, drawn at twice the size and averaged
// 2x2. Sheets of many pictures were measured too (256 pictures at 32x32, two cores): 2.6 ms a picture on sheets of 64, 2.3 ms one by one with
// several in flight, and on sheets a few pictures in a hundred change in single bytes with their place. One by one, bytes depend on nothing else.
import sharp from "sharp";
import { drawHead } from "./head.ts";
import type { Identity } from "./identity.ts";
import type { Nuisance } from "./nuisance.ts";
import { drawScene } from "./scene.ts";
import { printMask, printPicture } from "./shapes.ts";

/** Who is drawn, and how. */
export interface Sitting {
  readonly who: Identity;
  readonly how: Nuisance;
}

/** Pixels of one picture: `rgb` is size*size*3 bytes, `mask` size*size bytes of 0 or 255. */
export interface Picture {
  readonly rgb: Buffer;
  readonly mask: Buffer;
}

/** The document of a sitting at `side` pixels: the picture on the left, its mask on the right. */
export function sittingSvg({ who, how }: Sitting, side: number): string {
  const light = { brightness: how.brightness, gradient: how.lightGradient };
  const head = drawHead(who, how);
  const tile = (x: number, content: string) =>
    `<svg x="${x}" width="${side}" height="${side}" viewBox="-1000 -1000 2000 2000">${content}</svg>`;
  const content = tile(0, printPicture([...drawScene(how), ...head], light)) + tile(side, printMask(head));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${2 * side}" height="${side}">${content}</svg>`;
}

/** Draws one picture and its mask. */
export async function renderPicture(sitting: Sitting, size: number): Promise<Picture> {
  const side = 2 * size;
  const { data, info } = await sharp(Buffer.from(sittingSvg(sitting, side)))
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.width !== 2 * side || info.height !== side)
    throw new Error(`internal: ${2 * side}x${side} came out as ${info.width}x${info.height}`);
  return {
    rgb: average(data, info.width, info.channels, 0, size, 3),
    mask: average(data, info.width, info.channels, side, size, 1).map((x) => (x >= 128 ? 255 : 0)) as Buffer,
  };
}

/** The mean of each 2x2 block right of column `left`, rounded half up, of the first `keep` channels. */
function average(pixels: Buffer, width: number, channels: number, left: number, size: number, keep: number): Buffer {
  const out = Buffer.allocUnsafe(size * size * keep);
  const row = width * channels;
  let to = 0;
  for (let y = 0; y < size; y++) {
    let from = 2 * y * row + left * channels;
    for (let x = 0; x < size; x++, from += 2 * channels) {
      for (let c = 0; c < keep; c++) {
        const k = from + c;
        out[to++] = (pixels[k]! + pixels[k + channels]! + pixels[k + row]! + pixels[k + row + channels]! + 2) >> 2;
      }
    }
  }
  return out;
}

// Fixed settings: speed or content must not choose what the bytes of a picture are.
const png = { compressionLevel: 6, adaptiveFiltering: false, palette: false, progressive: false } as const;

/** A picture as PNG bytes, the same for the same pixels. */
export function encodePng(pixels: Buffer, size: number, channels: 1 | 3): Promise<Buffer> {
  const image = sharp(pixels, { raw: { width: size, height: size, channels } });
  return (channels === 1 ? image.toColourspace("b-w") : image).png(png).toBuffer();
}
