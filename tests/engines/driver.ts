/**
 * WebDriver's commands, for an engine that Playwright does not start. WebKitWebDriver has them over HTTP, Firefox itself over a
 * socket (Marionette, which geckodriver only translates): the same names and parameters, so that one list serves both and no
 * library is needed.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Each with its method and path over HTTP; https://www.w3.org/TR/webdriver2/ */
const COMMANDS = {
  Navigate: 'POST url',
  ExecuteScript: 'POST execute/sync',
  ElementClick: 'POST element/{id}/click',
  ElementClear: 'POST element/{id}/clear',
  ElementSendKeys: 'POST element/{id}/value',
  GetComputedLabel: 'GET element/{id}/computedlabel',
  GetComputedRole: 'GET element/{id}/computedrole',
  PerformActions: 'POST actions',
  SetWindowRect: 'POST window/rect',
  TakeScreenshot: 'GET screenshot',
} as const;

export interface Driver {
  call(command: keyof typeof COMMANDS, parameters?: Record<string, unknown>): Promise<unknown>;
  /** Ends the session, not the program. */
  end(): Promise<void>;
}

/** How an element of the page is written in parameters and answers. */
export const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

const START_MS = 60_000;

/** Tries until something comes of it: a program that was just started is not there at once. */
export async function eventually<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  for (const since = performance.now(); ;) {
    try {
      return await attempt();
    } catch (thrown) {
      if (performance.now() - since > START_MS) throw new Error(`${what} did not come`, { cause: thrown });
      await sleep(50);
    }
  }
}

export async function overHttp(address: string, capabilities: object): Promise<Driver> {
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${address}${path}`, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    const { value } = await response.json() as { value: unknown };
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(value).slice(0, 1000)}`);
    return value;
  };
  await eventually('WebKitWebDriver', () => ask('GET', '/status'));
  const { sessionId } = await ask('POST', '/session', { capabilities: { alwaysMatch: capabilities } }) as { sessionId: string };
  return {
    call: (command, { id, ...body } = {}) => {
      const [method, path] = COMMANDS[command].replace('{id}', String(id)).split(' ') as [string, string];
      return ask(method, `/session/${sessionId}/${path}`, method === 'POST' ? body : undefined);
    },
    end: async () => { await ask('DELETE', `/session/${sessionId}`); },
  };
}

/** Messages are JSON, each behind its length in bytes and a colon; https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html */
export async function overMarionette(port: number): Promise<Driver> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const waiting = new Map<number, { resolve(value: unknown): void; reject(why: Error): void }>();
  let received = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    for (;;) {
      const colon = received.indexOf(':');
      const end = colon + 1 + Number(received.subarray(0, Math.max(colon, 0)));
      if (colon < 0 || received.length < end) return;
      const message = JSON.parse(received.subarray(colon + 1, end).toString()) as unknown;
      received = received.subarray(end);
      // The first is a greeting.
      if (!Array.isArray(message)) continue;
      const [, id, error, result] = message as [1, number, object | null, unknown];
      if (error) waiting.get(id)?.reject(new Error(JSON.stringify(error).slice(0, 1000)));
      else waiting.get(id)?.resolve(result);
      waiting.delete(id);
    }
  });
  socket.on('close', () => waiting.forEach(({ reject }) => reject(new Error('Firefox is gone'))));
  let last = 0;
  const ask = (command: string, parameters: object): Promise<unknown> => new Promise((resolve, reject) => {
    const text = JSON.stringify([0, ++last, command, parameters]);
    waiting.set(last, { resolve, reject });
    socket.write(`${Buffer.byteLength(text)}:${text}`);
  });
  await ask('WebDriver:NewSession', {});
  return {
    call: async (command, parameters = {}) => {
      const answer = await ask(`WebDriver:${command}`, parameters);
      return typeof answer === 'object' && answer !== null && 'value' in answer ? answer.value : answer;
    },
    end: async () => {
      await ask('WebDriver:DeleteSession', {});
      socket.destroy();
    },
  };
}

/** A program of this test's own, and all that it has printed. */
export interface Program {
  printed(): string;
  kill(): Promise<void>;
}

/** Starts it in a process group of its own: an engine is many processes, and none may be left. */
export function start(program: string, options: string[], environment: Record<string, string>): Program {
  const child: ChildProcess = spawn(program, options, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
  let text = '';
  let gone = false;
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes: Buffer) => { text += bytes.toString(); });
  child.on('error', (error) => { text += String(error); gone = true; });
  const end = (): void => { if (!gone && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL'); };
  process.once('exit', end);
  const exit = new Promise<void>((over) => { child.on('exit', () => { gone = true; over(); }); });
  return {
    printed: () => text,
    kill: async () => {
      process.off('exit', end);
      if (gone) return;
      end();
      await exit;
    },
  };
}
