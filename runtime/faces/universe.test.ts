import { describe, expect, it } from "vitest";
import { drawCaption, hueWord, vocabulary } from "./caption.ts";
import { compositionWords, drawComposition, isHeldOut } from "./composition.ts";
import { drawIdentity, identityFactors } from "./identity.ts";
import { colours, drawNuisance, faceSets, type Nuisance, nameOf, scenes, setTable } from "./nuisance.ts";

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
const share = <T>(list: readonly T[], holds: (x: T) => boolean) => list.filter(holds).length / list.length;
/** A share of `count` draws lies within five standard errors of its chance. */
const near = (measured: number, chance: number, count: number) =>
  expect(Math.abs(measured - chance), `${measured} for ${chance}`).toBeLessThan(5 * Math.sqrt((chance * (1 - chance)) / count) + 1e-9);

describe("identity", () => {
  const people = range(2000).map((i) => drawIdentity(1, "faces", i));

  it("is 17 numbers in [0,1]", () => {
    expect(identityFactors).toHaveLength(17);
    for (const who of people) {
      expect(Object.keys(who)).toEqual([...identityFactors]);
      for (const factor of identityFactors) expect(who[factor]).toSatisfy((x: number) => x >= 0 && x <= 1);
    }
  });

  it("gives men short hair and beards, women long hair", () => {
    const men = people.filter((p) => p.gender === 1);
    const women = people.filter((p) => p.gender === 0);
    near(men.length / people.length, 0.5, people.length);
    expect(Math.max(...men.map((p) => p.hairLength))).toBeLessThanOrEqual(0.45);
    expect(Math.min(...women.map((p) => p.hairLength))).toBeGreaterThanOrEqual(0.35);
    expect(women.every((p) => p.beard === 0)).toBe(true);
    near(
      share(men, (p) => p.beard === 0),
      0.4,
      men.length,
    );
  });

  it("differs between streams and seeds: test people are nobody else", () => {
    expect(drawIdentity(1, "test", 3)).not.toEqual(drawIdentity(1, "faces", 3));
    expect(drawIdentity(1, "web", 3)).not.toEqual(drawIdentity(1, "faces", 3));
    expect(drawIdentity(2, "faces", 3)).not.toEqual(drawIdentity(1, "faces", 3));
    expect(setTable.mix.identities).toBe(setTable.faces.identities);
  });
});

describe("the four sets", () => {
  const count = 2000;
  const of = (set: (typeof faceSets)[number]) => range(count).map((i) => drawNuisance(1, set, i, 0, 1));

  it("web: a quarter close-ups, hats and sunglasses, every scene equally often", () => {
    const web = of("web");
    near(
      share(web, (n) => n.closeUp),
      0.25,
      count,
    );
    near(
      share(web, (n) => n.hat !== "none"),
      0.5,
      count,
    );
    for (const scene of scenes)
      near(
        share(web, (n) => n.scene === scene),
        1 / 9,
        count,
      );
  });

  it("faces: close-ups, plain walls, hardly a hat, never a comic", () => {
    const faces = of("faces");
    expect(faces.every((n) => n.closeUp && n.style === "photo")).toBe(true);
    near(
      share(faces, (n) => n.scene === "plain"),
      0.9,
      count,
    );
    near(
      share(faces, (n) => n.hat !== "none"),
      0.06,
      count,
    );
    near(
      share(faces, (n) => n.sunglasses),
      0.06,
      count,
    );
  });

  it("test: half portraits, half web-like", () => {
    const views = range(400).map((i) => range(12).map((v) => drawNuisance(1, "test", i, v, 12)));
    expect(views.every((v) => v.slice(0, 6).every((n) => n.closeUp))).toBe(true);
    near(
      share(
        views.flatMap((v) => v.slice(6)),
        (n) => n.closeUp,
      ),
      0.25,
      2400,
    );
  });

  it("keeps every number in its range", () => {
    for (const set of faceSets) {
      for (const n of of(set)) {
        expect(n.scale).toSatisfy((s: number) => (n.closeUp ? s >= 0.56 && s <= 0.7 : s >= 0.36 && s <= 0.5));
        expect(Math.abs(n.tilt)).toBeLessThanOrEqual(0.25);
        expect(n.brightness).toSatisfy((b: number) => b >= 0.85 && b <= 1.1);
        expect(Math.abs(n.centreX) + n.scale * 0.9).toBeLessThan(1);
      }
    }
  });
});

describe("captions", () => {
  const captions = (set: (typeof faceSets)[number], count: number) =>
    range(count).map((i) => {
      const who = drawIdentity(1, setTable[set].identities, i);
      return drawCaption(1, set, i, 0, who, drawNuisance(1, set, i, 0, 1));
    });

  it("have a language of 311 words", () => {
    expect(new Set(vocabulary).size).toBe(311);
  });

  it("use only its words, and fit the text encoder", () => {
    const known = new Set(vocabulary);
    for (const set of faceSets) {
      for (const caption of captions(set, 1500)) {
        const words = caption.split(" ");
        expect(words.filter((w) => !known.has(w))).toEqual([]);
        expect(words.length).toBeLessThanOrEqual(30);
        expect(caption).toMatch(
          /^(a )?(portrait )?(photo|picture|comic) of a (man|woman|person|name\d+)( , , ,)?( with [a-z ]+?)?( wearing [a-z ,]+?)?( in the [a-z]+| , plain background)?$/,
        );
      }
    }
  });

  it("name the first 256 identities in 60 % of their captions, and nobody else", () => {
    const named = captions("mix", 600);
    near(share(named.slice(0, 256), (c) => c.includes("name")) as number, 0.6, 256);
    expect(named.slice(256).some((c) => c.includes("name"))).toBe(false);
    expect(captions("web", 300).some((c) => c.includes("name"))).toBe(false);
    expect(nameOf("test", 3)).toBeUndefined();
  });

  it("tell only the class in `faces`, but for the named", () => {
    expect(new Set(captions("faces", 600).slice(256))).toEqual(new Set(["a photo of a man", "a photo of a woman"]));
  });

  it("say what is in the picture", () => {
    for (const [i, caption] of captions("web", 800).entries()) {
      const how: Nuisance = drawNuisance(1, "web", i, 0, 1);
      if (/ hat/.test(caption)) expect(caption).toContain(`${how.hat} hat`);
      if (/sunglasses/.test(caption)) expect(how.sunglasses).toBe(true);
      if (/in the/.test(caption)) expect(caption.endsWith(`in the ${how.scene}`)).toBe(true);
      if (/comic/.test(caption)) expect(how.style).toBe("comic");
    }
    expect([0, 0.2, 0.5, 0.95].map(hueWord)).toEqual(["red", "yellow", "teal", "red"]);
  });
});

describe("compositions", () => {
  it("hold out a quarter, by the rule", () => {
    const all = scenes.flatMap((scene) => colours.map((hat) => ({ scene, hat, shirt: "none" as const, sunglasses: false })));
    expect(share(all, isHeldOut)).toBe(0.25);
    expect(isHeldOut({ scene: "beach", hat: "red", shirt: "none", sunglasses: false })).toBe(true);
    expect(isHeldOut({ scene: "beach", hat: "none", shirt: "yellow", sunglasses: false })).toBe(true);
    expect(isHeldOut({ scene: "beach", hat: "yellow", shirt: "yellow", sunglasses: false })).toBe(false);
  });

  it("are drawn on their side of the rule, always dressed", () => {
    for (const part of ["train", "held out"] as const) {
      const drawn = range(500).map((i) => drawComposition(1, i, part));
      expect(drawn.every((c) => isHeldOut(c) === (part === "held out"))).toBe(true);
      expect(drawn.every((c) => c.hat !== "none" || c.shirt !== "none")).toBe(true);
    }
    expect(compositionWords({ scene: "lava", hat: "red", shirt: "blue", sunglasses: true })).toBe(
      "wearing red hat , sunglasses , blue shirt in the lava",
    );
  });
});
