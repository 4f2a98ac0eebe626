import { expect, test } from "vitest";
import { holesOf, numberedPath } from "./template.ts";

test("names in braces, with the digits that they fill up to", () => {
  expect(holesOf("a/{subject.name}/{i:05}{ x}{}.jpg").map(({ path, width }) => [path, width])).toEqual([
    [["subject", "name"], null],
    [["i"], 5],
  ]);
});

test("a counter is filled in wherever it stands, other names stay", () => {
  expect(numberedPath("{i}/{name}-{i:03}.{i.x}", 7)).toBe("7/{name}-007.{i.x}");
  expect(numberedPath("{i:02}", 1234)).toBe("1234");
  expect(numberedPath("plain.png", 3)).toBe("plain.png");
});
