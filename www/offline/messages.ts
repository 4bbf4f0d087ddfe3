/** What the page asks of the service worker. */

export type Message =
  /** Whether this page is the only one of the site; and to the worker of a new build, to serve it from now on if so. */
  | { ask: 'lonely' | 'take over' }
  /** Whether the worker is of this page's build; and to one that has just come, to serve the page, which came from the network, if so. */
  | { ask: 'same' | 'adopt'; build: string };

/** Through the port that is sent along. */
export type Answer = boolean;

/** Any page of the origin can send anything. */
export function asMessage(said: unknown): Message | null {
  if (typeof said !== 'object' || said === null || !('ask' in said)) return null;
  if (said.ask === 'lonely' || said.ask === 'take over') return { ask: said.ask };
  if ((said.ask === 'same' || said.ask === 'adopt') && 'build' in said && typeof said.build === 'string') return { ask: said.ask, build: said.build };
  return null;
}
