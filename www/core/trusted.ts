/**
 * The address that `new Worker` takes. It must be of the page's own origin: a worker's script of another one is imported by a
 * short script that is. Where Trusted Types are on, a worker starts only from what a policy made. This is the only one that the
 * tool needs; a page that names policies in its Content-Security-Policy names `np-lora-worker`, and Lit's `lit-html`.
 */

interface Policy {
  createScriptURL(address: string): URL;
}

let policy: Policy | null = null;
const shims = new Map<string, string>();

/**
 * A script of this origin, under this page's Content-Security-Policy, that imports `url`, which is absolute. In a frame without
 * an origin it is a classic one (core/line.ts).
 */
export function shim(url: string): string {
  const address = JSON.stringify(url);
  const script = self.origin === 'null' ? `(${String(importing)})(${address})` : `import ${address};`;
  // The fragment keeps the real address; browsers ignore it when they load.
  const made = shims.get(url) ?? `${URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))}#${encodeURIComponent(url)}`;
  shims.set(url, made);
  return made;
}

/** The address of the script that a shim imports; of any other, itself. */
export const behind = (url: string): string => (url.startsWith('blob:') ? decodeURIComponent(new URL(url).hash.slice(1)) || url : url);

/** A classic worker's whole script. What it is told before the module is there, the module hears then. */
function importing(address: string): void {
  const early: MessageEvent[] = [];
  const keep = (event: MessageEvent): void => { early.push(event); };
  self.addEventListener('message', keep);
  import(/* webpackIgnore: true */ /* @vite-ignore */ address).then(() => {
    self.removeEventListener('message', keep);
    for (const { data } of early) self.dispatchEvent(new MessageEvent('message', { data }));
    // Like a script that does not load, for whoever started it.
  }, (thrown: unknown) => { setTimeout(() => { throw thrown; }); });
}

// A blob:'s origin is that of the page that made it.
const isOurs = (url: string): boolean => new URL(url, self.location.href).origin === self.origin;

/** `url` is absolute. Throws where the policy is forbidden. */
export function workerAddress(url: string): string | URL {
  // On an isolated page a worker's script needs a header of its own (Cross-Origin-Embedder-Policy), but for one that the page made.
  const comes = isOurs(url) && (!self.crossOriginIsolated || url.startsWith('blob:'));
  const address = comes ? url : shim(url);
  const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy(name: string, rules: { createScriptURL(address: string): string }): Policy } };
  if (!trustedTypes) return address;
  policy ??= trustedTypes.createPolicy('np-lora-worker', {
    createScriptURL: (wanted) => {
      if (!isOurs(wanted)) throw new TypeError(`the worker is not of this origin: ${wanted}`);
      return wanted;
    },
  });
  // A TrustedScriptURL, which goes wherever a URL goes.
  return policy.createScriptURL(address);
}
