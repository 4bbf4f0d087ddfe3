/** Settings are no deeper. */
const DEPTH = 8;

/**
 * A copy of what consists of objects and lists, without what is undefined: a message carries no proxies, in which some frameworks
 * keep what they watch. All else, a File too, stays what it is.
 */
export function plain<T>(value: T, depth = DEPTH): T {
  if (depth === 0) return value;
  if (Array.isArray(value)) return value.map((one) => plain(one, depth - 1)) as T;
  if (Object.prototype.toString.call(value) !== '[object Object]') return value;
  const fields = Object.entries(value as object).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([name, field]) => [name, plain(field, depth - 1)])) as T;
}
