import path from "node:path";
import type { HostTensor, WalkRequest } from "../compiler/elaborate/index.ts";
import { loadHostModule } from "../dsl/host/run.ts";
import { type Checked, fail, good } from "../runtime/checkpoint/files.ts";

// `--faces FILE.ts`: who finds faces for `align_face` of a walk. The file's default export is called with a picture and the side of the crop
// that is wanted, and gives the aligned crop, or nothing where it sees no face. Detectors are networks with licences of their own, so none
// comes with the product.

/** A picture as a finder sees it: [channel, row, column], from -1 to 1. */
export interface FinderPicture {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}
export interface FinderWish {
  readonly size: number;
  /** Which of several faces: `area` for the largest. */
  readonly largest: string;
}
type Finder = (picture: FinderPicture, wish: FinderWish) => unknown;
export type FaceFinder = (of: HostTensor, args: Extract<WalkRequest, { kind: "made" }>["args"]) => Promise<Checked<HostTensor | null>>;

/** The finder of a file. */
export function faceFinder(file: string): Checked<FaceFinder> {
  const wrong = (message: string) =>
    fail("unreadable", `${file}: ${message}`, "export default (picture, { size }) => Float32Array of 3 * size * size numbers, or null");
  let found: unknown;
  try {
    found = loadHostModule(path.resolve(file)).default;
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
  if (typeof found !== "function") return wrong("it has no default export that can be called");
  const finder = found as Finder;
  return good(async (of, args) => {
    const [channels, height, width] = of.shape as readonly [number, number, number];
    const size = Number(args.to);
    const picture: FinderPicture = { channels, height, width, data: of.data as Float32Array };
    let crop: unknown;
    try {
      crop = await finder(picture, { size, largest: String(args.largest ?? "area") });
    } catch (error) {
      return wrong(`it threw: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (crop === null || crop === undefined) return good(null);
    const count = channels * size * size;
    if (!(crop instanceof Float32Array) || crop.length !== count) return wrong(`it gave no Float32Array of ${count} numbers`);
    return good({ dtype: "f32", shape: [channels, size, size], data: crop });
  });
}
