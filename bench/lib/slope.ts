/** One size, and what it cost. Both are larger than nothing. */
export interface Point {
  readonly size: number;
  readonly cost: number;
}

/**
 * The slope of the straight line that fits the points best when both axes are logarithmic: with 0 the cost does not
 * follow the size, with 1 it is in proportion to it, above 1 it grows faster than the size does.
 * @returns NaN with fewer than two sizes, or a cost of nothing
 */
export function exponentOf(points: readonly Point[]): number {
  const logs = points.map(({ size, cost }) => ({ x: Math.log(size), y: Math.log(cost) }));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(logs.map((point) => point.x)), mean(logs.map((point) => point.y))];
  const across = logs.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0);
  const along = logs.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  const exponent = across / along;
  return Number.isFinite(exponent) ? exponent : Number.NaN;
}

/** What a size would cost if it went on as between the two largest ones measured. */
export function extrapolated(points: readonly Point[], size: number): number {
  const [before, last] = [...points].sort((a, b) => a.size - b.size).slice(-2);
  if (!before || !last) return Number.NaN;
  return last.cost + ((last.cost - before.cost) / (last.size - before.size)) * (size - last.size);
}
