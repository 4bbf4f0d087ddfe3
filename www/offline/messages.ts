/** What the page asks of the service worker. */

export type Message =
  /** Whether this page is the only one of the site; and to the worker of a new build, to serve it from now on if so. */
  | { ask: 'lonely' | 'take over' }
  /** To a worker that has just come: to serve this page, which came from the network, if it is of the same build. */
  | { ask: 'adopt'; build: string };

/** The answer, through the port that is sent along. */
export type Lonely = boolean;

/** Any page of the origin can send anything. */
export function asMessage(said: unknown): Message | null {
  if (typeof said !== 'object' || said === null || !('ask' in said)) return null;
  if (said.ask === 'lonely' || said.ask === 'take over') return { ask: said.ask };
  if (said.ask === 'adopt' && 'build' in said && typeof said.build === 'string') return { ask: said.ask, build: said.build };
  return null;
}
