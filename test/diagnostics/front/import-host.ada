import host { readTable } from "./table.ts"
const table = readTable("x")
