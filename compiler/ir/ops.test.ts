import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Builder } from "./builder.ts";
import { OPS, opNames } from "./ops.ts";
import type { OpName, Value } from "./value.ts";

describe("the table", () => {
  test("is complete: every primitive has a type, a meaning, a kernel, a derivative or a reason for none, and a case beside its row", () => {
    for (const op of opNames) {
      const row = OPS[op];
      const meaning = typeof row.ref === "function" ? row.ref : row.ref.body;
      expect([typeof row.infer, typeof meaning, typeof row.kernel, typeof row.class], op).toEqual([
        "function",
        "function",
        "string",
        "string",
      ]);
      if (typeof row.grad !== "function") expect(row.grad.none.length, op).toBeGreaterThan(10);
    }
    // Each of these files checks that it has a case for every row of its class.
    const files = readdirSync(fileURLToPath(new URL("ops", import.meta.url)));
    const rowFiles = files.filter((file) => !file.endsWith(".test.ts") && file !== "row.ts");
    expect(rowFiles.filter((file) => !files.includes(file.replace(/ts$/, "test.ts")))).toEqual([]);
  });

  test("refuses misuse with an internal error that names the op", () => {
    const b = new Builder();
    const x = b.input("x", [2, 3]);
    const i = b.input("i", [2], { dtype: "i32" });
    const misuses: readonly (readonly [OpName, () => Value])[] = [
      ["add", () => b.add(x, b.input("y", [3, 2]))],
      ["add", () => b.make("add", [x], {})],
      ["exp", () => b.exp(i)],
      ["const", () => b.scalar(1.5, "i32")],
      ["table", () => b.table([1, 2], [3])],
      ["input", () => b.input("z", [0])],
      ["sum", () => b.sum(x, [2])],
      ["sum", () => b.make("sum", [x], { axes: [1, 0] })],
      ["reshape", () => b.reshape(x, [4])],
      ["permute", () => b.permute(x, [0, 0])],
      ["broadcast", () => b.broadcastInDim(x, [2, 4], [0, 1])],
      ["broadcast", () => b.broadcastInDim(x, [3, 2, 3], [2, 1])],
      ["slice", () => b.slice(x, [0, 2], [2, 2])],
      ["pad", () => b.pad(x, [0, -1], [0, 0])],
      ["concat", () => b.concat([x, i], 0)],
      ["gather", () => b.gather(x, x)],
      ["scatterAdd", () => b.scatterAdd(i, b.input("u", [3]), { axis: 0, size: 4 })],
      ["dot", () => b.dot(x, x, { contractA: [1], contractB: [0] })],
      ["conv", () => b.conv(x, x)],
      ["conv", () => b.conv(b.input("a", [1, 2, 3, 3]), b.input("k", [1, 2, 5, 1]))],
      ["where", () => b.where(x, x, x)],
      ["attend", () => b.make("attend", [x, b.input("w", [2, 4]), x], { part: "out", scale: 1 })],
      ["attendGrad", () => b.make("attendGrad", [x, x, x], { part: "q", scale: 1 })],
      ["random", () => b.random(b.scalar(0), { key0: 0, key1: 0, word: 0, shape: [1] })],
    ];
    for (const [op, make] of misuses) expect(make, op).toThrow(`internal: op '${op}':`);
  });
});
