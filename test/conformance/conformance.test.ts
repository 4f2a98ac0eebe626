import { testGroups } from "./groups.testing.ts";
import { byReference } from "./run.ts";

// Everything that is recorded, by the f64 meaning.

testGroups(
  "conformance of the f64 meaning",
  () => true,
  () => byReference,
);
