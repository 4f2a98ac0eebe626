// Who decodes: threads in the built product; where only TypeScript sources run (unit tests), the image library's own pool. Both give the same
// bytes. Invariant: every job is answered, also when a thread dies or the decoder is closed.
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { type Decoded, type DecodeJob, decodePicture } from "./decode.ts";
import type { WorkerReply, WorkerRequest } from "./decodeWorker.ts";

/** `lost`: not the file's fault. */
export type DecodeAnswer = Decoded | { readonly kind: "lost"; readonly message: string };

export interface Decoder {
  readonly threads: number;
  decode(job: DecodeJob): Promise<DecodeAnswer>;
  close(): Promise<void>;
}

/** One thread up to two cores: on a software adapter the training step wants the same cores. */
export function defaultThreads(cores = availableParallelism()): number {
  return cores <= 2 ? 1 : Math.min(4, cores - 2);
}

/** The compiled thread body, if this module itself runs compiled. */
const workerFile = import.meta.url.endsWith(".js") ? new URL("./decodeWorker.js", import.meta.url) : undefined;

/** Threads are started at the first job. */
export function openDecoder(threads = defaultThreads(), body: URL | undefined = workerFile): Decoder {
  return body === undefined || threads === 0 ? inlineDecoder() : threadDecoder(threads, body);
}

function inlineDecoder(): Decoder {
  return { threads: 0, decode: decodePicture, close: async () => undefined };
}

interface Thread {
  readonly worker: Worker;
  readonly pending: Map<number, (answer: DecodeAnswer) => void>;
  alive: boolean;
}

function threadDecoder(count: number, body: URL): Decoder {
  const threads: Thread[] = [];
  let closed = false;
  let nextId = 0;

  const start = (): Thread => {
    const worker = new Worker(body);
    const thread: Thread = { worker, pending: new Map(), alive: true };
    const fail = (message: string) => {
      thread.alive = false;
      for (const answer of thread.pending.values()) answer({ kind: "lost", message });
      thread.pending.clear();
    };
    worker.on("message", ({ id, decoded }: WorkerReply) => {
      const answer = thread.pending.get(id);
      thread.pending.delete(id);
      // An idle thread must not keep the process alive, a busy one must.
      if (thread.pending.size === 0) worker.unref();
      answer?.(decoded);
    });
    worker.on("error", (error: Error) => fail(`a decoding thread failed: ${error.message}`));
    worker.on("exit", () => fail(closed ? "the data set was closed" : "a decoding thread stopped"));
    worker.unref();
    return thread;
  };

  return {
    threads: count,
    decode(job) {
      if (closed) return Promise.resolve({ kind: "lost", message: "the data set was closed" });
      if (threads.length === 0) threads.push(...Array.from({ length: count }, start));
      const living = threads.filter((t) => t.alive);
      if (living.length === 0) return Promise.resolve({ kind: "lost", message: "all decoding threads have stopped" });
      const thread = living.reduce((a, b) => (b.pending.size < a.pending.size ? b : a));
      const request: WorkerRequest = { id: nextId++, job };
      return new Promise((answer) => {
        thread.pending.set(request.id, answer);
        thread.worker.ref();
        thread.worker.postMessage(request);
      });
    },
    async close() {
      closed = true;
      await Promise.all(threads.map((t) => t.worker.terminate()));
    },
  };
}
