/** The messages from the page to the service worker. */

export type Message =
  /** Asks whether this page is the only one of the site; `take over` also has the worker of a new build serve it from now on, if it is. */
  | { ask: 'lonely' | 'take over' }
  /** Whether the worker is of this page's build; and to one that has just come, to serve the page, which came from the network, if so. */
  | { ask: 'same' | 'adopt'; build: string };

/** Through the port that is sent along. */
export type Answer = boolean;

/** Checks a message, since any page of the origin can send anything. */
export function asMessage(said: unknown): Message | null {
  if (typeof said !== 'object' || said === null || !('ask' in said)) return null;
  if (said.ask === 'lonely' || said.ask === 'take over') return { ask: said.ask };
  if ((said.ask === 'same' || said.ask === 'adopt') && 'build' in said && typeof said.build === 'string') return { ask: said.ask, build: said.build };
  return null;
}
