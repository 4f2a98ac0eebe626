import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Draws } from "../../compiler/plan/philox.ts";
import { packageRoot } from "../../dsl/source.ts";
import { drawFaces } from "../../runtime/faces/index.ts";

// The command line as a user has it (the built one): `adac run` killed with SIGKILL at random moments and resumed each time ends with the
// bytes of a run that was left alone. The program has what a checkpoint must carry: convolutions, running statistics, random draws, Adam's
// moments, gradients over two micro-steps.

const main = path.join(packageRoot(), "dist", "cli", "main.js");
const program = `import { Conv, BatchNorm, Linear } from "std/nn.ada"
import { cross_entropy } from "std/losses.ada"
import { adamw } from "std/optim.ada"

dataset faces(root: Path) {
  source folders(root, files: "*.png", skip: "*_mask.png")
  order shuffled
  field who: Int = subject
  field image: f32[c: 3, h: 32, w: 32] = load(file) |> to_range(-1..1)
}
module Net() {
  part conv = Conv(8, 3, stride: 4)
  part norm = BatchNorm()
  part fc   = Linear(6)
  forward(x: real[batch, c: 3, h: 32, w: 32]) updates -> real[batch, who: 6] {
    let y = x |> conv |> norm
    return view(max(0, y), \`batch c h w -> batch who=(c h w)\`) |> fc
  }
}
model net = Net() trained
step name_face(face: faces) {
  let x    = face.image + 0.1 * draw(normal, like: face.image)
  let loss = cross_entropy(net(x), face.who)
  minimize loss
  log { loss }
}
train small {
  data face = faces("faces")
  batch 4  accumulate 2 by mean  micro_steps 240
  each step: name_face
  optimizer adamw(lr: 1e-3)
  save every 5  log every 1  seed 5
}
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "ada-program-"));
  await writeFile(path.join(folder, "small.ada"), program);
  const drawn = await drawFaces({ out: path.join(folder, "faces"), seed: 2, set: "faces", size: 32, identities: 6, views: 4 });
  expect(drawn.kind).toBe("drawn");
  expect(existsSync(main), "the command line is not built: npm run build").toBe(true);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function adac(args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<number | null>; text(): string } {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  child.stdout!.on("data", (part) => (text += part));
  child.stderr!.on("data", (part) => (text += part));
  return { child, ended: new Promise((done) => child.on("exit", (code) => done(code))), text: () => text };
}
const checkpoints = async (run: string): Promise<string[]> => {
  const place = path.join(folder, run, "checkpoints");
  return existsSync(place) ? (await readdir(place)).filter((name) => /^\d+$/.test(name)).sort() : [];
};

describe("adac run", () => {
  it("killed at any moment and resumed ends with the same checkpoint, byte for byte", async () => {
    const whole = adac(["run", "small.ada", "--out", "whole"]);
    expect(await whole.ended, whole.text()).toBe(0);
    const draws = new Draws(3, "kill");
    let kills = 0;
    let run = adac(["run", "small.ada", "--out", "killed"]);
    while ((await checkpoints("killed/small-1")).length === 0 && run.child.exitCode === null) await sleep(5);
    for (;;) {
      if (kills < 4) {
        await sleep(draws.uniform(50, 900));
        if (run.child.kill("SIGKILL")) kills++;
      }
      const code = await run.ended;
      if (code === 0) break;
      expect(code, run.text()).toBeNull();
      run = adac(["run", "small.ada", "--out", "killed", "--resume", path.join("killed", "small-1")]);
    }
    expect(kills).toBeGreaterThan(1);
    const last = (await checkpoints("whole/small-1")).at(-1)!;
    expect((await checkpoints("killed/small-1")).at(-1)).toBe(last);
    for (const name of ["model.safetensors", "optimizer.safetensors"]) {
      const [a, b] = await Promise.all(
        ["whole", "killed"].map((out) => readFile(path.join(folder, out, "small-1", "checkpoints", last, name))),
      );
      expect(a!.equals(b!), name).toBe(true);
    }
  });
});
