// What can go wrong while a plan runs and is not our fault: the machine has too little memory, the device is gone, the driver refuses.
// Such a failure is thrown inside the runtime, where every line would otherwise pass it on by hand, and becomes a value at its border
// (`train`, `evaluate`, the commands).

export type FailureKind = "out of memory" | "device lost" | "refused" | "unfit plan";

export class RuntimeFailure extends Error {
  readonly kind: FailureKind;
  /** What the user can do. */
  readonly help: string;

  constructor(kind: FailureKind, message: string, help: string) {
    super(message);
    this.name = "RuntimeFailure";
    this.kind = kind;
    this.help = help;
  }
}

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** `1.5 MiB`: bytes for people. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** Out of memory, naming what takes the most. */
export function outOfMemory(reason: string, buffers: readonly { readonly name: string; readonly bytes: number }[]): RuntimeFailure {
  const total = buffers.reduce((sum, buffer) => sum + buffer.bytes, 0);
  const largest = [...buffers].sort((a, b) => b.bytes - a.bytes).slice(0, 5);
  const list = largest.map((buffer) => `${buffer.name} ${bytesText(buffer.bytes)}`).join(", ");
  return new RuntimeFailure(
    "out of memory",
    `the device has too little memory for this plan: ${reason}. The plan needs ${bytesText(total)} in ${buffers.length} buffers; the largest: ${list}`,
    "make `batch` smaller (with `accumulate` larger to keep the effective batch), or run on an adapter with more memory",
  );
}
