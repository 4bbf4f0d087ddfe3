/** Ports for servers that have to be told where to listen. */

import { createServer, type AddressInfo } from 'node:net';

/** A port that is free at this moment. */
export const freePort = (): Promise<number> => new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address() as AddressInfo;
    probe.close(() => resolve(port));
  });
});
