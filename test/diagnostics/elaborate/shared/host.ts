/** Says that it gives a number, and does not. */
export function lies(): number {
  return JSON.parse('"three"') as number;
}
export function throws(): number {
  throw new Error("there is no table");
}
