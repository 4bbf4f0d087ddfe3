/** The element in other people's pages: in forms, styled by them, beside another one, and among their changes to the platform. */

import { readFile } from 'node:fs/promises';
import { expect, test, type Page } from '@playwright/test';
import { DEFAULTS } from './check.ts';
import { check } from './hold.ts';
import { events, host, visit } from './elements.ts';
import { FILES, checkHeld, closeAll, pairOf, site, strangers } from './hosts.ts';
import { accessible, fuseButton } from './page.ts';
import { makeLora, withOnes } from './make.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';

const PAIR = pairOf();
/** A layer that no other model has. */
const SDXL = [{ name: 'lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k', out: 640, in: 2048 }];

test.afterEach(closeAll);

/** The globals of a `host` page. */
declare const pair: any, tool: any, told: { name: string; detail: any }[], give: (to?: any) => Promise<Record<string, { name: string }>>;

/** Fuses from the host's script, and checks the result against the method. */
async function fuse(page: Page): Promise<void> {
  await page.evaluate(async () => {
    await give();
    Object.assign(window, await tool.fuse());
  });
  await checkHeld(page, 'file', PAIR);
}

test('a fusion may be asked for while the files are being opened', async ({ page }) => {
  const uncaught = await visit(page, await host());
  await page.evaluate(async () => {
    const { content, style } = await pair();
    tool.contentFile = content;
    tool.styleFile = style;
    Object.assign(window, { phase: tool.phase }, await tool.fuse());
  });
  expect(await page.evaluate(() => (window as any).phase)).toBe('opening');
  await checkHeld(page, 'file', PAIR);
  // If a file is refused, that is the error of the call.
  expect(await page.evaluate(async () => {
    tool.styleFile = new File(['no LoRA'], 'no.safetensors');
    return tool.fuse().then(() => null, (error: any) => error.code);
  })).toBe('E_TOO_SHORT');
  expect(uncaught).toEqual([]);
});

test('what is set on the element before its class is there is kept', async ({ page }) => {
  // This also holds for an element with a link.
  const early = `const early = document.querySelector('np-lora'); early.name = 'lora'; early.mu = 2; early.contentFile = new File(['no LoRA'], 'early.safetensors');`;
  const uncaught = await visit(page, await host({ body: `<np-lora content-src="ann/loras/cat.safetensors"></np-lora><script>${early}</script>` }));
  expect(await page.evaluate(() => tool.inspect().catch(({ code, file }: any) => [code, file]))).toEqual(['E_TOO_SHORT', 'early.safetensors']);
  expect(await page.evaluate(() => [tool.getAttribute('name'), tool.mu, tool.contentFile.name])).toEqual(['lora', 2, 'early.safetensors']);
  await page.evaluate(async () => {
    await give();
    Object.assign(window, await tool.fuse());
  });
  await checkHeld(page, 'file', PAIR, { mu: 2 });
  expect(uncaught).toEqual([]);
});

test('a page that is isolated for shared memory can have it', async ({ page }) => {
  const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self'; style-src 'unsafe-inline'";
  const uncaught = await visit(page, await host({ headers: { ...headers, 'Content-Security-Policy': policy } }));
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  await fuse(page);
  expect(uncaught).toEqual([]);
});

test('files of another document are taken as those of this one', async ({ page }) => {
  const uncaught = await visit(page, await host({ body: '<np-lora></np-lora><iframe></iframe>' }));
  await page.evaluate(async () => {
    const theirs = (document.querySelector('iframe')!.contentWindow as any).File;
    const { content, style } = await pair();
    tool.contentFile = new theirs([content], content.name);
    await tool.take([new theirs([style], style.name)]);
    Object.assign(window, await tool.fuse());
  });
  expect(await page.evaluate(() => [tool.contentFile instanceof File, (window as any).file instanceof File])).toEqual([false, true]);
  await checkHeld(page, 'file', PAIR);
  expect(uncaught).toEqual([]);
});

test('a link in place of a file that is being opened ends the wait for it', async ({ page }) => {
  await visit(page, await host());
  expect(await page.evaluate(async () => {
    tool.contentFile = (await pair()).content;
    const asked = tool.inspect();
    tool.contentSrc = 'https://huggingface.co/cats/cat/resolve/main/cat.safetensors';
    return asked.then((found: any) => found.content);
  })).toBeNull();
  const aborted = await page.evaluate(async () => {
    const { content, style } = await pair();
    tool.contentFile = content;
    tool.styleFile = style;
    const aborter = new AbortController();
    const asked = tool.fuse({ signal: aborter.signal }).then(() => null, (error: any) => error.name);
    aborter.abort();
    return asked;
  });
  expect(aborted).toBe('AbortError');
  // A link that was removed is no longer offered.
  await page.evaluate(() => {
    tool.reset();
    tool.styleSrc = 'https://huggingface.co/cats/cat/resolve/main/cat.safetensors';
  });
  const load = page.getByRole('button', { name: 'Load from huggingface.co' });
  await expect(load).toHaveCount(1);
  await page.evaluate(() => { tool.styleSrc = ''; });
  await expect(load).toHaveCount(0);
});

for (const width of [320, 400, 600]) {
  test(`a column of ${width} px in a wide window is enough`, async ({ page }) => {
    await page.setViewportSize({ width: 1280, height: 800 });
    await visit(page, await host({ body: `<div style="width: ${width}px"><np-lora></np-lora></div>` }));
    await page.evaluate(() => give());
    await expect(page.getByText(/layers analysed$/)).toBeVisible();
    const [subject, style] = await page.locator('np-lora-card').all();
    const [above, below] = [await subject!.boundingBox(), await style!.boundingBox()];
    // The cards are side by side if there is room for both.
    expect(below!.y >= above!.y + above!.height).toBe(width < 568);
    const wide = await page.locator('np-lora').evaluate((tool, limit) => {
      // The bar with Fuse extends 8 px beyond the sides.
      const right = tool.getBoundingClientRect().left + limit + 9;
      const scrolls = (one: Element): boolean => ['auto', 'scroll', 'hidden'].includes(getComputedStyle(one).overflowX);
      const found: string[] = [];
      const look = (of: ParentNode): void => {
        for (const one of of.querySelectorAll('*')) {
          if (one.shadowRoot) look(one.shadowRoot);
          const box = one.getBoundingClientRect();
          if (box.width > 1 && box.right > right && !one.closest('svg') && !ancestors(one).some(scrolls)) found.push(`${one.localName}.${one.className} ${Math.round(box.right - right)}`);
        }
      };
      const ancestors = (one: Element): Element[] => (one.parentElement ? [one.parentElement, ...ancestors(one.parentElement)] : []);
      look(tool.shadowRoot!);
      return found;
    }, width);
    expect(wide).toEqual([]);
  });
}

test('a rank is written in markup as in an address', async ({ page }) => {
  const link = 'https://huggingface.co/cats/cat/resolve/main/cat.safetensors';
  const shop = await host({ body: `<form><np-lora rank="3" content-src="${link}"></np-lora></form>` });
  const uncaught = await visit(page, shop);
  const fused = (): Promise<unknown> => page.evaluate(async () => {
    const { report } = await tool.fuse();
    return [tool.rank, report.rank, report.settings.recompress];
  });
  await page.evaluate(() => give());
  expect(await fused()).toEqual(['3', 3, { kind: 'rank', rank: 3 }]);
  await page.getByText('Advanced').first().click();
  await expect(page.getByLabel('Rank', { exact: true })).toHaveValue('rank');
  // Setting the same value does not make a result stale.
  await page.evaluate(() => { tool.rank = 3; });
  expect(await page.evaluate(async () => { await tool.updateComplete; return tool.matches(':state(stale)'); })).toBe(false);

  const after = (rank: unknown): Promise<unknown> => page.evaluate((rank) => { tool.rank = rank; return tool.rank; }, rank);
  expect([await after(' 90% '), await after(5), await after('EXACT')]).toEqual(['90%', '5', 'exact']);
  for (const nonsense of ['', '-1', '3.5', '0', '101%', 'many', NaN, null]) expect(await after(nonsense), `${nonsense}`).toBe('exact');
  const [, whole] = await fused() as [string, number];
  expect(whole).toBeGreaterThan(3);
  await after('2');
  await page.evaluate(() => tool.form.reset());
  expect(await page.evaluate(() => tool.rank)).toBe('3');
  await expect(page.getByRole('button', { name: 'Load from huggingface.co' })).toHaveCount(1);
  await page.evaluate(() => tool.removeAttribute('rank'));
  expect(await page.evaluate(() => tool.rank)).toBe('exact');
  expect(uncaught).toEqual([]);
});

test('a form sends the fused file, and begins anew', async ({ page }) => {
  const shop = await host({
    body: `<form method="post" action="/sent" target="sent" enctype="multipart/form-data"><input name="title" value="a cat">
      <fieldset><label>Your LoRA <np-lora name="lora" mu="1" dtype="F16"></np-lora></label></fieldset><button>Send</button> <button type="reset">Begin anew</button></form><iframe name="sent" title="Sent"></iframe>`,
  });
  const uncaught = await visit(page, shop);
  const entries = (): Promise<[string, unknown][]> => page.evaluate(() => [...new FormData(tool.form)].map(([name, value]) => [name, value instanceof File ? value.name : value]));
  expect(await page.evaluate(() => [tool.form === document.forms[0], tool.labels.length, tool.name, tool.matches(':enabled')])).toEqual([true, 1, 'lora', true]);
  expect(await entries()).toEqual([['title', 'a cat']]);
  // Its label leads to the first file; a click on the element's empty space leads nowhere.
  const focused = (): Promise<string | undefined> => page.evaluate(() => tool.shadowRoot.activeElement?.getAttribute('side'));
  await page.locator('fieldset > label').click({ position: { x: 5, y: 5 } });
  expect(await focused()).toBe('content');
  await page.evaluate(() => tool.shadowRoot.activeElement.shadowRoot.activeElement.blur());
  await page.locator('np-lora').click({ position: { x: 2, y: 2 } });
  expect(await focused()).toBeUndefined();
  await page.evaluate(() => { tool.focus(); document.createElement('np-lora').focus(); });
  expect(await focused()).toBe('content');
  await page.evaluate(() => { tool.mu = 0.5; });
  await fuse(page);
  expect(await entries()).toEqual([['title', 'a cat'], ['lora', 'subject_in_style.safetensors']]);
  // Libraries do this to remove a name.
  for (const none of [undefined, null]) {
    await page.evaluate((none) => { tool.name = none; }, none);
    expect(await entries()).toEqual([['title', 'a cat']]);
  }
  await page.evaluate(() => { tool.name = 'lora'; });

  // A disabled fieldset disables it like any control.
  await page.evaluate(() => { document.querySelector('fieldset')!.disabled = true; });
  await expect(page.getByLabel('Subject strength, as a number')).toBeDisabled();
  await expect(page.getByRole('button', { name: 'Swap subject and style' })).toBeDisabled();
  expect(await page.evaluate(() => [tool.matches(':disabled'), tool.disabled])).toEqual([true, false]);
  expect(await page.evaluate(async () => {
    await tool.take([new File(['no LoRA'], 'note.txt')], 'style');
    return tool.styleFile.name;
  })).toBe('style.safetensors');
  expect(await entries()).toEqual([['title', 'a cat']]);
  await page.evaluate(() => { document.querySelector('fieldset')!.disabled = false; });
  await expect(page.getByLabel('Subject strength, as a number')).toBeEnabled();

  await page.getByRole('button', { name: 'Send' }).click();
  await expect.poll(() => shop.posted.length).toBe(1);
  const body = await shop.posted[0]!;
  const at = body.indexOf('name="lora"; filename="subject_in_style.safetensors"');
  expect(at).toBeGreaterThan(0);
  const from = body.indexOf('\r\n\r\n', at) + 4;
  const sent = body.subarray(from, body.indexOf('\r\n--', from + body.readUInt32LE(from)));
  check(readSafetensors(new Uint8Array(sent)), PAIR, DEFAULTS, 'F16');

  await page.evaluate(async () => {
    tool.mu = 10;
    tool.dtype = 'F32';
    await give();
    await tool.fuse();
  });
  expect((await entries()).length).toBe(2);
  await page.getByRole('button', { name: 'μ ∞' }).click();
  await page.evaluate(() => { tool.several = { mus: [1] }; });
  await page.getByRole('button', { name: 'Begin anew' }).click();
  await expect(page.getByRole('button', { name: 'Try it with an example' })).toBeVisible();
  expect(await entries()).toEqual([['title', 'a cat']]);
  expect(await page.evaluate(() => [tool.mu, tool.dtype, tool.contentStrength, tool.several, tool.contentFile, tool.result])).toEqual([1, 'F16', 1, null, null, null]);
  expect(await page.evaluate(() => tool.undo())).toBe(false);
  expect(uncaught).toEqual([]);
});

test('stylesheets reach its states, its parts, its slots and its colours', async ({ page }) => {
  const shop = await host({
    head: `<style>
      np-lora { --np-lora-subject: rgb(1, 2, 3); --np-lora-font: monospace; --seen: none; }
      np-lora:state(empty) { --seen: empty; } np-lora:state(ready) { --seen: ready; } np-lora:state(done) { --seen: done; }
      np-lora:state(stale) { --seen: stale; } np-lora:state(failed) { --seen: failed; }
      np-lora::part(card) { border-color: rgb(4, 5, 6); } np-lora::part(fuse) { border-radius: 3px; } np-lora::part(pair-fit) { border-color: rgb(5, 5, 5); }
      np-lora::part(controls) { border-color: rgb(6, 6, 6); } np-lora::part(outlook) { border-color: rgb(7, 7, 7); }
      np-lora::part(result) { border-color: rgb(8, 8, 8); } np-lora::part(save) { border-radius: 9px; } np-lora::part(error) { border-color: rgb(9, 9, 9); }
    </style>`,
    body: '<np-lora><h2 slot="heading">Fuse here</h2><p slot="help">Ask us.</p><p slot="footer">Ours</p></np-lora>',
  });
  const uncaught = await visit(page, shop);
  const seen = (): Promise<string> => page.evaluate(() => getComputedStyle(tool).getPropertyValue('--seen'));
  const styleOf = (selector: string, property: string): Promise<string> =>
    page.locator(selector).first().evaluate((one, property) => getComputedStyle(one).getPropertyValue(property), property);
  expect(await seen()).toBe('empty');
  await expect(page.getByRole('heading', { name: 'Fuse here' })).toBeVisible();
  const tops = await page.evaluate(() => [...tool.children].map((one: Element) => one.getBoundingClientRect().top));
  expect([...tops].sort((a, b) => a - b)).toEqual(tops);
  expect([await styleOf('[part=card]', 'border-bottom-color'), await styleOf('[part=card] h2', 'color')]).toEqual(['rgb(4, 5, 6)', 'rgb(1, 2, 3)']);
  expect(await styleOf('[part=card]', 'font-family')).toBe('monospace');
  await accessible(page, 'slotted');

  await page.evaluate(() => give());
  await expect(fuseButton(page)).toBeEnabled();
  expect(await seen()).toBe('ready');
  await expect(page.locator('[part=outlook]')).toBeVisible();
  expect(await Promise.all([styleOf('[part=fuse]', 'border-radius'), ...['pair-fit', 'controls', 'outlook'].map((part) => styleOf(`[part=${part}]`, 'border-bottom-color'))]))
    .toEqual(['3px', 'rgb(5, 5, 5)', 'rgb(6, 6, 6)', 'rgb(7, 7, 7)']);
  await fuseButton(page).click();
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
  expect([await seen(), await styleOf('[part=result]', 'border-bottom-color'), await styleOf('[part=save]', 'border-radius')]).toEqual(['done', 'rgb(8, 8, 8)', '9px']);
  await page.evaluate(() => { tool.mu = 1; });
  await expect.poll(seen).toBe('stale');
  await page.evaluate(() => {
    tool.reset();
    tool.contentFile = new File(['<!doctype html>'], 'page.html');
  });
  await expect(page.getByRole('alert')).toBeVisible();
  expect([await seen(), await styleOf('[part=error]', 'border-bottom-color')]).toEqual(['failed', 'rgb(9, 9, 9)']);
  const phases = await events(page, 'phasechange');
  // Some phases are too short to be drawn, but none comes out of order.
  const ORDER = ['opening', 'ready', 'fusing', 'checking', 'done', 'empty', 'opening', 'failed'];
  let from = 0;
  for (const phase of phases) {
    const at = ORDER.indexOf(phase, from);
    expect(at, phases.join()).toBeGreaterThanOrEqual(from);
    from = at;
  }
  expect(phases).toEqual(expect.arrayContaining(['ready', 'fusing', 'done', 'failed']));
  expect(uncaught).toEqual([]);
});

test('a host takes the file itself, and does without a warning', async ({ page }) => {
  // One warning is about a file, one about the pair.
  const [subject, style] = PAIR.map((file, at) => ({ ...file, metadata: { ss_base_model_version: `sd_v1-${at}` } }));
  const shop = await host({}, [withOnes(subject!, 'stranger', [2]), style!]);
  const uncaught = await visit(page, shop);
  const codes = async (): Promise<string[]> => (await events(page, 'warning')).map(({ code }) => code);
  await page.evaluate(() => give());
  await expect(fuseButton(page)).toBeEnabled();
  await expect(page.locator('.warning')).toHaveCount(2);
  expect(await codes()).toEqual(['W_EXTRA_TENSORS', 'W_BASE_DIFFERS']);
  // Each is sent once whatever the settings, and once more with the result.
  await page.evaluate(() => { tool.mu = 0.7; });
  await page.evaluate(() => tool.fuse().then(() => {}));
  await expect(page.locator('.warning')).toHaveCount(4);
  expect(await codes()).toEqual(['W_EXTRA_TENSORS', 'W_BASE_DIFFERS', 'W_EXTRA_TENSORS', 'W_BASE_DIFFERS']);

  await page.evaluate(() => {
    tool.addEventListener('warning', (event: Event) => event.preventDefault());
    tool.reset();
    return give();
  });
  await expect(fuseButton(page)).toBeEnabled();
  await page.evaluate(() => tool.fuse().then(() => {}));
  await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
  await expect(page.locator('.warning')).toHaveCount(0);
  expect(await page.evaluate(() => tool.report.warnings.length)).toBe(2);

  let downloads = 0;
  page.on('download', () => { downloads += 1; });
  await page.evaluate(() => tool.addEventListener('beforesave', (event: CustomEvent) => {
    event.preventDefault();
    Object.assign(window, { kept: event.detail.file, offered: Object.keys(event.detail) });
  }));
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect.poll(() => page.evaluate(() => (window as any).kept === tool.result)).toBe(true);
  expect([downloads, await page.evaluate(() => tool.save())]).toEqual([0, false]);
  expect(await page.evaluate(() => (window as any).offered)).toEqual(['file', 'report']);
  // The host has taken the file and saves it, so nothing would be lost.
  await page.getByRole('button', { name: 'Start over' }).click();
  await expect(page.getByRole('button', { name: 'Try it with an example' })).toBeVisible();
  expect(uncaught).toEqual([]);
});

test('that a pair does not fit is told once, however often a fusion is asked for', async ({ page }) => {
  const uncaught = await visit(page, await host());
  await page.evaluate(() => give());
  const refused = await page.evaluate(async (bytes) => {
    tool.styleFile = new File([Uint8Array.from(bytes)], 'another.safetensors');
    const first = await tool.fuse().catch(({ code }: any) => code);
    await new Promise((later) => { setTimeout(later, 500); });
    return [first, await tool.fuse().catch(({ code }: any) => code)];
  }, [...writeSafetensors(makeLora({ modules: SDXL, rank: 2, alpha: 2, dtype: 'F16', scheme: 'kohya', seed: 5 }))]);
  expect(refused).toEqual(['E_BASE_MISMATCH', 'E_BASE_MISMATCH']);
  expect((await events(page, 'error')).map(({ code }) => code)).toEqual(['E_BASE_MISMATCH']);
  expect(uncaught).toEqual([]);
});

test('what a host has converted is shown and can be saved', async ({ page }) => {
  const uncaught = await visit(page, await host());
  const name = await page.evaluate(async () => {
    await give();
    tool.styleFile = null;
    return (await tool.convert()).file.name;
  });
  await expect(page.getByRole('heading', { name: 'Converted and checked' })).toBeVisible();
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save', exact: true }).click()]);
  expect(saved.suggestedFilename()).toBe(name);
  expect(uncaught).toEqual([]);
});

for (const autoload of [false, true]) {
  test(`a bad link while a file is being opened, or beside one, costs nothing${autoload ? ', where links are loaded by themselves' : ''}`, async ({ page }) => {
    const uncaught = await visit(page, await host());
    const opened = await page.evaluate(async (autoload) => {
      tool.autoload = autoload;
      const given = give();
      tool.contentSrc = 'https://example.org/x';
      await given.catch(() => {});
      const first = await tool.inspect();
      tool.contentSrc = 'https://example.org/y';
      await tool.updateComplete;
      await new Promise((later) => { setTimeout(later, 300); });
      const second = await tool.inspect();
      return [first.content?.name, second.content?.name, (await tool.fuse()).report.fused > 0];
    }, autoload);
    expect(opened).toEqual(['subject.safetensors', 'subject.safetensors', true]);
    expect(uncaught).toEqual([]);
  });
}

test('what files are is told when they are open, and a refusal too', async ({ page }) => {
  const uncaught = await visit(page, await host());
  expect(await page.evaluate(() => tool.inspect())).toEqual({ content: null, style: null });
  const strange = await page.evaluate(() => Promise.all([null, 5, 'x', new File([], 'x'), [new Blob([])], ['x']].map((given) => tool.take(given).catch(({ message }: Error) => message))));
  expect(strange).toEqual(Array(6).fill('take() takes a list of Files, or a DataTransfer.'));
  expect(await page.evaluate(() => tool.take([new File([], 'x')], 'subject').catch(({ message }: Error) => message))).toContain("'content' or 'style'");
  expect(Object.values(await page.evaluate(() => give())).map(({ name }) => name)).toEqual(['subject.safetensors', 'style.safetensors']);
  // A Blob that a script downloaded has no name.
  expect(await page.evaluate(async () => {
    const { contentFile } = tool;
    tool.contentFile = contentFile.slice();
    const { content } = await tool.inspect();
    return [content.name, tool.contentFile.name, tool.contentFile.size === contentFile.size];
  })).toEqual(['subject.safetensors', 'subject.safetensors', true]);
  // Names are changed so that every file system accepts them.
  const called = await page.evaluate(() => ['nul', 'COM1.safetensors', 'con.v2', 'LPT³ .x', 'CONIN$', 'console', 'ü'.repeat(300)].map((name) => {
    tool.outputName = name;
    return tool.settings().outputName;
  }));
  expect(called).toEqual([...Array(5).fill('subject_in_style'), 'console', 'ü'.repeat(100)]);
  // The last change reaches the address even if the element is removed right afterwards.
  expect(await page.evaluate(async () => {
    const around = tool.parentNode;
    tool.remember = 'hash';
    tool.mu = 3;
    await tool.updateComplete;
    tool.remove();
    around.append(tool);
    return location.hash;
  })).toBe('#mu=3');
  // The address no longer changes once the host has switched that off.
  expect(await page.evaluate(async () => {
    tool.remember = 'off';
    tool.disabled = true;
    await tool.updateComplete;
    await new Promise((heard) => { addEventListener('hashchange', heard, { once: true }); location.hash = '#mu=1'; });
    tool.disabled = false;
    return [location.hash, tool.mu];
  })).toEqual(['#mu=1', 3]);
  const refused = await page.evaluate(async () => {
    tool.mu = 7;
    await tool.updateComplete;
    tool.styleFile = new File(['<!doctype html>'], 'page.html');
    return tool.inspect().catch(({ code, file }: any) => [code, file]);
  });
  expect(refused).toEqual(['E_NOT_SAFETENSORS', 'page.html']);
  // A fit that was requested just before is not shown either.
  await page.evaluate(() => new Promise((later) => { setTimeout(later, 500); }));
  await expect(page.locator('np-lora-pair-fit')).toHaveCount(0);
  // A later call gets the same reason.
  expect(await page.evaluate(() => tool.fuse().catch(({ code, file }: any) => [code, file]))).toEqual(refused);
  expect(await page.evaluate(() => {
    const away = document.createElement('np-lora') as any;
    away.remove();
    tool.remove();
    tool.styleFile = new File(['x'], 'x');
    return tool.inspect().catch(({ code }: any) => code);
  })).toBe('E_NOT_READY');
  expect(uncaught).toEqual([]);
});

test('two elements on one page have nothing to do with each other', async ({ page }) => {
  const shop = await host({ body: '<np-lora mu="10"></np-lora><np-lora id="other" style-strength="0.5"></np-lora>' });
  const uncaught = await visit(page, shop);
  await page.evaluate(async () => {
    const other = document.querySelector('#other') as any;
    await Promise.all([give(), give(other)]);
    const [one, two] = await Promise.all([tool.fuse(), other.fuse()]);
    Object.assign(window, { one: one.file, two: two.file, heard: told.filter(({ name }) => name === 'complete').length });
    const again = tool.fuse().catch(({ name }: Error) => name);
    tool.cancel();
    Object.assign(window, { ends: [await again, other.phase, other.result === two.file] });
  });
  await checkHeld(page, 'one', PAIR, { mu: 10 });
  await checkHeld(page, 'two', PAIR, { styleStrength: 0.5 });
  expect(await page.evaluate(() => [(window as any).heard, (window as any).ends])).toEqual([1, ['AbortError', 'done', true]]);
  // Removing one element leaves the other working.
  await page.evaluate(async () => {
    tool.remove();
    Object.assign(window, { three: (await (document.querySelector('#other') as any).fuse()).file });
  });
  await checkHeld(page, 'three', PAIR, { styleStrength: 0.5 });
  await accessible(page, 'beside another');
  expect(uncaught).toEqual([]);
});

test('the stylesheets of a page that thinks only of itself do not reach in', async ({ page }) => {
  const shop = await host({
    head: `<style>
      * { all: unset !important; }
      div, section, button, input, progress, svg { display: none !important; }
      body { font: 40px/3 fantasy; letter-spacing: 1em; text-transform: uppercase; text-align: right; color: yellow; white-space: pre; }
    </style><style>
      np-lora { display: block !important; font: 40px/3 fantasy !important; letter-spacing: 1em !important; text-transform: uppercase !important;
        text-align: right !important; color: yellow !important; white-space: pre !important; word-spacing: 1em !important; text-indent: 2em !important; }
    </style>`,
  });
  const uncaught = await visit(page, shop);
  const look = await page.getByText('Who or what should be in the picture.').evaluate((one) => {
    const { fontSize, lineHeight, letterSpacing, textTransform, textAlign, color, whiteSpace, wordSpacing, textIndent } = getComputedStyle(one);
    return { fontSize, lineHeight, letterSpacing, textTransform, textAlign, color, whiteSpace, wordSpacing, textIndent };
  });
  expect(look).toEqual({
    fontSize: '15px', lineHeight: '22.5px', letterSpacing: 'normal', textTransform: 'none', textAlign: 'center', color: 'rgb(28, 27, 25)',
    whiteSpace: 'normal', wordSpacing: '0px', textIndent: '0px',
  });
  await page.evaluate(() => give());
  await expect(fuseButton(page)).toBeVisible();
  await fuseButton(page).click();
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save', exact: true }).click()]);
  check(readSafetensors(await readFile(await saved.path())), PAIR, DEFAULTS, 'F16');
  expect(uncaught).toEqual([]);
});

const PLATFORMS: Record<string, string> = {
  'with additions to the prototypes': `
    for (const of of [Array, Object, String, Function, Map, Promise]) {
      of.prototype.extra = function () { throw new Error('called'); };
    }
    Array.prototype.remove = Array.prototype.last = Object.prototype.each = function () { throw new Error('called'); };`,
  'with a fetch, a JSON and timers of its own': `
    window.fetchItself = window.fetch;
    window.fetch = (url, ...more) => (String(url).endsWith('.safetensors') ? fetchItself(url, ...more) : Promise.reject(new Error('patched')));
    const { setTimeout: later } = window;
    window.setTimeout = function (what, after, ...more) { return later.call(window, () => what(...more), after); };
    Element.prototype.toJSON = function () { return null; };`,
  // Everything except Symbol, to which Lit adds what decorators need.
  'where all that is built in is frozen': `
    for (const name of Object.getOwnPropertyNames(window)) {
      const of = window[name];
      if (typeof of !== 'function' || !of.prototype || !/^[A-Z]/.test(name)) continue;
      Object.freeze(of.prototype);
      if (name !== 'Symbol') Object.freeze(of);
    }
    Object.freeze(JSON); Object.freeze(Math);`,
};

for (const [name, first] of Object.entries(PLATFORMS)) {
  test(`on a page ${name} it works`, async ({ page }) => {
    const uncaught = await visit(page, await host({ first }));
    await fuse(page);
    // Errors on such a page are the same as anywhere else.
    expect(await page.evaluate(() => {
      tool.styleFile = new File(['<!doctype html>'], 'page.html');
      return tool.inspect().catch((thrown: any) => [thrown.name, thrown.code, thrown instanceof Error]);
    })).toEqual(['ProblemError', 'E_NOT_SAFETENSORS', true]);
    await expect(page.getByRole('alert')).toBeVisible();
    expect(uncaught).toEqual([]);
  });
}

test('a strict policy with Trusted Types lets it work as the README says, and no request leaves the site', async ({ page, context }) => {
  const shop = await host({
    headers: {
      'Content-Security-Policy': "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html np-lora-worker",
      'Cross-Origin-Opener-Policy': 'same-origin', 'X-Content-Type-Options': 'nosniff', 'Permissions-Policy': 'clipboard-write=()',
    },
  });
  const left = strangers(context, shop.origin);
  const violations: string[] = [];
  page.on('console', (message) => { if (/Content Security Policy|Trusted/.test(message.text())) violations.push(message.text()); });
  const uncaught = await visit(page, shop);
  await fuse(page);
  await expect(page.locator('[part=outlook]')).toBeVisible();
  expect([violations, left, uncaught]).toEqual([[], [], []]);
});

test('scripts of another origin need it and blob: in worker-src, and where one is missing that is said', async ({ page }) => {
  const cdn = await site({}, { headers: { 'Access-Control-Allow-Origin': '*' } });
  const visited = async (workers: string): Promise<unknown> => {
    const policy = `default-src 'none'; script-src 'self' ${cdn.origin} 'wasm-unsafe-eval'; worker-src ${workers}; connect-src 'self' ${cdn.origin}`;
    const script = `import '${cdn.origin}/np-lora/element.js'; ${FILES} Object.assign(window, { tool: document.querySelector('np-lora'), pair });`;
    const shop = await site({ '/': { body: '<!doctype html><np-lora></np-lora><script type="module" src="/host.js"></script>', headers: { 'Content-Security-Policy': policy } }, '/host.js': { body: script } });
    await page.goto(shop.origin);
    return page.evaluate(async () => {
      tool.contentFile = (await pair()).content;
      return tool.inspect().then(({ content }: any) => content.name, ({ code, remedy }: any) => [code, remedy]);
    });
  };
  expect(await visited(`blob: ${cdn.origin}`)).toBe('subject.safetensors');
  for (const alone of ['blob:', cdn.origin]) expect(await visited(alone)).toEqual(['E_WASM_BLOCKED', expect.stringContaining('worker-src')]);
});

test('it stays within its place, also where letters are twice as large', async ({ page }) => {
  for (const head of ['', '<style>html { font-size: 32px }</style>']) {
    await page.setViewportSize({ width: 320, height: 700 });
    await visit(page, await host({ head: `<style>body { margin: 0 }</style>${head}` }));
    const width = (): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth);
    await page.evaluate(() => give());
    await expect(fuseButton(page)).toBeEnabled();
    expect(await width(), 'before the run').toBe(320);
    await page.evaluate(() => tool.fuse());
    await expect(page.getByRole('heading', { name: 'Fused and checked' })).toBeVisible();
    expect(await width(), 'with a result').toBe(320);
  }
});
