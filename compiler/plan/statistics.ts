// What a report can say about the numbers of a group: one row per word.

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
/** Standard deviation of a sample; of one number there is none. */
const deviation = (values: readonly number[]): number => {
  const middle = mean(values);
  return values.length < 2 ? Number.NaN : Math.sqrt(values.reduce((sum, x) => sum + (x - middle) ** 2, 0) / (values.length - 1));
};
/** 97.5 % points of Student's distribution for 1 to 30 degrees of freedom. */
const fewDegrees = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086,
  2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** That of any number of degrees: above the table by its series about the normal distribution, within 1e-4. */
const student = (degrees: number): number => fewDegrees[degrees - 1] ?? 1.959964 + 2.372271 / degrees + 2.822499 / degrees ** 2;

export const statistics: Readonly<Record<string, (values: readonly number[]) => number>> = {
  mean,
  /** Half the width of the 95 % confidence interval of the mean. */
  ci95: (values) => (student(values.length - 1) * deviation(values)) / Math.sqrt(values.length),
  std: deviation,
  min: (values) => Math.min(...values),
  max: (values) => Math.max(...values),
  sum: (values) => values.reduce((a, b) => a + b, 0),
  count: (values) => values.length,
};
export const statisticNames: readonly string[] = Object.keys(statistics);
/** Endings of the files that a report is written to. */
export const reportKinds: readonly string[] = ["csv", "json", "html"];
