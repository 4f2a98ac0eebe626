// The process of one peer: opens the library and answers the parent's questions. Arguments: the peer's name, the manifest of its packages, and
// `checked` if the driver's bounds checks are to stay.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { create, globals } from "webgpu";
import { quietWait } from "../../runtime/device/quietWait.ts";
import { ensureVulkanLoader } from "../../runtime/device/vulkanLoader.ts";
import { workloadOf } from "../workloads.ts";
import { openJax } from "./jax.ts";
import { openOnnxruntimeCpu, openOnnxruntimeNode, openOnnxruntimeWeb } from "./onnxruntime.ts";
import type { Answer, OpenPeer, PeerName, PreparedTask, Question } from "./peer.ts";
import { openTfjs } from "./tfjs.ts";

const openers: { readonly [K in PeerName]: OpenPeer } = {
  "jax-js": openJax,
  tfjs: openTfjs,
  "onnxruntime-web": openOnnxruntimeWeb,
  "onnxruntime-node": openOnnxruntimeNode,
  "onnxruntime-cpu": openOnnxruntimeCpu,
};
const [name, manifest, checks] = process.argv.slice(2) as [PeerName, string, "checked" | "unchecked"];
const answer = (message: Answer): void => void process.send!(message);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 300);

/** Libraries look for WebGPU where a browser has it; with the driver's bounds checks, as a browser has them, or without, as our own kernels. */
function offerWebgpu(): void {
  Object.assign(globalThis, globals);
  const gpu = create(checks === "checked" ? [] : ["enable-dawn-features=disable_robustness"]);
  const navigator = { gpu, userAgent: `Node.js/${process.versions.node}` };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true, writable: true });
}

async function reply(
  question: Question,
  current: PreparedTask | null,
  prepare: (q: Question & { kind: "prepare" }) => Promise<PreparedTask | null>,
): Promise<PreparedTask | null> {
  if (question.kind === "prepare") {
    const made = await prepare(question);
    await made?.run();
    answer({ kind: "prepared", able: made !== null });
    return made;
  }
  if (current === null) throw new Error("internal: nothing is prepared");
  switch (question.kind) {
    case "samples": {
      const values = await current.output();
      answer({ kind: "samples", values: question.places.map((place) => values[place]!) });
      return current;
    }
    case "run": {
      const started = performance.now();
      for (let i = 0; i < question.repeats; i++) await current.run();
      answer({ kind: "ran", ms: performance.now() - started });
      return current;
    }
    case "release":
      await current.release();
      answer({ kind: "released" });
      return null;
    default:
      return question satisfies never;
  }
}

let current: PreparedTask | null = null;
try {
  await ensureVulkanLoader();
  offerWebgpu();
  const load = createRequire(manifest);
  const find = (file: string): string => join(dirname(manifest), "node_modules", file);
  const peer = await openers[name]({ load, find, wait: (promise) => quietWait(promise) });
  process.on("message", (question: Question) => {
    reply(question, current, ({ task, inParts }) => peer.prepare(workloadOf(task), inParts)).then(
      (next) => {
        current = next;
      },
      (error: unknown) => answer({ kind: "failed", message: messageOf(error) }),
    );
  });
  answer({ kind: "ready" });
} catch (error) {
  answer({ kind: "failed", message: messageOf(error) });
  process.disconnect();
}
