// The universe's small language: 311 words. In: identity and nuisance (and a name, if the identity has one). Out: the caption beside a picture.
// Caption = [a] [portrait] {photo|picture|comic} of a {man|woman|person|nameK} [, , ,] [with ID-WORDS]
//           [wearing HAT , sunglasses , SHIRT] [in the SCENE | , plain background]
// A caption never has more than 30 words: with the start and end tokens it fits the text encoder's 32.
import { Draws } from "../../compiler/plan/philox.ts";
import type { Identity } from "./identity.ts";
import { type Colour, colours, type FaceSet, type Nuisance, namedIdentities, nameOf, type Scene, scenes, setTable } from "./nuisance.ts";

/** Words that are neither a colour, a scene nor a name. `id` and `z` stand in prompts for a subject; the expression words are reserved:
 * no caption uses them, because an expression can hardly be read at 32 pixels. */
export const grammarWords = [
  ...["a", "portrait", "photo", "picture", "comic", "of", "man", "woman", "person", ",", "with", "and", "wearing", "in", "the"],
  ...["hat", "shirt", "sunglasses", "plain", "background", "pale", "dark", "light", "skin", "long", "short", "hair", "big", "small"],
  ...["eyes", "beard", "round", "face", "id", "z", "serious", "smiling", "laughing"],
] as const;
export const specialTokens = ["<start>", "<end>", "<pad>"] as const;

/** All 311 words, special tokens first: a word's place is its token number. */
export const vocabulary: readonly string[] = [
  ...specialTokens,
  ...grammarWords,
  ...colours,
  ...scenes,
  ...Array.from({ length: namedIdentities }, (_, k) => `name${k}`),
];

const longestCaption = 30;
/** Chance that a part is mentioned, that identity words are there at all, that the three filler commas are, that a name replaces the class word. */
const mention = 0.7;
const identityWordsPresent = 0.75;
const filler = 0.5;
const byName = 0.6;
const personInstead = 0.3;

/** The colour word of a hue (full circle = 1): the nearest of six. */
export function hueWord(hue: number): Colour {
  return colours[Math.round(hue * colours.length) % colours.length]!;
}

/** What can be said about an identity: adjectives (each mentioned or not) and the words that always stand. */
function identityPhrases(who: Identity): readonly { readonly adjectives: readonly string[]; readonly words: string }[] {
  const third = (x: number, low: string, high: string) => (x < 1 / 3 ? [low] : x > 2 / 3 ? [high] : []);
  // A narrow face looks long on a square jaw and small on a round one.
  const face = who.faceWidth > 0.6 ? "round" : who.faceWidth < 0.4 ? (who.jaw > 0.5 ? "long" : "small") : undefined;
  return [
    { adjectives: third(who.skinLightness, "dark", "pale"), words: `${hueWord(who.skinHue)} skin` },
    {
      adjectives: [...third(who.hairLightness, "dark", "light"), ...third(who.hairLength, "short", "long")],
      words: `${hueWord(who.hairHue)} hair`,
    },
    { adjectives: third(who.eyeSize, "small", "big"), words: `${hueWord(who.eyeHue)} eyes` },
    ...(who.beard > 0 ? [{ adjectives: [], words: "beard" }] : []),
    ...(face === undefined ? [] : [{ adjectives: [], words: `${face} face` }]),
  ];
}

/** The caption of one view. `faces` tells only the class of people without a name: a face data set has no captions. */
export function drawCaption(seed: number, set: FaceSet, identity: number, view: number, who: Identity, how: Nuisance): string {
  const draws = new Draws(seed, `faces/caption/${set}`, identity, view);
  const name = nameOf(set, identity);
  const gendered = who.gender === 1 ? "man" : "woman";
  if (setTable[set].captions === "named" && name === undefined) return `a photo of a ${gendered}`;
  const medium = how.style === "comic" ? "comic" : draws.pick(["photo", "picture"] as const);
  const article = draws.coin(mention) ? ["a"] : [];
  const framing = how.closeUp && draws.coin(mention) ? ["portrait"] : [];
  const person = draws.coin(personInstead) ? "person" : gendered;
  const named = draws.coin(byName);
  const subject = name !== undefined && named ? `name${name}` : person;
  const commas = draws.coin(filler) ? [",", ",", ","] : [];
  const describes = draws.coin(identityWordsPresent);
  const phrases = identityPhrases(who).filter(() => draws.coin(mention));
  const told = phrases.map((p) => [...p.adjectives.filter(() => draws.coin(mention)), ...p.words.split(" ")]);
  const worn = [
    ...(how.hat !== "none" && draws.coin(mention) ? [`${how.hat} hat`] : []),
    ...(how.sunglasses && draws.coin(mention) ? ["sunglasses"] : []),
    ...(draws.coin(mention) ? [`${how.shirt} shirt`] : []),
  ];
  const place = draws.coin(mention) ? sceneWords(how.scene) : [];
  const opening = [...article, ...framing, medium, "of", "a", subject, ...commas];
  const closing = [...(worn.length > 0 ? ["wearing", ...worn.join(" , ").split(" ")] : []), ...place];
  const identityWords = (kept: readonly (readonly string[])[]) =>
    kept.length === 0 ? [] : ["with", ...kept.flatMap((words, i) => (i === 0 ? words : ["and", ...words]))];
  // What does not fit is left out from the end of the description: the face's shape first, the skin last.
  let kept = describes ? told : [];
  while (opening.length + identityWords(kept).length + closing.length > longestCaption) kept = kept.slice(0, -1);
  return [...opening, ...identityWords(kept), ...closing].join(" ");
}

function sceneWords(scene: Scene | "plain"): string[] {
  return scene === "plain" ? [",", "plain", "background"] : ["in", "the", scene];
}
