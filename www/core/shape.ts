/** Checks that an untrusted value has a type. A check is composed like its type, and TypeScript compares the two. */

type Check<T> = (value: unknown) => value is T;

/** A check of exactly this type: TypeScript rejects one that accepts only some of the type's words. */
export type Shape<T> = Check<T> & { readonly of?: (exactly: T) => T };

export const text: Shape<string> = (value) => typeof value === 'string';
export const number: Shape<number> = (value) => typeof value === 'number';
export const truth: Shape<boolean> = (value) => typeof value === 'boolean';
export const nothing: Shape<null> = (value) => value === null;

export const word = <T extends string>(...words: T[]): Shape<T> =>
  (value): value is T => words.includes(value as T);

export const instance = <T>(of: abstract new (...from: never[]) => T): Shape<T> =>
  (value): value is T => value instanceof of;

/** Also accepts a File of another document, such as a frame's, which has classes of its own. */
export const isFile: Shape<File> = (value): value is File => value instanceof File || tagOf(value) === '[object File]';
/** Also accepts a Blob of another document. A File counts as a Blob. */
export const isBlob: Shape<Blob> = (value): value is Blob => value instanceof Blob || isFile(value) || tagOf(value) === '[object Blob]';

export const orNull = <T>(shape: Shape<T>): Shape<T | null> =>
  (value): value is T | null => value === null || shape(value);

export const list = <T>(of: Shape<T>): Shape<T[]> =>
  (value): value is T[] => Array.isArray(value) && value.every(of);

/** A text of at most `most` UTF-16 units, for senders that might send a text of any length. */
export const textUpTo = (most: number): Shape<string> => (value): value is string => text(value) && value.length <= most;

/** An object with any names, whose values all have one type. */
export const table = <T>(of: Shape<T>): Shape<Record<string, T>> =>
  (value): value is Record<string, T> => isObject(value) && Object.values(value).every(of);

/** An object with these fields. Additional fields do no harm. */
export const object = <T>(fields: { [K in keyof T]-?: Shape<T[K]> }): Shape<T> => {
  const checks = Object.entries(fields) as [string, Shape<unknown>][];
  return (value): value is T => isObject(value) && checks.every(([name, of]) => of(value[name]));
};

/** An object with any of these fields. Since any may be missing, an unknown one is taken for a misspelled name, which would have no effect. */
export const partial = <T>(fields: { [K in keyof T]-?: Shape<T[K]> }): Shape<Partial<T>> => {
  const checks = Object.entries(fields) as [string, Shape<unknown>][];
  return (value): value is Partial<T> => isObject(value)
    && checks.every(([name, of]) => value[name] === undefined || of(value[name])) && Object.keys(value).every((name) => Object.hasOwn(fields, name));
};

/** A value of one of several types. */
export const either = <T>(...shapes: Check<T>[]): Shape<T> =>
  (value): value is T => shapes.some((shape) => shape(value));

const tagOf = (value: unknown): string => Object.prototype.toString.call(value);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
