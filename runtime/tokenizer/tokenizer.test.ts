import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { cleanText } from "./cleanText.ts";
import { repairEncoding } from "./mojibake.ts";
import { openTokenizer } from "./readTokenizer.ts";
import { learnMerges, writeVocabulary } from "./trainTokenizer.ts";

const folder = mkdtempSync(join(tmpdir(), "ada-tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const texts = ["a photo of a cat", "a photo of a dog", "the portrait of a dog, smiling", "a portrait photo, smiling"];

async function opened(path: string) {
  const made = await openTokenizer(path);
  if (!made.ok) throw new Error(made.error.message);
  return made.value;
}
async function trained(name: string, merges = 40) {
  const place = join(folder, name);
  const written = await writeVocabulary(place, learnMerges(texts, merges));
  expect(written.ok).toBe(true);
  return place;
}

describe("cleaning", () => {
  test.each([
    ["  Two\t\nwords ", "two words"],
    ["&amp;amp; &eacute;", "& é"],
    ["<b>&lt;</b>", "<b><</b>"],
    ["schÃ¶n â€œquotedâ€\u009d", 'schön "quoted"'],
    ["ﬁne ＡＢ\u200b", "fine ab\u200b"],
    ["e\u0301", "é"],
    ["\u001b[31mred\u001b[0m\u0007", "red"],
  ])("%j", (text, clean) => expect(cleanText(text)).toBe(clean));

  test("text that went through UTF-8 and Windows-1252 comes back; what did not is left alone", () => {
    const broken = (text: string) => Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "é", "öd", "ß", "€", "“x", "中文", "😀")), (words) => {
        const text = words.join(" ");
        return repairEncoding(broken(text)) === text;
      }),
    );
    for (const fine of ["CAFÉ”", "él – ñ", "Ñ…", "Ωμέγα", "Рёв", "naïve"]) expect(repairEncoding(fine)).toBe(fine);
  });
});

describe("a trained vocabulary", () => {
  test("is a function of its texts, and merges what is frequent", async () => {
    expect(learnMerges(texts, 40)).toEqual(learnMerges([...texts], 40));
    expect(learnMerges(texts, 40)[0]).toEqual(["h", "o"]);
    const tokenizer = await opened(await trained("small"));
    expect(tokenizer.encode("photo")).toHaveLength(1);
    expect(tokenizer.begin).toBe(512 + tokenizer.vocabulary.merges.length);
    expect(tokenizer.end).toBe(tokenizer.begin + 1);
  });
  test("gives every text back, up to cleaning", async () => {
    const tokenizer = await opened(await trained("whole"));
    fc.assert(
      fc.property(fc.array(fc.constantFrom("photo", "dog", "Zebra", "it's", "42", "ü", "中文", "…!"), { minLength: 1 }), (words) => {
        const back = tokenizer.decode(tokenizer.encode(words.join(" ")));
        return back.replaceAll(" ", "") === cleanText(words.join(" ")).replaceAll(" ", "");
      }),
    );
  });
  test("cuts and fills prompts", async () => {
    const tokenizer = await opened(await trained("prompts"));
    const { begin, end } = tokenizer;
    expect(tokenizer.prompt("photo", 5)).toEqual([begin, ...tokenizer.encode("photo"), end, end, end]);
    const long = tokenizer.prompt("photo ".repeat(9), 5, 0);
    expect([long.length, long[0], long[4]]).toEqual([5, begin, end]);
  });
  test("is the same from its merges alone, gzipped or not", async () => {
    const place = await trained("forms");
    const whole = await opened(place);
    const merges = ["header", ...whole.vocabulary.merges.map((pair) => pair.join(" "))].join("\n");
    writeFileSync(join(folder, "list.txt.gz"), gzipSync(merges));
    writeFileSync(join(folder, "list.txt"), merges);
    for (const path of [join(place, "vocab.json"), join(place, "merges.txt"), join(folder, "list.txt.gz"), join(folder, "list.txt")])
      expect((await opened(path)).prompt(texts[2]!, 20)).toEqual(whole.prompt(texts[2]!, 20));
  });
  test("takes the longest placeholder as one token", async () => {
    const place = await trained("placeholders");
    writeFileSync(join(place, "added_tokens.json"), JSON.stringify({ z_1: 900, z_10: 901 }));
    const tokenizer = await opened(place);
    expect(tokenizer.encode("a z_10, z_1 photo")).toEqual([
      ...tokenizer.encode("a"),
      901,
      tokenizer.filler,
      900,
      ...tokenizer.encode("photo"),
    ]);
  });
});

describe("what is no vocabulary is refused with the reason", () => {
  const written = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  test.each([
    ["missing", () => join(folder, "nowhere"), /there is no tokenizer at/],
    ["an empty folder", () => mkdtempSync(join(folder, "empty-")), /holds no merges.txt/],
    ["three symbols", () => written("three.txt", "h\na b\na b c"), /three.txt:3: a merge is two symbols/],
    ["twice", () => written("twice.txt", "h\na b\na b"), /another one makes already/],
    ["unknown symbol", () => written("unknown.txt", "h\nab c"), /merge 1 needs `ab`/],
    ["no text", () => written("binary.txt", Uint8Array.of(1, 255, 254)), /not UTF-8/],
    ["a cut archive", () => written("cut.gz", gzipSync("h\na b").subarray(0, 12)), /not UTF-8 text, plain or gzipped/],
  ])("%s", async (_, path, message) => {
    const made = await openTokenizer(path());
    expect(made).toMatchObject({ ok: false, error: { message: expect.stringMatching(message) } });
  });
  test("ids that do not go with the merges", async () => {
    const place = await trained("wrong");
    const ids = Object.fromEntries((await opened(place)).vocabulary.ids);
    for (const [change, message] of [
      [{ "<|endoftext|>": undefined }, /<\|endoftext\|> has no id/],
      [{ "!": -1 }, /has the id -1/],
      [{ "!": ids.a }, /both have the id/],
    ] as const) {
      writeFileSync(join(place, "vocab.json"), JSON.stringify({ ...ids, ...change }));
      expect(await openTokenizer(place)).toMatchObject({ ok: false, error: { message: expect.stringMatching(message) } });
    }
  });
});
