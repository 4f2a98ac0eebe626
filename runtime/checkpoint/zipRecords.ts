import { crc32 } from "node:zlib";
import { type Entry, fromFdPromise, type ZipFile } from "yauzl";
import { damaged, damagedHelp, type FileBytes, pieceBytes, Refused } from "./tensorFile.ts";

// The records of a zip archive, each read where it lies. In: an open file. Out: records by name; the directory is held against the file, so
// that no record lies outside of it, on another, twice, or under a name that leaves the archive.

export interface ZipRecord {
  readonly name: string;
  readonly size: number;
  /** A stretch of its content, in pieces. Reading all of a record checks its checksum. */
  read(at: number, length: number): AsyncGenerator<Uint8Array>;
}

const mostEntries = 1_000_000;
const deflate = 8;
/** Deflate cannot shrink more than this; what claims to is made to fill a memory. */
const mostShrunk = 1100;

/** The records of an archive by name. */
export async function readZip(bytes: FileBytes): Promise<ReadonlyMap<string, ZipRecord>> {
  const { path } = bytes;
  let zip: ZipFile;
  try {
    zip = await fromFdPromise(bytes.fd, { autoClose: false, lazyEntries: true, decodeStrings: false });
  } catch (error) {
    throw new Refused("truncated", `${path} is no whole zip archive: ${messageOf(error)}`, damagedHelp);
  }
  if (zip.entryCount > mostEntries) damaged(path, null, `the archive has ${zip.entryCount} records`);
  const records = new Map<string, ZipRecord>();
  const ranges: { readonly from: number; readonly to: number; readonly name: string }[] = [];
  try {
    for await (const entry of zip.eachEntry()) {
      const name = new TextDecoder().decode(entry.fileNameRaw);
      const at = entry.relativeOffsetOfLocalHeader;
      if (/^[/\\]|^[a-zA-Z]:|(^|[/\\])\.\.([/\\]|$)|\0/.test(name))
        damaged(
          path,
          at,
          `the record \`${name.slice(0, 200)}\` has a path that leaves the archive`,
          "do not use this file: it is made to write elsewhere",
        );
      if (records.has(name)) damaged(path, at, `the record ${name} is there twice`);
      if (entry.isEncrypted()) damaged(path, at, `the record ${name} is encrypted`);
      if (entry.compressionMethod !== 0 && entry.compressionMethod !== deflate)
        damaged(path, at, `the record ${name} is compressed in a way (${entry.compressionMethod}) that is not read`);
      if (entry.compressionMethod === deflate && entry.uncompressedSize > mostShrunk * Math.max(entry.compressedSize, 1))
        damaged(path, at, `the record ${name} claims to have ${entry.uncompressedSize} bytes in ${entry.compressedSize}`);
      if (at + 30 > bytes.size) damaged(path, at, `the record ${name} lies behind the end of the file`);
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      const to = fileDataStart + entry.compressedSize;
      if (to > bytes.size) damaged(path, at, `the record ${name} ends behind the end of the file`);
      ranges.push({ from: at, to, name });
      records.set(name, recordOf(bytes, zip, entry, name, fileDataStart));
    }
  } catch (error) {
    if (error instanceof Refused) throw error;
    damaged(path, null, messageOf(error));
  }
  ranges.sort((a, b) => a.from - b.from || a.to - b.to);
  for (const [i, { from, name }] of ranges.entries()) {
    const before = ranges[i - 1];
    if (before !== undefined && before.to > from) damaged(path, from, `the records ${before.name} and ${name} overlap`);
  }
  return records;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function recordOf(bytes: FileBytes, zip: ZipFile, entry: Entry, name: string, start: number): ZipRecord {
  const size = entry.uncompressedSize;
  const { path } = bytes;
  const content = entry.compressionMethod === deflate ? () => inflated(path, zip, entry, name, start) : null;
  return {
    name,
    size,
    async *read(at, length) {
      if (at + length > size) damaged(path, start, `the record ${name} has ${size} bytes; bytes ${at} to ${at + length} are needed`);
      let sum = 0;
      for await (const piece of content === null ? bytes.pieces(start + at, length) : cut(content(), at, length)) {
        if (length === size) sum = crc32(piece, sum);
        yield piece;
      }
      if (length === size && sum !== entry.crc32) damaged(path, start, `the checksum of the record ${name} is wrong`);
    },
  };
}

async function* inflated(path: string, zip: ZipFile, entry: Entry, name: string, start: number): AsyncGenerator<Uint8Array> {
  try {
    yield* (await zip.openReadStreamPromise(entry)) as AsyncIterable<Uint8Array>;
  } catch (error) {
    damaged(path, start, `the record ${name}: ${messageOf(error)}`);
  }
}

/** A stretch of a stream, in pieces of one length, so that no number is torn. */
async function* cut(parts: AsyncIterable<Uint8Array>, at: number, length: number): AsyncGenerator<Uint8Array> {
  let skip = at;
  let left = length;
  let piece = new Uint8Array(Math.min(pieceBytes, left));
  let filled = 0;
  if (left === 0) return;
  for await (const part of parts) {
    let from = Math.min(skip, part.length);
    skip -= from;
    while (from < part.length && left > 0) {
      const count = Math.min(part.length - from, piece.length - filled);
      piece.set(part.subarray(from, from + count), filled);
      filled += count;
      from += count;
      left -= count;
      if (filled === piece.length) {
        yield piece;
        piece = new Uint8Array(Math.min(pieceBytes, left));
        filled = 0;
      }
    }
    if (left === 0) return;
  }
}
