/** The installed command on small pairs: what it writes is checked independently, and nothing else may be written. */

import { createHash } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { lstat, mkdir, symlink } from 'node:fs/promises';
import { expect } from '@playwright/test';
import { DEFAULTS, modulesOf } from '../browser/check.ts';
import { check } from '../browser/hold.ts';
import { FLUX_KOHYA_MODULES, makeLora, withNaN } from '../browser/make.ts';
import { writeSafetensors } from '../browser/safetensors.ts';
import { PAIR, test, type Ended, type Host } from './install.ts';

const INPUTS = ['style.safetensors', 'subject.safetensors'];
const command = (place: Host, ...args: string[]): Promise<Ended> => place.run(place.at('../node_modules/.bin/np-lora'), args);

test('two files are fused, at the settings that were typed', async ({ host }) => {
  const place = await host.place('fuse');
  const plain = await command(place, 'subject.safetensors', 'style.safetensors', '-o', 'out.safetensors', '--mu', '0.5');
  expect(plain).toMatchObject({ code: 0, error: '' });
  expect(plain.out).toMatch(/modules +6 fused, 0 passed through, 0 refused/);
  check(await place.read('out.safetensors'), PAIR, DEFAULTS, 'F16');
  const turned = await command(place, 'fuse', 'style.safetensors', 'subject.safetensors', '--output=other.safetensors',
    '--mu', 'inf', '--content-strength', '-0.5', '--style-strength=1.25', '--dtype', 'f32', '--k', 'all', '--json');
  expect(turned).toMatchObject({ code: 0, error: '' });
  check(await place.read('other.safetensors'), [PAIR[1], PAIR[0]], { mu: Infinity, contentStrength: -0.5, styleStrength: 1.25 }, 'F32');
  expect(JSON.parse(turned.out)).toMatchObject({ fused: 6, dtype: 'F32', settings: { mu: 'infinity', outputName: 'other' } });
  expect(await place.list()).toEqual(['other.safetensors', 'out.safetensors', ...INPUTS]);
});

test('without a name the result is called after both', async ({ host }) => {
  const place = await host.place('names');
  expect(await command(place, 'subject.safetensors', 'style.safetensors')).toMatchObject({ code: 0 });
  check(await place.read('subject_in_style.safetensors'), PAIR, DEFAULTS, 'F16');
  // If the sources stay unnamed, the result's name does not reveal them either.
  await place.put('cat.safetensors', writeSafetensors(PAIR[0]));
  expect(await command(place, 'cat.safetensors', 'style.safetensors', '--drop-sources', '--force')).toMatchObject({ code: 0 });
  expect((await place.read('subject_in_style.safetensors')).metadata).toMatchObject({ ss_output_name: 'subject_in_style' });
  expect(await place.list()).toEqual(['cat.safetensors', ...INPUTS, 'subject_in_style.safetensors'].sort());
});

test('an overlap, a conversion, a summary and an outlook', async ({ host }) => {
  const place = await host.place('others');
  expect(await command(place, 'subject.safetensors', 'style.safetensors', '--result', 'overlap', '-o', 'overlap.safetensors')).toMatchObject({ code: 0 });
  expect([...modulesOf(await place.read('overlap.safetensors')).keys()].sort()).toEqual([...modulesOf(PAIR[0]).keys()].sort());
  expect(await command(place, 'convert', 'subject.safetensors', '--scheme', 'peft', '--dtype', 'bf16', '-o', 'peft.safetensors')).toMatchObject({ code: 0 });
  const converted = await place.read('peft.safetensors');
  expect([...converted.tensors.values()].every(({ dtype }) => dtype === 'BF16')).toBe(true);
  expect([...modulesOf(converted).keys()].every((name) => /^(unet|text_encoder)\./.test(name))).toBe(true);
  const summary = await command(place, 'inspect', 'subject.safetensors', '--json');
  expect(JSON.parse(summary.out)).toMatchObject({ name: 'subject.safetensors', family: 'SD 1.5', modules: 6, ranks: [{ value: 4, modules: 6 }] });
  const hashed = await command(place, 'inspect', 'style.safetensors', '--hash');
  const bytes = writeSafetensors(PAIR[1]);
  const sha256 = (from: number): string => createHash('sha256').update(bytes.subarray(from)).digest('hex');
  expect(hashed.out).toContain(sha256(0));
  expect(hashed.out).toMatch(new RegExp(`AutoV3 +${sha256(8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))).slice(0, 12)}\\n`));
  const outlook = JSON.parse((await command(place, 'analyse', 'subject.safetensors', 'style.safetensors', '--json')).out);
  expect(outlook).toMatchObject({ analysed: 6, total: 6 });
  expect(outlook.modules.map(({ name }: { name: string }) => name)).toHaveLength(6);
  // With two files, each has its own adapter_config.json.
  await place.put('config.json', '{"peft_type": "LORA", "r": 4, "lora_alpha": 8}');
  const norms = async (...typed: string[]): Promise<number[]> => {
    const { whole: { contentNorm, styleNorm } } = JSON.parse((await command(place, 'analyse', 'peft.safetensors', 'peft.safetensors', ...typed, '--json')).out);
    return [contentNorm, styleNorm];
  };
  const [one, other] = await norms('--style-config', 'config.json');
  expect(other! / one!).toBeCloseTo(2, 5);
  expect(await norms('--content-config', 'config.json')).toEqual([other, one]);
  const said = await command(place, 'analyse', 'subject.safetensors', 'style.safetensors');
  expect(said.out).toContain(`${Math.round(outlook.whole.overlap * 100)} %`);
});

test('what is typed arrives as it was meant', async ({ host }) => {
  const place = await host.place('settings');
  const { schemes } = JSON.parse((await command(place, 'inspect', 'subject.safetensors', '--json')).out) as { schemes: { id: string }[] };
  const typed = ['--k', '90%', '--block', 'IN01=0.5,2', '--block', 'CLIP-L=0', '--rank', '9', '--content-scale', '8', '--style-scale', 'rslora', '--layout', 'compact',
    '--dense-rank', '32', '--direction-only', '--drop-sources', '--content-text-strength', '0.5', '--style-text-strength', '-2', '--family', 'SD 1.5',
    '--scheme', schemes.at(-1)!.id];
  const { code, out, error } = await command(place, 'subject.safetensors', 'style.safetensors', '-o', 'out.safetensors', '--json', ...typed);
  expect([code, error]).toEqual([0, '']);
  const { settings, rank } = JSON.parse(out);
  expect(rank).toBe(9);
  expect(settings).toMatchObject({
    cut: { kind: 'energy', share: 0.9 }, blocks: { IN01: { content: 0.5, style: 2 }, 'CLIP-L': { content: 0, style: 0 } }, recompress: { kind: 'rank', rank: 9 },
    contentScale: { kind: 'alpha', alpha: 8 }, styleScale: { kind: 'rankStabilised' }, layout: 'compact', denseRank: 32, directionOnly: true, keepSources: false,
    contentTextStrength: 0.5, styleTextStrength: -2, family: 'SD 1.5', scheme: schemes.at(-1)!.id,
  });
});

test('blocks have the names that are listed, and no others', async ({ host }) => {
  const place = await host.place('blocks');
  const recipe = { modules: FLUX_KOHYA_MODULES, rank: 1, alpha: 1, dtype: 'F16', scheme: 'kohya' } as const;
  for (const [name, seed] of [['a', 1], ['b', 2]] as const) await place.put(`${name}.safetensors`, writeSafetensors(makeLora({ ...recipe, seed })));
  const pair = ['a.safetensors', 'b.safetensors', '--family', 'FLUX.1'];
  const refused = await command(place, ...pair, '--block', 'double 99=0');
  expect([refused.code, refused.error]).toEqual([1, expect.stringContaining('There is no block "double 99" here, only double 0 … double 18, single 0 … single 37.')]);
  expect((await command(place, 'inspect', 'a.safetensors', '--family', 'FLUX.1')).out).toMatch(/^blocks +double 0 … double 18, single 0 … single 37$/m);
  const inspected = (await command(place, 'inspect', 'subject.safetensors')).out;
  expect(inspected).toMatch(/^blocks +.*IN01.*$/m);
  expect(inspected).toMatch(/^can be named +.*peft \(diffusers \(PEFT\); not for ComfyUI, A1111, InvokeAI\)/m);
  expect((await command(place, 'analyse', 'subject.safetensors', 'style.safetensors')).out).toMatch(/^blocks +.*IN01.*$/m);
  const { blocks } = JSON.parse((await command(place, 'inspect', 'subject.safetensors', '--json')).out);
  expect(blocks).toContainEqual({ label: 'IN01', modules: expect.any(Number) });
});

test('a file that is there is replaced only when asked, an input never', async ({ host }) => {
  const place = await host.place('overwrite');
  await place.put('out.safetensors', 'mine');
  await place.put('config.json', '{"peft_type": "LORA", "r": 4, "lora_alpha": 4}');
  await symlink('subject.safetensors', place.at('link.safetensors'));
  const pair = ['subject.safetensors', 'style.safetensors'];
  const refused = await command(place, ...pair, '-o', 'out.safetensors');
  expect(refused.code).toBe(1);
  expect(refused.error).toContain('E_EXISTS: There is a file of this name already.');
  await expect(place.read('out.safetensors')).rejects.toThrow();
  for (const name of ['style.safetensors', './subject.safetensors', 'link.safetensors']) {
    const input = await command(place, ...pair, '--force', '-o', name);
    expect([input.code, input.error]).toEqual([1, expect.stringContaining('E_OVER_INPUT: ')]);
  }
  const config = await command(place, ...pair, '--style-config', 'config.json', '--force', '-o', './config.json');
  expect([config.code, config.error]).toEqual([1, expect.stringContaining('E_OVER_INPUT: ')]);
  expect(await place.read('subject.safetensors')).toEqual(PAIR[0]);
  expect(await command(place, ...pair, '--force', '-o', 'out.safetensors')).toMatchObject({ code: 0 });
  check(await place.read('out.safetensors'), PAIR, DEFAULTS, 'F16');
  expect(await place.list()).toEqual(['config.json', 'link.safetensors', 'out.safetensors', ...INPUTS]);
});

test('only files are replaced, one behind a link in its own place', async ({ host }) => {
  const place = await host.place('odd');
  const pair = ['subject.safetensors', 'style.safetensors'];
  await place.put('there.safetensors', 'mine');
  await symlink('there.safetensors', place.at('link.safetensors'));
  execFileSync('mkfifo', [place.at('pipe')]);
  const to = async (name: string): Promise<[number | null, string]> => {
    const { code, error } = await command(place, ...pair, '--force', '-o', name);
    return [code, /E_\w+|an empty name is no file/.exec(error)?.[0] ?? error];
  };
  expect(await to('pipe')).toEqual([1, 'E_WRITE']);
  expect(await to('new/')).toEqual([1, 'E_FOLDER']);
  expect(await to('')).toEqual([2, 'an empty name is no file']);
  expect(await to('link.safetensors')).toEqual([0, '']);
  check(await place.read('there.safetensors'), PAIR, DEFAULTS, 'F16');
  expect((await lstat(place.at('link.safetensors'))).isSymbolicLink()).toBe(true);
  expect(await place.list()).toEqual(['link.safetensors', 'pipe', 'style.safetensors', 'subject.safetensors', 'there.safetensors']);
});

test('whoever stops listening harms nothing', async ({ host }) => {
  const place = await host.place('pipe');
  const bin = place.at('../node_modules/.bin/np-lora');
  const { status, stderr } = spawnSync('bash', ['-c', `set -o pipefail; "${bin}" subject.safetensors style.safetensors -o out.safetensors --json | true`], { cwd: place.folder, encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  check(await place.read('out.safetensors'), PAIR, DEFAULTS, 'F16');
});

test('a refusal has its code, says what and where, and leaves nothing', async ({ host }) => {
  const place = await host.place('refused');
  const bad = withNaN(PAIR[1], [...PAIR[1].tensors.keys()].find((name) => name.endsWith('lora_up.weight'))!);
  await place.put('bad.safetensors', writeSafetensors(bad));
  await place.put('page.safetensors', '<!DOCTYPE html>');
  await mkdir(place.at('folder'));
  const cases: [string[], string][] = [
    [['subject.safetensors', 'bad.safetensors', '-o', 'x.safetensors'], 'E_NONFINITE'],
    [['subject.safetensors', 'page.safetensors', '-o', 'x.safetensors'], 'E_NOT_SAFETENSORS'],
    [['inspect', 'missing.safetensors'], 'E_READ'],
    [['inspect', 'folder'], 'E_READ'],
    [['subject.safetensors', 'style.safetensors', '-o', 'x.safetensors', '--mu', '-1'], 'E_SETTINGS'],
    [['subject.safetensors', 'style.safetensors', '-o', 'missing/x.safetensors'], 'E_WRITE'],
    [['subject.safetensors', 'style.safetensors', '--force', '-o', 'folder'], 'E_FOLDER'],
  ];
  for (const [typed, code] of cases) {
    const ended = await command(place, ...typed, '--json');
    expect([ended.code, ended.error], typed.join(' ')).toEqual([1, expect.stringMatching(new RegExp(`^np-lora: ${code}: .+\\.\\n`))]);
    expect(JSON.parse(ended.out)).toMatchObject({ problem: { code } });
  }
  expect(await place.list()).toEqual(['bad.safetensors', 'folder', 'page.safetensors', ...INPUTS]);
});

test('what to do is said for a terminal', async ({ host }) => {
  const place = await host.place('remedies');
  await place.put('out.safetensors', 'mine');
  const pair = ['subject.safetensors', 'style.safetensors'];
  const cases: [string[], RegExp][] = [
    [[...pair, '-o', 'out.safetensors'], /E_EXISTS: .*--force/s],
    [[...pair, '-o', 'missing/x.safetensors'], /E_WRITE: .*There is no such folder\..*Check that the folder is there/s],
    [['inspect', 'missing.safetensors'], /E_READ: .*There is no such file\..*Check its name/s],
    [['inspect', '.'], /E_READ: .*It is a folder\./s],
    [['inspect', '/dev/null'], /E_READ: .*It is no file on a disk/s],
    [['inspect', 'https://huggingface.co/a/b/resolve/main/c.safetensors'], /E_READ: .*It is a link: load the file down first/s],
    [['convert', pair[0]!, '--scheme', 'nope'], /E_SETTINGS: .*no naming "nope", only kohya, .*peft/s],
    [['convert', pair[0]!, '--scheme', 'comfy-diffusers'], /E_SETTINGS: .*SD 1\.5 files are not named as "comfy-diffusers", only as kohya-sd, peft, comfy\./s],
    [['convert', pair[0]!, '--family', 'nope'], /E_SETTINGS: .*no model family "nope", only SD 1\.5, .*, LTX/s],
  ];
  for (const [typed, said] of cases) {
    expect(await command(place, ...typed), typed.join(' ')).toMatchObject({ code: 1, error: expect.stringMatching(said) });
  }
  expect(await command(place, 'convert', pair[0]!, '--scheme', 'diffusers', '-o', 'peft.safetensors')).toMatchObject({ code: 0 });
  // The id is kohya-sd, but inspect shows this name.
  expect(await command(place, 'convert', 'peft.safetensors', '--scheme', 'kohya', '-o', 'kohya.safetensors')).toMatchObject({ code: 0 });
  expect([...(await place.read('kohya.safetensors')).tensors.keys()].filter((name) => !/^lora_(unet|te)_/.test(name))).toEqual([]);
  expect(JSON.parse((await command(place, 'inspect', 'peft.safetensors', '--json')).out).scheme).toMatch(/PEFT|diffusers/);
  expect((await command(place, 'analyze', ...pair)).code).toBe(0);
  expect(await place.list()).toEqual(['kohya.safetensors', 'out.safetensors', 'peft.safetensors', ...INPUTS]);
});

test('what is not understood ends with 2, and the help says what would be', async ({ host }) => {
  const place = await host.place('usage');
  const pair = ['subject.safetensors', 'style.safetensors'];
  for (const typed of [[], ['subject.safetensors'], [...pair, 'third.safetensors'], [...pair, '--mu', 'much'], [...pair, '--nu', '1'], [...pair, '--k', '1.5'],
    [...pair, '--dtype', 'F8'], [...pair, '--block', 'IN04'], ['inspect', ...pair]]) {
    const ended = await command(place, ...typed);
    expect([ended.code, ended.out], typed.join(' ')).toEqual([2, '']);
    expect(ended.error).toContain('np-lora --help');
  }
  for (const [typed, said] of [
    [['inspect', pair[0]!, '--mu', '3'], '--mu has no meaning for inspect'], [['convert', pair[0]!, '--mu', '3'], '--mu has no meaning for convert'],
    [['analyse', ...pair, '-o', 'x'], '--output has no meaning for analyse'], [['analyse', ...pair, '-f'], '--force has no meaning for analyse'],
    [[...pair, '--hash'], '--hash has no meaning for fuse'], [[...pair, '-o', '-'], '--output: "-" is no file'], [['-', pair[1]!], '"-" is no file'],
    [['fusee', ...pair], 'there is no command "fusee": is it "fuse" that you mean?'],
  ] as const) {
    expect(await command(place, ...typed)).toMatchObject({ code: 2, out: '', error: expect.stringContaining(`np-lora: ${said}`) });
  }
  const help = await command(place, '--help');
  expect([help.code, help.error]).toEqual([0, '']);
  for (const option of ['--output', '--mu', '--k', '--content-strength', '--dtype', '--result', '--force', '--json']) expect(help.out).toContain(option);
  expect((await command(place, '--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(await place.list()).toEqual(INPUTS);
});

test('names from files reach the terminal as text', async ({ host }) => {
  const place = await host.place('hostile');
  await place.put('escape.safetensors', writeSafetensors({ ...PAIR[0], metadata: { ss_output_name: 'a\u001B]0;owned\u0007\u202Eb', 'modelspec.title': '\u001B[2Jx' } }));
  const { code, out } = await command(place, 'inspect', 'escape.safetensors');
  expect(code).toBe(0);
  expect(out).toContain('‹U+001B›');
  expect(out).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202E]/);
  const json = await command(place, 'inspect', 'escape.safetensors', '--json');
  expect(json.out).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202E]/);
  expect(JSON.parse(json.out).title).toBe('\u001B[2Jx');
  // A file name with control characters, which a shell put in place of a *, and which the command takes for an unknown option.
  const typed = await command(place, 'inspect', 'escape.safetensors', '--\u001B]0;owned\u0007\u001B[2J');
  expect([typed.code, typed.error]).toEqual([2, expect.stringContaining('‹U+001B›')]);
  expect(typed.error).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202E]/);
});

const ENDED = { SIGINT: 130, SIGHUP: 129 } as const;
for (const signal of ['SIGINT', 'SIGHUP'] as const) test(`${signal} leaves no file`, async ({ host }) => {
  const place = await host.place(`stopped-${signal}`);
  const recipe = { modules: FLUX_KOHYA_MODULES.slice(0, 60), rank: 16, alpha: 16, dtype: 'F16', scheme: 'kohya', sharedDirections: 2 } as const;
  for (const [name, seed] of [['a', 1], ['b', 2]] as const) await place.put(`${name}.safetensors`, writeSafetensors(makeLora({ ...recipe, seed })));
  const before = await place.list();
  let meanwhile: string[] = [];
  const program = place.at('../node_modules/.bin/np-lora');
  const ended = await place.run(program, ['a.safetensors', 'b.safetensors', '-o', 'out.safetensors', '--family', 'FLUX.1'], async (send) => {
    // Stopped as soon as it has begun to write.
    await expect.poll(async () => (meanwhile = (await place.list()).filter((name) => !before.includes(name))).length, { intervals: [20] }).toBe(1);
    send(signal);
  });
  expect(meanwhile).toEqual([expect.stringMatching(/^\.out\.safetensors\..+\.part$/)]);
  expect(ended).toEqual({ code: ENDED[signal], out: '', error: 'np-lora: cancelled, nothing was written\n' });
  expect(await place.list()).toEqual(before);
});
