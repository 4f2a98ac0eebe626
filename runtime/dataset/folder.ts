// A folder of pictures as a list of items. In: the `source` of a data set. Out: items in a fixed order (subjects, then files, by code point),
// or what is wrong and what to do. Nothing is decoded here: a picture's content is read when a batch needs it.
import { readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { PlanSource } from "../../compiler/plan/plan.ts";
import { codeOf } from "../checkpoint/files.ts";
import { compileNamePattern } from "./glob.ts";

export type FolderSpec = PlanSource;

/** What a user did not expect, and what helps. */
export interface DatasetError {
  readonly kind: "error";
  readonly code:
    | "dataset/unreadable-root"
    | "dataset/empty"
    | "dataset/subject-without-pictures"
    | "dataset/bad-pattern"
    | "dataset/broken-picture"
    | "dataset/lost-thread"
    | "dataset/bad-file"
    | "dataset/host-function"
    | "dataset/no-detector";
  readonly message: string;
  readonly help: string;
}

/** One picture that was passed over. */
export interface DatasetProblem {
  readonly file: string;
  readonly message: string;
}

export interface DatasetItem {
  readonly file: string;
  readonly subject: string;
  /** Place of the subject in sorted order. */
  readonly subjectIndex: number;
  /** Which of the data set's sources it is from. */
  readonly source: number;
  /** How many pictures its subject has. */
  readonly images: number;
}

export interface FolderDataset {
  readonly kind: "folder";
  /** Where the items are from, in the order of `source`. */
  readonly specs: readonly FolderSpec[];
  readonly items: readonly DatasetItem[];
  readonly subjects: readonly string[];
  /** Subjects that were passed over because they have no picture. */
  readonly problems: readonly DatasetProblem[];
}

const openAtOnce = 16;

/** Lists the pictures of all sources, one after the other. Equal names in two sources are two subjects. */
export async function openSources(specs: readonly FolderSpec[]): Promise<FolderDataset | DatasetError> {
  const items: DatasetItem[] = [];
  const subjects: string[] = [];
  const problems: DatasetProblem[] = [];
  for (const [source, spec] of specs.entries()) {
    const listed = await listSource(spec);
    if (listed.kind === "error") return listed;
    problems.push(...listed.problems);
    for (const { subject, files } of listed.subjects) {
      const subjectIndex = subjects.push(subject) - 1;
      items.push(...files.map((file) => ({ file, subject, subjectIndex, source, images: files.length })));
    }
  }
  return { kind: "folder", specs, items, subjects, problems };
}

interface Subject {
  readonly subject: string;
  readonly files: readonly string[];
}
interface Listed {
  readonly kind: "subjects";
  readonly subjects: readonly Subject[];
  readonly problems: readonly DatasetProblem[];
}

/** Lists the pictures of a folder in AdaFace's layout. */
async function listSource(spec: FolderSpec): Promise<Listed | DatasetError> {
  const files = compileNamePattern(spec.files);
  const skip = spec.skip === null ? null : compileNamePattern(spec.skip);
  for (const pattern of [files, skip]) {
    if (pattern?.kind === "error") {
      return { kind: "error", code: "dataset/bad-pattern", message: pattern.message, help: "patterns look like *.{png,jpg} or *_mask.png" };
    }
  }
  const wanted = (name: string) =>
    !name.startsWith(".") && files.kind === "pattern" && files.matches(name) && !(skip?.kind === "pattern" && skip.matches(name));
  const root = resolve(spec.root);
  const entries = await listFolder(root);
  if (entries.kind === "error") return entries;
  const cap = (names: readonly string[]) => names.filter(wanted).slice(0, spec.first ?? undefined);
  /** All pictures as those of one subject, if the source says so. */
  const given = (subjects: readonly Subject[]): readonly Subject[] =>
    spec.subject === undefined ? subjects : [{ subject: spec.subject, files: subjects.flatMap((one) => one.files) }];
  if (!spec.perSubject) {
    const pictures = cap(entries.files).map((name) => join(root, name));
    if (pictures.length > 0) return { kind: "subjects", subjects: given([{ subject: basename(root), files: pictures }]), problems: [] };
    const help = entries.folders.length > 0 ? "it holds folders: read one folder per subject instead" : "check the folder and the pattern";
    return { kind: "error", code: "dataset/empty", message: `no file in ${root} matches ${spec.files}`, help };
  }
  const problems: DatasetProblem[] = [];
  const filled: Subject[] = [];
  for (let at = 0; at < entries.folders.length; at += openAtOnce) {
    const names = entries.folders.slice(at, at + openAtOnce);
    const listed = await Promise.all(names.map((name) => listFolder(join(root, name))));
    for (const [i, list] of listed.entries()) {
      const folder = join(root, names[i]!);
      const pictures = list.kind === "error" ? [] : cap(list.files);
      if (pictures.length > 0) {
        filled.push({ subject: names[i]!, files: pictures.map((name) => join(folder, name)) });
        continue;
      }
      const message = list.kind === "error" ? list.message : `no file matches ${spec.files}`;
      if (spec.onBroken === "fatal") {
        const help = "put pictures there, remove the folder, or let the data set skip what is broken";
        return { kind: "error", code: "dataset/subject-without-pictures", message: `subject ${folder} has no pictures: ${message}`, help };
      }
      problems.push({ file: folder, message: `subject without pictures: ${message}` });
    }
  }
  if (filled.length === 0) {
    const loose = entries.files.filter(wanted).length;
    const help =
      loose > 0
        ? `${loose} pictures lie in the folder itself: give each subject a folder of its own`
        : "each subject needs a folder of its own with pictures in it";
    return { kind: "error", code: "dataset/empty", message: `no folder in ${root} has a file that matches ${spec.files}`, help };
  }
  return { kind: "subjects", subjects: given(filled), problems };
}

interface Listing {
  readonly kind: "listing";
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

/** Files and folders by name, sorted by code point; links count as what they point to. */
async function listFolder(folder: string): Promise<Listing | DatasetError> {
  try {
    const files: string[] = [];
    const folders: string[] = [];
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith(".")) continue;
      // A link that points nowhere is kept as a file: reading it then names it as missing.
      const link = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => undefined) : undefined;
      ((link ?? entry).isDirectory() ? folders : files).push(entry.name);
    }
    const byCodePoint = (a: string, b: string) => (a < b ? -1 : 1);
    return { kind: "listing", files: files.sort(byCodePoint), folders: folders.sort(byCodePoint) };
  } catch (error) {
    const code = codeOf(error);
    const why = systemReasons[code];
    if (why === undefined) throw error;
    const help =
      code === "ENOENT" ? "check the path; faces can be drawn with: adac data faces --out DIR" : "check the path and its permissions";
    return { kind: "error", code: "dataset/unreadable-root", message: `cannot read the folder ${folder}: ${why}`, help };
  }
}

/** The operating system's reasons in words. */
export const systemReasons: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  ENOTDIR: "it is not a folder",
  EISDIR: "it is a folder",
  EACCES: "no permission",
  EPERM: "no permission",
  EIO: "the disk reports an error",
  ELOOP: "its links go round in a circle",
  ENAMETOOLONG: "the path is too long",
};
