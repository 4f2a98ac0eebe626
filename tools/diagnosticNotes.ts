import type { DiagnosticCode } from "../dsl/diagnostics.ts";

// What the pages of spec/diagnostics say beyond message and help: a paragraph per group of codes, and remarks on single codes where the
// message alone leaves the reason open.

export const groupNotes: Readonly<Record<string, string>> = {
  syntax:
    "The text does not follow the grammar. The parser goes on behind the mistake, so one run shows all mistakes of a file; what could not be read has the error type, and nothing more is said about it.",
  name: "A name is looked up in the enclosing bodies, then among the items of the file, then among its imports, then in the prelude.",
  import:
    "An import names a file by a path that begins with `./`, `../`, `std/` or `models/`. Imports stay inside the project or the installed library, and must not form a cycle.",
  module:
    "A module is a tree of parts and parameters with a `forward`. Its parameters exist once a `model` holds it, or another module that a model holds.",
  shape:
    "Axes are named, and sizes are expressions over size names. Two sizes agree when they are equal for every value of their names; axes align by name, never by position.",
  type: "Every expression has one type, found without running anything.",
  call: "Arguments are given by position, then by name. A parameter without a default must be given.",
  index: "An index known when compiling must lie inside its axis.",
  time: "Each value is known at one of three times: when compiling, on the host before a step, or on the device during it. Later values cannot decide what earlier times build.",
  elaborate:
    "Elaboration gives every size a number and builds the graphs of a block. It meets what the checker cannot know: settings, `--set` values, concrete sizes.",
  memory: "The planner cuts what is larger than one binding of the adapter into windows. What it cannot cut it cannot run.",
  host: "Host functions run while a program is compiled, with values known then; what they give becomes constants.",
  data: "A data set describes one item: where its file lies, and what each field makes of it. Fields and `let` members may use each other, in any order.",
  config:
    "`--config FILE.yaml` overrides settings and constants: keys are `batch`, `round1.batch`, `max_chain`, or the same nested. `--set` wins over the file.",
  body: "A body is a list of statements; one that has a value ends with `return`.",
  effect:
    "A function says in its signature whether it draws random numbers (`random`) or changes module state (`updates`), so that a reader of a call knows.",
  bind: "A `keys` block says where each parameter of a module lies in a file. Rules apply outermost first, each replacing the part of the path that no outer rule has replaced; the alternatives of a template go with those of its path.",
  tap: "`m(x) watch { paths as layers }` gives the parts that the paths name; each offers its taps and its parts as fields.",
  prompt:
    "A prompt has 77 tokens unless `length:` says otherwise. What can be said without the tokenizer is said by the checker; a text that has more tokens than words may still be too long when it is drawn, and then ends the run with its text.",
  train: "A `train` block names data, batch, length, steps, and one optimiser.",
  schedule: "A schedule is a function of progress: spans that follow each other, of which the last reaches to the end.",
};

export const notes: { readonly [C in DiagnosticCode]?: string } = {
  "syntax/if-without-else": "An `if` that stands where a value is needed gives its value in both cases.",
  "name/unknown": "The help names the nearest known name, when there is one near enough to be meant.",
  "name/needs-itself": "A constant, model or schedule whose value needs itself has no first value.",
  "import/host":
    "Types at the boundary: number is Real, string Text, boolean Bool, `T[]` and typed arrays List, `{ a: T }` a record, `x?: T` an optional value.",
  "module/cycle": "A module that contains itself would have infinitely many parameters.",
  "module/not-in-a-model":
    "A layer made inside a body would be made anew at every step; its parameters would have no name in a checkpoint.",
  "module/frozen-update": "State of a frozen model, such as the running mean of a batch norm, stays as it was loaded.",
  "shape/axis-mismatch":
    "Both places are shown with the size they give the axis. Sizes are compared as expressions: `2 * n` and `n + n` are equal.",
  "shape/missing-axis": "The axes that are there are listed in order.",
  "shape/not-determined": "A size name must be settled by an argument, a parameter or a declaration; the result alone cannot settle it.",
  "shape/not-a-subset":
    "Elementwise arithmetic lines axes up by name. One side's axes must be an ordered subset of the other's, so that no axis is silently repeated along another.",
  "shape/result-axes":
    "The declared result of a function is a promise to its callers; the body must give exactly these axes in this order.",
  "shape/does-not-divide": "`view` splits an axis only into parts whose product is its size.",
  "time/host-value-needed":
    "The step's graph depends on this value, so it must be known before the step is launched. An `if` builds one graph or another; a tensor's value is known only while the graph runs.",
  "time/too-many-alternatives": "Each combination of host values that choose a graph becomes one compiled alternative.",
  "elaborate/nothing-minimised": "Without a path from `minimize` to a trained parameter there is nothing to train.",
  "elaborate/unsupported":
    "The language describes it; this version of the compiler does not do it, and says so rather than doing something else.",
  "elaborate/unknown-setting":
    "`--set` changes settings of a block (`batch`, `micro_steps`, `seed`, `accumulate`, `save`, `log`) and constants of the project's files.",
  "effect/undeclared": "Effects are part of a signature, as types are.",
};
