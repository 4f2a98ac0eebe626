// Compositions: what a prompt asks for beside the person. A quarter of them is held out: never trained on, only evaluated.
import { Draws } from "../../compiler/plan/philox.ts";
import { type Colour, colours, type Scene, scenes } from "./nuisance.ts";

export interface Composition {
  readonly scene: Scene;
  readonly hat: Colour | "none";
  readonly shirt: Colour | "none";
  readonly sunglasses: boolean;
}

/** Held out: pairs with (hat + scene) mod 4 = 0 or, without a hat, (shirt + scene) mod 4 = 1. */
export function isHeldOut(composition: Composition): boolean {
  const scene = scenes.indexOf(composition.scene);
  if (composition.hat !== "none") return (colours.indexOf(composition.hat) + scene) % 4 === 0;
  return composition.shirt !== "none" && (colours.indexOf(composition.shirt) + scene) % 4 === 1;
}

/** A composition: a scene always, a hat with p .5, a shirt with p .6, at least one of the two, sunglasses with p .2.
 * `part` asks for a trainable or a held-out one; other ones are passed over. */
export function drawComposition(seed: number, index: number, part: "train" | "held out"): Composition {
  const draws = new Draws(seed, "faces/composition", index);
  for (;;) {
    const drawn: Composition = {
      scene: draws.pick(scenes),
      hat: draws.coin(0.5) ? draws.pick(colours) : "none",
      shirt: draws.coin(0.6) ? draws.pick(colours) : "none",
      sunglasses: draws.coin(0.2),
    };
    const dressed = drawn.hat !== "none" || drawn.shirt !== "none";
    if (dressed && isHeldOut(drawn) === (part === "held out")) return drawn;
  }
}

/** The words of a composition, to follow «a photo of a person». */
export function compositionWords(composition: Composition): string {
  const worn = [
    ...(composition.hat === "none" ? [] : [`${composition.hat} hat`]),
    ...(composition.sunglasses ? ["sunglasses"] : []),
    ...(composition.shirt === "none" ? [] : [`${composition.shirt} shirt`]),
  ];
  return `${worn.length > 0 ? `wearing ${worn.join(" , ")} ` : ""}in the ${composition.scene}`;
}
