import { expect, test } from "vitest";
import { applyEdits } from "./fix.ts";

const edit = (start: number, end: number, text: string) => ({ span: { file: "a.ada", start, end }, text });

test("edits are made from the front, those that touch made ones are left out", () => {
  expect(applyEdits("abcdef", [edit(4, 5, "E"), edit(1, 2, "BB"), edit(1, 3, "x"), edit(6, 6, "!")])).toBe("aBBcdEf!");
});
test("the same place is changed once", () => expect(applyEdits("ab", [edit(1, 1, "-"), edit(1, 1, "-")])).toBe("a-b"));
