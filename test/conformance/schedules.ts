import type { Config } from "./written.ts";

// Recorded learning-rate schedules as text of the language: a chain of spans.

const n = (x: number): string => (Number.isInteger(x) ? x.toFixed(1) : String(x));

interface Spans {
  readonly text: string[];
  length: number;
}

/** The schedule's spans, or null for a type that is not known. */
export function scheduleText(config: Config): string | null {
  const c = config as Readonly<Record<string, number>> & Readonly<Record<string, readonly number[]>>;
  const base = c.base_lr as number;
  const spans: Spans = { text: [], length: 0 };
  const add = (span: string, length: number): void => {
    if (length <= 0) return;
    spans.text.push(`${span} for ${length}`);
    spans.length += length;
  };
  switch (config.type) {
    case "linear_lr":
      add(`linear(${n(base * c.start_factor)} -> ${n(base * c.end_factor)})`, c.total_iters);
      return chain(spans, `constant(${n(base * c.end_factor)})`);
    case "warmup_cosine":
      add(`linear(${n(base * c.lr_start)} -> ${n(base * c.lr_max)})`, c.warm_up_steps as number);
      add(`cosine(${n(base * c.lr_max)} -> ${n(base * c.lr_min)})`, c.max_decay_steps - (c.warm_up_steps as number));
      return chain(spans, `constant(${n(base * c.lr_min)})`);
    case "linear_warmup_linear_decay_cycles":
    case "linear_warmup_cosine_decay_cycles":
      return warmupCycles(config, spans, add);
    case "constant_then_linear_cycles":
      return constantThenLinear(config, spans, add);
    case "constant_then_cosine_restarts": {
      add(`constant(${n(base)})`, c.warm_up_steps as number);
      let length = c.T_0 as number;
      const steps = (c.steps as number | undefined) ?? c.max_steps;
      while (spans.length < steps) {
        add(`cosine(${n(base)} -> ${n(c.eta_min)})`, length);
        length *= c.T_mult as number;
      }
      return chain(spans, `constant(${n(c.eta_min)})`);
    }
    default:
      return null;
  }
}

function chain(spans: Spans, rest: string): string {
  return [...spans.text, `${rest} to end`].join(" then ");
}

/** Each cycle warms up and decays on its own clock; the first begins at 0, later ones at 1, since a cycle's last step belongs to it. */
function warmupCycles(config: Config, spans: Spans, add: (span: string, length: number) => void): string {
  const base = config.base_lr as number;
  const list = (key: string): readonly number[] => config[key] as readonly number[];
  const cosine = config.type === "linear_warmup_cosine_decay_cycles";
  let last = 0;
  for (const [i, length] of list("cycle_lengths").entries()) {
    const warm = list("warm_up_steps")[i]!;
    const [f0, f1, f2] = [list("f_start")[i]!, list("f_max")[i]!, list("f_min")[i]!];
    const first = i === 0 ? 0 : 1;
    const rise = (k: number): number => base * (f0 + ((f1 - f0) / warm) * k);
    add(`linear(${n(rise(first))} -> ${n(rise(warm))})`, warm - first);
    const fall = (k: number): number => base * (f2 + ((f1 - f2) * (length - k)) / length);
    const end = length + 1; // the step k = length is the cycle's last
    if (cosine) {
      add(`cosine(${n(base * f1)} -> ${n(base * f2)})`, length - warm);
      add(`constant(${n(base * f2)})`, 1);
    } else add(`linear(${n(fall(warm))} -> ${n(fall(end))})`, end - warm);
    last = base * f2;
  }
  return chain(spans, `constant(${n(last)})`);
}

/** Constant until the first milestone, then linear decays to 0 over `total_iters`; one that begins between two steps goes on from the rate reached. */
function constantThenLinear(config: Config, spans: Spans, add: (span: string, length: number) => void): string {
  const base = config.base_lr as number;
  const total = config.total_iters as number;
  const milestones = (config.milestones as readonly number[] | undefined) ?? [config.warm_up_steps as number];
  const steps = (config.steps as number | undefined) ?? (config.max_steps as number);
  add(`constant(${n(base)})`, Math.ceil(milestones[0]!));
  let rate = base; // at the last step so far
  for (const [i, milestone] of milestones.entries()) {
    const from = Math.ceil(milestone);
    const to = Math.max(from, Math.ceil(milestones[i + 1] ?? Math.max(steps, from + total)));
    const whole = Number.isInteger(milestone);
    const at = (e: number): number => (whole ? base : rate) * Math.max(0, 1 - (whole ? e : e + 1) / total);
    const length = to - from;
    const before = rate;
    const zeroAt = Math.min(length, Math.max(1, Math.floor(whole ? total : total - 1)));
    const [a, b, end] = [at(0), at(zeroAt), at(Math.max(0, length - 1))];
    add(`linear(${n(a)} -> ${n(b)})`, zeroAt);
    if (length > zeroAt) add(`constant(${n(at(length))})`, length - zeroAt);
    rate = length > 0 ? end : before;
  }
  return chain(spans, `constant(${n(rate)})`);
}
