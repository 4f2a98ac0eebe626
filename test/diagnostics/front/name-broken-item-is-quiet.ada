fn broken(x: real[n]) -> real { let = unknown_one return also_unknown }
fn uses(x: real[n]) -> real { return broken(x) + really_unknown }
