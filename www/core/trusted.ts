/**
 * The address that `new Worker` takes. It must be of the page's own origin, so a worker's script of another origin is imported by a short script of
 * this one. With Trusted Types, a worker starts only from an address that a policy made. This is the only policy that the tool needs: a page that
 * lists policies in its Content-Security-Policy must list `np-lora-worker`, and Lit's `lit-html`.
 */

interface Policy {
  createScriptURL(address: string): URL;
}

let policy: Policy | null = null;
const shims = new Map<string, string>();

/**
 * A script of this origin, under this page's Content-Security-Policy, that imports the absolute `url`. In a frame without an origin it is a classic
 * script (see core/line.ts).
 */
export function shim(url: string): string {
  const address = JSON.stringify(url);
  const script = self.origin === 'null' ? `(${String(importing)})(${address})` : `import ${address};`;
  // The fragment holds the real address; browsers ignore it when loading.
  const made = shims.get(url) ?? `${URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))}#${encodeURIComponent(url)}`;
  shims.set(url, made);
  return made;
}

/** The address of the script that a shim imports; any other address is returned unchanged. */
export const behind = (url: string): string => (url.startsWith('blob:') ? decodeURIComponent(new URL(url).hash.slice(1)) || url : url);

/** The whole script of a classic worker. Messages that arrive before the module is loaded are delivered to it afterwards. */
function importing(address: string): void {
  const early: MessageEvent[] = [];
  const keep = (event: MessageEvent): void => { early.push(event); };
  self.addEventListener('message', keep);
  import(/* webpackIgnore: true */ /* @vite-ignore */ address).then(() => {
    self.removeEventListener('message', keep);
    for (const { data } of early) self.dispatchEvent(new MessageEvent('message', { data }));
    // Thrown as by a script that does not load, so that whoever started the worker hears of it.
  }, (thrown: unknown) => { setTimeout(() => { throw thrown; }); });
}

// The origin of a blob: address is that of the page that made it.
const isOurs = (url: string): boolean => new URL(url, self.location.href).origin === self.origin;

/** The address from which to start the worker at `url`, which must be absolute. Throws if the policy is forbidden. */
export function workerAddress(url: string): string | URL {
  // On an isolated page a worker's script needs its own Cross-Origin-Embedder-Policy header, unless the page itself made the script.
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
  // The policy makes a TrustedScriptURL, which is accepted wherever a URL is.
  return policy.createScriptURL(address);
}
