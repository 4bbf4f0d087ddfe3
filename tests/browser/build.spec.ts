/** What a build is called does not depend on where somebody builds. */

import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from '@playwright/test';
import { DIST } from './hosts.ts';

test('a build from another folder gives the same parts', async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'np-lora-build-'));
  // A build has the programs that it was made of, but not what they were linked from, which no part depends on.
  for (const name of ['np_lora', 'np_lora_reader']) {
    for (const file of [`${name}.js`, `${name}_bg.wasm`]) await cp(join(DIST, file), join(elsewhere, 'programs', file));
    await writeFile(join(elsewhere, 'programs', `${name}.crates.json`), '[]');
  }
  execFileSync('node', [resolve('www/build.mjs'), '--out', 'again', '--wasm', 'programs'], { cwd: elsewhere });
  // The names of parts are hashes of what is in them.
  const parts = async (folder: string): Promise<string[]> => (await readdir(folder)).filter((name) => /-[A-Z0-9]{8}\.js$/.test(name)).sort();
  const before = await parts(DIST);
  expect(before.length).toBeGreaterThan(5);
  expect(await parts(join(elsewhere, 'again'))).toEqual(before);
  await rm(elsewhere, { recursive: true, force: true });
});
