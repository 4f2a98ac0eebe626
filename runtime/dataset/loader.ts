// Batches of a data set. In: items, fields, batch size, seed, order. Out: batch number -> tensors on the host. Which items a batch shows is a pure
// function of its number, so that resuming needs nothing but a number; decoding runs ahead of the number asked for. A broken picture is named,
// counted and replaced by the next good one of its subject, or ends the run, as the data set says.
import { Draws, permutation } from "../../compiler/plan/philox.ts";
import type { PlanDataset, PlanField } from "../../compiler/plan/plan.ts";
import type { DecodeJob, ResizeRule } from "./decode.ts";
import { type DecodeAnswer, type Decoder, openDecoder } from "./decoder.ts";
import type { DatasetError, DatasetItem, DatasetProblem, FolderDataset } from "./folder.ts";

/** A field of the plan; an image may say how another size is met (`exact` unless said). */
export type FieldProgram = PlanField & { readonly resize?: ResizeRule };
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
  readonly fields: readonly FieldProgram[];
  readonly batch: number;
  readonly seed: number;
  readonly order: PlanDataset["order"];
  /** Batches prepared beyond the one asked for. */
  readonly ahead?: number;
  readonly threads?: number;
  /** Decoded pictures kept as bytes. */
  readonly cacheBytes?: number;
  /** Called once for each picture that is passed over. */
  readonly onProblem?: (problem: DatasetProblem) => void;
  readonly decoder?: Decoder;
}

const defaultCacheBytes = 512 * 1024 * 1024;

type ImageField = Extract<FieldProgram, { kind: "image" }>;

/** The pictures of one item, one per image field. */
type ItemAnswer = { readonly kind: "good"; readonly planes: readonly Uint8Array[] } | Exclude<DecodeAnswer, { kind: "pixels" }>;

export class BatchLoader {
  readonly #options: BatchOptions;
  readonly #decoder: Decoder;
  readonly #images: readonly ImageField[];
  readonly #prepared = new Map<number, Promise<Batch | DatasetError>>();
  readonly #inWork = new Map<number, Promise<ItemAnswer>>();
  /** Kept while there is room: an order that visits everything once per epoch gains nothing from throwing the oldest out. */
  readonly #cache = new Map<number, Extract<ItemAnswer, { kind: "good" }>>();
  #cachedBytes = 0;
  readonly #broken = new Map<number, DatasetProblem>();
  readonly #orders = new Map<number, Uint32Array>();
  #closed = false;

  constructor(options: BatchOptions) {
    if (!Number.isInteger(options.batch) || options.batch < 1) throw new Error(`internal: a batch of ${options.batch}`);
    this.#options = options;
    this.#images = options.fields.filter((f): f is ImageField => f.kind === "image");
    this.#decoder = options.decoder ?? openDecoder(options.threads);
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
    const { batch, order, dataset } = this.#options;
    const count = dataset.items.length;
    return Array.from({ length: batch }, (_, row) => {
      const position = index * batch + row;
      if (order === "weighted") return new Draws(this.#options.seed, "dataset/weighted", position).integer(count);
      return order === "sequential" ? position % count : this.#orderOf(Math.floor(position / count))[position % count]!;
    });
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

  #orderOf(epoch: number): Uint32Array {
    let order = this.#orders.get(epoch);
    if (order === undefined) {
      order = permutation(this.#options.dataset.items.length, this.#options.seed, "dataset/order", epoch);
      // A batch and those ahead of it touch few epochs; others are made again when asked for.
      if (this.#orders.size >= 4) this.#orders.delete(this.#orders.keys().next().value!);
      this.#orders.set(epoch, order);
    }
    return order;
  }

  async #prepare(index: number): Promise<Batch | DatasetError> {
    const rows = await Promise.all(this.itemsOf(index).map((item) => this.#goodItem(item)));
    const error = rows.find((row) => row.kind === "error");
    if (error !== undefined) return error;
    const good = rows.filter((row) => row.kind === "row");
    const shown = good.map((row) => this.#options.dataset.items[row.item]!);
    const fields: Record<string, FieldValue> = {};
    for (const field of this.#options.fields) {
      fields[field.name] = fill(
        field,
        shown,
        good.map((row) => row.planes),
        this.#images,
      );
    }
    return { kind: "batch", fields, items: good.map((row) => row.item) };
  }

  /** The item itself or, when it is broken, the next good one of its subject, else the next good one at all. */
  async #goodItem(wanted: number): Promise<{ kind: "row"; item: number; planes: readonly Uint8Array[] } | DatasetError> {
    const { items, spec } = this.#options.dataset;
    const first = await this.#read(wanted);
    if (first.kind === "good") return { kind: "row", item: wanted, planes: first.planes };
    if (first.kind === "lost") return lost(first.message);
    if (spec.onBroken === "fatal") {
      const help = "repair or remove the file, or let the data set skip what is broken";
      return { kind: "error", code: "dataset/broken-picture", message: `${items[wanted]!.file}: ${first.message}`, help };
    }
    const after = Array.from({ length: items.length - 1 }, (_, i) => (wanted + 1 + i) % items.length);
    const own = (item: number) => items[item]!.subjectIndex === items[wanted]!.subjectIndex;
    for (const item of [...after.filter(own), ...after.filter((i) => !own(i))]) {
      const answer = await this.#read(item);
      if (answer.kind === "good") return { kind: "row", item, planes: answer.planes };
      if (answer.kind === "lost") return lost(answer.message);
    }
    const message = `none of the ${items.length} pictures in ${spec.root} can be read; the first is ${items[0]!.file}: ${this.#broken.get(0)?.message}`;
    return { kind: "error", code: "dataset/broken-picture", message, help: "check the files and the fields' sizes" };
  }

  #read(item: number): Promise<ItemAnswer> {
    const cached = this.#cache.get(item);
    if (cached !== undefined) return Promise.resolve(cached);
    const broken = this.#broken.get(item);
    if (broken !== undefined) return Promise.resolve({ kind: "broken", message: broken.message });
    const begun = this.#inWork.get(item);
    if (begun !== undefined) return begun;
    const work = this.#decode(item).finally(() => this.#inWork.delete(item));
    this.#inWork.set(item, work);
    return work;
  }

  async #decode(item: number): Promise<ItemAnswer> {
    const { file } = this.#options.dataset.items[item]!;
    const jobs = this.#images.map(
      (field): DecodeJob => ({
        file: field.file === "mask" ? maskOf(file) : file,
        channels: field.channels,
        height: field.height,
        width: field.width,
        resize: field.resize ?? "exact",
      }),
    );
    const answers = await Promise.all(jobs.map((job) => this.#decoder.decode(job)));
    for (const [i, answer] of answers.entries()) {
      if (answer.kind === "pixels") continue;
      if (answer.kind === "broken") {
        const problem = { file: jobs[i]!.file, message: answer.message };
        this.#broken.set(item, problem);
        this.#options.onProblem?.(problem);
      }
      return answer;
    }
    const good = { kind: "good", planes: answers.map((a) => (a as Extract<DecodeAnswer, { kind: "pixels" }>).pixels) } as const;
    const bytes = good.planes.reduce((sum, plane) => sum + plane.length, 0);
    if (this.#cachedBytes + bytes <= (this.#options.cacheBytes ?? defaultCacheBytes) && !this.#closed) {
      this.#cachedBytes += bytes;
      this.#cache.set(item, good);
    }
    return good;
  }
}

function lost(message: string): DatasetError {
  return { kind: "error", code: "dataset/lost-thread", message, help: "run again with --resume; a batch depends on its number alone" };
}

/** `a/00000.jpg` -> `a/00000_mask.png`. */
export function maskOf(file: string): string {
  return `${file.replace(/\.[^./\\]*$/, "")}_mask.png`;
}

function fill(
  field: FieldProgram,
  shown: readonly DatasetItem[],
  planes: readonly (readonly Uint8Array[])[],
  images: readonly ImageField[],
): FieldValue {
  switch (field.kind) {
    case "image": {
      const place = images.indexOf(field);
      const size = field.channels * field.height * field.width;
      const [low, high] = field.range;
      const levels = Float32Array.from({ length: 256 }, (_, byte) => low + ((high - low) * byte) / 255);
      const out = new Float32Array(shown.length * size);
      let to = 0;
      for (const row of planes) for (const byte of row[place]!) out[to++] = levels[byte]!;
      return out;
    }
    case "subjectIndex":
      return Int32Array.from(shown, (item) => item.subjectIndex);
    case "subjectName":
      return shown.map((item) => item.subject);
    case "made":
      throw new Error(`internal: the field ${field.name} was not refused when the data set was opened`);
    default:
      return field satisfies never;
  }
}
