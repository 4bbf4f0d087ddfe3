/** What the library in Node refuses before it does anything, in helpful words. */

import { chmod, link, stat, symlink } from 'node:fs/promises';
import { expect } from '@playwright/test';
import { SD15_PEFT_MODULES, makeLora } from '../browser/make.ts';
import { writeSafetensors } from '../browser/safetensors.ts';
import { PAIR, RECIPE, test, type Host } from './install.ts';

const INPUTS = ['style.safetensors', 'subject.safetensors'];

interface Refused {
  name: string;
  code: string | null;
  said: string;
}

/** Runs each expression with the pair open; returns the refusals, with null for each that was not refused. */
async function asked(place: Host, expressions: string[]): Promise<(Refused | null)[]> {
  await place.put('test.mjs', `
    import { analyse, convert, fuse, inspect, open, openFile } from 'np-lora/core';
    const content = await openFile('subject.safetensors');
    const style = await openFile('style.safetensors');
    const config = await openFile('config.json').catch(() => null);
    const refused = [];
    for (const ask of [${expressions.map((one) => `async () => ${one}`).join(', ')}]) {
      refused.push(await ask().then(() => null, ({ name, code = null, message, detail = message }) => ({ name, code, said: detail })));
    }
    console.log(JSON.stringify(refused));
  `);
  const { code, out, error } = await place.node('--no-warnings', 'test.mjs');
  expect([code, error]).toEqual([0, '']);
  return JSON.parse(out);
}

const saying = (code: string | null, ...parts: string[]): unknown =>
  ({ name: expect.any(String), code, said: expect.stringMatching(new RegExp(parts.map((part) => part.replace(/[.*()[\]?+$^|\\]/g, '\\$&')).join('.*'), 's')) });

test('a backend that Node does not have', async ({ host }) => {
  const place = await host.place('backends');
  const [device, unknown, ...allowed] = await asked(place, ['webgpu', 'gpu', 'cpu', 'auto'].map((backend) => `fuse({ content, style }, {}, { backend: '${backend}', path: '${backend}.safetensors' })`));
  expect(device).toEqual(saying('E_GPU_UNAVAILABLE', 'Node'));
  expect(unknown).toEqual(saying('E_SETTINGS', '"gpu"', 'auto, webgpu, cpu'));
  expect(allowed).toEqual([null, null]);
  expect(await place.list()).toEqual(['auto.safetensors', 'cpu.safetensors', ...INPUTS, 'test.mjs']);
});

test('a result that would take the place of a file that it is made of, under whatever name', async ({ host }) => {
  const place = await host.place('over');
  await place.put('config.json', '{"peft_type": "LORA", "r": 4, "lora_alpha": 4}');
  await symlink('style.safetensors', place.at('link.safetensors'));
  await link(place.at('subject.safetensors'), place.at('hard.safetensors'));
  const before = await place.list();
  const pair = '{ content, style: { file: style, config } }';
  const paths = ['./style.safetensors', 'link.safetensors', 'hard.safetensors', 'config.json'];
  const refused = await asked(place, [
    ...paths.map((path) => `fuse(${pair}, {}, { path: '${path}', overwrite: true })`), "convert(content, {}, { path: 'subject.safetensors', overwrite: true })",
    "fuse({ content, style }, {}, { path: '.', overwrite: true })",
  ]);
  expect(refused.map((one) => one?.code)).toEqual([...Array<string>(5).fill('E_OVER_INPUT'), 'E_FOLDER']);
  expect(await place.read('style.safetensors')).toEqual(PAIR[1]);
  expect(await place.list()).toEqual([...before, 'test.mjs'].sort());
  // The same file can be replaced when it is not a source, and the new one keeps its permissions.
  await chmod(place.at('style.safetensors'), 0o600);
  expect(await asked(place, ["convert(content, {}, { path: 'style.safetensors', overwrite: true })"])).toEqual([null]);
  expect(await place.read('style.safetensors')).not.toEqual(PAIR[1]);
  expect((await stat(place.at('style.safetensors'))).mode & 0o777).toBe(0o600);
});

test('a block that the pair does not have, by the names of those that it has', async ({ host }) => {
  const place = await host.place('blocks');
  const blocks = "{ blocks: { nope: { content: 0, style: 1, mu: null } } }";
  const refused = await asked(place, [
    `fuse({ content, style }, ${blocks})`, `convert(content, ${blocks})`, `analyse({ content, style }, ${blocks})`, `open({ content, style }).then((pair) => pair.fit(${blocks}))`,
    `fuse({ content, style }, { blocks: { IN01: { content: 0, style: 1, mu: null } } })`,
    // Block strengths have no effect on an overlap, nor do blocks that only one file has.
    `fuse({ content, style }, { ...${blocks}, result: 'overlap' })`,
  ]);
  expect(refused).toEqual([...Array<unknown>(4).fill(saying('E_SETTINGS', '"nope"', 'IN01')), null, null]);
});

test('a setting that there is not, by the one that was probably meant', async ({ host }) => {
  const place = await host.place('unknown');
  const meant = { mue: 'mu', rank: 'recompress', k: 'cut', contentstrength: 'contentStrength', several: 'mu, ' };
  const refused = await asked(place, Object.keys(meant).map((name) => `fuse({ content, style }, { ${name}: 3 })`));
  expect(refused).toEqual(Object.entries(meant).map(([name, right]) => saying('E_SETTINGS', `"${name}"`, right)));
  const others = ['analyse({ content, style }, { mue: 3 })', 'convert(content, { mue: 3 })', 'open({ content }).then((pair) => pair.fit({ mue: 3 }))',
    'fuse({ content, style }, { blocks: { IN01: { contents: 0 } } })'];
  expect((await asked(place, others)).map((one) => one?.code)).toEqual(Array(4).fill('E_SETTINGS'));
});

test('what is no file, no config and no path, and a pair that is closed', async ({ host }) => {
  const place = await host.place('kinds');
  const cases: [string, unknown][] = [
    ["fuse({ content: 'subject.safetensors', style })", saying(null, 'content must be a File', 'not a text', 'openFile(path)')],
    ['inspect(new Uint8Array(10))', saying(null, 'content must be a File', 'Uint8Array')],
    ["inspect({ file: 'subject.safetensors' })", saying(null, 'not a text')],
    ['inspect()', saying(null, 'There is no file')],
    ['fuse(content, style)', saying(null, '{ content, style }', 'File')],
    ['fuse()', saying(null, '{ content, style }')],
    ...['open({})', 'analyse({})', 'convert()'].map((call): [string, unknown] => [call, saying(null, 'There is no file to open')]),
    ...['open', 'analyse', 'fuse'].map((call): [string, unknown] => [`${call}({ subject: content, style })`, saying(null, '"subject"', '"content"')]),
    ['analyse({ content, stlye: style })', saying(null, '"stlye"', 'content, style')],
    ...['outlook()', "spectra('x')", 'fuse()'].map((call): [string, unknown] => [`open({ content }).then((pair) => pair.${call})`, saying('E_NOT_READY')]),
    ["openFile('none/x.safetensors')", saying('E_READ', 'no such file')],
    ['inspect({ file: content, config: 3 })', saying(null, 'config must be an adapter_config.json')],
    ['openFile(3)', saying(null, 'A path must be')],
    ["open({ content, style }).then((pair) => pair.hash('x'))", saying(null, 'must be a File or a Blob, not a text')],
    ["open({ content, style }).then((pair) => pair.hash(content, { of: 'tensor' }))", saying(null, "'tensors'")],
    ['open({ content, style }).then((pair) => pair.spectra(3))', saying(null, 'by its name', '3')],
    ['fuse({ content, style }, {}, { onProgress: 3 })', saying(null, 'onProgress must be a function')],
    ['analyse({ content, style }, {}, { onProgress: {} })', saying(null, 'onProgress must be a function')],
    ["fuse({ content, style }, {}, { path: 'x.safetensors', overwrite: 'no' })", saying(null, 'overwrite must be true or false, not a text')],
    ['fuse({ content, style }, {}, { overwrit: true })', saying(null, '"overwrit"', '"overwrite"')],
    ['convert(content, {}, { assetBase: "/" })', saying(null, '"assetBase"', 'signal, onProgress')],
    ['analyse({ content, style }, {}, { signal: 5 })', saying(null, 'signal must be an AbortSignal, not 5')],
    ['open({ content, style }, null)', saying(null, 'options must be given as an object')],
    ["fuse({ content, style }, {}, new Map([['path', 'x']]))", saying(null, 'options must be given as an object')],
    ["fuse({ content, style }, { blocks: { IN01: new Map([['style', 0]]) } })", saying('E_SETTINGS', 'block "IN01" must be given')],
    ['fuse({ content, style }, {}, { assetBase: undefined })', null],
    ['fuse({ content, style }, {}, [])', saying(null, 'options must be given as an object')],
    // This is found before the run, not at its end.
    ["fuse({ content, style }, {}, { path: 'x'.repeat(300), onProgress() { throw new Error('it has begun') } })", saying('E_WRITE', 'ENAMETOOLONG')],
    ['fuse({ content, style }, { outputName: 5 })', saying('E_SETTINGS', 'outputName must be a text')],
    ['fuse({ content, style }, { blocks: null })', saying('E_SETTINGS', 'blocks must be given as an object')],
    ...["new Map([['mu', 10]])", 'Object.create({ mu: 10 })'].map((settings): [string, unknown] => [`fuse({ content, style }, ${settings})`, saying('E_SETTINGS', 'as an object')]),
    ['fuse({ content, style }, Object.assign(Object.create(null), { mu: 10 }))', null],
    ...['3', '[]', 'null', '() => {}'].map((settings): [string, unknown] => [`fuse({ content, style }, ${settings})`, saying('E_SETTINGS', 'as an object')]),
    ["fuse({ content, style }, {}, { path: new URL('https://example.org/x') })", saying('ERR_INVALID_URL_SCHEME', 'file')],
    ...['fit()', 'outlook()', 'fuse()', "spectra('x')", 'hash(content)'].map((call): [string, unknown] =>
      [`open({ content, style }).then((pair) => { pair.close(); return pair.${call}; })`, saying('E_CLOSED')]),
    ['open({ content, style }).then((pair) => { const run = pair.outlook(); pair.close(); return run; })', saying('E_CLOSED')],
  ];
  expect(await asked(place, cases.map(([expression]) => expression))).toEqual(cases.map(([, refused]) => refused));
  const [, type] = await asked(place, ["convert(content, {}, { path: new URL('x.safetensors', import.meta.url) })", 'inspect(new Uint8Array(10))']);
  expect(type!.name).toBe('TypeError');
  expect(await place.list()).toEqual([...INPUTS, 'test.mjs', 'x.safetensors']);
});

test('an adapter_config.json is taken as a file, as its text and as what that says', async ({ host }) => {
  const place = await host.place('configs');
  await place.put('subject.safetensors', writeSafetensors(makeLora({ ...RECIPE, alpha: null, scheme: 'PEFT', modules: SD15_PEFT_MODULES })));
  await place.put('config.json', '{"peft_type": "LORA", "r": 4, "lora_alpha": 8}');
  await place.put('test.mjs', `
    import { readFile } from 'node:fs/promises';
    import { inspect, openFile } from 'np-lora/core';
    const file = await openFile('subject.safetensors');
    const text = await readFile('config.json', 'utf8');
    for (const config of [null, await openFile('config.json'), text, JSON.parse(text)]) console.log(String((await inspect({ file, config })).scales[0].value.value));
  `);
  expect(await place.node('--no-warnings', 'test.mjs')).toEqual({ code: 0, out: '1\n2\n2\n2\n', error: '' });
});
