// line: 1\tone\ta photo of {face}
// line: \t
// line: 2\ttwo\ta photo of nobody
type Line = { repeat: Int, folder: Text, prompt: Prompt<face: 16> }
evaluate lists {
  for line in lines("prompts.txt", as: Line) { measure repeats: line.repeat }
  report mean by metric to "report.csv"
}
