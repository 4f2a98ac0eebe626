import type { Builder } from "../ir/builder.ts";
import { freeAxes } from "../ir/ops/contract.ts";
import type { Value } from "../ir/value.ts";
import { splatOf } from "../simplify/rule.ts";

// Reading some places of a contraction: sixteen of 77 columns of scores are products with sixteen keys. Done while the graph is made, so that
// whoever reads a few columns of a tapped score does not make the whole of it a value that must be stored.

/** `x` at the places of `index` along an axis, of which the first `batch` axes are shared; through factors and into contractions. */
export function gatherFrom(b: Builder, x: Value, index: Value, axis: number, batch: number): Value {
  const picks = index.shape.slice(batch).reduce((n, size) => n * size, 1);
  return picks < x.shape[axis]! ? pushed(b, x, index, axis, batch) : b.gather(x, index, axis, batch);
}

function pushed(b: Builder, x: Value, index: Value, axis: number, batch: number): Value {
  if (x.op === "mul") {
    const [p, q] = x.args as readonly [Value, Value];
    const [left, right] = [splatOf(p), splatOf(q)];
    if (right !== undefined) return b.mul(pushed(b, p, index, axis, batch), right);
    if (left !== undefined) return b.mul(pushed(b, q, index, axis, batch), left);
  }
  return (x.op === "dot" ? intoDot(b, x, index, axis, batch) : null) ?? b.gather(x, index, axis, batch);
}

/** A contraction of whose one operand only some places are taken; null where the shared axes do not lead that operand. */
function intoDot(b: Builder, x: Extract<Value, { readonly op: "dot" }>, index: Value, axis: number, batch: number): Value | null {
  const [p, q] = x.args as readonly [Value, Value];
  const { batchA, batchB, contractA, contractB } = x.attrs;
  const freeA = freeAxes(p.shape.length, batchA, contractA);
  const freeB = freeAxes(q.shape.length, batchB, contractB);
  if (axis < batchA.length || batch > batchA.length) return null;
  const ofFirst = axis < batchA.length + freeA.length;
  const own = ofFirst ? freeA[axis - batchA.length]! : freeB[axis - batchA.length - freeA.length]!;
  const shared = ofFirst ? batchA : batchB;
  for (let i = 0; i < batch; i++) if (shared[i] !== i) return null;
  const more = index.shape.length - batch - 1; // axes that the index has beyond the one it replaces
  const moved = (axes: readonly number[]) => axes.map((one) => (one > own ? one + more : one));
  const taken = b.gather(ofFirst ? p : q, index, own, batch);
  return ofFirst
    ? b.dot(taken, q, { batchA: moved(batchA), batchB, contractA: moved(contractA), contractB })
    : b.dot(p, taken, { batchA, batchB: moved(batchB), contractA, contractB: moved(contractB) });
}
