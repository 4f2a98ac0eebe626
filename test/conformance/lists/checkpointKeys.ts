import { bindingsOf } from "../../../cli/weights/bindings.ts";
import { type Network, network, parts } from "../../../cli/weights/layouts.ts";
import type { PlanFileKey } from "../../../compiler/plan/plan.ts";
import type { ListFile, ListTable } from "../lists.ts";
import { bookkeeping } from "../readTensors.ts";
import { type CaseResult, judged } from "../result.ts";

// Recorded names and shapes of published checkpoints: some network with one of its `keys` blocks must have a tensor of the right shape for every
// parameter, none twice, and leave nothing over. Which network and layout it is, the names say.

/** Every network that has `keys` blocks. */
const networks: readonly Network[] = [
  ...Object.values(parts).map((part) => part.network),
  network("clip", "ClipVision", "m.pooled(m(zeros([n: 1, c: 3, h: 224, w: 224]))[1])", ["hf_vision"]),
  network("iresnet", "IResNet", "m(zeros([n: 1, c: 3, h: 112, w: 112]))", ["insightface"]),
  network("iresnet", "IResNet", "m(zeros([n: 1, c: 3, h: 112, w: 112]))", ["insightface"], { args: "blocks: [3, 4, 14, 3]" }),
  network("bisenet", "BiSeNet", "[for y in [m.heads(zeros([n: 1, c: 3, h: 64, w: 64]))]: mean(y.out) + mean(y.out16) + mean(y.out32)][0]", [
    "face_parsing",
  ]),
  network("resnet_face", "ResNetFace", "m(zeros([n: 1, c: 1, h: 128, w: 128]))", ["arcface_grey"]),
];

type Shapes = ReadonlyMap<string, readonly number[]>;

/** Of the vision tower's file, the projection belongs to who scores pictures against texts. */
const others = /^visual_projection\.weight$/;

interface Candidate {
  readonly keys: string;
  readonly places: readonly PlanFileKey[];
}
const known = new Map<string, readonly PlanFileKey[]>();
function placesOf(of: Network, keys: string): readonly PlanFileKey[] {
  const name = `${of.network} ${keys}`;
  const found = known.get(name) ?? bindingsOf({ ...of, keys });
  known.set(name, found);
  return found;
}
const candidates = (): readonly Candidate[] => networks.flatMap((one) => one.keys.map((keys) => ({ keys, places: placesOf(one, keys) })));

function problems({ places }: Candidate, shapes: Shapes): string[] {
  const found: string[] = [];
  const used = new Set<string>();
  for (const { key, file, shape } of places) {
    const wanted = file === null ? undefined : shapes.get(file);
    if (file === null || wanted === undefined) found.push(`${key} -> ${file} is not there`);
    else if (wanted.join() !== shape.join()) found.push(`${file} is [${wanted.join(", ")}], ${key} needs [${shape.join(", ")}]`);
    else if (used.has(file)) found.push(`${file} would be two parameters`);
    if (file !== null) used.add(file);
  }
  for (const name of shapes.keys()) if (!used.has(name) && !bookkeeping.test(name) && !others.test(name)) found.push(`${name} is nobody's`);
  return found;
}

/** How many of the recorded tensors have the shape of one of the network's parameters, whatever they are called. */
function alike({ places }: Candidate, shapes: Shapes): number {
  const rest = places.map(({ shape }) => shape.join());
  return [...shapes.values()].filter((shape) => {
    const at = rest.indexOf(shape.join());
    return at >= 0 && rest.splice(at, 1).length > 0;
  }).length;
}

/** Names of one layout against those of the other, through the parameters that they are the places of. */
function renamed(wanted: Readonly<Record<string, string>>): string | null {
  const made = new Map<string, string>();
  for (const { network: of, ldm, diffusers } of Object.values(parts)) {
    const there = new Map(placesOf(of, diffusers).map((one) => [one.key, one.file!]));
    for (const one of placesOf(of, ldm)) made.set(one.file!, there.get(one.key)!);
  }
  const wrong = Object.entries(wanted).find(([from, to]) => made.get(from) !== to);
  return wrong === undefined ? null : `${wrong[0]} becomes ${made.get(wrong[0])} instead of ${wrong[1]}`;
}

function* checkpointKeys(list: ListFile): Generator<CaseResult> {
  const shapes: Shapes = new Map(Object.entries(list.content.shapes as Readonly<Record<string, readonly number[]>>));
  const tried = candidates().map((candidate) => ({ candidate, found: problems(candidate, shapes) }));
  const best = tried.reduce((a, b) => (b.found.length < a.found.length ? b : a));
  // By shapes, or a block with all names wrong would be taken for a network that is not there.
  if (tried.every(({ candidate }) => alike(candidate, shapes) < 0.5 * shapes.size)) {
    yield { case: list.name, status: "unsupported", detail: "a network that models/ does not have" };
    return;
  }
  yield judged(
    list.name,
    best.found.length === 0
      ? null
      : `${best.found.length} of ${shapes.size} with ${best.candidate.keys}: ${best.found.slice(0, 3).join("; ")}`,
  );
  const names = list.content.to_diffusers;
  if (typeof names === "object" && names !== null)
    yield judged(`${list.name}.to_diffusers`, renamed(names as Readonly<Record<string, string>>));
}

export const checkpointKeyLists: ListTable = { checkpoint_keys: checkpointKeys };
