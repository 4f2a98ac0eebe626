import { Linear } from "std/nn.ada"

fn grown(x: real[c]) -> real[c] { return x + "1" }
fn called(x: real[c]) -> real[c] { return Linear * x }
fn indexed(table: real[rows, width], at: real[n]) -> real[n, width] { return table[rows: at] }
fn conditional(x: real[c]) -> real[c] { return where(x, x, 0) }
fn ids(id: i32[n]) -> real { return mean(id) }
fn wrong(x: real[n]) -> real { return ids(x) }
fn opposite(x: real[n]) -> real[n] { return not x }
fn pick_one(flag: Bool, x: real[n]) -> real[n] { return if flag { x } else { -x } }
fn picked(x: real[n]) -> real[n] { return pick_one(3, x) }
const width: Int = "wide"
