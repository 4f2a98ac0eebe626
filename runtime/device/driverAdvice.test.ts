import { expect, test } from "vitest";
import { adviceFor, findMirror, parseOsRelease } from "./driverAdvice.ts";

const release = (id: string, version: string, like = ""): ReturnType<typeof parseOsRelease> =>
  parseOsRelease(`PRETTY_NAME="${id} ${version}"\nID=${id}\nVERSION_ID="${version}"\nID_LIKE="${like}"\n`);

test("reads os-release with and without quotes", () => {
  const text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID='12'\nVERSION_CODENAME=bookworm\nID=debian\n# comment\n";
  expect(parseOsRelease(text)).toEqual({
    id: "debian",
    like: [],
    version: 12,
    codename: "bookworm",
    name: "Debian GNU/Linux 12 (bookworm)",
  });
  expect(parseOsRelease("")).toMatchObject({ id: "linux", version: 0 });
});

test("finds the mirror in both source formats", () => {
  expect(findMirror("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n")).toBe("http://mirror.example/debian");
  expect(findMirror("# deb http://old.example/debian x\ndeb [signed-by=/k] https://mirror.example/debian bookworm main\n")).toBe(
    "https://mirror.example/debian",
  );
  expect(findMirror("")).toBeUndefined();
});

test("Debian 12 takes lavapipe from its backports, from the mirror already in use", () => {
  const advice = adviceFor(release("debian", "12"), "http://mirror.example/debian", false);
  expect(advice.command).toContain("deb http://mirror.example/debian bookworm-backports main");
  expect(advice.command).toContain("-t bookworm-backports mesa-vulkan-drivers libvulkan1");
  expect(adviceFor(release("debian", "12"), "http://mirror.example/debian", true).command).not.toContain("sudo");
});

test.each([
  ["debian", "13", "", "apt-get install"],
  ["ubuntu", "24.04", "debian", "apt-get install"],
  ["linuxmint", "22", "ubuntu debian", "apt-get install"],
  ["fedora", "42", "", "dnf install"],
  ["rocky", "9.4", "rhel centos fedora", "dnf install"],
  ["manjaro", "", "arch", "pacman -S"],
  ["opensuse-tumbleweed", "20250101", "opensuse suse", "zypper install"],
])("%s %s has a command of its own", (id, version, like, command) => {
  expect(adviceFor(release(id, version, like), undefined, false).command).toContain(command);
});

test.each([
  ["debian", "11", "older than 24"],
  ["ubuntu", "22.04", "older than 24"],
  ["alpine", "3.20", "musl"],
  ["plan9", "4", "no known package"],
])("%s %s is told why there is none", (id, version, why) => {
  expect(adviceFor(release(id, version), undefined, false)).toMatchObject({ command: null, why: expect.stringContaining(why) });
});
