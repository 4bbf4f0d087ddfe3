/** The outlook draws what it is given, reports what is done with it, and asks nothing else: the outlooks here are made up. */

import { readFile } from 'node:fs/promises';
import { expect, test, type Locator, type Page } from '@playwright/test';
import type { Outlook, Spectra, Tally } from '../../www/core/types.ts';
import { fluxLike, makeOutlook, makeSpectra, sdxlLike, threeModules } from './outlooks.ts';
import { accessible, open, readable } from './page.ts';

interface Given {
  outlook: Outlook;
  mu?: number;
  running?: boolean;
}

interface Heard {
  type: string;
  detail: unknown;
}

/** Puts an outlook where the tool would, and feeds its own μ back to it as the tool does. */
async function mount(page: Page, given: Given): Promise<Heard[]> {
  const heard: Heard[] = [];
  await page.exposeFunction('hear', (type: string, detail: unknown) => { heard.push({ type, detail }); });
  await page.evaluate((properties) => {
    const { hear } = window as unknown as { hear(type: string, detail: unknown): void };
    const made = Object.assign(document.createElement('np-lora-outlook'), { mu: 0.5, ...properties });
    for (const type of ['np-mu', 'np-balance', 'np-module']) {
      made.addEventListener(type, (event) => {
        const { detail } = event as CustomEvent<{ mu?: number }>;
        hear(type, detail);
        if (detail.mu !== undefined) Object.assign(made, { mu: detail.mu });
      });
    }
    document.querySelector('np-lora')?.shadowRoot?.querySelector('.app')?.append(made);
  }, given);
  await expect(page.getByRole('heading', { name: 'What the projection will do' })).toBeVisible();
  return heard;
}

const set = (page: Page, properties: Partial<Given & { spectra: Spectra | null }>): Promise<void> =>
  page.locator('np-lora-outlook').evaluate((found, given) => { Object.assign(found, given); }, properties);

/** The map, with the shadow roots that contain it. */
const MAP: [string, string, ...string[]] = ['np-lora', 'np-lora-outlook', 'np-lora-outlook-view', 'np-lora-overlap-map', '[role="grid"]'];
const grid = (page: Page): Locator => page.getByRole('grid', { name: 'Layer by layer' });
const marker = (page: Page): Locator => page.getByRole('slider', { name: 'μ on the curve' });
const focused = (page: Page): Promise<string | null> => page.locator('np-lora-overlap-map td:focus').getAttribute('data-at');

/** The map's rows as shown on the page: label, then numbers. */
const rows = (page: Page): Promise<string[][]> => grid(page).locator('tbody tr').evaluateAll((found) =>
  found.map((row) => [...row.children].map((cell) => (cell.classList.contains('none') ? '' : cell.textContent?.trim() ?? ''))));

/** Whether a number on the page equals `value` to as many digits as it shows; percentages are shares. */
function isRounded(shown: string, value: number): boolean {
  const percent = shown.endsWith('%');
  const digits = shown.replace(/[,%\s]/g, '');
  const of = percent ? value * 100 : value;
  if (digits.startsWith('<')) return of < Number(digits.slice(1));
  if (digits.startsWith('>')) return of > Number(digits.slice(1));
  const decimals = digits.split('.')[1]?.length ?? 0;
  return digits !== '' && Math.abs(Number(digits) - of) <= 0.5000001 * 10 ** -decimals;
}

async function saved(page: Page, press: Locator): Promise<{ name: string; text: string }> {
  const [download] = await Promise.all([page.waitForEvent('download'), press.click()]);
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') };
}

/** An independent parser of CSV (RFC 4180). */
function fromCsv(text: string): string[][] {
  const records: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    records.at(-1)?.push(quoted === undefined ? plain ?? '' : quoted.replaceAll('""', '"'));
    if (end === '\r\n') records.push([]);
  }
  return records.slice(0, -1);
}

/** What the map's data must say: every block as a whole, then its kinds. */
const FIGURES = ['modules', 'overlap', 'chance', 'contentKept', 'change', 'contentNorm', 'styleNorm'] as const;
function mapData({ blocks, cells, kinds }: Outlook): Record<string, string | number>[] {
  const row = (block: string, kind: string, tally: Tally) => ({ block, kind, ...Object.fromEntries(FIGURES.map((key) => [key, tally[key]])) });
  return blocks.flatMap((block, index) => [
    row(block.label, 'All', block), ...cells.filter((cell) => cell.block === index).map((cell) => row(block.label, kinds[cell.kind]!, cell)),
  ]);
}

const NEWER = 'There may be a newer version by now: save what you need, then reload the page.';

test('charts are fetched with the first outlook, and fetched anew when that fails', async ({ page, context }) => {
  const asked: string[] = [];
  context.on('request', (request) => { if (request.url().includes('/charts-')) asked.push(request.url()); });
  const uncaught = await open(page);
  await expect(page.getByRole('button', { name: 'Try it with an example' })).toBeVisible();
  expect(asked).toEqual([]);
  await context.route(/\/charts-\w+\.js/, (route) => route.fulfill({ status: 404, body: 'gone' }));
  await page.evaluate(() => document.querySelector('np-lora')?.shadowRoot?.append(Object.assign(document.createElement('np-lora-outlook'), { running: true })));
  await expect(page.getByText('could not be loaded')).toBeVisible();
  await expect(page.getByText(NEWER)).toHaveCount(0);
  // In vain again, as it always is where a newer version has other parts.
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByText(NEWER)).toBeVisible();
  await context.unroute(/\/charts-\w+\.js/);
  await set(page, { outlook: threeModules() });
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(grid(page)).toBeVisible();
  expect(asked.length).toBeGreaterThan(1);
  expect(uncaught).toEqual([]);
});

for (const [name, outlook] of Object.entries({ 'FLUX-like': fluxLike(), 'SDXL-like': sdxlLike(), 'of three modules': threeModules() })) {
  test(`the map has the numbers of the outlook, ${name}`, async ({ page }) => {
    const uncaught = await open(page);
    await mount(page, { outlook });
    const figures: Record<string, (tally: Tally) => number> = {
      overlap: ({ overlap, chance }) => overlap / chance, kept: ({ contentKept }) => contentKept, change: ({ change }) => change,
      balance: ({ styleNorm, contentNorm }) => styleNorm / contentNorm,
    };
    for (const [figure, of] of Object.entries(figures)) {
      await page.getByLabel('Colour by').selectOption(figure);
      const shown = await rows(page);
      expect(shown.length).toBe(outlook.blocks.length);
      for (const [row, [label, whole, ...kinds]] of shown.entries()) {
        const block = outlook.blocks[row]!;
        expect(label).toBe(block.label || 'Other');
        expect(isRounded(whole!, of(block)), `${figure} of ${label}: ${whole}`).toBe(true);
        for (const [kind, number] of kinds.entries()) {
          const cell = outlook.cells.find((one) => one.block === row && one.kind === kind);
          const right = cell ? isRounded(number, of(cell)) : number === '';
          expect(right, `${figure} of ${label}, ${outlook.kinds[kind]}: ${number}`).toBe(true);
        }
      }
    }
    expect(uncaught).toEqual([]);
  });
}

test('a sentence says what the verdict is, with the numbers', async ({ page }) => {
  await open(page);
  const { whole } = threeModules();
  const heard = await mount(page, { outlook: threeModules() });
  const lead = page.locator('np-lora-outlook-view .lead');
  const numbers = async (): Promise<string[]> => (await lead.innerText()).match(/[<>]?\s?\d[\d.]*\s%/g) ?? [];
  const expected = [whole.change, 1 - whole.contentKept, whole.overlap, whole.chance];
  const found = await numbers();
  expect(found.map((number, index) => isRounded(number, expected[index]!))).toEqual([true, true, true, true]);
  for (const [verdict, words] of Object.entries({
    apart: /hardly overlap .* close to plain addition, whatever the μ/, same: /the same change .* adds nothing new/, little: /by only/, most: /nearly all/,
    chance: /about as little in common as unrelated LoRAs/, noContent: /subject changes nothing in the layers that both have/, noStyle: /style changes nothing in the layers that both have/,
  })) {
    await set(page, { outlook: threeModules({ verdict: verdict as Outlook['verdict'] }) });
    await expect(lead).toHaveText(words);
  }
  await set(page, { outlook: threeModules({ verdict: 'nothing', whole: { ...whole, change: 0, contentKept: 1 } }) });
  await expect(lead).toHaveText(/With these settings nothing is taken away/);

  await expect(page.getByRole('button', { name: 'Balance the strengths' })).toBeHidden();
  await set(page, { outlook: threeModules({ balance: { heavier: 'style', times: 4.2, contentStrength: 1, styleStrength: 0.24, contentTextStrength: null, styleTextStrength: null } }) });
  // The slider's percentage is of a length, those above are of energies.
  await page.getByText('Why this one?').click();
  await set(page, { mu: 1 });
  await expect(page.getByText(/The slider’s 50\s% is of the overlap’s strength, which is 75\s% of its energy/)).toBeVisible();
  await set(page, { mu: Infinity });
  await expect(page.getByText(/The slider’s/)).toBeHidden();
  await expect(page.getByText('The style outweighs the subject 4.2 to 1.')).toBeVisible();
  await page.getByRole('button', { name: 'Balance the strengths' }).click();
  await page.getByRole('button', { name: 'Use suggested μ 2.16' }).click();
  await expect.poll(() => heard).toEqual([
    { type: 'np-balance', detail: { contentStrength: 1, styleStrength: 0.24, contentTextStrength: null, styleTextStrength: null } }, { type: 'np-mu', detail: { mu: 2.16, committed: true } },
  ]);
  await expect(page.getByText(/at most 10\s% of the style’s energy/)).toBeVisible();
  await expect(page.getByText(/at most 10\s% of ‖ΔWₛ‖²/)).toBeVisible();
});

test('the marker follows μ, and μ the marker', async ({ page }) => {
  await open(page);
  const outlook = fluxLike();
  const heard = await mount(page, { outlook });
  const at = (): Promise<number> => page.locator('np-lora-curve line.marker').evaluate((line) => Number(line.getAttribute('x1')));
  await expect(page.locator('np-lora-curve line.marker')).toBeAttached();
  const place: Record<string, number> = {};
  for (const mu of [0, 1, Infinity, 0.5]) {
    await set(page, { mu });
    await expect(marker(page)).toHaveAttribute('aria-valuetext', new RegExp(`^μ ${mu === Infinity ? '∞' : mu},`));
    place[mu] = await at();
    const { contentKept, change } = outlook.curve[Math.round((mu === Infinity ? 1 : mu / (1 + mu)) * 100)]!;
    const [kept, changed] = await page.locator('np-lora-curve .legend strong').allInnerTexts();
    if (mu !== 0.5) expect([isRounded(kept!, contentKept), isRounded(changed!, change)]).toEqual([true, true]);
  }
  const [from, to] = [place['0']!, place['Infinity']!];
  expect(place['1']! - from).toBeCloseTo((to - from) / 2, 0);
  expect(place['0.5']! - from).toBeCloseTo((to - from) / 3, 0);

  await marker(page).focus();
  for (const key of ['PageUp', 'End', 'PageDown', 'ArrowLeft', 'Home']) await page.keyboard.press(key);
  await expect.poll(() => heard.map(({ detail }) => detail)).toEqual([1, Infinity, 10, 9, 0].map((mu) => ({ mu, committed: true })));

  // A drag: uncommitted on the way, committed once at its end, and caught by the stop at μ = 1.
  heard.length = 0;
  const box = (await page.locator('np-lora-curve svg[role="img"]').boundingBox())!;
  const [x, y] = [(share: number): number => box.x + from + share * (to - from), box.y + 100];
  await page.mouse.move(x(0.25), y);
  await page.mouse.down();
  await page.mouse.move(x(0.4), y);
  await page.mouse.move(x(0.505), y);
  await page.mouse.up();
  await expect.poll(() => heard.at(-1)?.detail).toEqual({ mu: 1, committed: true });
  const way = heard.map(({ detail }) => detail as { mu: number; committed: boolean });
  expect(way.slice(0, -1).every(({ committed }) => !committed)).toBe(true);
  expect(way[0]!.mu).toBeCloseTo(1 / 3, 1);
  expect(await at()).toBeCloseTo(place['1']!, 0);
});

test('the map is entered at its beginning, in whatever order its layers become known', async ({ page }) => {
  await open(page);
  const all = fluxLike();
  const known = (from: number): Outlook => ({
    ...all, blocks: all.blocks.map((block, at) => (at < from ? { ...block, modules: 0 } : block)), cells: all.cells.filter(({ block }) => block >= from),
  });
  const stop = (): Promise<string | null> => grid(page).locator('[tabindex="0"]').getAttribute('data-at');
  await mount(page, { outlook: known(5) });
  await expect.poll(stop).toBe('5 0');
  await set(page, { outlook: known(2) });
  await expect.poll(stop).toBe('2 0');
  // Once the focus is on a field, it stays there.
  await grid(page).locator('[tabindex="0"]').focus();
  await set(page, { outlook: all });
  await expect(grid(page).locator('td[data-at="0 0"]')).toBeVisible();
  expect([await stop(), await focused(page)]).toEqual(['2 0', '2 0']);
});

test('the map is one tab stop, with arrows inside, down to a layer', async ({ page }) => {
  await open(page);
  const outlook = fluxLike();
  const heard = await mount(page, { outlook });
  await expect(grid(page).locator('[tabindex="0"]')).toHaveCount(1);
  await page.getByLabel('Colour by').focus();
  await page.keyboard.press('Tab');
  const ways: [string, string][] = [
    ['ArrowRight', '0 1'], ['ArrowDown', '1 1'], ['End', '1 7'], ['ArrowRight', '1 7'], ['Home', '1 0'], ['PageDown', '11 0'],
    // Single blocks have no "out": the arrow stays at the last block that has one.
    ['Control+End', '57 8'], ['ArrowUp', '57 8'], ['ArrowLeft', '57 0'], ['ArrowUp', '56 0'], ['Control+Home', '0 0'], ['ArrowRight', '0 1'],
  ];
  expect(await focused(page)).toBe('0 0');
  for (const [key, to] of ways) {
    await page.keyboard.press(key);
    await expect.poll(() => focused(page), key).toBe(to);
  }
  const cell = outlook.cells.find(({ block, kind }) => block === 0 && kind === 0)!;
  await expect(page.locator('np-lora-overlap-map .readout')).toContainText('double 0 · q');
  await expect(page.locator('np-lora-overlap-map .readout')).toContainText(`${cell.modules} layers`);
  // The field under the pointer takes precedence over the focused one.
  await grid(page).locator('td[data-at="4 3"]').hover();
  await expect(page.locator('np-lora-overlap-map .readout')).toContainText('double 4 · v');
  await page.getByRole('heading', { name: 'Layer by layer' }).hover();
  await expect(page.locator('np-lora-overlap-map .readout')).toContainText('double 0 · q');

  await page.evaluate(() => {
    Object.assign(window, { errors: [] });
    addEventListener('error', ({ message }) => (window as any).errors.push(message));
  });
  await page.keyboard.press('Enter');
  const layers = page.locator('np-lora-modules button');
  await expect(layers).toHaveCount(cell.members.length);
  await expect(page.getByRole('status').filter({ hasText: '2 layers are listed' })).toHaveCount(1);
  // The layer with the largest overlap is shown at once.
  const most = cell.members.reduce((most, at) => (outlook.modules[at]!.overlap > outlook.modules[most]!.overlap ? at : most));
  const index = cell.members.find((at) => at !== most)!;
  const { name } = outlook.modules[index]!;
  await layers.filter({ hasText: name }).focus();
  await page.keyboard.press('Enter');
  // Opening a field first drops the layer that was shown before.
  await expect.poll(() => heard).toEqual([null, most, index].map((module) => ({ type: 'np-module', detail: { module } })));
  await expect(page.getByText('Working out the singular values')).toBeVisible();
  // The spectra of another layer arrive late, and must not be shown for this one.
  await set(page, { spectra: makeSpectra('another', 1) });
  await expect(page.getByText('Working out the singular values')).toBeVisible();
  await set(page, { spectra: makeSpectra(name, 2) });
  await expect(page.getByRole('heading', { name: 'Singular values' })).toBeVisible();
  await expect(page.getByText('k = 12')).toBeVisible();
  expect(await page.evaluate(() => (window as any).errors)).toEqual([]);

  await page.getByRole('button', { name: 'Close' }).focus();
  await page.keyboard.press('Enter');
  await expect(layers).toHaveCount(0);
  // The focus is back on the field that was opened.
  await expect.poll(() => focused(page)).toBe('0 1');
  await page.keyboard.press('Enter');
  await expect(layers).toHaveCount(cell.members.length);
  await page.keyboard.press('Escape');
  await expect(layers).toHaveCount(0);
});

test('data, CSV and JSON are what was drawn', async ({ page }) => {
  await open(page);
  const outlook = fluxLike();
  await mount(page, { outlook });
  const map = page.locator('np-lora-overlap-map np-lora-data');
  await map.getByText('Data').first().click();
  const expected = mapData(outlook);
  const csv = await saved(page, map.getByRole('button', { name: 'CSV' }));
  expect(csv.name).toBe('np-lora-map.csv');
  const keys = ['block', 'kind', ...FIGURES];
  expect(fromCsv(csv.text)).toEqual([keys, ...expected.map((row) => keys.map((key) => String(row[key])))]);
  const json = await saved(page, map.getByRole('button', { name: 'JSON' }));
  expect(json.name).toBe('np-lora-map.json');
  expect(JSON.parse(json.text)).toEqual(expected);
  const drawn = await map.locator('tbody tr').evaluateAll((found) => found.map((row) => [...row.children].map((cell) => cell.textContent)));
  expect(drawn).toEqual(expected.slice(0, 500).map((row) => keys.map((key) => {
    const value = row[key]!;
    if (typeof value === 'string') return value;
    // Shares are shown as percentages here; the files have the numbers.
    return ['overlap', 'chance', 'contentKept', 'change'].includes(key) ? expect.stringMatching(/^[<>]?\s?[\d.]+\s%$/) : String(Number(value.toPrecision(6)));
  })));

  const curve = page.locator('np-lora-curve np-lora-data');
  await curve.getByText('Data').first().click();
  const points = JSON.parse((await saved(page, curve.getByRole('button', { name: 'JSON' }))).text) as Record<string, number | string>[];
  expect(points.map(({ removed, contentKept, change }) => ({ beta: removed, contentKept, change }))).toEqual(outlook.curve.map(({ taken, ...drawn }) => drawn));
  expect([points[0]!.mu, points[50]!.mu, points[100]!.mu]).toEqual([0, 1, 'infinity']);

  await grid(page).locator('td[data-at="3 2"]').click();
  const layer = outlook.modules[outlook.cells.find(({ block, kind }) => block === 3 && kind === 1)!.members[0]!]!;
  await page.locator('np-lora-modules button').first().click();
  const spectra = makeSpectra(layer.name, 3, { content: 5, style: 8, protected: 6 });
  await set(page, { spectra });
  const spectrum = page.locator('np-lora-spectrum np-lora-data');
  await spectrum.getByText('Data').first().click();
  const values = fromCsv((await saved(page, spectrum.getByRole('button', { name: 'CSV' }))).text);
  const column = (name: string): number[] => values.slice(1).map((row) => row[values[0]!.indexOf(name)]!).filter((value) => value !== '').map(Number);
  expect([column('style'), column('subject'), column('fused'), column('along'), column('cosine')])
    .toEqual([spectra.style, spectra.content, spectra.fused, spectra.along, spectra.cosines]);
  for (const [index, angle] of column('degrees').entries()) expect(Math.cos((angle * Math.PI) / 180)).toBeCloseTo(spectra.cosines[index]!, 9);
});

test('names from a file are text, on the page and in a spreadsheet', async ({ page }) => {
  const uncaught = await open(page);
  const names = ['=HYPERLINK("http://example.com")', '+1', '-2,"x"', '@SUM(A1)', '\u202Ekcab', '<img src onerror="globalThis.ran = true">', `${'long'.repeat(900)}`];
  const outlook = makeOutlook({ seed: 9, blocks: [{ label: '<b>block</b>\u202E', kinds: { q: names.length } }], name: (_, __, index) => names[index]! });
  await mount(page, { outlook });
  await expect(grid(page).getByRole('rowheader')).toHaveText('<b>block</b>‹U+202E›');
  await grid(page).locator('td[data-at="0 1"]').click();
  const listed = await page.locator('np-lora-modules .name').allInnerTexts();
  expect(listed.slice(0, 4)).toEqual(names.slice(0, 4));
  expect(listed.slice(4)).toEqual(['‹U+202E›kcab', names[5], expect.stringContaining('3,600 characters')]);

  const layers = page.locator('np-lora-outlook-view > np-lora-data, np-lora-outlook-view .columns > div > np-lora-data');
  await layers.getByText('Data of all layers').first().click();
  const csv = fromCsv((await saved(page, layers.getByRole('button', { name: 'CSV' }))).text);
  expect(csv.slice(1).map(([name]) => name)).toEqual(names.map((name, index) => (index < 4 ? `'${name}` : name)));
  const json = await saved(page, layers.getByRole('button', { name: 'JSON' }));
  expect(json.text).not.toContain('\u202E');
  expect((JSON.parse(json.text) as { name: string; overlap: number }[]).map(({ name, overlap }) => [name, overlap]))
    .toEqual(outlook.modules.map(({ name, overlap }) => [name, overlap]));
  expect(await page.evaluate(() => 'ran' in globalThis)).toBe(false);
  expect(uncaught).toEqual([]);
});

test('figures of a part of the pair are told as such', async ({ page }) => {
  await open(page);
  const whole = fluxLike();
  const part = { ...whole, unmeasured: 3 * whole.total, partial: true, suggested: null };
  await mount(page, { outlook: part });
  await expect(page.getByText(`Only ${whole.total} of the ${(4 * whole.total).toLocaleString('en')} layers that both have could be measured beforehand`).first()).toBeVisible();
  await expect(page.getByRole('button', { name: /^Use suggested μ/ })).toBeHidden();
  await expect(page.locator('np-lora-overlap-map')).toBeVisible();
});

test('where nothing is measured, there are no figures', async ({ page }) => {
  await open(page);
  const nothing = { modules: 0, overlap: 0, chance: 0, contentKept: 1, change: 0, contentNorm: 0, styleNorm: 0 };
  await mount(page, { outlook: { ...fluxLike(), unmeasured: 40, partial: true, suggested: null, analysed: 0, total: 0, verdict: 'unknown', whole: nothing, blocks: [], kinds: [], cells: [], modules: [] } });
  await expect(page.getByText('only the fusion itself will tell').first()).toBeVisible();
  await expect(page.locator('np-lora-overlap-map, np-lora-curve')).toHaveCount(0);
});

test('what is analysed so far is said, and nothing moves when the rest comes', async ({ page }) => {
  await open(page);
  const whole = fluxLike();
  const unknown = { modules: 0, overlap: 0, chance: 0, contentKept: 1, change: 0, contentNorm: 0, styleNorm: 0 };
  /** An outlook in the middle of an analysis. Blocks and kinds are known from the files' headers. */
  const part = (analysed: number): Outlook => {
    const known = Math.ceil((analysed / whole.total) * whole.blocks.length);
    return {
      ...whole, analysed, ...(analysed === 0 ? { whole: unknown, verdict: 'unknown' as const, suggested: null } : {}),
      blocks: whole.blocks.map((block, at) => (at < known ? block : { ...block, ...unknown })),
      cells: whole.cells.map((cell) => (cell.block < known ? cell : { ...cell, ...unknown })),
    };
  };
  await mount(page, { outlook: part(0), running: true });
  // There are no figures before anything is analysed.
  await expect(page.getByText('Looking at the first layers')).toBeVisible();
  await expect(page.getByRole('button', { name: /^Use suggested μ/ })).toBeHidden();
  expect(await page.locator('np-lora-curve .legend strong').allInnerTexts()).toEqual(['…', '…']);
  await expect(page.locator('np-lora-curve .plot path.curve[d^="M"], np-lora-curve .dot')).toHaveCount(0);
  await expect(grid(page).locator('tbody tr').first()).toHaveText(/double 0\s*(…not looked at yet){8}·none/);
  const places = (): Promise<number[]> => page.locator('np-lora-curve, np-lora-overlap-map, np-lora-overlap-map np-lora-data, np-lora-outlook').evaluateAll(
    (found) => found.flatMap((element) => { const { top, bottom } = element.getBoundingClientRect(); return [top, bottom].map((edge) => Math.round(edge + window.scrollY)); }));
  const before = await places();
  await set(page, { outlook: part(40) });
  await expect(page.getByText('40 of 498 layers analysed, figures so far')).toBeVisible();
  await grid(page).locator('td[data-at="1 1"]').focus();
  for (const analysed of [40, 120, 300, 498]) {
    await set(page, { outlook: part(analysed), running: analysed < 498 });
    await expect(grid(page).locator('td[data-at$=" 0"]')).toHaveCount(Math.ceil((analysed / whole.total) * whole.blocks.length));
    expect(await places(), String(analysed)).toEqual(before);
    expect(await focused(page)).toBe('1 1');
  }
  await expect(page.getByText('498 layers analysed', { exact: true })).toBeVisible();
});

/** The contrast of text and background as the browser paints them, for every colour step on the map. */
const contrasts = (page: Page): Promise<[string, number][]> => grid(page).locator('td[data-at]').evaluateAll((cells) => {
  const brush = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })!;
  const light = (colour: string): number => {
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0] = [...brush.getImageData(0, 0, 1, 1).data].map((of) => (of <= 10 ? of / 255 / 12.92 : ((of / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
  };
  const found = cells.map((cell): [string, number] => {
    const { color, backgroundColor } = getComputedStyle(cell);
    const [one, other] = [light(color), light(backgroundColor)];
    return [cell.classList[0] ?? '', Math.max(one, other) / Math.min(one, other)];
  });
  return [...new Map(found)];
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`numbers can be read on every step of colour, ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    await open(page);
    const outlook = makeOutlook({ seed: 1, blocks: [{ label: 'block', kinds: { a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1 } }] });
    const [times, sizes] = [[1, 2, 3, 6, 10, 20, 30, 60], [0.1, 0.3, 0.6, 1, 1, 1.8, 3, 9]];
    const cells = outlook.cells.map((cell, index) => ({ ...cell, overlap: cell.chance * times[index]!, styleNorm: cell.contentNorm * sizes[index]! }));
    await mount(page, { outlook: { ...outlook, cells } });
    const steps = new Map(await contrasts(page));
    await page.getByLabel('Colour by').selectOption('balance');
    for (const [step, contrast] of await contrasts(page)) steps.set(step, contrast);
    expect([...steps.keys()].sort()).toEqual(['c1', 'c2', 'c3', 'o0', 'o1', 'o2', 'o3', 'o4', 'o5', 'o6', 'o7', 'y1', 'y2', 'y3']);
    for (const [step, contrast] of steps) expect(contrast, step).toBeGreaterThanOrEqual(4.5);
  });
}

test('the steps of colour go as far as the pair does, evenly, and the legend says where they begin', async ({ page }) => {
  await open(page);
  const steps = async (most: number): Promise<[string[], number[]]> => {
    const outlook = makeOutlook({ seed: 1, blocks: [{ label: 'block', kinds: { a: 1, b: 1, c: 1 } }] });
    const cells = outlook.cells.map((cell, index) => ({ ...cell, overlap: cell.chance * [1, most / 3, most][index]! }));
    await set(page, { outlook: { ...outlook, cells, blocks: outlook.blocks.map((block) => ({ ...block, overlap: block.chance })) } });
    await expect(grid(page).locator('td[data-at="0 3"]')).toHaveText(String(most));
    const classes = await grid(page).locator('td[data-at]').evaluateAll((all) => all.map((cell) => cell.classList[0] ?? ''));
    return [classes, (await page.locator('np-lora-overlap-map .colours span').allInnerTexts()).map(Number)];
  };
  await mount(page, { outlook: threeModules() });
  expect(await steps(1.1)).toEqual([['o0', 'o0', 'o0', 'o0'], [1.2, 2, 2.5, 3, 4, 6, 8]]);
  for (const most of [12, 96, 150, 900]) {
    const [[all, chance, middle, darkest], bounds] = await steps(most);
    expect([all, chance, darkest]).toEqual(['o0', 'o0', expect.stringMatching(/o[67]/)]);
    expect(Number(middle![1])).toBeLessThan(Number(darkest![1]));
    const ways = bounds.slice(1).map((bound, at) => Math.log(bound / bounds[at]!));
    expect(Math.max(...ways) / Math.min(...ways)).toBeLessThan(2.5);
    expect(bounds.at(-2)).toBeLessThan(most);
  }
});

const LOOKS = {
  light: { colorScheme: 'light' }, dark: { colorScheme: 'dark' }, 'forced colours': { forcedColors: 'active' }, '320 px': { colorScheme: 'light' },
} as const;
for (const [look, media] of Object.entries(LOOKS)) {
  test(`nothing stands in the way of assistive technology, ${look}`, async ({ page }) => {
    await page.emulateMedia({ ...media, reducedMotion: 'reduce' });
    if (look === '320 px') await page.setViewportSize({ width: 320, height: 800 });
    const uncaught = await open(page);
    await mount(page, { outlook: sdxlLike() });
    // For other figures, only the colours of the map differ.
    for (const figure of ['kept', 'change', 'balance']) {
      await page.getByLabel('Colour by').selectOption(figure);
      await readable(page, MAP, figure);
    }
    await page.getByLabel('Colour by').selectOption('overlap');
    await accessible(page, 'overlap');
    // With few layers, every row of every table is checked.
    await set(page, { outlook: threeModules({ balance: { heavier: 'content', times: 3, contentStrength: 0.3, styleStrength: 1, contentTextStrength: null, styleTextStrength: null } }) });
    await grid(page).locator('td[data-at="1 1"]').click();
    await page.locator('np-lora-modules button').first().click();
    await set(page, { spectra: makeSpectra(await page.locator('np-lora-modules .name').first().innerText(), 4) });
    await expect(page.getByRole('heading', { name: 'Singular values' })).toBeVisible();
    for (const data of await page.locator('np-lora-data summary').all()) await data.click();
    await page.getByText('Why this one?').click();
    await accessible(page, 'all open');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(page.viewportSize()!.width);
    expect(uncaught).toEqual([]);
  });
}
