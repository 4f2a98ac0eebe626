// The body of a decoding thread: jobs in, pixels out, one at a time, so that a thread never takes more than one core.
import { parentPort } from "node:worker_threads";
import sharp from "sharp";
import { type Decoded, type DecodeJob, decodePicture } from "./decode.ts";

export interface WorkerRequest {
  readonly id: number;
  readonly job: DecodeJob;
}
export interface WorkerReply {
  readonly id: number;
  readonly decoded: Decoded;
}

const port = parentPort;
if (port === null) throw new Error("internal: decodeWorker is the body of a thread, not a module to import");
sharp.concurrency(1);
sharp.cache(false);

let last: Promise<void> = Promise.resolve();
port.on("message", ({ id, job }: WorkerRequest) => {
  last = last.then(async () => {
    const decoded = await decodePicture(job);
    const reply: WorkerReply = { id, decoded };
    port.postMessage(reply, decoded.kind === "pixels" ? [decoded.pixels.buffer as ArrayBuffer] : []);
  });
});
