schedule forever = constant(1) then linear(1 -> 0) to end
schedule wrong = constant(1) for "long" then linear(1 -> 0) to end
