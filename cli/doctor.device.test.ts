import { afterEach, expect, test, vi } from "vitest";
import { type DoctorReport, doctorCommand, examine, formatReport } from "./doctor.ts";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function printed(json: boolean): Promise<{ readonly code: number; readonly text: string }> {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const code = await doctorCommand({ json });
  const text = write.mock.calls.map(([part]) => String(part)).join("");
  write.mockRestore();
  return { code, text };
}

test("tells the adapter that a run would use, and exits with 0", async () => {
  const { code, text } = await printed(false);
  expect(code).toBe(0);
  const report = await examine();
  if (!report.chosen.works) throw new Error(report.chosen.reason);
  expect(text).toContain(report.chosen.adapter.description);
  for (const feature of report.chosen.adapter.features) expect(text).toContain(feature);
  for (const limit of Object.keys(report.chosen.adapter.limits)) expect(text).toContain(limit);
});

test("prints the same as JSON", async () => {
  const { text } = await printed(true);
  expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(await examine())));
});

test("exits with 1 and says what to do when no adapter works", async () => {
  vi.stubEnv("ADA_DRIVER", "/no/such/icd.json");
  const { code, text } = await printed(false);
  expect(code).toBe(1);
  expect(text).toContain("No adapter works");
  expect(text).toContain("/no/such/icd.json");
  expect(text).toContain("ADA_DRIVER is");
});

test("names a faster driver's command only where a slow one is used", async () => {
  const report = await examine();
  const command = "install-it now";
  const slow: DoctorReport = { ...report, faster: { command, brings: "lavapipe" } };
  expect(formatReport(slow)).toContain(command);
  expect(formatReport({ ...report, faster: null })).not.toContain(command);
});
