// The embedded software driver: in goes the archive that `npm ci` brought, out comes a folder with a Vulkan loader, SwiftShader and an
// ICD file that names it by absolute path. Invariant: a file at its final path is always whole (written aside, synced, renamed), so any
// number of processes may unpack at once, and a damaged folder is repaired on the next start.
import { createHash } from "node:crypto";
import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir, tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { Parser, type ReadEntry } from "tar";
import { jsonBytes, realFiles, replaceFile } from "../checkpoint/files.ts";

/** Where the unpacked driver lies; every path is absolute. */
export interface EmbeddedDriver {
  readonly folder: string;
  /** The Vulkan loader (`libvulkan.so.1`) that came along, for machines that have none. */
  readonly loader: string;
  /** The ICD file that makes a loader open SwiftShader. */
  readonly icd: string;
  /** Name and version of the npm package the driver came in. */
  readonly carrier: string;
}

export type EmbeddedResult =
  | { readonly ok: true; readonly driver: EmbeddedDriver }
  | { readonly ok: false; readonly reason: string; readonly help: string };

interface Carrier {
  readonly archive: string;
  readonly version: string;
}

interface ManifestRow {
  readonly name: string;
  readonly sha256: string;
}

const carrierName = "@sparticuz/chromium";
const libraries = ["libvk_swiftshader.so", "libvulkan.so.1"] as const;
const icdName = "vk_swiftshader_icd.json";
const manifestName = "manifest.json";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Tells whether this machine can run the embedded driver at all (its libraries are Linux x86-64 with glibc). */
export function embeddedDriverFits(platform: string = process.platform, arch: string = process.arch): boolean {
  return platform === "linux" && arch === "x64";
}

function findCarrier(): Carrier | undefined {
  let folder: string;
  try {
    folder = dirname(createRequire(import.meta.url).resolve(carrierName));
  } catch {
    return undefined;
  }
  // The package exports only its entry point, so its root is found by walking up to its package.json.
  for (; dirname(folder) !== folder; folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { name?: string; version?: string };
      if (name === carrierName && version !== undefined) return { archive: join(folder, "bin", "swiftshader.tar.br"), version };
    } catch {
      // no package.json on this level
    }
  }
  return undefined;
}

function makeWritable(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The per-user cache folder for drivers: `$XDG_CACHE_HOME/ada`, else `~/.cache/ada`, else a private folder under the system's temporary
 * folder. A shared temporary folder is only trusted when the folder in it is ours alone: we load native code from it.
 */
export function driverCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const xdg = env.XDG_CACHE_HOME;
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".cache");
  const preferred = join(base, "ada", "drivers");
  if (makeWritable(preferred)) return preferred;
  const uid = process.getuid?.() ?? 0;
  const shared = join(tmpdir(), `ada-${uid}`);
  if (makeWritable(shared)) {
    const facts = lstatSync(shared);
    if (facts.isDirectory() && facts.uid === uid && (facts.mode & 0o022) === 0) return shared;
  }
  return mkdtempSync(join(tmpdir(), "ada-"));
}

async function readArchive(archive: string): Promise<Map<string, Buffer>> {
  const plain = brotliDecompressSync(await readFile(archive));
  const found = new Map<string, Buffer>();
  await new Promise<void>((resolve, reject) => {
    const parser = new Parser({
      strict: true,
      onReadEntry: (entry: ReadEntry) => {
        const name = entry.path.replace(/^\.\//, "");
        const parts: Buffer[] = [];
        entry.on("data", (part: Buffer) => parts.push(part));
        entry.on("end", () => found.set(name, Buffer.concat(parts)));
      },
    });
    parser.on("end", resolve);
    parser.on("error", reject);
    parser.end(plain);
  });
  return found;
}

const icdText = (folder: string): string =>
  `${JSON.stringify({ file_format_version: "1.0.0", ICD: { library_path: join(folder, libraries[0]), api_version: "1.1.0" } }, null, 2)}\n`;

/** True when every file of the folder is there and is what was unpacked. */
async function isWhole(folder: string): Promise<boolean> {
  try {
    const rows = JSON.parse(await readFile(join(folder, manifestName), "utf8")) as readonly ManifestRow[];
    for (const name of libraries) {
      const row = rows.find((candidate) => candidate.name === name);
      if (row === undefined || row.sha256 !== sha256(await readFile(join(folder, name)))) return false;
    }
    return (await readFile(join(folder, icdName), "utf8")) === icdText(folder);
  } catch {
    return false;
  }
}

async function unpack(carrier: Carrier, folder: string): Promise<void> {
  const files = await readArchive(carrier.archive);
  const rows: ManifestRow[] = [];
  for (const name of libraries) {
    const bytes = files.get(name);
    if (bytes === undefined) throw new Error(`${carrier.archive} holds no ${name}`);
    await replaceFile(realFiles, join(folder, name), [bytes], 0o755);
    rows.push({ name, sha256: sha256(bytes) });
  }
  await replaceFile(realFiles, join(folder, icdName), [Buffer.from(icdText(folder))], 0o644);
  await replaceFile(realFiles, join(folder, manifestName), [jsonBytes(rows)], 0o644);
}

/** Unpacks the embedded driver if it is not there yet (about 0.3 s, once per user and version) and says where it is. */
export async function unpackEmbeddedDriver(cacheFolder?: string): Promise<EmbeddedResult> {
  if (!embeddedDriverFits()) {
    return {
      ok: false,
      reason: `the embedded software driver is for Linux on x64 only; this is ${process.platform} on ${process.arch}`,
      help: "install a Vulkan driver of the system (on Debian or Ubuntu: mesa-vulkan-drivers 24 or newer, with libvulkan1)",
    };
  }
  const carrier = findCarrier();
  if (carrier === undefined) {
    return { ok: false, reason: `the npm package ${carrierName}, which carries the embedded driver, is not installed`, help: "run npm ci" };
  }
  try {
    const folder = join(cacheFolder ?? driverCacheFolder(), `swiftshader-${carrier.version}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!(await isWhole(folder))) await unpack(carrier, folder);
    const loader = join(folder, libraries[1]);
    return { ok: true, driver: { folder, loader, icd: join(folder, icdName), carrier: `${carrierName} ${carrier.version}` } };
  } catch (error) {
    return {
      ok: false,
      reason: `the embedded driver could not be unpacked: ${messageOf(error)}`,
      help: "point XDG_CACHE_HOME at a folder you may write to, with 10 MB free; if the package is damaged, run npm ci again",
    };
  }
}
