// Buffers through which values come back to the host. They are kept and used again, so that reading in every step makes nothing new.

const smallest = 256;

export class StagingPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<number, GPUBuffer[]>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }
  /** A buffer of at least `bytes` bytes, unmapped. */
  take(bytes: number): GPUBuffer {
    const size = Math.max(smallest, 2 ** Math.ceil(Math.log2(bytes)));
    return (
      this.#free.get(size)?.pop() ??
      this.#device.createBuffer({ label: "staging", size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ })
    );
  }
  /** Takes a buffer back. It must be unmapped. */
  give(buffer: GPUBuffer): void {
    const free = this.#free.get(buffer.size);
    if (free === undefined) this.#free.set(buffer.size, [buffer]);
    else free.push(buffer);
  }
  dispose(): void {
    for (const buffers of this.#free.values()) for (const buffer of buffers) buffer.destroy();
    this.#free.clear();
  }
}
