import type { TypeNode } from "../../../dsl/ast.ts";
import { gradient } from "../../autodiff.ts";
import type { Value } from "../../ir/value.ts";
import { rebuild } from "../../ir/walk.ts";
import { evaluateHost } from "../../plan/evalHost.ts";
import { castTo, toTensor } from "../arithmetic.ts";
import { call, valueArg } from "../calls.ts";
import { fail } from "../failure.ts";
import { hostNumber } from "../hostExpr.ts";
import { bindOptimizer, elaborateOptimizer } from "../optimizers.ts";
import { listAsTensor, resolveType, tensorDtype } from "../typeNodes.ts";
import { describe, describeTensor, type ListVal, type TensorVal, tensor, type Val } from "../values.ts";
import type { BuiltinCall, BuiltinRow } from "./table.ts";

// `gradient` and `minimum`: what tests ask of derivatives and optimisers. Both are elaborated at a place that stands for the argument, and put
// together with the numbers afterwards; so they are part of the test's graph, and computed by the meaning and on the device alike.

/** More would make graphs that take longer to compile than anyone waits for a test. */
const mostSteps = 500;

/** The argument of the function as a tensor of real numbers; a list of numbers has the axes that the function's parameter says. */
function startOf(c: BuiltinCall, name: string): TensorVal {
  const { session } = c;
  const given = c.value(name);
  const type = parameterType(c.value("f"));
  const read =
    given.kind === "list" && type && type.node.kind === "namedType"
      ? listAsTensor(type.node, tensorDtype(type.node) ?? "f32", given, c.spanOf(name), c.scope)
      : given;
  if (read.kind !== "tensor" && read.kind !== "number")
    fail("type/mismatch", c.spanOf(name), {
      found: describe(given),
      expected: "a tensor, or a list where the function says what it takes: `fn(x: f32[i: 3]) => …`",
    });
  return castTo(session, toTensor(session, read, "f32"), "f32");
}
function parameterType(f: Val): { readonly node: TypeNode } | null {
  if (f.kind === "closure") {
    const type = f.node.params[0]?.type;
    return type ? { node: resolveType(type, f.scope).type } : null;
  }
  if (f.kind !== "function") return null;
  const param = f.item.signature.params[0];
  return param ? { node: resolveType(param.type, f.scope).type } : null;
}

/** The derivative of the function at a place that stands for any argument of this shape. */
function derivativeAt(c: BuiltinCall, at: TensorVal): { readonly place: string; readonly derivative: Value } {
  const { session } = c;
  const place = `argument ${session.builder.size}`; // a name that nothing else has, also where derivatives stand in each other
  const input = session.builder.input(place, at.value.shape, { role: "data", labels: at.axes });
  const result = call(c.value("f"), [valueArg(tensor(input, at.axes), c.spanOf("f"))], c.spanOf("f"), c.scope);
  if (result.kind !== "tensor") fail("type/mismatch", c.spanOf("f"), { found: describe(result), expected: "a function to one number" });
  const loss = castTo(session, result, "f32");
  if (loss.axes.length > 0) fail("shape/not-scalar", c.spanOf("f"), { what: "what the function gives", found: describeTensor(loss) });
  return { place, derivative: gradient(session.builder, loss.value, [input])[0]! };
}

/** The values with inputs replaced. */
function filled(c: BuiltinCall, values: Readonly<Record<string, Value>>, given: ReadonlyMap<string, Value>): Record<string, Value> {
  const results = Object.entries(values).map(([name, value]) => ({ name, value }));
  const made = rebuild({ name: "filled", results }, c.session.builder, (value) =>
    value.op === "input" ? (given.get(value.attrs.name) ?? value) : null,
  );
  return Object.fromEntries(made.results.map(({ name, value }) => [name, value]));
}

/** `gradient(f, at: x)`: the derivative of a function to one number. */
function derivative(c: BuiltinCall): Val {
  const at = startOf(c, "at");
  const { place, derivative: value } = derivativeAt(c, at);
  return tensor(filled(c, { value }, new Map([[place, at.value]])).value!, at.axes);
}

/** `minimum(f, from: x, by: adam(), steps: n)`: an optimiser at work on a function; after each step `x` and the optimiser's states. */
function minimum(c: BuiltinCall): ListVal {
  const { session } = c;
  const { builder } = session;
  const steps = c.compile("steps");
  if (!Number.isInteger(steps) || steps < 1 || steps > mostSteps)
    fail("elaborate/bad-setting", c.spanOf("steps"), { key: "`steps`", problem: `it must be a whole number from 1 to ${mostSteps}` });
  const by = c.value("by");
  if (by.kind !== "optimizer" || by.args === null) c.mismatch("by", "an optimiser with its settings, as in `by: adam(lr: 0.1)`");
  const start = startOf(c, "from");
  const size = start.value.shape.reduce((n, s) => n * s, 1);
  const flat = (value: Value): Value => builder.reshape(value, [size]);
  const shaped = (value: Value): TensorVal => tensor(builder.reshape(value, start.value.shape, start.axes), start.axes);
  const { place, derivative: grads } = derivativeAt(c, start);
  const before = session.totalUpdates;
  session.totalUpdates = hostNumber(steps);
  const layout = {
    size,
    slices: [{ path: place, offset: 0, size, shape: start.value.shape }],
    groups: [{ start: 0, end: size }],
  };
  let optimizer: ReturnType<typeof elaborateOptimizer>;
  try {
    optimizer = elaborateOptimizer(bindOptimizer(by, []), layout, [[]]);
  } finally {
    session.totalUpdates = before;
  }
  const uniformsAt = (update: number): [string, Value][] =>
    session.uniforms.map(({ name, dtype, expr }) => [
      name,
      builder.scalar(Number(evaluateHost(expr, { seed: session.seed, microStep: update, update, progress: update / steps })), dtype),
    ]);
  const resultsOf = (graph: typeof optimizer.graph): Record<string, Value> =>
    Object.fromEntries(graph.results.map(({ name, value }) => [name, value]));
  let params = flat(start.value);
  let states = filled(c, resultsOf(optimizer.start), new Map([["params", params], ...uniformsAt(0)]));
  const trace: Val[] = [];
  for (let update = 0; update < steps; update++) {
    const { grads: slope } = filled(c, { grads }, new Map([[place, builder.reshape(params, start.value.shape)]]));
    const given = new Map([["params", params], ["grads", flat(slope!)], ...Object.entries(states), ...uniformsAt(update)]);
    const made = filled(c, resultsOf(optimizer.graph), given);
    params = made.params!;
    states = Object.fromEntries(Object.keys(states).map((key) => [key, made[key] ?? states[key]!]));
    const fields = new Map<string, Val>([["x", shaped(params)]]);
    for (const { name, arena, at } of optimizer.states) {
      const value = states[at.input]!;
      const one = (): Value => (value.shape.length === 0 ? value : builder.reshape(builder.sliceAxis(value, 0, at.place, 1), []));
      fields.set(name, arena ? shaped(value) : tensor(one(), []));
    }
    trace.push({ kind: "record", fields });
  }
  return { kind: "list", items: trace };
}

export const minimumRows: Readonly<Record<string, BuiltinRow>> = {
  gradient: { params: ["f", "at"], run: derivative },
  minimum: { params: ["f", "from", "by", "steps"], run: minimum },
};
