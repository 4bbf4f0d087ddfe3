/** The commands of docs/DEPLOY.md that bring a build onto a server, with a folder in the server's place. Without rsync it is skipped. */

import { execSync, spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { DIST } from './hosts.ts';

const STEPS = ['hashed', 'rest', 'later'] as const;

test('a new build leaves what is the same as it was, and for a while what open pages may fetch', async () => {
  test.skip(spawnSync('rsync', ['--version']).error !== undefined, 'there is no rsync on this machine');
  const work = await mkdtemp(join(tmpdir(), 'np-lora-deploy-'));
  const at = (...path: string[]): string => join(work, ...path);
  const commands = [...(await readFile('docs/DEPLOY.md', 'utf8')).matchAll(/^rsync .*$/gm)].map(([line]) => line.replace('server:/var/www/np-lora/', at('server/')));
  expect(commands).toHaveLength(STEPS.length);
  const send = (step: typeof STEPS[number]): void => { execSync(commands[STEPS.indexOf(step)]!, { cwd: work }); };

  await cp(DIST, at('dist'), { recursive: true });
  send('hashed');
  send('rest');
  const names = await readdir(DIST);
  expect((await readdir(at('server'))).sort()).toEqual([...names].sort());
  const time = async (name: string): Promise<number> => (await stat(at('server', name))).mtimeMs;
  for (const name of names) await utimes(at('server', name), 1, 1);

  // The next build: all of it newer, one part by another name, and one file with other content.
  await rm(at('dist'), { recursive: true });
  await cp(DIST, at('dist'), { recursive: true });
  const part = names.find((name) => /^results-\w{8}\.js$/.test(name))!;
  await rename(at('dist', part), at('dist/results-AAAAAAAA.js'));
  await cp(at('dist/page.js'), at('dist/element.js'));
  send('hashed');
  expect([await time('results-AAAAAAAA.js') > 1000, await time('element.js')]).toEqual([true, 1000]);
  send('rest');
  expect([await time('element.js') > 1000, await time('np_lora_bg.wasm'), await time(part)]).toEqual([true, 1000, 1000]);
  send('later');
  expect((await readdir(at('server'))).sort()).toEqual((await readdir(at('dist'))).sort());
  await rm(work, { recursive: true });
});
