/** Settings are never nested deeper than this. */
const DEPTH = 8;

/**
 * A copy of objects and lists without their undefined fields. Messages cannot carry proxies, in which some frameworks wrap the objects they watch.
 * Everything else, a File for example, is kept as it is.
 */
export function plain<T>(value: T, depth = DEPTH): T {
  if (depth === 0) return value;
  if (Array.isArray(value)) return value.map((one) => plain(one, depth - 1)) as T;
  if (Object.prototype.toString.call(value) !== '[object Object]') return value;
  const fields = Object.entries(value as object).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([name, field]) => [name, plain(field, depth - 1)])) as T;
}
