import { halfBytes } from "./half.ts";
import {
  canLieInStripes,
  isStriped,
  isTextureKind,
  maxOperandTextureRows,
  maxTextures,
  operandTextureSize,
  texelBytesOf,
} from "./operandTexture.ts";
import { flatOps } from "./ops.ts";
import type { Plan, PlanBinding, PlanBuffer, PlanLeg, PlanMix, PlanOp, PlanRepeat, StoredTensor } from "./plan.ts";
import { BufferRanges, type Interval } from "./rangeSet.ts";

// Checks that a plan can be run as it stands. In: any plan, also one read from disk. Out: every problem found, each naming leg, operation and
// what it does; an empty list means that no binding leaves its buffer, the API will take every command, and no leg reads what it has
// not written.

export interface PlanProblem {
  readonly leg: string | null;
  readonly op: number | null;
  readonly what: string | null;
  readonly message: string;
}

/** One line that says where the problem is and what it is. */
export function printProblem(problem: PlanProblem): string {
  const place = [
    problem.leg === null ? null : `leg ${problem.leg}`,
    problem.op === null ? null : `op ${problem.op}`,
    problem.what === null ? null : `(${problem.what})`,
  ].filter((part) => part !== null);
  return place.length === 0 ? problem.message : `${place.join(" ")}: ${problem.message}`;
}

/** Storage textures that every adapter binds in one stage. */
/** Alignment of copies and clears. */
const copyAlignment = 4;

type Report = (message: string, leg?: string | null, op?: number | null, what?: string | null) => void;

/** All problems of a plan. */
export function verifyPlan(plan: Plan): PlanProblem[] {
  const problems: PlanProblem[] = [];
  const report: Report = (message, leg = null, op = null, what = null) => problems.push({ leg, op, what, message });
  if (plan.format !== 1) report(`format ${plan.format} is not known; this version reads format 1`);
  verifyBuffers(plan, report);
  verifyKernels(plan, report);
  const names = new Set<string>();
  for (const leg of plan.legs) {
    if (names.has(leg.name)) report("another leg has this name", leg.name);
    names.add(leg.name);
    verifyLeg(plan, leg, report);
  }
  verifyProgram(plan, report);
  return problems;
}

function verifyBuffers(plan: Plan, report: Report): void {
  for (const [index, buffer] of plan.buffers.entries()) {
    const name = `buffer ${index} (${buffer.name})`;
    if (buffer.id !== index) report(`${name} has the id ${buffer.id}`);
    if (!Number.isInteger(buffer.bytes) || buffer.bytes <= 0 || buffer.bytes % 16 !== 0)
      report(`${name} has ${buffer.bytes} bytes: not a positive multiple of 16`);
    if (buffer.use === "constant") {
      const given = buffer.data === undefined ? null : base64Bytes(buffer.data);
      if (given === null) report(`${name} is a constant without data`);
      else if (given > buffer.bytes) report(`${name} has ${buffer.bytes} bytes, but its data has ${given}`);
    } else if (buffer.data !== undefined) report(`${name} has data, but is no constant`);
  }
  const uniforms = plan.buffers.filter((buffer) => buffer.use === "uniform");
  if (uniforms.length > 1) report(`${uniforms.length} uniform buffers; there is one at most`);
  for (const buffer of uniforms)
    if (buffer.bytes < 4 * plan.uniforms.length)
      report(`the uniform buffer has ${buffer.bytes} bytes for ${plan.uniforms.length} uniforms of 4 bytes`);
}

function base64Bytes(text: string): number {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return Math.floor((text.length * 3) / 4) - padding;
}

function verifyKernels(plan: Plan, report: Report): void {
  const ids = new Set<string>();
  for (const kernel of plan.kernels) {
    if (ids.has(kernel.id)) report(`two kernels have the id ${kernel.id}`);
    ids.add(kernel.id);
    const count = (kind: string) => kernel.bindings.filter((binding) => binding === kind).length;
    const storage = count("read") + count("readWrite");
    if (storage > plan.target.maxStorageBuffers)
      report(`kernel ${kernel.name} binds ${storage} storage buffers; the target allows ${plan.target.maxStorageBuffers}`);
    const textures = kernel.bindings.filter(isTextureKind).length;
    if (textures > maxTextures) report(`kernel ${kernel.name} binds ${textures} textures; ${maxTextures} are allowed`);
    if (textures > 0 && !plan.target.textureOperands) report(`kernel ${kernel.name} binds textures; the target has no texture operands`);
    if (count("readWrite") === 0) report(`kernel ${kernel.name} writes nothing`);
    const uniformAt = kernel.bindings.indexOf("uniform");
    if (uniformAt >= 0 && uniformAt !== kernel.bindings.length - 1)
      report(`kernel ${kernel.name}: the uniform buffer is not the last binding`);
    if (uniformAt >= 0 && plan.uniforms.length === 0)
      report(`kernel ${kernel.name} binds the uniform buffer, but the plan has no uniforms`);
  }
}

/** Where a leg may read: what it has written, what the host has written, and what keeps its content. */
class Known {
  readonly #plan: Plan;
  readonly #written = new BufferRanges();

  constructor(plan: Plan) {
    this.#plan = plan;
  }
  write(at: PlanBinding): void {
    this.#written.add(at);
  }
  /** First byte range of `at` that nobody has written; null when there is none. */
  missing(at: PlanBinding): Interval | null {
    const use = this.#plan.buffers[at.buffer]?.use;
    if (use === undefined || use === "persistent" || use === "constant" || use === "uniform") return null;
    return this.#written.firstGap(at);
  }
}

function verifyLeg(plan: Plan, leg: PlanLeg, report: Report): void {
  const known = new Known(plan);
  const inputNames = new Set<string>();
  for (const input of leg.inputs) {
    const what = `input ${input.name}`;
    if (inputNames.has(input.name)) report("the leg has two inputs of this name", leg.name, null, what);
    inputNames.add(input.name);
    checkRange(plan, input.at, copyAlignment, (message) => report(message, leg.name, null, what));
    if (plan.buffers[input.at.buffer]?.use !== "input") report("lies in a buffer that is not for input", leg.name, null, what);
    checkHolds(input, (message) => report(message, leg.name, null, what));
    known.write(input.at);
  }
  for (const [index, op] of leg.ops.entries()) {
    verifyOp(plan, op, known, (message) => report(message, leg.name, index, titleOf(op)));
  }
  const outputNames = new Set<string>();
  for (const output of leg.outputs) {
    const what = `output ${output.name}`;
    if (outputNames.has(output.name)) report("the leg has two outputs of this name", leg.name, null, what);
    outputNames.add(output.name);
    checkRange(plan, output.at, copyAlignment, (message) => report(message, leg.name, null, what));
    checkHolds(output, (message) => report(message, leg.name, null, what));
    const gap = known.missing(output.at);
    if (gap !== null) report(`bytes ${gap.from} to ${gap.to} are never written`, leg.name, null, what);
  }
}

type Note = (message: string) => void;

const describe = (plan: Plan, at: PlanBinding): string => {
  const buffer = plan.buffers[at.buffer];
  return `buffer ${at.buffer}${buffer === undefined ? "" : ` (${buffer.name})`} bytes ${at.offset} to ${at.offset + at.bytes}`;
};

function checkRange(plan: Plan, at: PlanBinding, alignment: number, note: Note): boolean {
  const buffer: PlanBuffer | undefined = plan.buffers[at.buffer];
  if (buffer === undefined) {
    note(`there is no buffer ${at.buffer}`);
    return false;
  }
  if (
    !Number.isInteger(at.offset) ||
    !Number.isInteger(at.bytes) ||
    at.offset < 0 ||
    at.bytes <= 0 ||
    at.offset + at.bytes > buffer.bytes
  ) {
    note(`${describe(plan, at)} is not inside the buffer's ${buffer.bytes} bytes`);
    return false;
  }
  if (at.offset % alignment !== 0 || at.bytes % copyAlignment !== 0) {
    note(`${describe(plan, at)} is not aligned: offsets to ${alignment}, lengths to ${copyAlignment}`);
    return false;
  }
  return true;
}

function checkHolds(tensor: Pick<StoredTensor, "at" | "shape"> & { readonly dtype: string }, note: Note): void {
  const count = tensor.shape.reduce((a, b) => a * b, 1);
  const needed = tensor.dtype === "f16" ? halfBytes(count) : 4 * count;
  if (needed > tensor.at.bytes) note(`shape [${tensor.shape.join(", ")}] needs ${needed} bytes, the range has ${tensor.at.bytes}`);
}

function verifyOp(plan: Plan, op: PlanOp, known: Known, note: Note): void {
  switch (op.kind) {
    case "copy": {
      if (!checkRange(plan, op.from, copyAlignment, note) || !checkRange(plan, op.to, copyAlignment, note)) return;
      if (op.from.bytes !== op.to.bytes) note(`copies ${op.from.bytes} bytes to a range of ${op.to.bytes}`);
      if (op.from.buffer === op.to.buffer) note(`copies within buffer ${op.from.buffer}: the API refuses this`);
      checkRead(plan, op.from, known, note);
      checkWritable(plan, op.to, note);
      known.write(op.to);
      return;
    }
    case "clear":
      if (!checkRange(plan, op.target, copyAlignment, note)) return;
      checkWritable(plan, op.target, note);
      known.write(op.target);
      return;
    case "dispatch":
      verifyDispatch(plan, op, known, note);
      return;
    case "repeat":
      verifyRepeat(plan, op, known, note);
      return;
    default:
      op satisfies never;
  }
}

const titleOf = (op: PlanOp): string => (op.kind === "dispatch" || op.kind === "repeat" ? op.what : op.kind);

/** A later run reads what an earlier one wrote besides what was there, so one look at the body is enough. */
function verifyRepeat(plan: Plan, op: PlanRepeat, known: Known, note: Note): void {
  if (!Number.isInteger(op.count) || op.count < 1) note(`runs ${op.count} times`);
  for (const { from, uniform, words } of op.items) {
    if (!checkRange(plan, from, copyAlignment, note)) continue;
    if (from.bytes !== 4 * words * op.count) note(`items of ${words} words for ${op.count} runs are ${describe(plan, from)}`);
    if (uniform < 0 || words < 1 || uniform + words > plan.uniforms.length)
      note(`items go to the uniforms ${uniform} to ${uniform + words - 1}; there are ${plan.uniforms.length}`);
    checkRead(plan, from, known, note);
  }
  for (const [i, inner] of op.ops.entries()) {
    verifyOp(plan, inner, known, (message) => note(`op ${i} of the body (${titleOf(inner)}): ${message}`));
  }
  for (const { from, to } of op.every) {
    if (!checkRange(plan, from, copyAlignment, note) || !checkRange(plan, to, copyAlignment, note)) continue;
    if (to.bytes !== op.count * from.bytes) note(`keeps ${from.bytes} bytes of each of ${op.count} runs in a range of ${to.bytes}`);
    if (from.buffer === to.buffer) note(`copies within buffer ${from.buffer}: the API refuses this`);
    checkRead(plan, from, known, note);
    checkWritable(plan, to, note);
    known.write(to);
  }
}

function checkRead(plan: Plan, at: PlanBinding, known: Known, note: Note): void {
  const gap = known.missing(at);
  if (gap !== null) note(`reads ${describe(plan, at)}, of which bytes ${gap.from} to ${gap.to} were not written before`);
}

function checkWritable(plan: Plan, at: PlanBinding, note: Note): void {
  const buffer = plan.buffers[at.buffer];
  if (buffer?.use === "constant" || buffer?.use === "input" || buffer?.use === "uniform")
    note(`writes ${describe(plan, at)}, which is ${buffer.use}`);
}

function verifyDispatch(plan: Plan, op: Extract<PlanOp, { kind: "dispatch" }>, known: Known, note: Note): void {
  const kernel = plan.kernels[op.kernel];
  if (kernel === undefined) {
    note(`there is no kernel ${op.kernel}`);
    return;
  }
  const limit = plan.target.maxWorkgroupsPerDimension;
  if (op.grid.some((n) => !Number.isInteger(n) || n < 1 || n > limit)) note(`grid ${op.grid.join(" x ")}: each side must be 1 to ${limit}`);
  const kinds = kernel.bindings.filter((kind) => kind !== "uniform");
  if (kinds.length !== op.bindings.length) {
    note(`kernel ${kernel.name} takes ${kinds.length} bindings, the dispatch gives ${op.bindings.length}`);
    return;
  }
  const read: PlanBinding[] = [];
  const written: PlanBinding[] = [];
  let sound = true;
  for (const [i, at] of op.bindings.entries()) {
    const kind = kinds[i]!;
    const label: Note = (message) => note(`binding ${i}: ${message}`);
    if (!checkRange(plan, at, isTextureKind(kind) ? texelBytesOf[kind] : plan.target.offsetAlignment, label)) {
      sound = false;
      continue;
    }
    if (isTextureKind(kind)) {
      if (at.bytes % texelBytesOf[kind] !== 0) label(`${describe(plan, at)} is no whole number of texels`);
      if (isStriped(kind)) {
        if (at.rowBytes === undefined || !canLieInStripes(at.bytes, at.rowBytes, kind))
          label(`${describe(plan, at)} cannot lie in stripes of rows of ${at.rowBytes ?? "unknown"} bytes`);
      } else {
        const [, rows] = operandTextureSize(at, kind);
        if (rows > maxOperandTextureRows)
          label(`${describe(plan, at)} needs a texture of ${rows} rows; ${maxOperandTextureRows} are allowed`);
      }
    } else if (at.bytes > plan.target.maxBindingBytes)
      label(`${describe(plan, at)} has ${at.bytes} bytes; one binding may have ${plan.target.maxBindingBytes}`);
    if (kind === "readWrite") {
      checkWritable(plan, at, label);
      written.push(at);
    } else {
      checkRead(plan, at, known, label);
      // A texture is a copy made before the dispatch, so it may share its buffer with a result.
      if (kind === "read") read.push(at);
    }
  }
  if (!sound) return;
  for (const at of read) {
    if (written.some((other) => other.buffer === at.buffer))
      note(
        `buffer ${at.buffer} (${plan.buffers[at.buffer]!.name}) is bound to read and to write: the API refuses this, even for disjoint ranges`,
      );
  }
  for (const [i, a] of written.entries())
    for (const b of written.slice(i + 1))
      if (a.buffer === b.buffer && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes)
        note(`two writable bindings overlap: ${describe(plan, a)} and ${describe(plan, b)}`);
  for (const at of written) known.write(at);
}

function verifyProgram(plan: Plan, report: Report): void {
  const legs = new Map(plan.legs.map((leg) => [leg.name, leg]));
  const needLeg = (name: string, forWhat: string): PlanLeg | undefined => {
    const leg = legs.get(name);
    if (leg === undefined) report(`${forWhat} names the leg ${name}, which the plan does not have`);
    return leg;
  };
  const program = plan.program;
  switch (program.kind) {
    case "function":
      needLeg("main", "a function plan");
      return;
    case "surgery":
      for (const leg of plan.legs)
        if (!leg.outputs.some((output) => output.name === "new")) report("a surgery's leg has no output `new`", leg.name);
      return;
    case "evaluate": {
      verifyStored(plan, program.stored, needLeg(program.initLeg, "the start"), report);
      const leg = needLeg(program.leg, "the evaluation");
      if (leg !== undefined) verifyMeasures(program, leg, report);
      return;
    }
    case "train": {
      verifyStored(plan, program.stored, needLeg(program.initLeg, "the start"), report);
      needLeg(program.updateLeg, "the update");
      if (program.preview) needLeg(program.preview.leg, "the preview");
      const steps = new Set<string>();
      for (const step of program.steps) {
        steps.add(step.name);
        const dataset = program.datasets.find((candidate) => candidate.setting === step.dataset.setting);
        if (dataset === undefined) report(`step ${step.name} takes data from ${step.dataset.setting}, which the plan does not have`);
        const keys = new Set<string>();
        const prompts = new Set((program.prompts ?? []).map((prompt) => prompt.name));
        if (step.alternatives.length === 0) report(`step ${step.name} has no alternative`);
        for (const alternative of step.alternatives) {
          const key = JSON.stringify(alternative.key);
          const label = `step ${step.name}, alternative ${key}`;
          if (keys.has(key)) report(`${label} is there twice`);
          keys.add(key);
          if (alternative.key.length !== step.choices.length)
            report(`${label} has ${alternative.key.length} values for ${step.choices.length} choices`);
          const last = new Set([alternative.first, alternative.next]);
          const waits = (alternative.reads ?? []).map((read) => read.leg);
          for (const read of alternative.reads ?? [])
            if (!needLeg(read.leg, label)?.outputs.some((output) => output.name === `read.${read.name}`))
              report(`has no output read.${read.name}`, read.leg);
          for (const name of new Set([...waits, ...last])) {
            const leg = needLeg(name, label);
            if (leg === undefined) continue;
            if (alternative.minimises && last.has(name) && !leg.outputs.some((output) => output.name === "loss"))
              report("minimises, but has no output `loss`", name);
            for (const input of leg.inputs) {
              if (prompts.has(input.name.slice(0, input.name.indexOf(".")))) continue;
              const field = input.name.startsWith(`${step.dataset.binder}.`) ? input.name.slice(step.dataset.binder.length + 1) : null;
              if (field === null || (dataset !== undefined && !dataset.spec.fields.some((candidate) => candidate.name === field)))
                report(`input ${input.name} is no field of ${step.dataset.binder}`, name);
            }
          }
        }
      }
      verifyMix(program.mix, steps, report);
      return;
    }
    case "walk": {
      verifyStored(plan, program.stored, needLeg(program.initLeg, "the start"), report);
      for (const [key, name] of Object.entries(program.legs)) needLeg(key, `the leg of ${name}`);
      return;
    }
    default:
      program satisfies never;
  }
}

function verifyMeasures(program: Extract<Plan["program"], { kind: "evaluate" }>, leg: PlanLeg, report: Report): void {
  for (const measure of program.measures)
    for (const arg of measure.args) {
      if (arg.kind === "collected" && !leg.outputs.some((output) => output.name === `collect.${arg.name}`))
        report(`measure ${measure.name} reads collect.${arg.name}, which leg ${leg.name} does not give`);
      if (arg.kind === "field" && !(program.dataset?.spec.fields ?? []).some((field) => field.name === arg.name))
        report(`measure ${measure.name} reads the field ${arg.name}, which the data set does not have`);
    }
}

function verifyMix(mix: PlanMix, steps: ReadonlySet<string>, report: Report): void {
  if (mix.kind === "every") {
    if (!Number.isInteger(mix.count) || mix.count < 1) report(`the mix counts every ${mix.count} updates`);
    verifyMix(mix.mix, steps, report);
    verifyMix(mix.otherwise, steps, report);
    return;
  }
  if (mix.choices.length === 0) report("the mix has no steps to choose from");
  for (const choice of mix.choices)
    if (!steps.has(choice.step)) report(`the mix names the step ${choice.step}, which the plan does not have`);
}

function verifyStored(plan: Plan, stored: readonly StoredTensor[], init: PlanLeg | undefined, report: Report): void {
  const keys = new Set<string>();
  const taken = new Map<number, { from: number; to: number; key: string }[]>();
  const initialised = new BufferRanges();
  for (const { op } of flatOps(init?.ops ?? [])) {
    if (op.kind === "copy") initialised.add(op.to);
    else if (op.kind === "clear") initialised.add(op.target);
    else {
      const kinds = plan.kernels[op.kernel]?.bindings ?? [];
      for (const [i, at] of op.bindings.entries()) if (kinds[i] === "readWrite") initialised.add(at);
    }
  }
  for (const tensor of stored) {
    const what = `stored tensor ${tensor.key}`;
    const note: Note = (message) => report(`${what}: ${message}`);
    if (keys.has(tensor.key)) note("another one has this key");
    keys.add(tensor.key);
    if (!checkRange(plan, tensor.at, copyAlignment, note)) continue;
    checkHolds(tensor, note);
    const axes = tensor.shape.map((_, axis) => axis);
    if (tensor.order && [...tensor.order].sort((a, b) => a - b).join() !== axes.join()) note("lies in no order of its axes");
    if (plan.buffers[tensor.at.buffer]!.use !== "persistent") note(`${describe(plan, tensor.at)} does not keep its content between legs`);
    const range = { from: tensor.at.offset, to: tensor.at.offset + tensor.at.bytes, key: tensor.key };
    const others = taken.get(tensor.at.buffer) ?? [];
    taken.set(tensor.at.buffer, [...others, range]);
    const other = others.find((candidate) => candidate.from < range.to && range.from < candidate.to);
    if (other !== undefined) note(`lies over ${other.key}`);
    if (init === undefined) continue;
    const gap = initialised.firstGap(tensor.at);
    if (gap !== null) note(`leg ${init.name} leaves bytes ${gap.from} to ${gap.to} without a starting value`);
  }
}
