// Data on disk: a folder of pictures -> batches of tensors on the host.
export type { DecodeJob } from "./decode.ts";
export { type Decoder, defaultThreads, openDecoder } from "./decoder.ts";
export type { CallHost } from "./facts.ts";
export {
  type DatasetError,
  type DatasetItem,
  type DatasetProblem,
  type FolderDataset,
  type FolderSpec,
  openSources,
} from "./folder.ts";
export { type Batch, BatchLoader, type BatchOptions, type FieldValue } from "./loader.ts";
