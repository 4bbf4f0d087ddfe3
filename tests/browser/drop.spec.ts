/** Dropping and pasting things other than files: links, and folders as trainers and hosts fill them. */

import { expect, test, type Page } from '@playwright/test';
import { makeLora } from './make.ts';
import { card } from './linked.ts';
import { give, named, open } from './page.ts';
import { KOHYA, PAIR } from './settings.ts';

const LINK = 'https://huggingface.co/somebody/cats/resolve/main/cat.safetensors';

/** Hands over data as browsers do for a link dragged from another page, or for copied text. */
const handOver = (page: Page, event: 'drop' | 'paste', on: string, type: string, text: string): Promise<boolean> =>
  page.evaluate(([event, on, type, text]) => {
    const data = new DataTransfer();
    data.setData(type, text);
    const tool = document.querySelector('np-lora')!;
    const place = document.querySelector(on) ?? tool.shadowRoot!.querySelector(on)!;
    const init = { bubbles: true, composed: true, cancelable: true };
    if (event === 'paste') return !place.dispatchEvent(new ClipboardEvent('paste', { ...init, clipboardData: data }));
    const over = !place.dispatchEvent(new DragEvent('dragover', { ...init, dataTransfer: data }));
    return !place.dispatchEvent(new DragEvent('drop', { ...init, dataTransfer: data })) && over;
  }, [event, on, type, text] as const);

const offered = (page: Page, role: 'Subject' | 'Style') => card(page, role).getByRole('button', { name: 'Load from huggingface.co' });

test('a link that is dragged here or pasted is offered, and nothing is asked of its host', async ({ page }) => {
  const asked: string[] = [];
  page.on('request', (request) => { if (request.url().includes('huggingface')) asked.push(request.url()); });
  const uncaught = await open(page);
  // Two links go to two places, even while the first is still being read.
  const [first, second] = ['dog', 'oil'].map((name) => LINK.replace('cat.', `${name}.`)) as [string, string];
  await handOver(page, 'paste', 'body', 'text/plain', first);
  await handOver(page, 'paste', 'body', 'text/plain', second);
  await expect(card(page, 'Subject')).toContainText('dog.safetensors');
  await expect(card(page, 'Style')).toContainText('oil.safetensors');
  await page.getByRole('button', { name: 'Remove subject file' }).click();
  await page.getByRole('button', { name: 'Remove style file' }).click();
  // The browser must not follow the link, neither while it is dragged nor when it is dropped.
  expect(await handOver(page, 'drop', 'np-lora-card:last-of-type', 'text/uri-list', `# from a page\r\n${LINK}`)).toBe(true);
  await expect(offered(page, 'Style')).toBeVisible();
  await expect(card(page, 'Style')).toContainText('cat.safetensors');
  await expect(offered(page, 'Subject')).toHaveCount(0);
  expect(await handOver(page, 'paste', 'body', 'text/plain', ` ${LINK}\n`)).toBe(true);
  await expect(offered(page, 'Subject')).toBeVisible();
  // This page's own links, which are dragged by mistake, and other texts are ignored.
  await page.getByRole('button', { name: 'Remove subject file' }).click();
  await handOver(page, 'drop', 'body', 'text/uri-list', new URL('api.html', page.url()).href);
  expect(await handOver(page, 'paste', 'body', 'text/plain', `see ${LINK}`)).toBe(false);
  // Text pasted into a field belongs to that field.
  await page.evaluate(() => document.body.append(document.createElement('textarea')));
  expect(await handOver(page, 'paste', 'textarea', 'text/plain', LINK)).toBe(false);
  await expect(offered(page, 'Subject')).toHaveCount(0);
  expect([asked, uncaught]).toEqual([[], []]);
});

test('a link that leads to no file takes no file away', async ({ page }) => {
  const uncaught = await open(page);
  await give(page, 'Style', PAIR[1]);
  await handOver(page, 'drop', 'np-lora-card:last-of-type', 'text/uri-list', 'https://example.org/search?q=loras');
  await expect(page.getByRole('alert')).toContainText('E_LINK_HOST');
  await expect(card(page, 'Style')).toContainText('ink.safetensors');
  expect(uncaught).toEqual([]);
});

test('beside a LoRA its picture and its notes are passed over; alone they are told what they are', async ({ page }) => {
  const uncaught = await open(page);
  const drop = (files: { name: string; type: string; bytes: number[] }[]): Promise<void> => page.evaluate((files) => {
    const data = new DataTransfer();
    for (const { name, type, bytes } of files) data.items.add(new File([new Uint8Array(bytes)], name, { type }));
    document.querySelector('np-lora')!.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, composed: true, dataTransfer: data }));
  }, files);
  const lora = { name: 'cat.safetensors', type: '', bytes: [...PAIR[0].bytes] };
  for (const [name, type] of [['cat.png', 'image/png'], ['cat.txt', 'text/plain']] as const) {
    await drop([{ name, type, bytes: [1, 2, 3] }, lora]);
    await expect(card(page, 'Subject')).toContainText('cat.safetensors');
    await expect(page.getByRole('button', { name: 'Only this file? It can be converted' })).toBeVisible();
    await page.getByRole('button', { name: 'Remove subject file' }).click();
  }
  await drop([{ name: 'cat.png', type: 'image/png', bytes: [1, 2, 3] }]);
  await expect(page.getByRole('alert')).toContainText('cat.png');
  expect(uncaught).toEqual([]);
});

/** Drops a folder. Scripts cannot make real ones, so these entries answer as a browser's own do. */
async function dropFolder(page: Page, paths: Record<string, number[]>): Promise<void> {
  await page.evaluate(async (paths) => {
    interface Folder { name: string; isDirectory: true; createReader(): { readEntries(give: (entries: object[]) => void): void } }
    const folder = (name: string, below: string): Folder => ({
      name, isDirectory: true,
      createReader() {
        let entries: object[] = [...new Set(Object.keys(paths).filter((path) => path.startsWith(below)).map((path) => path.slice(below.length).split('/')[0]!))]
          .map((first) => {
            const bytes = paths[below + first];
            return bytes ? { name: first, isDirectory: false, file: (give: (file: File) => void) => give(new File([new Uint8Array(bytes)], first)) } : folder(first, `${below}${first}/`);
          });
        return { readEntries(give) { give(entries); entries = []; } };
      },
    });
    const item = { kind: 'file', webkitGetAsEntry: () => folder('', ''), getAsFile: () => null };
    const tool = document.querySelector('np-lora') as unknown as { take(from: unknown): Promise<void> };
    await tool.take({ types: ['Files'], items: [item], files: [] });
  }, paths);
}

test('of a folder, hidden ones are passed over, and what lies at its top comes first', async ({ page }) => {
  const uncaught = await open(page);
  const [cat, ink] = PAIR.map(({ bytes }) => [...bytes]) as [number[], number[]];
  const samples = Object.fromEntries(Array.from({ length: 70 }, (_, at) => [`a${at}.png`, [1]]));
  await dropFolder(page, { ...samples, '.git/objects/a.safetensors': ink, 'checkpoints/b.safetensors': ink, 'z.safetensors': cat, 'sample.png': [1], 'training_config.json': [123, 125] });
  await expect(card(page, 'Subject')).toContainText('z.safetensors');
  await expect(card(page, 'Style')).toContainText('b.safetensors');
  await expect(page.getByRole('alert')).toHaveCount(0);
  await page.getByRole('button', { name: 'Remove subject file' }).click();
  await page.getByRole('button', { name: 'Remove style file' }).click();
  await dropFolder(page, { 'a.png': [1], 'b.png': [2] });
  await expect(page.getByText('There was no LoRA file in that').last()).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  expect(uncaught).toEqual([]);
});

test('a configuration of a trainer beside a LoRA is taken for no recipe', async ({ page }) => {
  const uncaught = await open(page);
  await page.locator('np-lora').evaluate((tool, bytes) => (tool as unknown as { take(files: File[]): Promise<void> }).take(
    [new File([new Uint8Array(bytes)], 'cat.safetensors'), new File(['{"steps":1000}'], 'training_config.json')],
  ), [...PAIR[0].bytes]);
  await expect(card(page, 'Subject')).toContainText('cat.safetensors');
  await give(page, 'Style', named('ink.safetensors', makeLora({ ...KOHYA, seed: 75 })));
  await expect(page.getByRole('alert')).toHaveCount(0);
  expect(uncaught).toEqual([]);
});
