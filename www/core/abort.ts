/** The error that stands for a cancelled run, and a way to stop waiting for a promise. */

export function abortError(): DOMException {
  return new DOMException('The run was cancelled.', 'AbortError');
}

export function isAbort(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === 'AbortError';
}

/** Settles as `promise` does, unless the signal is aborted first: then it rejects at once with an AbortError. */
export async function unless<T>(signal: AbortSignal | null | undefined, promise: Promise<T>): Promise<T> {
  if (!signal) return promise;
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(abortError());
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  return Promise.race([aborted, promise]).finally(() => {
    signal.removeEventListener('abort', abort);
    promise.catch(() => {});
  });
}
