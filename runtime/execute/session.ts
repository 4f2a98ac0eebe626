import { fromHalves, halfBytes, toHalves } from "../../compiler/plan/half.ts";
import type { Plan, PlanBinding, PlanLeg, StoredTensor } from "../../compiler/plan/plan.ts";
import { narrowed, widened } from "../checkpoint/floats.ts";
import { type OpenedDevice, withErrorScopes } from "../device/openDevice.ts";
import { liesAsWritten, toStoredOrder, toWrittenOrder } from "./axisOrder.ts";
import { type LegCommand, legCommands, type PlanObjects, submitCommands } from "./commands.ts";
import { outOfMemory, RuntimeFailure } from "./failure.ts";
import { createPlanObjects, creationFailure, memoryUsers, type OnPipelines } from "./planObjects.ts";
import { StagingPool } from "./staging.ts";

// A plan on a device. In: an open device and a plan. Out: a session with all buffers, pipelines and bind groups made, on which legs are run,
// inputs written and outputs read. Invariant: running a leg makes nothing on the device but its command buffers, and never waits.

export type HostArray = Float32Array | Int32Array | Uint32Array;

export interface SessionOptions {
  /** Fill slots and the leg's outputs with NaN before every run: a kernel that reads what was not written is seen at once. */
  readonly poison?: boolean;
  readonly dispatchesPerSubmit?: number;
  /** A session whose buffers of the same names hold what outlives legs: this one makes none for these, and must end first. */
  readonly over?: Session;
  readonly onPipelines?: OnPipelines;
}

export type SessionResult = { readonly ok: true; readonly session: Session } | { readonly ok: false; readonly failure: RuntimeFailure };

/** Values that are on their way to the host. */
export interface PendingRead {
  /** The values, once the leg has run. Call once. */
  values(): Promise<Readonly<Record<string, HostArray>>>;
}

const defaultDispatchesPerSubmit = 256;
const chunkBytes = 8 * 1024 * 1024;
const poisonWord = 0x7fdd7fdd; // a quiet NaN, as two 16-bit floats too, that is easy to recognise in a dump

interface RunnableLeg {
  readonly leg: PlanLeg;
  readonly commands: readonly LegCommand[];
  readonly inputs: ReadonlyMap<string, PlanLeg["inputs"][number]>;
  readonly outputs: ReadonlyMap<string, PlanLeg["outputs"][number]>;
  /** Buffers that get poison before a run. */
  readonly poisoned: readonly GPUBuffer[];
}

/** Makes a session, or says why the plan cannot run here. */
export async function createSession(opened: OpenedDevice, plan: Plan, options: SessionOptions = {}): Promise<SessionResult> {
  try {
    return { ok: true, session: await makeSession(opened, plan, options) };
  } catch (error) {
    if (error instanceof RuntimeFailure) return { ok: false, failure: error };
    throw error;
  }
}

async function makeSession(opened: OpenedDevice, plan: Plan, options: SessionOptions): Promise<Session> {
  const objects = await createPlanObjects(opened, plan, options.over?.persistent(), options.onPipelines);
  const { device } = opened;
  const bound = await withErrorScopes(device, "binding the buffers", () =>
    plan.legs.map((leg) => ({ leg, commands: legCommands(device, plan, leg, objects) })),
  );
  if (!bound.ok) throw creationFailure(opened, plan, bound.kind, bound.message);
  return new Session(opened, plan, objects, bound.value, options);
}

export class Session {
  readonly plan: Plan;
  readonly opened: OpenedDevice;
  readonly objects: PlanObjects;
  readonly #legs = new Map<string, RunnableLeg>();
  readonly #staging: StagingPool;
  readonly #dispatchesPerSubmit: number;
  readonly #poison: boolean;
  readonly #borrowed: ReadonlySet<GPUBuffer>;
  readonly #onError: (event: GPUUncapturedErrorEvent) => void;
  #failure: RuntimeFailure | null = null;
  readonly #arriving = new Map<string, Uint8Array<ArrayBuffer>>(); // tensors of which some pieces have come
  #disposed = false;

  constructor(
    opened: OpenedDevice,
    plan: Plan,
    objects: PlanObjects,
    legs: readonly { readonly leg: PlanLeg; readonly commands: readonly LegCommand[] }[],
    options: SessionOptions,
  ) {
    this.opened = opened;
    this.plan = plan;
    this.objects = objects;
    this.#staging = new StagingPool(opened.device);
    this.#dispatchesPerSubmit = options.dispatchesPerSubmit ?? defaultDispatchesPerSubmit;
    this.#poison = options.poison ?? false;
    this.#borrowed = new Set(options.over?.persistent().values());
    for (const { leg, commands } of legs) {
      const slots = plan.buffers.filter((buffer) => buffer.use === "slot").map((buffer) => buffer.id);
      const outputs = leg.outputs.map((output) => output.at.buffer).filter((id) => plan.buffers[id]!.use === "output");
      this.#legs.set(leg.name, {
        leg,
        commands,
        inputs: new Map(leg.inputs.map((input) => [input.name, input])),
        outputs: new Map(leg.outputs.map((output) => [output.name, output])),
        poisoned: [...new Set([...slots, ...outputs])].map((id) => objects.buffers[id]!),
      });
    }
    this.#onError = (event) => {
      const oom = "GPUOutOfMemoryError" in globalThis && event.error instanceof GPUOutOfMemoryError;
      this.#failure ??= oom
        ? outOfMemory(event.error.message, memoryUsers(plan))
        : new RuntimeFailure(
            "refused",
            `${opened.adapter.name} refuses: ${event.error.message}`,
            "run `adac doctor` and report this with its output",
          );
    };
    opened.device.addEventListener("uncapturederror", this.#onError);
    void opened.lost.then((loss) => {
      if (this.#disposed) return;
      this.#failure ??= new RuntimeFailure(
        "device lost",
        loss.message,
        "saved checkpoints are untouched: run again with --resume. If it happens again, make `batch` smaller or choose another driver (ADA_DRIVER=embedded)",
      );
    });
  }

  #leg(name: string): RunnableLeg {
    const leg = this.#legs.get(name);
    if (leg === undefined) throw new Error(`internal: the plan has no leg ${name}`);
    return leg;
  }

  /** The buffers of what outlives legs, by name. */
  persistent(): ReadonlyMap<string, GPUBuffer> {
    return new Map(this.plan.buffers.flatMap((b, i) => (b.use === "persistent" ? [[b.name, this.objects.buffers[i]!] as const] : [])));
  }

  /** Throws what went wrong since the last call, if anything did. */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#disposed) throw new Error("internal: the session was disposed of");
  }

  /** The commands of a leg, for profiling. */
  commandsOf(leg: string): readonly LegCommand[] {
    return this.#leg(leg).commands;
  }

  /** Writes an input of a leg. Legs that were run before still see the old value. */
  writeInput(leg: string, name: string, values: HostArray): void {
    this.check();
    const input = this.#leg(leg).inputs.get(name);
    if (input === undefined) throw new Error(`internal: leg ${leg} has no input ${name}`);
    const count = input.shape.reduce((a, b) => a * b, 1);
    if (values.length !== count) throw new Error(`internal: input ${name} of leg ${leg} has ${count} elements, not ${values.length}`);
    if (arrayOf(input.dtype) !== values.constructor) throw new Error(`internal: input ${name} of leg ${leg} is ${input.dtype}`);
    const memory = input.dtype === "f16" ? toHalves(values) : values;
    this.opened.device.queue.writeBuffer(
      this.objects.buffers[input.at.buffer]!,
      input.at.offset,
      memory as typeof memory & ArrayBufferView<ArrayBuffer>,
    );
  }

  /** Writes the uniforms of the legs that are run next, one word each. */
  writeUniforms(words: Uint32Array): void {
    this.check();
    if (words.length !== this.plan.uniforms.length)
      throw new Error(`internal: ${words.length} words for ${this.plan.uniforms.length} uniforms`);
    if (this.objects.uniforms !== null && words.length > 0)
      this.opened.device.queue.writeBuffer(this.objects.uniforms, 0, words as Uint32Array<ArrayBuffer>);
  }

  /** Starts a leg. Does not wait. */
  run(leg: string): void {
    this.check();
    const runnable = this.#leg(leg);
    if (this.#poison) this.#fillWithPoison(runnable.poisoned);
    submitCommands(this.opened.device, runnable.commands, this.#dispatchesPerSubmit);
  }

  #fillWithPoison(buffers: readonly GPUBuffer[]): void {
    for (const buffer of buffers) {
      const chunk = new Uint32Array(Math.min(buffer.size, chunkBytes) / 4).fill(poisonWord);
      for (let at = 0; at < buffer.size; at += chunkBytes)
        this.opened.device.queue.writeBuffer(buffer, at, chunk, 0, Math.min(buffer.size - at, chunkBytes) / 4);
    }
  }

  /** Takes a copy of outputs as they are after all that was started so far, to be looked at later. */
  readLater(leg: string, names: readonly string[]): PendingRead {
    this.check();
    const outputs = names.map((name) => {
      const output = this.#leg(leg).outputs.get(name);
      if (output === undefined) throw new Error(`internal: leg ${leg} has no output ${name}`);
      return output;
    });
    const counts = outputs.map((output) => output.shape.reduce((a, b) => a * b, 1));
    const sizes = outputs.map((output, i) => (output.dtype === "f16" ? halfBytes(counts[i]!) : 4 * counts[i]!));
    const total = sizes.reduce((a, b) => a + b, 0);
    const staging = this.#staging.take(total);
    const encoder = this.opened.device.createCommandEncoder();
    let to = 0;
    for (const [i, output] of outputs.entries()) {
      encoder.copyBufferToBuffer(this.objects.buffers[output.at.buffer]!, output.at.offset, staging, to, sizes[i]!);
      to += sizes[i]!;
    }
    this.opened.device.queue.submit([encoder.finish()]);
    return {
      values: async () => {
        const bytes = await this.#map(staging, total);
        let from = 0;
        const entries = outputs.map((output, i) => {
          const values =
            output.dtype === "f16"
              ? fromHalves(new Uint16Array(bytes, from, sizes[i]! / 2), counts[i]!)
              : new (arrayOf(output.dtype))(bytes, from, counts[i]!);
          from += sizes[i]!;
          return [output.name, values] as const;
        });
        return Object.fromEntries(entries);
      },
    };
  }

  /** Waits for a staging buffer, copies what it holds and takes the buffer back. */
  async #map(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    try {
      await this.opened.wait(staging.mapAsync(GPUMapMode.READ, 0, bytes));
    } catch (error) {
      // A lost device lets the map fail first and says why afterwards.
      await Promise.race([this.opened.lost, new Promise((resolve) => setTimeout(resolve, 1000))]);
      this.check();
      const message = error instanceof Error ? error.message : String(error);
      throw new RuntimeFailure("refused", `${this.opened.adapter.name} gives no result back: ${message}`, "run `adac doctor`");
    }
    const copy = staging.getMappedRange(0, bytes).slice(0);
    staging.unmap();
    this.#staging.give(staging);
    this.check();
    return copy;
  }

  /** Waits for one output of a leg. */
  async readOutput(leg: string, name: string): Promise<HostArray> {
    return (await this.readLater(leg, [name]).values())[name]!;
  }

  /** Waits until everything started so far is done. */
  async finish(): Promise<void> {
    this.check();
    await this.opened.wait(this.opened.device.queue.onSubmittedWorkDone());
    this.check();
  }

  /** The bytes of a range, in pieces. */
  async *readBuffer(at: PlanBinding): AsyncGenerator<Uint8Array> {
    const source = this.objects.buffers[at.buffer]!;
    for (let from = 0; from < at.bytes; from += chunkBytes) {
      this.check();
      const bytes = Math.min(chunkBytes, at.bytes - from);
      const staging = this.#staging.take(bytes);
      const encoder = this.opened.device.createCommandEncoder();
      encoder.copyBufferToBuffer(source, at.offset + from, staging, 0, bytes);
      this.opened.device.queue.submit([encoder.finish()]);
      yield new Uint8Array(await this.#map(staging, bytes));
    }
  }

  /** Overwrites a range, from its start. */
  writeBuffer(at: PlanBinding, bytes: Uint8Array, offset = 0): void {
    this.check();
    if (offset + bytes.length > at.bytes) throw new Error(`internal: ${offset + bytes.length} bytes for a range of ${at.bytes}`);
    const target = this.objects.buffers[at.buffer]!;
    for (let from = 0; from < bytes.length; from += chunkBytes) {
      const part = bytes.subarray(from, Math.min(bytes.length, from + chunkBytes)) as Uint8Array<ArrayBuffer>;
      this.opened.device.queue.writeBuffer(target, at.offset + offset + from, part);
    }
  }

  /** The numbers of a stored tensor in the order of its shape, as f32 bytes, in pieces. */
  async *readFloats(tensor: StoredTensor): AsyncGenerator<Uint8Array> {
    if (liesAsWritten(tensor)) {
      yield* this.#readAsStored(tensor);
      return;
    }
    const whole = new Uint8Array(4 * tensor.shape.reduce((a, b) => a * b, 1));
    let at = 0;
    for await (const piece of this.#readAsStored(tensor)) {
      whole.set(piece, at);
      at += piece.length;
    }
    yield bytesOfFloats(toWrittenOrder(tensor, new Float32Array(whole.buffer)));
  }
  async *#readAsStored(tensor: StoredTensor): AsyncGenerator<Uint8Array> {
    const count = tensor.shape.reduce((a, b) => a * b, 1);
    if (tensor.dtype === "f32") {
      yield* this.readBuffer({ ...tensor.at, bytes: 4 * count });
      return;
    }
    let left = count;
    for await (const piece of this.readBuffer({ ...tensor.at, bytes: halfBytes(count) })) {
      yield widened(piece, left);
      left -= piece.length / 2;
    }
  }

  /**
   * Overwrites numbers of a stored tensor. `offset`: in bytes of f32, a multiple of 16. What lies in another order than the shape's arrives
   * whole, in pieces one after the other, before it is written.
   */
  writeFloats(tensor: StoredTensor, bytes: Uint8Array, offset = 0): void {
    if (liesAsWritten(tensor)) {
      this.#writeAsStored(tensor, bytes, offset);
      return;
    }
    const size = 4 * tensor.shape.reduce((a, b) => a * b, 1);
    const whole = offset === 0 ? new Uint8Array(size) : this.#arriving.get(tensor.key);
    if (!whole) throw new Error(`internal: ${tensor.key} arrives without its beginning`);
    whole.set(bytes, offset);
    if (offset + bytes.length < size) {
      this.#arriving.set(tensor.key, whole);
      return;
    }
    this.#arriving.delete(tensor.key);
    this.#writeAsStored(tensor, bytesOfFloats(toStoredOrder(tensor, new Float32Array(whole.buffer))), 0);
  }
  #writeAsStored(tensor: StoredTensor, bytes: Uint8Array, offset: number): void {
    if (tensor.dtype === "f32") this.writeBuffer(tensor.at, bytes, offset);
    else this.writeBuffer(tensor.at, narrowed(bytes), offset / 2);
  }

  /** Frees everything on the device. The device itself stays open. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.opened.device.removeEventListener("uncapturederror", this.#onError);
    this.#staging.dispose();
    for (const buffer of this.objects.buffers) if (!this.#borrowed.has(buffer)) buffer.destroy();
    this.objects.uniforms?.destroy();
    for (const texture of this.objects.textures) texture.destroy();
  }
}

const bytesOfFloats = (values: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => new Uint8Array(values.buffer);

function arrayOf(dtype: PlanLeg["outputs"][number]["dtype"]): Float32ArrayConstructor | Int32ArrayConstructor | Uint32ArrayConstructor {
  switch (dtype) {
    case "f32":
    case "f16": // converted on the way
      return Float32Array;
    case "i32":
      return Int32Array;
    case "u32":
    case "bool":
      return Uint32Array;
    default:
      return dtype satisfies never;
  }
}
