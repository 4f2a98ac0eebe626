import { describe, expect, test } from "vitest";
import { discoverLists } from "./conformance/lists.ts";
import { goldenFolder, goldenTitle } from "./golden.ts";

// `keys` blocks against recorded lists of the names and shapes in published checkpoints: every parameter has its tensor, none has another's.

describe(goldenTitle("keys of published checkpoints"), () => {
  const lists = goldenFolder === undefined ? [] : discoverLists(goldenFolder).filter((list) => list.kind === "checkpoint_keys");
  test.runIf(goldenFolder !== undefined)("bind", async () => {
    const results = [];
    for (const list of lists) for await (const result of list.run(async () => ({}))) results.push(result);
    expect(results.filter((one) => one.status === "failed")).toEqual([]);
    expect(results.filter((one) => one.status === "passed")).toHaveLength(12);
  });
});
