/** The licences of what is built in go with it, or nothing is built. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { packageIn } from '../../www/notices.mjs';
import { crates, listed } from '../browser/others.ts';
import { FOLDER } from './install.ts';

test('the package names every crate in its programs, and no npm package, since it has none of their code', async () => {
  const names = listed(await readFile(join(FOLDER, 'THIRD-PARTY.txt'), 'utf8'));
  expect(names).toEqual(expect.arrayContaining([expect.stringMatching(/^nalgebra /), expect.stringMatching(/^safetensors /)]));
  expect([...names].sort()).toEqual(crates().sort());
});

const WAYS: [license: string | null, files: string[], taken: string[] | RegExp][] = [
  ['MIT OR Apache-2.0', ['LICENSE-APACHE', 'LICENSE-MIT', 'NOTICE', 'README.md'], ['LICENSE-MIT', 'NOTICE']],
  ['Apache-2.0/MIT', ['license-apache', 'license-mit'], ['license-mit']],
  ['MIT OR Apache-2.0', ['LICENSE.md'], ['LICENSE.md']],
  ['Zlib OR Apache-2.0', ['LICENSE-APACHE', 'LICENSE-ZLIB'], ['LICENSE-APACHE', 'LICENSE-ZLIB']],
  ['(MIT OR Apache-2.0) AND Unicode-3.0', ['LICENSE-MIT', 'LICENSE-UNICODE'], ['LICENSE-MIT', 'LICENSE-UNICODE']],
  ['MIT AND ISC', ['LICENSE-ISC', 'LICENSE-MIT'], ['LICENSE-ISC', 'LICENSE-MIT']],
  ['MIT', ['README.md'], /^its-name 1\.2\.3 comes without the text of its licence, MIT: .*WITHOUT_TEXT/],
  [null, ['LICENSE'], /^its-name 1\.2\.3 comes without a licence: /],
];

for (const [license, files, taken] of WAYS) {
  test(`of ${license ?? 'no licence'}, with ${files.join(', ')}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'np-lora-notices-'));
    for (const file of files) await writeFile(join(folder, file), `\n  Text of\r\n${file}\n\n`);
    await writeFile(join(folder, 'Cargo.toml'), `[package]\nname = "its-name"\nversion = "1.2.3"\n${license ? `license = "${license}"\n` : ''}\n[lib]\nname = "another"\n`);
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'its-name', version: '1.2.3', license: license ?? undefined }));
    for (const manifest of ['Cargo.toml', 'package.json'] as const) {
      const found = await packageIn(folder, manifest).catch((reason: Error) => reason.message);
      if (taken instanceof RegExp) expect(found).toMatch(taken);
      else expect(found).toEqual({ label: 'its-name 1.2.3', license, texts: taken.map((file) => `  Text of\n${file}`) });
    }
    await rm(folder, { recursive: true });
  });
}
