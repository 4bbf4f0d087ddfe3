/** What is said of a figure that was measured several times. */

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return { median: (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2, min: sorted[0]!, max: sorted.at(-1)! };
}

/** p of y ≈ c·x^p, by least squares of the logarithms. */
export function exponent(points: { x: number; y: number }[]): number {
  const logs = points.map(({ x, y }) => [Math.log(x), Math.log(y)] as const);
  const [meanX, meanY] = [0, 1].map((at) => logs.reduce((sum, log) => sum + log[at]!, 0) / logs.length);
  const over = logs.reduce((sum, [x, y]) => sum + (x - meanX!) * (y - meanY!), 0);
  return over / logs.reduce((sum, [x]) => sum + (x - meanX!) ** 2, 0);
}

/** Three digits, and no more than are there. */
const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(value >= 1 ? 3 : 2));

/** The median, and from where to where the others lie. */
export function shown(values: number[], show = digits): string {
  if (values.length === 0) return '–';
  const { median, min, max } = spread(values);
  return values.length === 1 ? show(median) : `${show(median)} (${show(min)}–${show(max)})`;
}

export const seconds = (values: number[]): string => (values.length === 0 ? '–' : `${shown(values)} s`);
export const milliseconds = (values: number[]): string => (values.length === 0 ? '–' : `${shown(values, (value) => (1000 * value).toFixed(0))} ms`);
export const megabytes = (values: number[]): string => (values.length === 0 ? '–' : `${shown(values, (value) => (value / 1e6).toFixed(0))} MB`);

/** A table in Markdown; the first column is text, the others are figures. */
export function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
