import { describe, expect, test } from "vitest";
import { eightLanes } from "../../test/targets.ts";
import { compileGraph } from "../compile.ts";
import { graphOf } from "../reference/differences.ts";
import { Builder } from "./builder.ts";
import { parseGraph } from "./parseText.ts";
import { printGraph } from "./print.ts";
import type { Graph, Value } from "./value.ts";
import { requireVerified, verifyGraph } from "./verify.ts";

function sample(): Graph {
  const b = new Builder();
  const x = b.input("x", [2, 3], { labels: ["batch", "c"], role: "data" });
  const w = b.input("net.w", [4, 3], { role: "param" });
  const y = b.withOrigin({ span: { file: "net.ada", start: 10, end: 20 }, chain: ['block "a"', "linear"] }, () =>
    b.dot(x, w, { contractA: [1], contractB: [1] }),
  );
  const z = b.withOrigin({ span: { file: "my net.ada", start: 1, end: 2 } }, () => b.mul(y, -0));
  return {
    name: "step 1",
    results: [
      { name: "loss", value: b.save(b.sum(z), 'k"}') },
      { name: "far", value: b.splat(Number.NEGATIVE_INFINITY, [2]) },
    ],
  };
}

const text = `graph "step 1" {
  %0: f32[batch: 2, c: 3] = input {name: "x", role: data, dtype: f32, shape: [2, 3]}
  %1: f32[4, 3] = input {name: "net.w", role: param, dtype: f32, shape: [4, 3]}
  %2: f32[batch: 2, 4] = dot %0 %1 {batchA: [], batchB: [], contractA: [1], contractB: [1]}  // net.ada:10..20 in "block \\"a\\"" > "linear"
  %3: f32[] = const {value: -0, dtype: f32}  // "my net.ada":1..2
  %4: f32[2, 4] = broadcast %3 {shape: [2, 4], axes: []}  // "my net.ada":1..2
  %5: f32[batch: 2, 4] = mul %2 %4  // "my net.ada":1..2
  %6: f32[] = sum %5 {axes: [0, 1]}
  %7: f32[] = save %6 {name: "k\\"}"}
  %8: f32[] = const {value: -Infinity, dtype: f32}
  %9: f32[2] = broadcast %8 {shape: [2], axes: []}
  return loss = %7, far = %9
}
`;

const parsed = (source: string) => {
  const result = parseGraph(source);
  return "graph" in result ? printGraph(result.graph) : `${result.error.line}: ${result.error.message}`;
};

describe("text form", () => {
  test("one line per value", () => {
    expect(printGraph(sample())).toBe(text);
  });
  test("parses back", () => {
    expect(parsed(text)).toBe(text);
    expect(parsed("graph nothing {\n  return \n}\n")).toBe("graph nothing {\n  return \n}\n");
  });
  test("says what is wrong in which line", () => {
    const lines = text.split("\n");
    const swap = (line: number, from: string, to: string) => parsed(lines.with(line - 1, lines[line - 1]!.replace(from, to)).join("\n"));
    expect(swap(4, "dot", "dott")).toBe("4: no op 'dott'");
    expect(swap(4, "%1", "%7")).toBe("4: %7 is not defined above");
    expect(swap(4, "batch: 2, 4", "batch: 2, 5")).toBe("4: 'dot' gives f32[batch: 2, 4] here, not f32[2, 5]");
    expect(swap(4, "contractA: [1]", "contractA: [0]")).toContain("4: op 'dot': ");
    expect(swap(4, "contractA", "contract")).toBe("4: 'dot' wants the attribute 'contractA' of kind numbers");
    expect(swap(8, "axes: [0, 1]", "axes: [0, 1], keep: 1")).toBe("8: 'sum' has no attribute 'keep'");
    expect(swap(2, "role: data", "role: nobody")).toBe("2: 'input' wants the attribute 'role' of kind role");
    expect(swap(3, "=", "?")).toContain("3: '=' expected before");
    expect(parsed("")).toContain("no graph header");
  });
});

describe("verifier", () => {
  const b = new Builder();
  const x = b.input("x", [2, 3]);
  const y = b.withOrigin({ span: { file: "net.ada", start: 5, end: 9 } }, () => b.exp(x));
  const broken = (changes: object, of: Value = y) => verifyGraph(graphOf([{ ...of, ...changes } as unknown as Value]), "fuse");

  test("accepts what a builder made", () => {
    expect(verifyGraph(sample(), "elaborate")).toEqual([]);
    expect(requireVerified(sample(), "elaborate").name).toBe("step 1");
  });
  test("names pass, node and source span", () => {
    const at = `fuse: value ${y.id}, exp of type f32[2, 3] (net.ada:5..9): `;
    expect(broken({ args: [x, x] })).toEqual([`${at}2 arguments, 1 wanted`]);
    expect(broken({ op: "expo" })[0]).toContain("no such op");
    expect(broken({ labels: ["a"] })).toEqual([`${at.replace("[2, 3]", "[a: 2, 3]")}1 labels for rank 2`]);
    expect(broken({ shape: [3, 2] })[0]).toContain("its type is f32[2, 3] by its arguments");
    expect(broken({ dtype: "i32" })[0]).toContain("its type is f32[2, 3] by its arguments");
    expect(broken({ attrs: { axes: "1" } }, b.sum(x, [1]))[0]).toContain("its attribute 'axes' is no numbers");
    expect(broken({ attrs: { axes: [5] } }, b.sum(x, [1]))[0]).toContain("op 'sum': axis 5");
    expect(() => requireVerified(graphOf([{ ...y, shape: [1] } as Value]), "fuse")).toThrow("internal: fuse: value");
  });
  test("finds cycles, mixed builders, twins, two results of a name, inputs of two types", () => {
    const args: Value[] = [];
    const loop = { ...y, args } as Value;
    args.push(loop);
    expect(verifyGraph(graphOf([loop]), "fuse")[0]).toContain("it depends on itself");
    const other = new Builder().input("z", [2, 3]);
    expect(verifyGraph(graphOf([x, other]), "fuse")[0]).toContain("values of two builders are mixed");
    const strange = { ...x, id: 50 as Value["id"] } as Value;
    expect(verifyGraph(graphOf([{ ...y, args: [strange] } as Value]), "fuse")[0]).toContain("its argument 50 is not older");
    expect(() => compileGraph(graphOf([{ ...y, args: [strange] } as Value]), [], eightLanes)).toThrow("internal: elaborate: value");
    expect(verifyGraph(graphOf([y, { ...y, id: 99 as Value["id"] }]), "fuse")[0]).toContain(`value ${y.id} has the same content`);
    expect(
      verifyGraph(
        {
          name: "g",
          results: [
            { name: "r", value: x },
            { name: "r", value: y },
          ],
        },
        "fuse",
      ),
    ).toEqual(["fuse: graph 'g' has two results named 'r'"]);
    expect(verifyGraph(graphOf([x, b.input("x", [4])]), "fuse")[0]).toContain("another input 'x' is f32[2, 3]");
  });
});
