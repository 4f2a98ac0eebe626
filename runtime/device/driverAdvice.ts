// Which command installs a faster driver on this system. In goes what the distribution says of itself (/etc/os-release, the mirror in its
// package sources), out comes a command to copy, or the reason why there is none. The software driver that Dawn accepts is Mesa 24 or newer.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Distribution {
  readonly id: string;
  /** Ids of the distributions it is derived from. */
  readonly like: readonly string[];
  readonly version: number;
  readonly codename: string;
  readonly name: string;
}

export type Advice = { readonly command: string; readonly brings: string } | { readonly command: null; readonly why: string };

interface AdviceRow {
  readonly fits: (distribution: Distribution) => boolean;
  readonly advise: (distribution: Distribution, mirror: string) => Advice;
}

const lavapipe = "lavapipe, Mesa's software driver: several times as fast as the embedded one, with f16";
const install = (command: string) => (): Advice => ({ command, brings: lavapipe });
const tooOld = (distribution: Distribution): Advice => ({
  command: null,
  why: `the Mesa packages of ${distribution.name} are older than 24, which Dawn does not accept; a newer release has them`,
});
const isKind = (distribution: Distribution, id: string): boolean => distribution.id === id || distribution.like.includes(id);

// The first row that fits decides.
const rows: readonly AdviceRow[] = [
  {
    fits: (d) => d.id === "debian" && d.version === 12,
    advise: (_, mirror) => ({
      command: [
        `echo 'deb ${mirror} bookworm-backports main' | sudo tee /etc/apt/sources.list.d/bookworm-backports.list`,
        "sudo apt-get update",
        "sudo apt-get install -y --no-install-recommends -t bookworm-backports mesa-vulkan-drivers libvulkan1",
      ].join(" && "),
      brings: lavapipe,
    }),
  },
  { fits: (d) => d.id === "debian" && d.version > 0 && d.version < 12, advise: tooOld },
  { fits: (d) => d.id === "ubuntu" && d.version < 24, advise: tooOld },
  {
    fits: (d) => isKind(d, "debian") || isKind(d, "ubuntu"),
    advise: install("sudo apt-get update && sudo apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1"),
  },
  { fits: (d) => isKind(d, "fedora") || isKind(d, "rhel"), advise: install("sudo dnf install -y mesa-vulkan-drivers vulkan-loader") },
  { fits: (d) => isKind(d, "arch"), advise: install("sudo pacman -S --needed vulkan-swrast vulkan-icd-loader") },
  { fits: (d) => isKind(d, "suse") || isKind(d, "opensuse"), advise: install("sudo zypper install -y libvulkan_lvp libvulkan1") },
  {
    fits: (d) => isKind(d, "alpine"),
    advise: () => ({ command: null, why: "Dawn's Node binding is built for glibc, and this distribution uses musl" }),
  },
];

/** Reads the text of /etc/os-release. */
export function parseOsRelease(text: string): Distribution {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/.exec(line.trim());
    if (match) fields.set(match[1] ?? "", match[2] ?? match[3] ?? match[4] ?? "");
  }
  const id = fields.get("ID") ?? "linux";
  return {
    id,
    like: (fields.get("ID_LIKE") ?? "").split(/\s+/).filter((word) => word !== ""),
    version: Number.parseFloat(fields.get("VERSION_ID") ?? "") || 0,
    codename: fields.get("VERSION_CODENAME") ?? "",
    name: fields.get("PRETTY_NAME") ?? id,
  };
}

/** Finds the mirror that a Debian system already uses in the text of its package sources (either format). */
export function findMirror(sources: string): string | undefined {
  const modern = /^URIs:\s*(\S+)/m.exec(sources);
  const classic = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/m.exec(sources);
  return modern?.[1] ?? classic?.[1];
}

/** The command for a distribution, given the mirror its sources name (if any); without `sudo` for root. */
export function adviceFor(distribution: Distribution, mirror: string | undefined, isRoot: boolean): Advice {
  const row = rows.find((candidate) => candidate.fits(distribution));
  if (row === undefined) return { command: null, why: `no known package for ${distribution.name}: install Mesa 24 or newer with lavapipe` };
  const advice = row.advise(distribution, mirror ?? "<your mirror>");
  return advice.command !== null && isRoot ? { ...advice, command: advice.command.replaceAll("sudo ", "") } : advice;
}

const textOf = (file: string): string => (existsSync(file) ? readFileSync(file, "utf8") : "");

/** The advice for the machine we run on. */
export function localAdvice(): Advice {
  if (process.platform !== "linux")
    return { command: null, why: `on ${process.platform} the system's own driver is used; update it there` };
  const folder = "/etc/apt/sources.list.d";
  const listed = existsSync(folder) ? readdirSync(folder).filter((name) => /\.(list|sources)$/.test(name)) : [];
  // Debian's own list comes first: others name vendors' mirrors.
  const files = [
    "/etc/apt/sources.list",
    ...listed.sort((a, b) => Number(b.startsWith("debian")) - Number(a.startsWith("debian"))).map((n) => join(folder, n)),
  ];
  const mirror = findMirror(files.map(textOf).join("\n"));
  return adviceFor(parseOsRelease(textOf("/etc/os-release")), mirror, process.getuid?.() === 0);
}

/** GPU device nodes that the kernel shows, whether or not a Vulkan driver for them is installed. */
export function gpuNodes(): readonly string[] {
  if (process.platform !== "linux") return [];
  const render = existsSync("/dev/dri") ? readdirSync("/dev/dri").filter((name) => name.startsWith("renderD")) : [];
  const nvidia = readdirSync("/dev").filter((name) => /^nvidia\d+$/.test(name));
  return [...nvidia.map((name) => `/dev/${name}`), ...render.map((name) => `/dev/dri/${name}`)];
}
