import type { Streams } from "./job.ts";

/** Streams for a command in a test: no terminal, and what is written stays. */
export function keptStreams(): Streams & { readonly written: { out: string; err: string } } {
  const written = { out: "", err: "" };
  const stream = (name: keyof typeof written) =>
    ({
      isTTY: false,
      write: (text: string) => {
        written[name] += text;
        return true;
      },
    }) as unknown as NodeJS.WriteStream;
  return { out: stream("out"), err: stream("err"), written };
}
