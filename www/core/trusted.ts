/**
 * Where Trusted Types are on, a worker starts only from what a policy made. This is the only one that the tool needs; a
 * page that names policies in its Content-Security-Policy names `np-lora-worker`, and Lit's `lit-html`.
 */

interface Policy {
  createScriptURL(address: string): URL;
}

let policy: Policy | null = null;

/** The address as `new Worker` takes it; it must be of this origin, as browsers want it anyway. Throws where the policy is forbidden. */
export function workerAddress(url: string | URL): string | URL {
  const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy(name: string, rules: { createScriptURL(address: string): string }): Policy } };
  if (!trustedTypes) return url;
  policy ??= trustedTypes.createPolicy('np-lora-worker', {
    createScriptURL: (address) => {
      // A blob:'s origin is that of the page that made it.
      const { href, origin } = new URL(address, self.location.href);
      if (origin !== self.origin) throw new TypeError(`the worker is not of this origin: ${href}`);
      return address;
    },
  });
  // A TrustedScriptURL, which goes wherever a URL goes.
  return policy.createScriptURL(String(url));
}
