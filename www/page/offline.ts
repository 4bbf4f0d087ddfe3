/** Has the browser keep the site for visits without a network (www/offline/sw.ts), and tells when a new version is there. */

import type { NpLora } from '../element/np-lora.ts';
import type { Answer, Message } from '../offline/messages.ts';
import { say } from './language.ts';

const WORKER = new URL('./sw.js', import.meta.url).href;

/** The worker's address. With Trusted Types, it must come from a policy, and this policy allows only this one. */
function workerAddress(): string {
  const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(address: string): string } } };
  return trustedTypes?.createPolicy('np-lora-offline', { createScriptURL: () => WORKER }).createScriptURL(WORKER) ?? WORKER;
}

const tell = (worker: ServiceWorker, message: Message, ports: MessagePort[] = []): void => worker.postMessage(message, ports);

function ask(worker: ServiceWorker, message: Message): Promise<Answer> {
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise<Answer>((resolve) => { port1.onmessage = ({ data }) => resolve(data === true); });
  tell(worker, message, [port2]);
  return answer;
}

/** `place`: where the page tells that a new version is there. */
export async function keepForOffline(app: NpLora, place: HTMLElement): Promise<void> {
  // Only secure pages have service workers. A page in another site's frame is a guest, and leaves nothing behind.
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (!container || window.parent !== window) return;
  // Everything that the visitor is waiting for loads first.
  if (document.readyState !== 'complete') await new Promise((resolve) => addEventListener('load', resolve, { once: true }));
  await container.register(workerAddress(), { updateViaCache: 'none' });
  const registration = await container.getRegistration();
  if (!registration) return;

  const build = document.querySelector<HTMLMetaElement>('meta[name="build"]')?.content ?? '';
  const offer = async (): Promise<void> => {
    const { waiting } = registration;
    if (!waiting || !container.controller) return;
    const same = await ask(waiting, { ask: 'same', build });
    if (registration.waiting !== waiting) return;
    // Of a version that was deployed and rolled back nothing is left to be offered.
    if (same) place.replaceChildren();
    else offerNew(app, place, waiting);
  };
  void offer();
  registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', () => void offer()));
  if (container.controller) return;
  // The first visit came from the network; as soon as everything is cached, the page goes on with the cached files.
  const { active } = await container.ready;
  if (active) tell(active, { ask: 'adopt', build });
}

function offerNew(app: NpLora, place: HTMLElement, worker: ServiceWorker): void {
  const line = document.createElement('span');
  const button = document.createElement('button');
  say(line, 'newVersion');
  say(button, 'reload');
  button.type = 'button';
  button.addEventListener('click', () => void takeNew());
  place.replaceChildren(line, button);

  let warned = false;
  async function takeNew(): Promise<void> {
    const discards = app.unsaved > 0 && !warned;
    warned = discards;
    if (app.phase === 'fusing' || app.phase === 'checking') say(line, 'afterRun');
    else if (discards) say(line, 'discards');
    else if (!(await ask(worker, { ask: 'lonely' }))) say(line, 'otherTabs');
    else {
      // The old version must not request anything of the new one.
      app.remove();
      navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
      // Another page may have been opened in the meantime.
      if (!(await ask(worker, { ask: 'take over' }))) location.reload();
    }
  }
}
