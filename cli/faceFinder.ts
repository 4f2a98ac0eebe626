import path from "node:path";
import type { HostTensor, WalkRequest } from "../compiler/elaborate/index.ts";
import { loadHostModule } from "../dsl/host/run.ts";
import type { Problem } from "./job.ts";

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
export type FaceFinder = (
  of: HostTensor,
  args: Extract<WalkRequest, { kind: "made" }>["args"],
) => Promise<{ readonly ok: true; readonly value: HostTensor | null } | { readonly ok: false; readonly error: Problem }>;

/** The finder of a file. */
export function faceFinder(
  file: string,
): { readonly ok: true; readonly value: FaceFinder } | { readonly ok: false; readonly error: Problem } {
  const wrong = (message: string) => ({
    ok: false as const,
    error: {
      message: `${file}: ${message}`,
      help: "export default (picture, { size }) => Float32Array of 3 * size * size numbers, or null",
    },
  });
  let found: unknown;
  try {
    found = loadHostModule(path.resolve(file)).default;
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
  if (typeof found !== "function") return wrong("it has no default export that can be called");
  const finder = found as Finder;
  return {
    ok: true,
    value: async (of, args) => {
      const [channels, height, width] = of.shape as readonly [number, number, number];
      const size = Number(args.to);
      const picture: FinderPicture = { channels, height, width, data: of.data as Float32Array };
      let crop: unknown;
      try {
        crop = await finder(picture, { size, largest: String(args.largest ?? "area") });
      } catch (error) {
        return wrong(`it threw: ${error instanceof Error ? error.message : String(error)}`);
      }
      if (crop === null || crop === undefined) return { ok: true, value: null };
      const count = channels * size * size;
      if (!(crop instanceof Float32Array) || crop.length !== count) return wrong(`it gave no Float32Array of ${count} numbers`);
      return { ok: true, value: { dtype: "f32", shape: [channels, size, size], data: crop } };
    },
  };
}
