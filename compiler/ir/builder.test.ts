import { describe, expect, test } from "vitest";
import { Builder } from "./builder.ts";
import type { Origin } from "./value.ts";

const origin = (start: number): Origin => ({ span: { file: "net.ada", start, end: start + 1 } });

describe("builder", () => {
  test("the same content is the same object, whatever the order of attributes", () => {
    const b = new Builder();
    const x = b.input("x", [2, 3]);
    expect(b.add(x, 1)).toBe(b.add(x, 1));
    expect(b.make("broadcast", [x], { shape: [4, 2, 3], axes: [1, 2] })).toBe(b.make("broadcast", [x], { axes: [1, 2], shape: [4, 2, 3] }));
    expect(b.add(x, 1)).not.toBe(b.add(x, 2));
    expect(b.scalar(0)).not.toBe(b.scalar(-0));
    expect(b.scalar(1)).not.toBe(b.scalar(1, "i32"));
    expect(b.scalar(Number.NaN)).toBe(b.scalar(Number.NaN));
    expect(b.slice(x, [0, 1], [1, 1])).not.toBe(b.slice(x, [0, 1], [1, 2]));
  });

  test("identities give their argument back", () => {
    const b = new Builder();
    const x = b.input("x", [2, 3]);
    expect(b.reshape(x, [2, 3])).toBe(x);
    expect(b.permute(x, [0, 1])).toBe(x);
    expect(b.broadcastTo(x, [2, 3])).toBe(x);
    expect(b.cast(x, "f32")).toBe(x);
    expect(b.slice(x, [0, 0], [2, 3])).toBe(x);
    expect(b.pad(x, [0, 0], [0, 0])).toBe(x);
    expect(b.sum(x, [])).toBe(x);
    expect(b.concat([x], 0)).toBe(x);
    expect(b.reverse(x, [0])).not.toBe(x);
  });

  test("an ill-typed identity is still refused", () => {
    const b = new Builder();
    expect(() => b.cast(b.cast(b.input("x", [2]), "f32"), "f32").op).not.toThrow();
    expect(() => b.sum(b.input("p", [2], { dtype: "bool" }), [])).toThrow("internal: op 'sum'");
  });

  test("numbers and scalars spread to the other operand", () => {
    const b = new Builder();
    const x = b.input("x", [2, 3]);
    const i = b.input("i", [4], { dtype: "i32" });
    expect(b.add(1, x).shape).toEqual([2, 3]);
    expect(b.mul(i, 2).dtype).toBe("i32");
    expect(b.mul(x, b.input("s", [])).shape).toEqual([2, 3]);
    expect(b.where(b.gt(x, 0), 1, 0).shape).toEqual([2, 3]);
    expect(b.where(b.lt(i, 2), i, 0).dtype).toBe("i32");
    expect(() => b.add(x, b.input("r", [3]))).toThrow("internal: op 'add'");
  });

  test("axis names follow the axes", () => {
    const b = new Builder();
    const x = b.input("x", [2, 3, 4], { labels: ["batch", "h", "w"] });
    expect(b.permute(x, [2, 0, 1]).labels).toEqual(["w", "batch", "h"]);
    expect(b.sum(x, [1]).labels).toEqual(["batch", "w"]);
    expect(b.reshape(x, [2, 12]).labels).toEqual(["batch", ""]);
    expect(b.reshape(x, [2, 1, 3, 4]).labels).toEqual(["batch", "", "h", "w"]);
    expect(b.add(b.input("y", [2, 3, 4]), x).labels).toEqual(["batch", "h", "w"]);
    expect(b.gather(x, b.input("i", [5], { dtype: "i32", labels: ["k"] }), 1).labels).toEqual(["batch", "k", "w"]);
    expect(b.dot(x, b.input("m", [4, 6], { labels: ["", "out"] }), { contractA: [2], contractB: [0] }).labels).toEqual([
      "batch",
      "h",
      "out",
    ]);
    expect(b.expand(x, 1, "one").labels).toEqual(["batch", "one", "h", "w"]);
  });

  test("origins nest, merge without repeats and stop growing at sixteen", () => {
    const b = new Builder();
    const x = b.input("x", [2]);
    const make = (from: Origin | readonly Origin[]) => b.withOrigin(from, () => b.exp(x));
    expect(make(origin(1)).origins).toEqual([origin(1)]);
    make(origin(1));
    make([origin(2), origin(3)]);
    expect(b.exp(x).origins).toEqual([origin(1), origin(2), origin(3)]);
    b.withOrigin(origin(4), () => b.withOrigin(origin(5), () => b.sin(x)));
    expect(b.sin(x).origins).toEqual([origin(5)]);
    for (let i = 0; i < 100; i++) make(origin(i));
    expect(b.exp(x).origins.length).toBe(16);
  });

  test("an exception inside withOrigin leaves no origin behind", () => {
    const b = new Builder();
    expect(() => b.withOrigin(origin(1), () => b.exp(b.input("i", [2], { dtype: "i32" })))).toThrow();
    expect(b.input("x", [2]).origins).toEqual([]);
  });
});
