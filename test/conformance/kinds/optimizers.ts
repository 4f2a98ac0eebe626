import { vjp } from "../../../compiler/autodiff.ts";
import { elaborateFunction, elaborateOptimizerAlone, type PlainValue } from "../../../compiler/elaborate/index.ts";
import type { NdArray } from "../../../compiler/ir/ops/row.ts";
import { type Case, difference } from "../case.ts";
import { loadText, type Prepare, type Prepared } from "../run.ts";
import { scheduleText } from "../schedules.ts";
import type { Config, Tensors, Unsupported } from "../written.ts";

// Recorded optimiser traces: the definitions of std/optim.ada, over a flat arena, run with the recorded gradients;
// the problem itself, a small program too, must give the recorded losses and gradients at the recorded parameters.

/** Recorded kind -> optimiser of std/optim.ada. */
const optimizers: Readonly<Record<string, string>> = {
  sgd: "sgd",
  adam: "adam",
  adamw: "adamw",
  nadam: "nadam",
  prodigy: "prodigy",
  cautious_adamw: "cautious_adamw",
  muon_aux_adam: "muon",
};

/** Recorded state -> state of std/optim.ada. */
const stateNames: Readonly<Record<string, string>> = {
  exp_avg: "m",
  exp_avg_sq: "v",
  max_exp_avg_sq: "v_max",
  momentum_buffer: "m",
  mu_product: "mu_product",
  s: "s",
  p0: "p0",
};
/** Recorded series -> what the optimiser logs or keeps after each step. */
const series: Readonly<Record<string, string>> = {
  d: "log.d",
  d_max: "state.d_max",
  d_hat: "log.d_hat",
  d_numerator: "log.numerator",
  d_denom: "log.denominator",
};

/** Whether a kind is an optimiser's trace or a table of learning rates. */
export const isOptimizer = (kind: string): boolean => kind in optimizers || kind === "lr_schedules";

export async function runOptimizer(one: Case, prepare: Prepare): Promise<string | null | Unsupported> {
  if (one.kind === "lr_schedules") return runSchedules(one, prepare);
  const muon = one.config.muon as Config | undefined;
  if (muon && JSON.stringify(muon.ns_coefficients) !== "[3.4445,-4.775,2.0315]")
    return { unsupported: "other coefficients of Newton-Schulz" };
  const wrong = await runProblem(one, prepare);
  return wrong ?? runTrace(one, prepare);
}

const array = (data: readonly number[], shape: readonly number[] = [data.length]): NdArray => ({
  dtype: "f32",
  shape,
  data: Float64Array.from(data),
});
const paramsOf = (tensors: Tensors): string[] =>
  Object.keys(tensors)
    .filter((t) => t.startsWith("param."))
    .map((t) => t.slice("param.".length));
const row = (tensors: Tensors, name: string, size: number, step: number): number[] => [
  ...tensors[name]!.data.slice(step * size, (step + 1) * size),
];

/** Settings in the names of std/optim.ada. */
function settingsOf(config: Config): Record<string, PlainValue> {
  if (config.muon !== undefined) return muonSettings(config);
  const settings: Record<string, PlainValue> = {};
  for (const [key, value] of Object.entries(config)) {
    if (["lr", "problem", "steps", "max_grad_norm", "lr_schedule"].includes(key)) continue;
    if (key === "betas") [settings.beta1, settings.beta2] = value as [number, number];
    else if (value !== null) settings[key] = value as PlainValue;
  }
  return settings;
}

function muonSettings(config: Config): Record<string, PlainValue> {
  const { lr: _, ns_coefficients: __, ...matrices } = config.muon as Record<string, PlainValue>;
  const { lr, betas, eps, weight_decay } = config.adam as { lr: number; betas: [number, number]; eps: number; weight_decay: number };
  const [beta1, beta2] = betas;
  return { ...matrices, min_rank: config.muon_min_ndim as number, adam_lr: lr, beta1, beta2, eps, adam_weight_decay: weight_decay };
}

async function runTrace(one: Case, prepare: Prepare): Promise<string | null | Unsupported> {
  const { program, resolution } = loadText(`import { ${Object.values(optimizers).join(", ")} } from "std/optim.ada"`);
  const tensors = await one.tensors();
  const names = paramsOf(tensors);
  const sizeOf = (p: string): number => tensors[`param.${p}`]!.data.length;
  const shapes = names.map((p) => tensors[`param.${p}`]!.shape);
  const total = names.reduce((sum, p) => sum + sizeOf(p), 0);
  const rows = (prefix: string, step: number): number[] => names.flatMap((p) => row(tensors, `${prefix}${p}`, sizeOf(p), step));
  const rates = [...tensors["output.lr"]!.data];
  const unlike = await ratesDiffer(one, tensors["output.lr"]!, prepare);
  if (unlike) return unlike;
  let rate = Number.NaN;
  let compiled: Prepared | undefined;
  const make = (lr: number) => {
    const made = elaborateOptimizerAlone(program, resolution, optimizers[one.kind]!, { ...settingsOf(one.config), lr }, shapes);
    if (!made.ok) throw new Error(made.diagnostics.map((d) => d.message).join("; "));
    return made.value;
  };
  const clipper = await clipOf(total, one.config.max_grad_norm as number | null, prepare);
  try {
    const { optimizer } = make(rates[0]!);
    const init = await prepare(optimizer.start, []);
    let state: Readonly<Record<string, NdArray>> = await init.run({ params: array(rows("output.", 0)) });
    init.dispose();
    let params = array(rows("output.", 0));
    const numbers = optimizer.states.filter((s) => !s.arena);
    for (let step = 0; step < (one.config.steps as number); step++) {
      const lr = rates[step]!;
      if (compiled === undefined || rate !== lr) {
        compiled?.dispose();
        const { optimizer: next, uniforms } = make(lr);
        compiled = await prepare(next.graph, uniforms);
        rate = lr;
      }
      let grads = array(rows("output.gradient.", step));
      if (clipper) {
        const clipped = await clipper.run({ g: grads });
        const norm = tensors["output.grad_norm_before_clip"];
        const found = clipped["result.norm"]!.data[0]!;
        if (norm && !close(one, "output.grad_norm_before_clip", found, norm.data[step]!))
          return `grad_norm_before_clip[${step}] is ${found} instead of ${norm.data[step]}`;
        grads = clipped["result.g"]!;
      }
      const results = { ...(await compiled.run({ params, grads, ...state })) };
      params = results.params!;
      for (const s of numbers) {
        const held = results[s.at.input];
        if (held) results[`state.${s.name}`] = array([held.data[s.at.place]!], []);
      }
      state = { ...state, ...Object.fromEntries(Object.entries(results).filter(([name]) => name.startsWith("state."))) };
      let begin = 0;
      for (const p of names) {
        const size = sizeOf(p);
        const wrong = difference(
          one,
          `output.${p}`,
          array([...params.data.slice(begin, begin + size)]),
          array(row(tensors, `output.${p}`, size, step + 1)),
        );
        if (wrong) return `after step ${step}: ${wrong}`;
        begin += size;
      }
      for (const [recorded, ours] of Object.entries(series)) {
        const wanted = tensors[`output.${recorded}`]?.data[step];
        const found = results[ours]?.data[0];
        if (wanted !== undefined && (found === undefined || !close(one, `output.${recorded}`, found, wanted)))
          return `${recorded}[${step}] is ${found} instead of ${wanted}`;
      }
    }
    // Prodigy keeps how far the parameters have moved, the recording where they began.
    const { "state.moved": moved } = state;
    if (moved) state = { ...state, "state.p0": array([...params.data].map((x, i) => x - moved.data[i]!)) };
    return stateDifference(one, tensors, names, state);
  } finally {
    compiled?.dispose();
    clipper?.dispose();
  }
}

/** The state after the last step; a recorded single 0 stands for a tensor of zeros. */
function stateDifference(one: Case, tensors: Tensors, names: readonly string[], state: Readonly<Record<string, NdArray>>): string | null {
  let at = 0;
  for (const p of names) {
    const size = tensors[`param.${p}`]!.data.length;
    for (const [tensor, wanted] of Object.entries(tensors)) {
      if (!tensor.startsWith(`output.state.${p}.`)) continue;
      const ours = stateNames[tensor.slice(`output.state.${p}.`.length)];
      const found = ours === undefined ? undefined : state[`state.${ours}`];
      if (!found) return `nothing is kept for ${tensor}`;
      const part = found.shape.length === 0 ? [...found.data] : [...found.data.slice(at, at + size)];
      const expected = wanted.data.length === part.length ? [...wanted.data] : part.map(() => wanted.data[0]!);
      const wrong = difference(one, tensor, array(part), array(expected));
      if (wrong) return wrong;
    }
    at += size;
  }
  return null;
}

function close(one: Case, name: string, found: number, wanted: number): boolean {
  return difference(one, name, array([found]), array([wanted])) === null;
}

/** The run's schedule, or its constant rate, must give the recorded rates; they are then what the optimiser is run with. */
async function ratesDiffer(one: Case, recorded: NdArray, prepare: Prepare): Promise<string | null | Unsupported> {
  const steps = recorded.data.length;
  const schedule = one.config.lr_schedule as Config | null | undefined;
  if (!schedule)
    return difference(
      one,
      "output.lr",
      array(new Array<number>(steps).fill((one.config.lr ?? (one.config.muon as Config).lr) as number)),
      recorded,
    );
  const spans = scheduleText(schedule);
  if (spans === null) return { unsupported: `schedule type ${String(schedule.type)}` };
  return difference(one, "output.lr", array(await ratesOf(spans, steps, prepare)), recorded);
}

async function clipOf(size: number, most: number | null, prepare: Prepare): Promise<Prepared | null> {
  if (most === null) return null;
  const { program, resolution } = loadText(`import { clip_norm } from "std/optim.ada"
fn case(g: f32[n], most: Real) -> { g: f32[n], norm: f32 } { return { g: clip_norm(g, most), norm: norm(g) } }
`);
  const made = elaborateFunction(program, resolution, "case", [
    { name: "g", shape: [size], axes: ["n"] },
    { name: "most", value: most },
  ]);
  if (!made.ok) throw new Error("internal: clip_norm does not elaborate");
  return prepare(made.value.graph, []);
}

/** Losses and gradients of the recorded problem at the recorded parameters. */
async function runProblem(one: Case, prepare: Prepare): Promise<string | null | Unsupported> {
  const tensors = await one.tensors();
  const least = one.config.problem === "least_squares";
  if (!least && one.config.problem !== "mlp_tanh_mse") return { unsupported: `problem ${String(one.config.problem)}` };
  const text = least
    ? "fn case(A: real[i, j], b: real[i], w: real[j]) -> real { return mean((dot(A, w, over: j) - b) ** 2) }"
    : `fn tanh_(x: real[...s]) -> real[...s] { return tanh(x) }
fn case(X: real[s, i], y: real[s, o], fc1_weight: real[h, i], fc1_bias: real[h], fc2_weight: real[o, h], fc2_bias: real[o]) -> real {
  let hidden = tanh_(dot(X, fc1_weight, over: i) + fc1_bias)
  return mean((dot(hidden, fc2_weight, over: h) + fc2_bias - y) ** 2)
}`;
  const axes: Readonly<Record<string, string>> = least
    ? { A: "i j", b: "i", w: "j" }
    : { X: "s i", y: "s o", fc1_weight: "h i", fc1_bias: "h", fc2_weight: "o h", fc2_bias: "o" };
  const names = paramsOf(tensors);
  const isParam = (id: string): string | undefined => names.find((p) => p.replaceAll(".", "_") === id);
  const shapeOf = (id: string): readonly number[] => tensors[isParam(id) ? `param.${isParam(id)}` : `input.${id}`]!.shape;
  const { program, resolution } = loadText(text);
  const made = elaborateFunction(
    program,
    resolution,
    "case",
    Object.entries(axes).map(([name, a]) => ({ name, shape: shapeOf(name), axes: a.split(" "), dtype: "f32" as const })),
  );
  if (!made.ok) return made.diagnostics.map((d) => d.message).join("; ");
  const { builder, graph } = made.value;
  const ids = Object.keys(axes).filter(isParam);
  const gradients = vjp(
    builder,
    [graph.results[0]!.value],
    [builder.scalar(1)],
    ids.map((id) => builder.input(id, shapeOf(id), { role: "data" })),
  );
  const prepared = await prepare(
    { name: "problem", results: [...graph.results, ...gradients.map((value, i) => ({ name: ids[i]!, value }))] },
    [],
  );
  try {
    for (let step = 0; step < (one.config.steps as number); step++) {
      const inputs = Object.fromEntries(
        Object.keys(axes).map((id) => {
          const p = isParam(id);
          return [
            id,
            p ? array(row(tensors, `output.${p}`, tensors[`param.${p}`]!.data.length, step), shapeOf(id)) : tensors[`input.${id}`]!,
          ];
        }),
      );
      const found = await prepared.run(inputs);
      const loss = tensors["output.loss"]!.data[step]!;
      if (!close(one, "output.loss", found.result!.data[0]!, loss)) return `loss[${step}] is ${found.result!.data[0]} instead of ${loss}`;
      for (const id of ids) {
        const name = `output.gradient.${isParam(id)}`;
        const wrong = difference(one, name, found[id], array(row(tensors, name, found[id]!.data.length, step)));
        if (wrong) return `step ${step}: ${wrong}`;
      }
    }
    return null;
  } finally {
    prepared.dispose();
  }
}

/** Learning-rate tables: each schedule as text, its value taken from a graph, where it is a uniform. */
async function runSchedules(one: Case, prepare: Prepare): Promise<string | null | Unsupported> {
  const tensors = await one.tensors();
  const schedules = one.config.schedules as Readonly<Record<string, Config>>;
  for (const [name, config] of Object.entries(schedules)) {
    const spans = scheduleText(config);
    if (spans === null) return { unsupported: `schedule type ${String(config.type)}` };
    const wrong = difference(
      one,
      `output.${name}`,
      array(await ratesOf(spans, config.steps as number, prepare)),
      tensors[`output.${name}`]!,
    );
    if (wrong) return wrong;
  }
  return null;
}

/** The value of a schedule at each update, taken from a graph, where it is a uniform. */
async function ratesOf(spans: string, steps: number, prepare: Prepare): Promise<number[]> {
  const { program, resolution } = loadText(`schedule rate = ${spans}
optimizer trace(lr: Schedule = rate) {
  step(p: f32[n], g: f32[n]) -> f32[n] {
    log { lr: lr + sum(g) * 0 }
    return p
  }
}`);
  const made = elaborateOptimizerAlone(program, resolution, "trace", {}, 4, steps);
  if (!made.ok) throw new Error(made.diagnostics.map((d) => d.message).join("; "));
  const log = made.value.optimizer.graph.results.find((r) => r.name === "log.lr")!;
  const prepared = await prepare({ name: "rates", results: [log] }, made.value.uniforms);
  try {
    const values: number[] = [];
    for (let update = 0; update < steps; update++) {
      const found = await prepared.run({ grads: array([0, 0, 0, 0]) }, { seed: 0, microStep: update, update, progress: update / steps });
      values.push(found["log.lr"]!.data[0]!);
    }
    return values;
  } finally {
    prepared.dispose();
  }
}
