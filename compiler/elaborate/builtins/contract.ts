import { asReal } from "../arithmetic.ts";
import { axisIndex, reorder, requireUnique } from "../axes.ts";
import { fail } from "../failure.ts";
import { describeTensor, plainAxis, tensor, type Val } from "../values.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

// Contractions. `dot` pairs axes by name: the named ones are summed away, other shared ones run along, the rest are outer. The result
// has the first argument's axes in their order, then the second's own.

function dot(c: BuiltinCall): Val {
  const a = asReal(c.session, c.value("a"), c.spanOf("a"));
  const b = asReal(c.session, c.value("b"), c.spanOf("b"));
  const over = c.axes("over")!.axes.map((axis) => axis.name);
  for (const name of over) {
    axisIndex(a, name, c.spanOf("a"));
    axisIndex(b, name, c.spanOf("b"));
  }
  const shared = a.axes.filter((name) => b.axes.includes(name));
  for (const name of shared) {
    const [left, right] = [a.value.shape[a.axes.indexOf(name)]!, b.value.shape[b.axes.indexOf(name)]!];
    if (left !== right) {
      fail(
        "shape/axis-mismatch",
        c.spanOf("a"),
        { axis: plainAxis(name), left, right },
        { label: describeTensor(a), related: [{ span: c.spanOf("b"), label: describeTensor(b) }] },
      );
    }
  }
  const batch = shared.filter((name) => !over.includes(name));
  const freeA = a.axes.filter((name) => !shared.includes(name));
  const freeB = b.axes.filter((name) => !shared.includes(name));
  const { builder } = c.session;
  const made = builder.dot(a.value, b.value, {
    batchA: batch.map((name) => a.axes.indexOf(name)),
    batchB: batch.map((name) => b.axes.indexOf(name)),
    contractA: over.map((name) => a.axes.indexOf(name)),
    contractB: over.map((name) => b.axes.indexOf(name)),
  });
  const natural = [...a.axes.filter((name) => !over.includes(name)), ...freeB];
  return reorder(builder, tensor(made, [...batch, ...freeA, ...freeB]), natural);
}

/**
 * Cross-correlation over the last two axes of x [..., channel, h, w] with weight [out, channel / groups, kh, kw]; names stay x's.
 * Stride, pad and dilation are numbers for both axes, or pairs.
 */
function conv(c: BuiltinCall): Val {
  const x = asReal(c.session, c.value("x"), c.spanOf("x"));
  const weight = asReal(c.session, c.value("weight"), c.spanOf("weight"));
  if (x.axes.length < 3) fail("shape/rank", c.spanOf("x"), { found: describeTensor(x), expected: "real[...b, channel, h, w]" });
  if (weight.axes.length !== 4)
    fail("shape/rank", c.spanOf("weight"), { found: describeTensor(weight), expected: "real[out, channel, kh, kw]" });
  const stride = c.compilePair("stride", 1);
  const pad = c.compilePair("pad", 0);
  const dilation = c.compilePair("dilation", 1);
  const groups = c.compile("groups", 1);
  const lead = x.value.shape.slice(0, -3);
  const [channels, h, w] = x.value.shape.slice(-3) as [number, number, number];
  const [out, cin, kh, kw] = weight.value.shape as [number, number, number, number];
  if (channels !== cin * groups) {
    fail(
      "shape/axis-mismatch",
      c.spanOf("x"),
      { axis: plainAxis(x.axes.at(-3)!), left: channels, right: cin * groups },
      { label: describeTensor(x), related: [{ span: c.spanOf("weight"), label: describeTensor(weight) }] },
    );
  }
  if (out % groups !== 0)
    fail("shape/does-not-divide", c.span, { axis: plainAxis(weight.axes[0]!), size: out, parts: `${groups} groups`, product: groups });
  const tooSmall = (size: number, k: number, d: 0 | 1) => size + 2 * pad[d] - dilation[d] * (k - 1) < 1;
  if (tooSmall(h, kh, 0))
    fail("shape/does-not-divide", c.span, { axis: plainAxis(x.axes.at(-2)!), size: h, parts: "windows of the kernel", product: kh });
  if (tooSmall(w, kw, 1))
    fail("shape/does-not-divide", c.span, { axis: plainAxis(x.axes.at(-1)!), size: w, parts: "windows of the kernel", product: kw });
  requireUnique(x.axes, c.span);
  const { builder } = c.session;
  const n = lead.reduce((p, s) => p * s, 1);
  const labels = x.axes.slice(-3).map(plainAxis);
  const flat = lead.length === 1 ? x.value : builder.reshape(x.value, [n, channels, h, w], ["", ...labels]);
  const made = builder.conv(flat, weight.value, {
    stride,
    padLow: pad,
    padHigh: pad,
    dilation,
    groups,
  });
  const full = lead.length === 1 ? made : builder.reshape(made, [...lead, ...made.shape.slice(1)], x.axes.map(plainAxis));
  return tensor(full, x.axes);
}

export const contractRows: Readonly<Record<string, BuiltinRow>> = {
  dot: { params: ["a", "b", "over: axes"], run: dot },
  conv: { params: ["x", "weight", "stride?", "pad?", "dilation?", "groups?"], run: conv },
};
