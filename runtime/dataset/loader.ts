// Batches of a data set. In: items, fields, batch size, seed, order. Out: batch number -> tensors on the host. Which items a batch shows, and
// what is drawn for them, is a pure function of its number, so that resuming needs nothing but a number; decoding runs ahead of the number
// asked for. A broken picture is named, counted and replaced by the next good one of its subject, or ends the run, as the data set says.
import { evaluateHost } from "../../compiler/plan/evalHost.ts";
import type { HostEnvironment, HostExpr } from "../../compiler/plan/host.ts";
import type { PictureStep, PlanField, PlanOrder } from "../../compiler/plan/plan.ts";
import type { WorkStep } from "./bytes.ts";
import type { DecodeJob } from "./decode.ts";
import { type DecodeAnswer, type Decoder, openDecoder } from "./decoder.ts";
import { type CallHost, DatasetFailure, ItemFacts, keptFile, noDetector } from "./facts.ts";
import type { DatasetError, DatasetItem, DatasetProblem, FolderDataset } from "./folder.ts";
import { Sampler } from "./sampling.ts";

export type FieldValue = Float32Array | Int32Array | string[];

export interface Batch {
  readonly kind: "batch";
  /** One row per sample: an image [batch, c, h, w] as f32, a subject's index as i32, its name as text. */
  readonly fields: Readonly<Record<string, FieldValue>>;
  /** Which item each row shows, after replacements. */
  readonly items: readonly number[];
}

export interface BatchOptions {
  readonly dataset: FolderDataset;
  readonly fields: readonly PlanField[];
  readonly batch: number;
  readonly seed: number;
  readonly order: PlanOrder;
  /** Batches prepared beyond the one asked for. */
  readonly ahead?: number;
  readonly threads?: number;
  /** Decoded pictures kept as bytes. */
  readonly cacheBytes?: number;
  /** Called once for each picture that is passed over. */
  readonly onProblem?: (problem: DatasetProblem) => void;
  readonly decoder?: Decoder;
  /** Calls the project's functions that fields are made by. */
  readonly callHost?: CallHost;
}

const defaultCacheBytes = 512 * 1024 * 1024;

type ImageField = Extract<PlanField, { kind: "image" }>;

/** The pictures of one item at one place, one per image field. */
type ItemAnswer =
  | { readonly kind: "good"; readonly planes: readonly Uint8Array[] }
  | { readonly kind: "broken"; readonly message: string }
  | { readonly kind: "lost"; readonly message: string };
/** An item with its pictures, and where its other fields are evaluated. */
interface Row {
  readonly kind: "row";
  readonly item: number;
  readonly planes: readonly Uint8Array[];
  readonly environment: HostEnvironment;
}

export class BatchLoader {
  readonly #options: BatchOptions;
  readonly #decoder: Decoder;
  readonly #images: readonly ImageField[];
  readonly #sampler: Sampler;
  readonly #facts: ItemFacts;
  readonly #prepared = new Map<number, Promise<Batch | DatasetError>>();
  readonly #inWork = new Map<string, Promise<DecodeAnswer>>();
  /** Kept while there is room: an order that visits everything once per epoch gains nothing from throwing the oldest out. */
  readonly #cache = new Map<string, Uint8Array>();
  #cachedBytes = 0;
  readonly #broken = new Map<number, DatasetProblem>();
  #closed = false;

  constructor(options: BatchOptions) {
    if (!Number.isInteger(options.batch) || options.batch < 1) throw new Error(`internal: a batch of ${options.batch}`);
    this.#options = options;
    this.#images = options.fields.filter((f): f is ImageField => f.kind === "image");
    this.#decoder = options.decoder ?? openDecoder(options.threads);
    this.#sampler = new Sampler(options.dataset.items, options.order, options.seed);
    this.#facts = new ItemFacts(options.seed, options.callHost ?? null);
    for (const problem of options.dataset.problems) options.onProblem?.(problem);
  }

  /** Batches until every item was shown; the last one may be filled up with items of the next epoch. */
  get batchesPerEpoch(): number {
    return Math.ceil(this.#options.dataset.items.length / this.#options.batch);
  }

  /** Pictures found broken so far, in the order of the items. */
  get problems(): readonly DatasetProblem[] {
    return [...this.#broken].sort(([a], [b]) => a - b).map(([, problem]) => problem);
  }

  /** How many rows of a batch belong to the first epoch: what an evaluation over all items counts. */
  validRows(index: number): number {
    return Math.max(0, Math.min(this.#options.batch, this.#options.dataset.items.length - index * this.#options.batch));
  }

  /** The items a batch asks for, before replacements: a pure function of (seed, order, index). */
  itemsOf(index: number): number[] {
    const { batch } = this.#options;
    return Array.from({ length: batch }, (_, row) => this.#sampler.at(index * batch + row));
  }

  /** The tensors of a batch; starts on the batches behind it. */
  async batch(index: number): Promise<Batch | DatasetError> {
    if (this.#closed) return lost("the data set was closed");
    const last = index + (this.#options.ahead ?? 2);
    for (const known of this.#prepared.keys()) if (known < index || known > last) this.#prepared.delete(known);
    for (let i = index; i <= last; i++) if (!this.#prepared.has(i)) this.#prepared.set(i, this.#prepare(i));
    return this.#prepared.get(index)!;
  }

  /** Stops the threads. Batches still in work end with an error value. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#prepared.clear();
    this.#cache.clear();
    await this.#decoder.close();
  }

  async #prepare(index: number): Promise<Batch | DatasetError> {
    try {
      const first = index * this.#options.batch;
      const rows = await Promise.all(this.itemsOf(index).map((item, row) => this.#goodItem(item, first + row)));
      const error = rows.find((row) => row.kind === "error");
      if (error !== undefined) return error;
      const good = rows.filter((row) => row.kind === "row");
      const { items } = this.#options.dataset;
      const fields: Record<string, FieldValue> = {};
      for (const field of this.#options.fields) fields[field.name] = fill(field, good, items, this.#images);
      return { kind: "batch", fields, items: good.map((row) => row.item) };
    } catch (failure) {
      if (failure instanceof DatasetFailure) return failure.error;
      throw failure;
    }
  }

  /** The item itself or, when it is broken, the next good one of its subject, else the next good one at all. */
  async #goodItem(wanted: number, place: number): Promise<Row | DatasetError> {
    const { items, specs } = this.#options.dataset;
    const row = (item: number, planes: readonly Uint8Array[]): Row => ({
      kind: "row",
      item,
      planes,
      environment: this.#facts.environment(items[item]!, place),
    });
    const first = await this.#read(wanted, place);
    if (first.kind === "good") return row(wanted, first.planes);
    if (first.kind === "lost") return lost(first.message);
    if (specs[items[wanted]!.source]!.onBroken === "fatal") {
      const help = "repair or remove the file, or let the data set skip what is broken";
      const problem = this.#broken.get(wanted)!;
      return { kind: "error", code: "dataset/broken-picture", message: `${problem.file}: ${problem.message}`, help };
    }
    const after = Array.from({ length: items.length - 1 }, (_, i) => (wanted + 1 + i) % items.length);
    const own = (item: number) => items[item]!.subjectIndex === items[wanted]!.subjectIndex;
    for (const item of [...after.filter(own), ...after.filter((i) => !own(i))]) {
      const answer = await this.#read(item, place);
      if (answer.kind === "good") return row(item, answer.planes);
      if (answer.kind === "lost") return lost(answer.message);
    }
    const roots = specs.map((spec) => spec.root).join(", ");
    const message = `none of the ${items.length} pictures in ${roots} can be read; the first is ${items[0]!.file}: ${this.#broken.get(0)?.message}`;
    return { kind: "error", code: "dataset/broken-picture", message, help: "check the files and the fields' sizes" };
  }

  async #read(item: number, place: number): Promise<ItemAnswer> {
    const broken = this.#broken.get(item);
    if (broken !== undefined) return { kind: "broken", message: broken.message };
    const one = this.#options.dataset.items[item]!;
    const environment = this.#facts.environment(one, place);
    const jobs = this.#images.map((field) => jobOf(field, one.file, environment));
    const answers = await Promise.all(jobs.map((job) => this.#decode(job)));
    for (const [i, answer] of answers.entries()) {
      if (answer.kind === "pixels") continue;
      if (answer.kind === "noDetector") throw noDetector(one.file, answer.kept);
      if (answer.kind === "lost") return answer;
      const { file } = jobs[i]!;
      const problem = { file: typeof file === "string" ? file : one.file, message: answer.message };
      if (!this.#broken.has(item)) {
        this.#broken.set(item, problem);
        this.#options.onProblem?.(problem);
      }
      return answer;
    }
    return { kind: "good", planes: answers.map((a) => (a as Extract<DecodeAnswer, { kind: "pixels" }>).pixels) };
  }

  /** Decodes, or takes what was decoded before. */
  #decode(job: DecodeJob): Promise<DecodeAnswer> {
    const key = JSON.stringify(job);
    const cached = this.#cache.get(key);
    if (cached !== undefined) return Promise.resolve({ kind: "pixels", pixels: cached });
    const begun = this.#inWork.get(key);
    if (begun !== undefined) return begun;
    const work = this.#decoder
      .decode(job)
      .then((answer) => {
        // What was moved by a drawn number hardly comes again.
        const comesAgain = !job.steps.some((step) => step.kind === "place" || (step.kind === "crop" && step.at[0] !== 0.5));
        if (answer.kind !== "pixels" || !comesAgain || this.#closed) return answer;
        const bytes = answer.pixels.length;
        if (this.#cachedBytes + bytes > (this.#options.cacheBytes ?? defaultCacheBytes)) return answer;
        this.#cachedBytes += bytes;
        this.#cache.set(key, answer.pixels);
        return answer;
      })
      .finally(() => this.#inWork.delete(key));
    this.#inWork.set(key, work);
    return work;
  }
}

/** What has to be decoded for a picture at one place, everything drawn. */
function jobOf(field: ImageField, own: string, environment: HostEnvironment): DecodeJob {
  const number = (expr: HostExpr) => Number(evaluateHost(expr, environment));
  const steps: WorkStep[] = [];
  let kept: DecodeJob["kept"];
  let align = false;
  for (const step of field.steps ?? []) {
    if (step.kind === "align") align = true;
    else if (step.kind === "cached") kept = { file: keptFile(own, step.name), after: steps.length, align };
    else steps.push(...workOf(step, number));
  }
  if (align && kept === undefined) throw noDetector(own, null);
  const { channels, height, width } = field;
  return { file: fileOf(field.file, own, environment), or: field.or ?? null, channels, height, width, steps, ...(kept ? { kept } : {}) };
}

function fileOf(file: ImageField["file"], own: string, environment: HostEnvironment): DecodeJob["file"] {
  if (file === "image") return own;
  if (file === "mask") return maskOf(own);
  if (file === "white" || file === "black") return { plain: file };
  return String(evaluateHost(file, environment));
}

function workOf(step: Exclude<PictureStep, { kind: "align" | "cached" }>, number: (expr: HostExpr) => number): readonly WorkStep[] {
  switch (step.kind) {
    case "alpha":
    case "resize":
      return [step];
    case "crop": {
      const at = step.at === null ? null : ([number(step.at[0]), number(step.at[1])] as const);
      return [{ kind: "crop", height: step.height, width: step.width, at: at ?? [0.5, 0.5] }];
    }
    case "flip":
      return number(step.when) === 0 ? [] : [{ kind: "flip" }];
    case "place":
      return [{ kind: "place", scale: number(step.scale), move: [number(step.move[0]), number(step.move[1])], margin: step.margin }];
    default:
      return step satisfies never;
  }
}

function lost(message: string): DatasetError {
  return { kind: "error", code: "dataset/lost-thread", message, help: "run again with --resume; a batch depends on its number alone" };
}

/** `a/00000.jpg` -> `a/00000_mask.png`. */
export function maskOf(file: string): string {
  return `${file.replace(/\.[^./\\]*$/, "")}_mask.png`;
}

function fill(field: PlanField, rows: readonly Row[], items: readonly DatasetItem[], images: readonly ImageField[]): FieldValue {
  switch (field.kind) {
    case "image": {
      const place = images.indexOf(field);
      const size = field.channels * field.height * field.width;
      const [low, high] = field.range;
      const value = (byte: number) => (field.is === undefined ? low + ((high - low) * byte) / 255 : Number(byte === field.is));
      const levels = Float32Array.from({ length: 256 }, (_, byte) => value(byte));
      const out = new Float32Array(rows.length * size);
      let to = 0;
      for (const { planes } of rows) for (const byte of planes[place]!) out[to++] = levels[byte]!;
      return out;
    }
    case "subjectIndex":
      return Int32Array.from(rows, ({ item }) => items[item]!.subjectIndex);
    case "subjectName":
      return rows.map(({ item }) => items[item]!.subject);
    case "made": {
      const values = rows.map(({ environment }) => evaluateHost(field.value, environment));
      if (field.type === "text") return values.map(String);
      return field.type === "f32" ? Float32Array.from(values, Number) : Int32Array.from(values, Number);
    }
    default:
      return field satisfies never;
  }
}
