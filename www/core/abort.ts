/** Being cancelled: one error for it, and one way to stop waiting. */

export function abortError(): DOMException {
  return new DOMException('The run was cancelled.', 'AbortError');
}

export function isAbort(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === 'AbortError';
}

/** What `promise` comes to, unless the signal is first: then it rejects at once, with AbortError. */
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
