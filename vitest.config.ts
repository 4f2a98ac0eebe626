import { defineConfig } from "vitest/config";

// Three tiers by what a test needs: nothing (pure), any WebGPU adapter (device), much time (long). Two workers at most: software adapters
// use every core for one test.
const all = ["dsl", "compiler", "runtime", "cli", "test", "bench", "tools"].map((folder) => `${folder}/**/*`);
const files = (suffix: string) => all.map((glob) => `${glob}.${suffix}.ts`);
export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ["default", "./tools/countReporter.ts"],
    projects: [
      { test: { name: "pure", include: files("test"), exclude: [...files("device.test"), ...files("long.test")], testTimeout: 30_000 } },
      { test: { name: "device", include: files("device.test"), testTimeout: 120_000, fileParallelism: false } },
      { test: { name: "long", include: files("long.test"), testTimeout: 3_600_000, fileParallelism: false } },
    ],
  },
});
