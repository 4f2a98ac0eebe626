const title = "one
const other = 2
