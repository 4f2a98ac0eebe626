// Makes a Vulkan loader visible to Dawn, which asks for `libvulkan.so.1` by name when it first looks for adapters. On a machine without a
// loader the embedded one is loaded first: once a library of that name is in the process, asking for it by name returns it. No environment
// has to be set before Node starts, so the same code works in scripts, in `adac` and in test workers.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants, homedir } from "node:os";
import { delimiter, join } from "node:path";
import { isMainThread } from "node:worker_threads";
import { unpackEmbeddedDriver } from "./embeddedDriver.ts";

const loaderName = "libvulkan.so.1";
// glibc and musl give this flag the same value; Node does not name it. Without it Node unloads a library that is no addon at once.
const RTLD_NODELETE = 0x1000;

export type LoaderResult =
  | { readonly ok: true; readonly loader: "system" | "embedded" | "none needed" }
  | { readonly ok: false; readonly reason: string; readonly help: string };

const isLoaded = (): boolean => readFileSync("/proc/self/maps", "utf8").includes(`/${loaderName.replace(/\.1$/, "")}`);

/** Loads a library into the process for good, visible to everyone; tells whether a Vulkan loader is there afterwards. */
function loadForGood(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE);
  } catch {
    // Always lands here: either the library is not found, or it is loaded and Node complains that it is no addon.
  }
  return isLoaded();
}

let pending: Promise<LoaderResult> | undefined;

async function load(): Promise<LoaderResult> {
  if (process.platform !== "linux") return { ok: true, loader: "none needed" };
  if (loadForGood(loaderName)) return { ok: true, loader: "system" };
  const embedded = await unpackEmbeddedDriver();
  if (!embedded.ok) return { ok: false, reason: `the system has no Vulkan loader, and ${embedded.reason}`, help: embedded.help };
  if (loadForGood(embedded.driver.loader)) return { ok: true, loader: "embedded" };
  return {
    ok: false,
    reason: `the embedded Vulkan loader ${embedded.driver.loader} could not be loaded`,
    help: "check that its folder is not mounted with noexec (XDG_CACHE_HOME chooses the folder), or install libvulkan1",
  };
}

/** Ensures that Dawn finds a Vulkan loader: the system's if there is one, else the embedded one. */
export function ensureVulkanLoader(): Promise<LoaderResult> {
  pending ??= load();
  return pending;
}

/** The ICD files that a Vulkan loader would look at by itself, in its search order; empty on systems whose drivers are not found so. */
export function systemDriverFiles(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const list = (text: string | undefined): readonly string[] => (text ?? "").split(delimiter).filter((part) => part !== "");
  const named = [...list(env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES)];
  if (named.length > 0) return named.filter((file) => existsSync(file));
  const roots = [
    env.XDG_CONFIG_HOME || join(homedir(), ".config"),
    ...list(env.XDG_CONFIG_DIRS || "/etc/xdg"),
    "/etc",
    "/usr/local/etc",
    env.XDG_DATA_HOME || join(homedir(), ".local", "share"),
    ...list(env.XDG_DATA_DIRS || "/usr/local/share:/usr/share"),
  ];
  const files = [...list(env.VK_ADD_DRIVER_FILES).filter((file) => existsSync(file))];
  for (const folder of new Set(roots.map((root) => join(root, "vulkan", "icd.d")))) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder).sort()) {
      if (name.endsWith(".json")) files.push(join(folder, name));
    }
  }
  return files;
}

/**
 * Tells whether a variable set in `process.env` reaches the Vulkan loader. In a worker thread it does not, unless the thread shares the
 * environment: the loader would then silently open another driver than the one asked for.
 */
export function environmentReachesLoader(): boolean {
  if (isMainThread) return true;
  const probe = "ADA_ENVIRONMENT_PROBE";
  process.env[probe] = "seen";
  try {
    const report = process.report.getReport() as { readonly environmentVariables?: Readonly<Record<string, string>> };
    return report.environmentVariables?.[probe] === "seen";
  } finally {
    delete process.env[probe];
  }
}

/** Runs `body` while the Vulkan loader sees only the driver of this ICD file (or, with undefined, whatever the user's environment says). */
export async function withDriverFile<T>(icd: string | undefined, body: () => Promise<T>): Promise<T> {
  if (icd === undefined) return body();
  // Older loaders read the second name, newer ones the first.
  const names = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"] as const;
  const before = names.map((name) => process.env[name]);
  process.env.VK_DRIVER_FILES = icd;
  process.env.VK_ICD_FILENAMES = icd;
  delete process.env.VK_ADD_DRIVER_FILES;
  try {
    return await body();
  } finally {
    names.forEach((name, index) => {
      const value = before[index];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    });
  }
}
