// Which tile is best here? Runs every tile of the hand-written products on the adapter and prints them, fastest first: the source of the
// numbers in the compiler's schedules. Usage: node dist/bench/sweep.js [WORKLOAD], with ADA_DRIVER as everywhere.
import { openDevice } from "../runtime/device/openDevice.ts";
import { Operands, prepareKernel, readSamples } from "./device.ts";
import type { HandKernel } from "./handwritten/kernel.ts";
import { type ConvShape, convKernel, matmulKernel, type Tile, tileFits, tileName, weightGradKernel } from "./handwritten/products.ts";
import { measure } from "./measure.ts";
import { samplePlaces, valuesOf } from "./values.ts";

interface Subject {
  readonly name: string;
  readonly shape: { readonly m: number; readonly n: number; readonly k: number };
  readonly flops: number;
  readonly lengths: readonly [number, number, number];
  readonly kernel: (tile: Tile) => HandKernel;
}

function convSubjects(shape: ConvShape): Subject[] {
  const { batch, height, width, inputs, outputs } = shape;
  const pixels = batch * height * width;
  const label = `${batch}x${height}x${width} ${inputs}->${outputs}`;
  const flops = 2 * pixels * 9 * inputs * outputs;
  return [
    {
      name: `conv ${label}`,
      shape: { m: pixels, n: outputs, k: inputs },
      flops,
      lengths: [pixels * inputs, 9 * inputs * outputs, pixels * outputs],
      kernel: (tile) => convKernel(shape, tile),
    },
    {
      name: `weight gradient ${label}`,
      shape: { m: inputs, n: outputs, k: width },
      flops,
      lengths: [pixels * inputs, pixels * outputs, 9 * inputs * outputs],
      kernel: (tile) => weightGradKernel(shape, tile),
    },
  ];
}

const square = 512;
const subjects: readonly Subject[] = [
  {
    name: `matmul ${square} cubed`,
    shape: { m: square, n: square, k: square },
    flops: 2 * square ** 3,
    lengths: [square ** 2, square ** 2, square ** 2],
    kernel: (tile) => matmulKernel({ m: square, n: square, k: square }, tile),
  },
  ...convSubjects({ batch: 64, height: 32, width: 32, inputs: 16, outputs: 16 }),
  ...convSubjects({ batch: 64, height: 16, width: 16, inputs: 32, outputs: 32 }),
  ...convSubjects({ batch: 64, height: 8, width: 8, inputs: 64, outputs: 64 }),
];

function tilesFor(lanes: number, textures: boolean): Tile[] {
  const tiles: Tile[] = [];
  for (const storage of textures ? (["buffer", "texture"] as const) : (["buffer"] as const))
    for (const tileM of [4, 8, 16])
      for (const vectors of [1, 2, 4])
        for (const chunkK of [4, 8]) for (const hoist of [false, true]) tiles.push({ lanes, tileM, vectors, chunkK, hoist, storage });
  return tiles;
}

const opened = await openDevice();
if (!opened.ok) {
  console.error(`${opened.reason}; ${opened.help}`);
  process.exit(1);
}
const lanes = opened.adapter.subgroupSize;
if (lanes === null) {
  console.error("the adapter has no constant subgroup size: these kernels do not run on it");
  process.exit(1);
}
const wanted = process.argv[2] ?? "";
for (const subject of subjects.filter((s) => s.name.includes(wanted))) {
  console.log(`\n${opened.adapter.name}: ${subject.name}`);
  const operands = new Operands(opened);
  const buffers = [
    operands.filled(valuesOf(1, subject.lengths[0])),
    operands.filled(valuesOf(2, subject.lengths[1])),
    operands.empty(subject.lengths[2]),
  ];
  const places = samplePlaces(subject.lengths[2]);
  let expected: number[] | null = null;
  const rows: { readonly tile: Tile; readonly ms: number; readonly firstMs: number }[] = [];
  for (const tile of tilesFor(lanes, opened.adapter.cheapTextureLoads)) {
    if (!tileFits(tile, subject.shape)) continue;
    const prepared = await prepareKernel(opened, subject.kernel(tile), buffers);
    const [timing] = await measure([prepared], { rounds: 3, turnMs: 5 });
    const seen = await readSamples(opened, prepared.output, places);
    expected ??= seen;
    const wrong = seen.findIndex((value, i) => !(Math.abs(value - expected![i]!) <= 1e-3 * Math.max(1, Math.abs(expected![i]!))));
    if (wrong >= 0) throw new Error(`internal: ${prepared.name} gives ${seen[wrong]} at ${places[wrong]}, not ${expected[wrong]}`);
    rows.push({ tile, ms: timing!.ms, firstMs: prepared.firstMs });
    prepared.destroy();
  }
  rows.sort((a, b) => a.ms - b.ms);
  for (const { tile, ms, firstMs } of rows)
    console.log(
      `  ${tileName(tile).padEnd(36)} ${ms.toFixed(2).padStart(8)} ms ${(subject.flops / ms / 1e6).toFixed(1).padStart(6)} GF/s   first ${firstMs.toFixed(0)} ms`,
    );
  operands.destroy();
}
opened.close();
process.exit(0);
