// Who is drawn: 17 numbers in [0,1]. In: seed, stream and index. Out: the record, independent of how many identities are drawn.
import { Draws } from "../../compiler/plan/philox.ts";

/** Each factor in [0,1]; what the ends mean stands beside it. Full circles for skin and hair hue look unearthly, but colours carry
 * identity at 32 pixels where shapes do not. */
export interface Identity {
  /** 0 woman, 1 man. */
  readonly gender: 0 | 1;
  /** Full circle. */
  readonly skinHue: number;
  /** Dark to pale. */
  readonly skinLightness: number;
  /** Full circle. */
  readonly hairHue: number;
  /** Dark to light. */
  readonly hairLightness: number;
  /** Men 0 .. .45, women .35 .. 1. */
  readonly hairLength: number;
  /** Narrow to wide. */
  readonly faceWidth: number;
  /** Round to square. */
  readonly jaw: number;
  /** Close to far apart. */
  readonly eyeGap: number;
  readonly eyeSize: number;
  /** Full circle. */
  readonly eyeHue: number;
  readonly browThickness: number;
  /** Inner ends raised (sad) to inner ends lowered (stern). */
  readonly browAngle: number;
  readonly noseSize: number;
  readonly mouthWidth: number;
  /** Close to the skin's hue to full red. */
  readonly lipColour: number;
  /** 0 none (all women, 40 % of the men), otherwise stubble to full. */
  readonly beard: number;
}

/** The factors in the order in which they are stored and drawn. */
export const identityFactors = [
  "gender",
  "skinHue",
  "skinLightness",
  "hairHue",
  "hairLightness",
  "hairLength",
  "faceWidth",
  "jaw",
  "eyeGap",
  "eyeSize",
  "eyeHue",
  "browThickness",
  "browAngle",
  "noseSize",
  "mouthWidth",
  "lipColour",
  "beard",
] as const satisfies readonly (keyof Identity)[];

/** Sets that share a stream share their people: *mix* shows the identities of *faces*; *test* and *web* have their own. */
export type IdentityStream = "faces" | "web" | "test";

/** Identity number `index` of a stream. */
export function drawIdentity(seed: number, stream: IdentityStream, index: number): Identity {
  const draws = new Draws(seed, `faces/identity/${stream}`, index);
  const gender = draws.coin(0.5) ? 1 : 0;
  const skinHue = draws.uniform();
  const skinLightness = draws.uniform();
  const hairHue = draws.uniform();
  const hairLightness = draws.uniform();
  const hairLength = gender === 1 ? draws.uniform(0, 0.45) : draws.uniform(0.35, 1);
  const [faceWidth, jaw, eyeGap, eyeSize, eyeHue] = [draws.uniform(), draws.uniform(), draws.uniform(), draws.uniform(), draws.uniform()];
  const [browThickness, browAngle, noseSize, mouthWidth] = [draws.uniform(), draws.uniform(), draws.uniform(), draws.uniform()];
  const lipColour = draws.uniform();
  const bearded = draws.coin(0.6);
  const fullness = draws.uniform(0.2, 1);
  return {
    gender,
    skinHue,
    skinLightness,
    hairHue,
    hairLightness,
    hairLength,
    faceWidth,
    jaw,
    eyeGap,
    eyeSize,
    eyeHue,
    browThickness,
    browAngle,
    noseSize,
    mouthWidth,
    lipColour,
    beard: gender === 1 && bearded ? fullness : 0,
  };
}
