/** The library in Node: the examples of docs/API.md exactly as written there, and what they do not show. */

import { expect } from '@playwright/test';
import { build as esbuild } from 'esbuild';
import { DEFAULTS } from '../browser/check.ts';
import { check } from '../browser/hold.ts';
import { makeLora } from '../browser/make.ts';
import { writeSafetensors } from '../browser/safetensors.ts';
import { examples } from './examples.ts';
import { PAIR, RECIPE, test, type Ended, type Host } from './install.ts';

async function example(host: Host, containing: string): Promise<Ended & { place: Host }> {
  const found = (await examples('js')).filter((code) => code.includes(containing));
  expect(found, containing).toHaveLength(1);
  const place = await host.place('example');
  await place.put('example.mjs', found[0]!);
  return { place, ...await place.node('example.mjs') };
}

test('every example has its test', async () => {
  expect((await examples('js')).length).toBe(4);
});

test('a file on disk is made of two on disk', async ({ host }) => {
  const { place, code, out } = await example(host, 'cat-in-ink');
  expect([code, out]).toEqual([0, expect.stringMatching(/^cat-in-ink\.safetensors: 6 modules fused, rank 10, \d+ bytes\n$/)]);
  check(await place.read('cat-in-ink.safetensors'), PAIR, DEFAULTS, 'F16');
});

test('a name may be as long as the disk allows', async ({ host }) => {
  const place = await host.place('long');
  // Names in letters of one byte, and of three.
  const names = [`${'a'.repeat(243)}.safetensors`, `${'あ'.repeat(81)}.safetensors`];
  await place.put('long.mjs', `
    import { convert, openFile } from 'np-lora/core';
    for (const path of ${JSON.stringify(names)}) await convert(await openFile('subject.safetensors'), {}, { path });
  `);
  expect(await place.node('--no-warnings', 'long.mjs')).toMatchObject({ code: 0, error: '' });
  expect(await place.list()).toEqual(expect.arrayContaining(names));
});

test('a pair answers for any settings', async ({ host }) => {
  const { code, out } = await example(host, 'Infinity');
  expect(code).toBe(0);
  const kept = [...out.matchAll(/^μ .+: .+, subject kept (.+), changed .+$/gm)].map(([, share]) => Number(share));
  expect(kept).toHaveLength(5);
  expect(kept).toEqual([...kept].sort((a, b) => b - a));
  expect(kept[0]! - kept[4]!).toBeGreaterThan(0.1);
  expect(out).toMatch(/^subject_in_style\.safetensors [0-9a-f]{64}$/m);
});

test('one file is converted', async ({ host }) => {
  expect(await example(host, 'convert(')).toMatchObject({ code: 0, out: expect.stringMatching(/^kohya\n.+\n$/) });
});

test('a result is as large as was said before', async ({ host }) => {
  const place = await host.place('sizes');
  await place.put('test.mjs', `
    import { open, openFile } from 'np-lora/core';
    const pair = await open({ content: await openFile('subject.safetensors'), style: await openFile('style.safetensors') });
    for (const settings of [{}, { mu: 1, keepSources: false }, { result: 'overlap' }, { outputName: 'a name of its own' }]) {
      const { outputBytes } = await pair.fit(settings);
      console.log(String((await pair.fuse(settings)).file.size === outputBytes));
    }
    pair.close();
  `);
  expect(await place.node('--no-warnings', 'test.mjs')).toEqual({ code: 0, out: 'true\n'.repeat(4), error: '' });
});

test('a run is cancelled, and a refusal says what it is', async ({ host }) => {
  const { code, out } = await example(host, 'ProblemError');
  expect(code).toBe(0);
  expect(out).toMatch(/^AbortError$/m);
  expect(out).toMatch(/^E_NOT_SAFETENSORS .+\. .+\.$/m);
  expect(out).not.toMatch(/^verify/m);
});

test('the commands of the document work as they stand there', async ({ host }) => {
  const place = await host.place('commands');
  const typed = (await examples('sh')).join('').split('\n').filter((line) => line.startsWith('npx np-lora '));
  expect(typed).toHaveLength(4);
  for (const line of typed) {
    const [, , ...words] = line.split(' ');
    expect(await place.run(place.at('../node_modules/.bin/np-lora'), words), line).toMatchObject({ code: 0, error: '' });
  }
  check(await place.read('fused.safetensors'), PAIR, DEFAULTS, 'F16');
});

test('by the name of its place it is the same, also in a bundle that leaves it out', async ({ host }) => {
  const place = await host.place('named');
  await place.put('test.mjs', `
    import * as core from 'np-lora/core';
    import * as node from 'np-lora/node';
    const { scheme } = await node.inspect(await node.openFile('subject.safetensors'));
    console.log(scheme, String(node.fuse === core.fuse));
  `);
  await esbuild({ absWorkingDir: place.folder, entryPoints: ['test.mjs'], bundle: true, platform: 'node', format: 'esm', outfile: 'out.mjs', external: ['np-lora'] });
  for (const script of ['test.mjs', 'out.mjs']) expect(await place.node('--no-warnings', script)).toEqual({ code: 0, out: 'kohya true\n', error: '' });
});

test('a setting that is undefined is left out, and another that makes no sense is refused', async ({ host }) => {
  const place = await host.place('undefined');
  await place.put('test.mjs', `
    import { open, openFile } from 'np-lora/core';
    const pair = await open({ content: await openFile('subject.safetensors'), style: await openFile('style.safetensors') });
    // Where no time passes, only where a stage begins and ends is told.
    const { now } = performance;
    performance.now = () => 0;
    const told = [];
    const onProgress = ({ stage, modulesDone, modulesTotal }) => told.push(stage + ' ' + modulesDone + '/' + modulesTotal);
    const { report } = await pair.fuse({ mu: undefined, dtype: undefined, blocks: { nowhere: undefined } }, { onProgress });
    performance.now = now;
    console.log(told.join());
    console.log(String(report.settings.mu));
    for (const wrong of [{ mu: 'x' }, { blocks: { nowhere: 1 } }]) await pair.fit(wrong).catch(({ code, detail }) => console.log(code, detail));
    pair.close();
  `);
  const { code, out, error } = await place.node('--no-warnings', 'test.mjs');
  expect([code, error]).toEqual([0, '']);
  expect(out.split('\n')).toEqual([expect.stringMatching(/^fuse 0\/6,fuse 6\/6,verify 6\/6/), '0.5', expect.stringMatching(/^E_SETTINGS μ /), expect.stringMatching(/^E_SETTINGS The block "nowhere" must/), '']);
});

test('a relative path stays what it was where the program goes into another folder', async ({ host }) => {
  const place = await host.place('another-folder');
  await place.put('test.mjs', `
    import { mkdirSync, readdirSync } from 'node:fs';
    import { open, openFile } from 'np-lora/core';
    const pair = await open({ content: await openFile('subject.safetensors'), style: await openFile('style.safetensors') });
    mkdirSync('within');
    process.chdir('within');
    const { file } = await pair.fuse({}, { path: 'fused.safetensors' });
    process.chdir('..');
    console.log(file.name, String(file.size === (await file.arrayBuffer()).byteLength), readdirSync('within').join());
    await pair.fuse({ outputName: 'mine' }, { path: new URL('named.safetensors', import.meta.url) });
    pair.close();
  `);
  expect(await place.node('--no-warnings', 'test.mjs')).toEqual({ code: 0, out: 'fused.safetensors true fused.safetensors\n', error: '' });
  // The name on disk is also the name in the metadata, unless the settings give another one.
  const called = async (file: string): Promise<string | undefined> => (await place.read(file)).metadata.ss_output_name;
  expect([await called('within/fused.safetensors'), await called('named.safetensors')]).toEqual(['fused', 'mine']);
});

test('what a listener throws ends no run, and is not lost', async ({ host }) => {
  const place = await host.place('throws');
  await place.put('test.mjs', `
    import { fuse, openFile } from 'np-lora/core';
    const thrown = new Set();
    process.on('uncaughtException', ({ message }) => thrown.add(message));
    const inputs = { content: await openFile('subject.safetensors'), style: await openFile('style.safetensors') };
    const { report } = await fuse(inputs, { mu: Infinity }, { onProgress() { throw new Error('heard') } });
    console.log([...thrown].join(), String(report.fused));
    const { settings } = JSON.parse(JSON.stringify(report, (_, value) => (value === Infinity ? 'infinity' : value)));
    console.log(String((await fuse(inputs, settings)).report.settings.mu));
  `);
  expect(await place.node('--no-warnings', 'test.mjs')).toEqual({ code: 0, out: 'heard 6\nInfinity\n', error: '' });
});

test('hashes of a file and of its tensors are Node’s own, and what has no header has no tensors', async ({ host }) => {
  const place = await host.place('hashes');
  await place.put('test.mjs', `
    import { createHash } from 'node:crypto';
    import { readFile } from 'node:fs/promises';
    import { open, openFile } from 'np-lora/core';
    const content = await openFile('subject.safetensors');
    const pair = await open({ content });
    const bytes = await readFile('subject.safetensors');
    const own = (from) => createHash('sha256').update(bytes.subarray(from)).digest('hex');
    const asked = [await pair.hash(content), await pair.hash(content, { of: 'tensors' })];
    console.log(String(asked[0] === own(0) && asked[1] === own(8 + Number(bytes.readBigUInt64LE(0)))));
    await pair.hash(new Blob(['a text of some length']), { of: 'tensors' }).catch(({ code }) => console.log(code));
  `);
  expect(await place.run(process.execPath, ['test.mjs'])).toMatchObject({ code: 0, out: 'true\nE_NOT_SAFETENSORS\n' });
});

test('files are read in pieces, and one that has changed since is told', async ({ host }) => {
  const place = await host.place('pieces');
  await place.put('large.safetensors', writeSafetensors(makeLora({ ...RECIPE, rank: 96 })));
  await place.put('test.mjs', `
    import { appendFile, readFile } from 'node:fs/promises';
    import { fuse, open, openFile } from 'np-lora/core';
    const content = await openFile('large.safetensors');
    let most = 0;
    const { arrayBuffer } = Blob.prototype;
    Blob.prototype.arrayBuffer = function () {
      most = Math.max(most, this.size);
      return arrayBuffer.call(this);
    };
    const pair = await open({ content, style: await openFile('style.safetensors') });
    console.log(JSON.stringify({ size: content.size, most }));
    // From memory it is the same file, byte by byte.
    const bytes = async (file) => Buffer.from(await file.arrayBuffer());
    const fromDisk = await pair.fuse({ mu: 1 });
    const inMemory = await Promise.all(['large', 'style'].map(async (name) => new File([await readFile(name + '.safetensors')], name + '.safetensors')));
    const fromMemory = await fuse({ content: inMemory[0], style: inMemory[1] }, { mu: 1 });
    console.log(String((await bytes(fromDisk.file)).equals(await bytes(fromMemory.file))));
    await appendFile('style.safetensors', 'x');
    await pair.fuse({ mu: 2 }, { path: 'late.safetensors' }).catch(({ code }) => console.log(code));
    pair.close();
    await pair.fit().catch(({ code }) => console.log(code));
  `);
  const { code, out, error } = await place.node('--no-warnings', 'test.mjs');
  expect([code, error]).toEqual([0, '']);
  const [headers, same, ...codes] = out.trim().split('\n');
  const { size, most } = JSON.parse(headers!);
  expect([size > 1e6, most < size / 4]).toEqual([true, true]);
  expect([same, codes]).toEqual(['true', ['E_INPUT_CHANGED', 'E_CLOSED']]);
  expect(await place.list()).toEqual(['large.safetensors', 'style.safetensors', 'subject.safetensors', 'test.mjs']);
});
