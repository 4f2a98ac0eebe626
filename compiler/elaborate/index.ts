// Lowering stage 3: a program's text with concrete sizes. In: a loaded program and the name of a block or function. Out: graphs of tensor
// IR with everything around them that a plan needs (`program.ts`), or diagnostics. Nothing is thrown for a mistake of the author.

export { type Entries, listEntries } from "./blocks.ts";
export type { ChosenSizes, Drawn, DrawnNumbers, DrawnSizes, Draws, Form, Place, Sample, SampleForm } from "./drawn.ts";
export { elaborateEvaluate } from "./evaluate.ts";
export { elaborateFunction, elaborateOptimizerAlone, type FunctionArgument, type FunctionOptions, type PlainValue } from "./function.ts";
export type * from "./program.ts";
export { checkOverrides, type GivenOverride, type Overrides } from "./settings.ts";
export { elaborateSurgery, type SurgeryRequest } from "./surgeryProgram.ts";
export { drawsOf, elaborateTest, listTests, placesIn, type TestCase, type TestProgram } from "./tests.ts";
export { elaborateTrain } from "./train.ts";
export { elaborateWalk, type LiveWalk, nextRequest, startWalk } from "./walkProgram.ts";
export type * from "./walkRequests.ts";
