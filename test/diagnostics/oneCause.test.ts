import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { applyEdits } from "../../dsl/fix.ts";
import { parse, tokenize } from "../../dsl/parse.ts";
import { packageRoot } from "../../dsl/source.ts";
import { checkText } from "../check/load.ts";

// One cause, one message: programs with a single mistake, and shipped programs with one name replaced or left out.

const head = `import { Linear } from "std/nn.ada"
import { adamw } from "std/optim.ada"
dataset faces(root: Path) {
  source folders(root, files: "*.png")
  order shuffled
  field who:   Int = subject
  field image: f32[c: 3, h: 8, w: 8] = load(file) |> to_range(-1..1)
}
module Net(out: Dim, width: Dim = 16) {
  part first  = Linear(width)
  part second = Linear(out)
  forward(x: real[...b, c]) -> real[...b, c: out] {
    let y = x |> first |> silu_of
    return second(y)
  }
}
fn silu_of(x: real[...s]) -> real[...s] { return x / (1 + exp(-x)) }
model net = Net(4) trained
step fit(face: faces) {
  let flat = view(face.image, \`batch c h w -> batch c=(c h w)\`)
  let loss = mean(net(flat) ** 2)
  minimize loss
  log { loss }
}
train one {
  data face = faces("faces")
  batch 2  micro_steps 4
  each step: fit
  optimizer adamw(lr: 1e-3)
}
`;
/** One edit of the program above, and the one code there is then. */
const mistakes: readonly [from: string, to: string, code: string][] = [
  ["{ Linear }", "{ Linaer }", "import/no-such-name"],
  ["{ Linear }", "{ Linear, }", "syntax/unexpected"],
  ['"std/nn.ada"', '"std/n.ada"', "import/not-found"],
  ["Linear(width)", "Linear(widht)", "name/unknown"],
  ["part second = Linear(out)", "part second = Linear(out, bias: false)", "call/unknown-argument"],
  ["Linear(out)\n", 'Linear("out")\n', "type/mismatch"],
  ["|> silu_of", "|> silu_off", "name/unknown"],
  ["x |> first", "x |> frist", "name/unknown"],
  ["return second(y)", "let z = second(y)", "body/no-return"],
  ["x: real[...b, c]) ->", "x: reel[...b, c]) ->", "name/unknown"],
  ["x: real[...b, c]) ->", "x: [...b, c]) ->", "syntax/unexpected"],
  ["forward(x: real[...b, c]) ->", "forward(: real[...b, c]) ->", "syntax/unexpected"],
  ["module Net(out: Dim, width: Dim = 16)", "module Net(out: , width: Dim = 16)", "syntax/unexpected"],
  ["fn silu_of(x: real[...s]) -> real[...s]", "fn silu_of(x: real[...s] -> real[...s]", "syntax/unexpected"],
  ["field image: f32[c: 3, h: 8, w: 8] = load", "field image: = load", "syntax/unexpected"],
  ["Net(4)", "Net(4, wdth: 3)", "call/unknown-argument"],
  ["face.image", "face.picture", "type/no-field"],
  ["`batch c h w -> batch c=(c h w)`", "`batch c h w -> batch c=(c h)`", "shape/pattern"],
  ["mean(net(flat) ** 2)", "net(flat) ** 2", "shape/not-scalar"],
  ["mean(net(flat) ** 2)", "mean(net(flat), over: d)", "shape/missing-axis"],
  ["each step: fit", "each step: fitt", "name/unknown"],
  ["data face", "data faces", "train/missing-setting"],
  ["adamw(lr: 1e-3)", "adamw(rate: 1e-3)", "call/unknown-argument"],
  ["  batch 2  micro_steps 4\n", "  micro_steps 4\n", "train/missing-setting"],
];
describe("a single mistake", () => {
  test("the program itself is right", () => expect(checkText(head).diagnostics).toEqual([]));
  test.each(mistakes)("%j -> %j", (from, to, code) => {
    expect(head.split(from).length).toBeGreaterThan(1);
    expect(checkText(head.replace(from, to)).diagnostics.map((one) => one.code)).toEqual([code]);
  });
});

/** Edits whose mending is certain: the one message carries it, and the program is right again. */
const mended: readonly [from: string, to: string][] = [
  ["{ Linear } from", "Linear from"],
  ['"std/optim.ada"', "std/optim.ada"],
  ["Net(out: Dim, width: Dim = 16)", "Net(out: Dim, width: Dim 16)"],
  ["Net(out: Dim, width: Dim = 16)", "Net(out: Dim width: Dim = 16)"],
  ["fn silu_of", "def silu_of"],
  ["mean(net(flat) ** 2)", "mean(net(flat) ^ 2)"],
  ["mean(net(flat) ** 2)", "mean(net(flat) ** 2"],
  ["let loss =", "loss ="],
  ["minimize loss\n", "minimize loss;\n"],
  ["log { loss }", "log loss"],
  ["log { loss }", 'log { "loss": loss }'],
  ["dataset faces", "# the data\ndataset faces"],
  ["adamw(lr: 1e-3)", "adamw(learning_rate: 1e-3)"],
  ["minimize loss\n", "if true && true { minimize loss }\n"],
  ["minimize loss\n", "if true || true { minimize loss }\n"],
  ["minimize loss\n", "if True { minimize loss }\n"],
  ["minimize loss\n", "for i in 2 { minimize loss }\n"],
];
test.each(mended)("mended: %j -> %j", (from, to) => {
  const text = head.replace(from, to);
  const found = checkText(text).diagnostics;
  expect(found.map((one) => one.fix !== undefined)).toEqual([true]);
  expect(checkText(applyEdits(text, [found[0]!.fix!])).diagnostics).toEqual([]);
});

/** How many messages there are when every nth name is changed: what is asked for is an average, since some names are declared once and used often. */
function messagesPerMistake(file: string, every: number, change: (name: string) => string, isReadable: boolean): number[] {
  const text = readFileSync(path.join(packageRoot(), file), "utf8").replaceAll("../models/", "./models/");
  const names = tokenize(text).tokens.filter((token) => token.tokenType.name === "Id");
  return names.flatMap((name, i) => {
    if (i % every !== 0) return [];
    const end = name.startOffset + name.image.length;
    const changed = text.slice(0, name.startOffset) + change(name.image) + text.slice(end);
    if (isReadable !== (parse("test.ada", changed).diagnostics.length === 0)) return [];
    const count = checkText(changed).diagnostics.length;
    return count === 0 ? [] : [count];
  });
}
const average = (counts: readonly number[]): number => counts.reduce((sum, one) => sum + one, 0) / counts.length;

describe("one name changed in a shipped program", () => {
  const files = ["std/losses.ada", "models/iresnet.ada", "pipelines/quickstart.ada"];
  test("replaced by a name that is nowhere", () => {
    const counts = files.flatMap((file) => messagesPerMistake(file, 29, () => "zzqqx", true));
    expect(counts.length).toBeGreaterThan(10);
    expect(average(counts)).toBeLessThan(1.2);
    expect(Math.max(...counts)).toBeLessThanOrEqual(3);
  });
  test("left out", () => {
    const counts = files.flatMap((file) => messagesPerMistake(file, 29, () => "", false));
    expect(counts.length).toBeGreaterThan(10);
    expect(average(counts)).toBeLessThan(1.3);
    expect(Math.max(...counts)).toBeLessThanOrEqual(4);
  });
});
