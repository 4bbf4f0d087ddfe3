/** The page as a person uses it, through WebDriver: by labels and buttons, with real clicks, keys and downloads. */

import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test as base } from '@playwright/test';
import { ELEMENT } from './driver.ts';
import { PROGRAMS, startEngine, type Engine, type Name } from './engine.ts';

export type Role = 'Subject' | 'Style';
type Found = Record<typeof ELEMENT, string>;

/** A real size takes a busy machine a while. */
const RUN_MS = 90_000;

/** As WebDriver writes keys. */
export const KEYS = { Tab: '\uE004', Enter: '\uE007', End: '\uE010', PageDown: '\uE00F' } as const;

/** What every script in the page has at hand: the page is made of shadow trees, which no selector reaches into. */
function inPage() {
  const all = (root: Document | ShadowRoot): HTMLElement[] =>
    [...root.querySelectorAll<HTMLElement>('*')].flatMap((one) => [one, ...(one.shadowRoot ? all(one.shadowRoot) : [])]);
  const plain = (text: string | null | undefined): string => (text ?? '').replace(/\s+/g, ' ').trim();
  const name = (one: HTMLElement): string => plain(one.getAttribute('aria-label')
    ?? ((one as HTMLInputElement).labels?.length ? [...(one as HTMLInputElement).labels!].map((label) => label.textContent).join(' ') : one.textContent));
  const usable = (one: HTMLElement): boolean => one.checkVisibility() && !(one as HTMLButtonElement).disabled;
  const focused = (): Element | null => {
    let found = document.activeElement;
    while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
    return found;
  };
  /** Everything that can be read, in order, a space between one element and the next. */
  const read = (root: Node): string => [...(root instanceof Element && root.shadowRoot ? root.shadowRoot : root).childNodes].map((node) => {
    if (node instanceof Text) return node.data;
    return node instanceof HTMLElement && !node.matches('style, script, option') && node.checkVisibility() ? ` ${read(node)} ` : '';
  }).join('');
  const element = document.querySelector('np-lora') as unknown as Record<string, unknown>;
  return { all: () => all(document), name, usable, focused, read: (root: Node) => plain(read(root)), element };
}
type Tools = ReturnType<typeof inPage>;

export class Visit {
  constructor(readonly engine: Engine, private readonly url: string) {}

  /** Opens the page anew. What goes uncaught before it is drawn is seen by Firefox alone, see {@link Engine.printed}. */
  async open(): Promise<void> {
    await this.engine.driver.call('Navigate', { url: this.url });
    await this.evaluate(() => {
      const uncaught: string[] = [];
      Object.assign(window, { uncaught });
      addEventListener('error', ({ message }) => uncaught.push(message));
      addEventListener('unhandledrejection', ({ reason }) => uncaught.push(String(reason)));
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => uncaught.push(`${violatedDirective} ${blockedURI}`));
    });
    await this.says('Try it with an example');
  }

  /** Runs in the page, where nothing around it is known but the tools. */
  evaluate<T, A extends unknown[]>(script: (tools: Tools, ...args: A) => T | Promise<T>, ...args: A): Promise<T> {
    return this.engine.driver.call('ExecuteScript', { script: `return (${script})((${inPage})(), ...arguments)`, args }) as Promise<T>;
  }

  /** What the element says of itself, as a host page would read it. */
  element<T>(property: string): Promise<T> {
    return this.evaluate(({ element }, property) => element[property], property) as Promise<T>;
  }

  read(): Promise<string> {
    return this.evaluate(({ read }) => read(document.body));
  }

  async says(text: string | RegExp, timeout = RUN_MS): Promise<void> {
    await expect.poll(() => this.read(), { timeout, intervals: [100] }).toMatch(text);
  }

  /** The first that can be used, once it lies still. Choices of a list are drawn by the engine, out of the page's sight. */
  async find(selector: string, name: string): Promise<string> {
    let found: { one: unknown; at: string } | null = null;
    await expect.poll(async () => {
      const before = found?.at;
      found = await this.evaluate(({ all, name, usable }, selector, wanted) => {
        const one = all().find((one) => one.matches(selector) && (name(one) === wanted || name(one).endsWith(`: ${wanted}`)) && (one.localName === 'option' || usable(one)));
        // Away from the bar at the window's end, which would catch the click.
        one?.scrollIntoView({ block: 'center', behavior: 'instant' });
        return one ? { one, at: JSON.stringify(one.getBoundingClientRect()) } : null;
      }, selector, name);
      return found !== null && found.at === before;
    }, { message: `${name} can be used`, timeout: RUN_MS, intervals: [100] }).toBe(true);
    return (found!.one as Found)[ELEMENT];
  }

  async choose(role: Role, path: string): Promise<void> {
    await this.engine.driver.call('ElementSendKeys', { id: await this.find('input[type=file]', `${role} LoRA file`), text: path });
  }

  async press(name: string): Promise<void> {
    await this.engine.driver.call('ElementClick', { id: await this.find('button, input[type=checkbox]', name) });
  }

  async select(label: string, option: string): Promise<void> {
    await this.find('select', label);
    await this.engine.driver.call('ElementClick', { id: await this.find('option', option) });
  }

  /** Types over what stands there. WebDriver's own Clear would leave the field in between, which is a choice of nothing. */
  async fill(label: string, text: string): Promise<void> {
    const field = { [ELEMENT]: await this.find('input', label) };
    await this.evaluate((_, field) => {
      const input = field as unknown as HTMLInputElement;
      input.focus();
      input.select();
    }, field);
    await this.key(...text, KEYS.Tab);
  }

  /** Presses one after the other. */
  async key(...keys: string[]): Promise<void> {
    await this.engine.driver.call('PerformActions', {
      actions: [{ type: 'key', id: 'keyboard', actions: keys.flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]) }],
    });
  }

  /** What has the focus, as the engine tells assistive technology. */
  async focused(): Promise<string> {
    const found = await this.evaluate(({ focused }) => focused()) as unknown as Found | null;
    if (!found) return '';
    const ask = (command: 'GetComputedRole' | 'GetComputedLabel'): Promise<unknown> => this.engine.driver.call(command, { id: found[ELEMENT] });
    return `${await ask('GetComputedRole')} ${await ask('GetComputedLabel')}`;
  }

  async tabTo(name: string): Promise<void> {
    const passed: string[] = [];
    for (let presses = 0; presses < 60; presses++) {
      await this.key(KEYS.Tab);
      const reached = await this.evaluate(({ focused, name }) => { const one = focused(); return one instanceof HTMLElement ? name(one) : ''; });
      if (reached === name || reached.endsWith(`: ${name}`)) return;
      passed.push(reached);
    }
    throw new Error(`Tab never reached ${name}, but ${passed.join(', ')}`);
  }

  /** What a download has left; waits until it is `size` long. */
  async downloaded(name: string, size: number): Promise<Uint8Array> {
    const path = join(this.engine.downloads, name);
    const read = async (): Promise<Buffer> => readFile(path).catch(() => Buffer.alloc(0));
    await expect.poll(async () => ({ size: (await read()).length, there: await readdir(this.engine.downloads) }), { timeout: RUN_MS })
      .toMatchObject({ size });
    const bytes = await read();
    await rm(path);
    return new Uint8Array(bytes);
  }

  /** Presses Save, and reads what came. */
  async save(): Promise<{ name: string; bytes: Uint8Array }> {
    const { name, size } = await this.evaluate(({ element }) => { const { name, size } = element.result as File; return { name, size }; });
    await this.press('Save');
    return { name, bytes: await this.downloaded(name, size) };
  }

  async resize(width: number, height: number): Promise<void> {
    await this.engine.driver.call('SetWindowRect', { width, height });
  }

  async picture(path: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, Buffer.from(await this.engine.driver.call('TakeScreenshot', { full: false }) as string, 'base64'));
  }
}

const DESKTOP = [1280, 960] as const;

/** A visit with an engine that is started once; it must end with nothing uncaught. */
export const test = base.extend<{ visit: Visit }, { engine: Engine }>({
  engine: [async ({}, use, { project }) => {
    const engine = await startEngine(project.name as Name);
    await use(engine);
    await engine.stop();
  }, { scope: 'worker', timeout: 120_000 }],
  visit: async ({ engine, baseURL }, use, info) => {
    const printed = engine.printed().length;
    const visit = new Visit(engine, baseURL!);
    await visit.resize(...DESKTOP);
    await use(visit);
    const uncaught = await visit.evaluate(() => (window as unknown as { uncaught: string[] }).uncaught);
    if (info.status !== info.expectedStatus) await visit.picture(info.outputPath('page.png')).catch(() => {});
    expect([...uncaught, ...engine.printed().slice(printed)], 'uncaught').toEqual([]);
  },
});

test.beforeEach(({}, { project }) => {
  test.skip(!PROGRAMS[project.name as Name], `NP_LORA_${project.name.toUpperCase()} names no program`);
});
