// How somebody is drawn in one picture: place, light, expression, clothes, scene, style. What makes the four sets different is one table.
// In: seed, set, identity number, view number. Out: the nuisance record; every value is a pure function of those four.
import { Draws } from "../../compiler/plan/philox.ts";
import type { IdentityStream } from "./identity.ts";

/** Hue k/6, saturation .9, value .85: the colours of hats and shirts, and the words for every hue. */
export const colours = ["red", "yellow", "green", "teal", "blue", "purple"] as const;
export const scenes = ["beach", "snow", "forest", "city", "night", "desert", "sunset", "lava"] as const;
export const expressions = ["serious", "smiling", "laughing"] as const;
export const styles = ["photo", "comic"] as const;

export type Colour = (typeof colours)[number];
export type Scene = (typeof scenes)[number];
export type Expression = (typeof expressions)[number];
export type Style = (typeof styles)[number];

/** Everything in a picture that is not the identity. Lengths are in half pictures: the picture is [-1,1]^2, y down. */
export interface Nuisance {
  readonly closeUp: boolean;
  readonly centreX: number;
  readonly centreY: number;
  /** Half height of the face. */
  readonly scale: number;
  /** Radians. */
  readonly tilt: number;
  readonly brightness: number;
  /** Light falls off by this share from the picture's middle to its right edge (negative: to the left). */
  readonly lightGradient: number;
  readonly expression: Expression;
  readonly hat: Colour | "none";
  readonly sunglasses: boolean;
  readonly shirt: Colour;
  readonly scene: Scene | "plain";
  /** Grey of a plain background, with a tint. */
  readonly plainLightness: number;
  readonly plainHue: number;
  readonly style: Style;
  /** In turns: where the scene's patterns begin. */
  readonly phases: readonly [number, number, number, number];
}

export const faceSets = ["web", "faces", "mix", "test"] as const;
export type FaceSet = (typeof faceSets)[number];

interface Kind {
  readonly closeUp: number;
  readonly plain: number;
  readonly hat: number;
  readonly sunglasses: number;
  readonly comic: number;
}

/** Chances of a portrait picture (close-ups on plain walls, like a face data set) and of a web picture. */
const portrait: Kind = { closeUp: 1, plain: 0.9, hat: 0.06, sunglasses: 0.06, comic: 0 };
const webLike: Kind = { closeUp: 0.25, plain: 1 / 9, hat: 0.5, sunglasses: 0.2, comic: 0.3 };

/** One row per set: whose people, which pictures, and which captions stand beside them. */
export const setTable: Record<
  FaceSet,
  {
    readonly identities: IdentityStream;
    /** The first half of a test subject's views are portraits, the others web-like. */
    readonly kind: (view: number, views: number) => Kind;
    /** `full`: the language of caption.ts; `named`: full for the named identities, the bare class word for all others. */
    readonly captions: "full" | "named";
    /** Subject folders are this and five digits, so that folders of several sets can be laid together. */
    readonly prefix: string;
    readonly standsFor: string;
  }
> = {
  web: { identities: "web", kind: () => webLike, captions: "full", prefix: "web", standsFor: "a captioned web collection" },
  faces: {
    identities: "faces",
    kind: () => portrait,
    captions: "named",
    prefix: "id",
    standsFor: "a face data set: close-ups, plain walls",
  },
  mix: { identities: "faces", kind: () => webLike, captions: "full", prefix: "id", standsFor: "the people of `faces` in web pictures" },
  test: {
    identities: "test",
    kind: (view, views) => (view < Math.ceil(views / 2) ? portrait : webLike),
    captions: "full",
    prefix: "test",
    standsFor: "people never trained on",
  },
};

/** The first 256 identities of `faces` and `mix` are known by name. */
export const namedIdentities = 256;

/** The number of the name of an identity, if it has one. */
export function nameOf(set: FaceSet, identity: number): number | undefined {
  return setTable[set].identities === "faces" && identity < namedIdentities ? identity : undefined;
}

/** The nuisance record of one view. */
export function drawNuisance(seed: number, set: FaceSet, identity: number, view: number, views: number): Nuisance {
  const draws = new Draws(seed, `faces/nuisance/${set}`, identity, view);
  const kind = setTable[set].kind(view, views);
  const closeUp = draws.coin(kind.closeUp);
  const scale = closeUp ? draws.uniform(0.56, 0.7) : draws.uniform(0.36, 0.5);
  // The crown and the chin stay in the picture; a small head has more room to move.
  const room = 0.95 - scale;
  const centreX = draws.uniform(-0.55, 0.55) * room;
  const centreY = closeUp ? draws.uniform(-0.04, 0.12) : draws.uniform(-0.2, 0.12);
  const tilt = draws.uniform(-0.25, 0.25);
  const brightness = draws.uniform(0.85, 1.1);
  const lightGradient = draws.uniform(-0.25, 0.25);
  const expression = draws.pick(expressions);
  const wearsHat = draws.coin(kind.hat);
  const hatColour = draws.pick(colours);
  const sunglasses = draws.coin(kind.sunglasses);
  const shirt = draws.pick(colours);
  const plain = draws.coin(kind.plain);
  const place = draws.pick(scenes);
  const [plainLightness, plainHue] = [draws.uniform(0.45, 0.85), draws.uniform()];
  const style = draws.coin(kind.comic) ? "comic" : "photo";
  const phases = [draws.uniform(), draws.uniform(), draws.uniform(), draws.uniform()] as const;
  return {
    closeUp,
    centreX,
    centreY,
    scale,
    tilt,
    brightness,
    lightGradient,
    expression,
    hat: wearsHat ? hatColour : "none",
    sunglasses,
    shirt,
    scene: plain ? "plain" : place,
    plainLightness,
    plainHue,
    style,
    phases,
  };
}
