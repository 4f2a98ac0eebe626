import { type CompileOptions, compileGraph } from "../compiler/compile.ts";
import type { NdArray } from "../compiler/ir/ops/row.ts";
import type { Graph } from "../compiler/ir/value.ts";
import { evaluateHost } from "../compiler/plan/evalHost.ts";
import type { HostEnvironment, UniformDecl } from "../compiler/plan/host.ts";
import type { Plan, PlanTarget } from "../compiler/plan/plan.ts";
import type { OpenedDevice } from "../runtime/device/openDevice.ts";
import { createSession, type Session } from "../runtime/execute/session.ts";
import { targetOf } from "./target.ts";

// A graph on the device, compiled once and run as often as wanted: what tests and recorded cases are measured with. Outputs are poisoned before each run.

const start: HostEnvironment = { seed: 0, microStep: 0, update: 0, progress: 0 };

export class DeviceGraph {
  readonly #session: Session;
  readonly #plan: Plan;

  private constructor(session: Session, plan: Plan) {
    this.#session = session;
    this.#plan = plan;
  }

  static async create(
    opened: OpenedDevice,
    graph: Graph,
    uniforms: readonly UniformDecl[],
    options: CompileOptions = {},
    target: PlanTarget = targetOf(opened.adapter),
  ): Promise<DeviceGraph> {
    const plan = compileGraph(graph, uniforms, target, options);
    const made = await createSession(opened, plan, { poison: true });
    if (!made.ok) throw new Error(made.failure.message);
    return new DeviceGraph(made.session, plan);
  }

  async run(inputs: Readonly<Record<string, NdArray>>, environment: HostEnvironment = start): Promise<Record<string, NdArray>> {
    const leg = this.#plan.legs[0]!;
    for (const input of leg.inputs) {
      const given = inputs[input.name];
      if (!given) throw new Error(`internal: no value for input ${input.name}`);
      const array = input.dtype === "f32" || input.dtype === "f16" ? Float32Array : input.dtype === "i32" ? Int32Array : Uint32Array;
      this.#session.writeInput(leg.name, input.name, array.from(given.data));
    }
    if (this.#plan.uniforms.length > 0) this.#session.writeUniforms(words(this.#plan.uniforms, environment));
    this.#session.run(leg.name);
    const results: Record<string, NdArray> = {};
    for (const output of leg.outputs) {
      const values = await this.#session.readOutput(leg.name, output.name);
      results[output.name] = { dtype: output.dtype, shape: output.shape, data: Float64Array.from(values) };
    }
    return results;
  }

  dispose(): void {
    this.#session.dispose();
  }
}

function words(uniforms: readonly UniformDecl[], environment: HostEnvironment): Uint32Array {
  const bits = new Uint32Array(uniforms.length);
  const floats = new Float32Array(bits.buffer);
  for (const [i, u] of uniforms.entries()) {
    const value = Number(evaluateHost(u.expr, environment));
    if (u.dtype === "f32") floats[i] = value;
    else bits[i] = value;
  }
  return bits;
}
