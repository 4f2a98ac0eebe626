import { expect, test } from "vitest";
import { targetOf } from "../../cli/target.ts";
import { peakPlans } from "../../compiler/peakPlans.ts";
import { openDevice } from "../device/openDevice.ts";
import { measurePeak } from "./peak.ts";
import { createSession, type Session } from "./session.ts";

test("the peak's kernels compute what they say, and its figures are those of a machine", async () => {
  const opened = await openDevice();
  if (!opened.ok) throw new Error(opened.reason);
  try {
    const plans = peakPlans(targetOf(opened.adapter));
    const made = [
      await createSession(opened, plans.arithmetic, { poison: true }),
      await createSession(opened, plans.copy, { poison: true }),
    ];
    const [arithmetic, copy] = made.map((one) => {
      if (!one.ok) throw one.failure;
      return one.session;
    }) as [Session, Session];
    arithmetic.writeInput("main", "from", Float32Array.of(0.5, 0.25, 0.75, 0.5, 1, 2, 3, 4));
    arithmetic.writeUniforms(Uint32Array.of(64));
    arithmetic.run("main");
    // After many rounds x = x * a + b has come to b / (1 - a), wherever it began.
    const out = (await arithmetic.readOutput("main", "to")) as Float32Array;
    for (const [i, limit] of [2, 8 / 3, 12, 8].entries())
      for (const at of [0, 4 * 77, out.length - 4]) expect(out[at + i]).toBeCloseTo(limit, 4);
    const count = plans.copy.legs[0]!.inputs[0]!.shape.reduce((a, b) => a * b, 1);
    const sent = Float32Array.from({ length: count }, (_, i) => i % 8191);
    copy.writeInput("main", "from", sent);
    copy.run("main");
    const back = (await copy.readOutput("main", "to")) as Float32Array;
    expect(Buffer.compare(new Uint8Array(back.buffer, back.byteOffset, back.byteLength), new Uint8Array(sent.buffer))).toBe(0);
    for (const session of [arithmetic, copy]) session.dispose();
    const peak = await measurePeak(opened, plans);
    expect(peak.flops).toBeGreaterThan(1e7);
    expect(peak.bytes).toBeGreaterThan(1e7);
  } finally {
    opened.close();
  }
});
