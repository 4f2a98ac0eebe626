import { type Checked, type Files, fail, realFiles } from "./files.ts";
import { openOnnx } from "./onnxFile.ts";
import { openSafetensors } from "./safetensors.ts";
import { openSharded } from "./sharded.ts";
import { checked, openBytes, type TensorFile } from "./tensorFile.ts";
import { openTorch } from "./torchFile.ts";

// Opens a file of tensors of any format that is read. What a file is follows from its name where that is certain, else from its first bytes.

/** The formats that are read, for messages. */
export const formats = "safetensors (also several files with an index), PyTorch's .pt, .pth, .ckpt and .bin, ONNX";

/** Opens a file. */
export async function openTensorFile(path: string, files: Files = realFiles): Promise<Checked<TensorFile>> {
  if (path.endsWith(".index.json")) return openSharded(path, openTensorFile, files);
  if (path.endsWith(".safetensors")) return openSafetensors(path, files);
  if (path.endsWith(".onnx")) return openOnnx(path, files);
  const head = await checked(path, async () => {
    const bytes = await openBytes(path, files);
    try {
      return { size: bytes.size, start: await bytes.read(0, Math.min(64, bytes.size)) };
    } finally {
      await bytes.close();
    }
  });
  if (!head.ok) return head;
  const { size, start } = head.value;
  if (start[0] === 0x80 || (start[0] === 0x50 && start[1] === 0x4b)) return openTorch(path, files);
  if (start[8] === 0x7b) return openSafetensors(path, files);
  return fail("damaged", `${path} is no file of tensors: ${whatItIs(start, size)}`, `these are read: ${formats}`);
}

/** In words, what a file seems to be. */
function whatItIs(start: Uint8Array, size: number): string {
  if (size < 16) return `it has ${size} bytes`;
  const text = new TextDecoder().decode(start);
  if (text.startsWith("version https://git-lfs")) return "it is the pointer of a store for large files; fetch the file itself";
  if (/^\s*</.test(text)) return "it is a web page";
  if (start[0] === 0x89 && text.slice(1, 4) === "HDF") return "it is HDF5";
  if (/^[\x20-\x7e\s]*$/.test(text)) return "it is text";
  return "its first bytes are of no format that is read";
}
