import type { Builder } from "../ir/builder.ts";
import type { Value } from "../ir/value.ts";
import { type Context, NotImported, type OperatorTable, spreadShape } from "./context.ts";

// Products.

/** As numpy's matmul: leading axes spread, vectors allowed. */
function matmul(b: Builder, p: Value, q: Value): Value {
  const left = p.shape.length === 1 ? b.reshape(p, [1, ...p.shape]) : p;
  const right = q.shape.length === 1 ? b.reshape(q, [...q.shape, 1]) : q;
  const lead = spreadShape(left.shape.slice(0, -2), right.shape.slice(0, -2));
  const made = b.matmul(b.broadcastTo(left, [...lead, ...left.shape.slice(-2)]), b.broadcastTo(right, [...lead, ...right.shape.slice(-2)]));
  const shape = [...lead, ...(p.shape.length === 1 ? [] : [left.shape.at(-2)!]), ...(q.shape.length === 1 ? [] : [right.shape.at(-1)!])];
  return b.reshape(made, shape);
}

function gemm(c: Context): readonly Value[] {
  const { b } = c;
  const p = c.arg(0);
  const q = c.arg(1);
  const product = b.dot(p, q, { contractA: [c.scalar("transA", 0) === 1 ? 0 : 1], contractB: [c.scalar("transB", 0) === 1 ? 1 : 0] });
  const alpha = c.scalar("alpha", 1);
  const scaled = alpha === 1 ? product : b.mul(product, alpha);
  const shift = c.maybe(2);
  if (shift === null) return [scaled];
  const beta = c.scalar("beta", 1);
  const spread = b.broadcastTo(shift, product.shape);
  return [b.add(scaled, beta === 1 ? spread : b.mul(spread, beta))];
}

/** Sums of products by letters. */
function einsum(c: Context): readonly Value[] {
  const { b } = c;
  const [left, right] = c.text("equation", "").replace(/\s/g, "").split("->") as [string, string | undefined];
  const terms = left.split(",");
  const args = terms.map((_, i) => c.arg(i));
  // `...` becomes letters of its own, counted from the right.
  const open = terms.map((term, i) => (term.includes("...") ? args[i]!.shape.length - term.replace("...", "").length : 0));
  const most = Math.max(...open, 0);
  const dots = (rank: number): string => Array.from({ length: rank }, (_, i) => String.fromCharCode(0x3b1 + most - rank + i)).join("");
  const named = terms.map((term, i) => term.replace("...", dots(open[i]!)));
  const once = [...new Set(named.join(""))].filter((letter) => named.join("").split(letter).length === 2).sort();
  const result = right === undefined ? dots(most) + once.filter((letter) => letter < "\u03b1").join("") : right.replace("...", dots(most));
  const letters = [...new Set(result + named.join(""))];
  if (named.some((term) => new Set(term).size !== term.length)) throw new NotImported("an equation takes a diagonal");
  const sizes = letters.map((letter) =>
    Math.max(...named.map((term, i) => (term.includes(letter) ? args[i]!.shape[term.indexOf(letter)]! : 1))),
  );
  const whole = named.map((term, i) => {
    const order = letters.filter((letter) => term.includes(letter));
    const turned = b.permute(
      args[i]!,
      order.map((letter) => term.indexOf(letter)),
    );
    const placed = b.reshape(
      turned,
      letters.map((letter) => (term.includes(letter) ? turned.shape[order.indexOf(letter)]! : 1)),
    );
    return b.broadcastTo(placed, sizes);
  });
  const summed = letters.flatMap((letter, i) => (result.includes(letter) ? [] : [i]));
  return [
    b.sum(
      whole.reduce((p, q) => b.mul(p, q)),
      summed,
    ),
  ];
}

export const products: OperatorTable = {
  MatMul: (c) => [matmul(c.b, c.arg(0), c.arg(1))],
  Gemm: gemm,
  Einsum: einsum,
};
