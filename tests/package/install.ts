/** The packed package, installed into a folder of its own as anybody would. */

import { execFileSync, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test as base } from '@playwright/test';
import { SD15_MODULES, makeLora, type Recipe } from '../browser/make.ts';
import { readSafetensors, writeSafetensors, type Safetensors } from '../browser/safetensors.ts';

/** The folder that `cargo xtask package` made. */
export const FOLDER = resolve(process.env.NP_LORA_PACKAGE ?? 'target/package');

export const RECIPE: Recipe = { modules: SD15_MODULES, rank: 4, alpha: 4, dtype: 'F16', scheme: 'kohya', seed: 91, sharedDirections: 2 };
export const PAIR: [Safetensors, Safetensors] = [makeLora(RECIPE), makeLora({ ...RECIPE, rank: 6, seed: 92 })];

export interface Ended {
  code: number | null;
  out: string;
  error: string;
}

export class Host {
  constructor(readonly folder: string) {}

  at = (name: string): string => join(this.folder, name);

  /** A new folder inside, from which the package can be imported, with the pair in it. */
  async place(name: string): Promise<Host> {
    const place = new Host(this.at(name));
    await rm(place.folder, { recursive: true, force: true });
    await mkdir(place.folder, { recursive: true });
    await Promise.all(PAIR.map((file, at) => writeFile(place.at(`${['subject', 'style'][at]}.safetensors`), writeSafetensors(file))));
    return place;
  }

  put(name: string, text: string | Uint8Array): Promise<void> {
    return writeFile(this.at(name), text);
  }

  async read(name: string): Promise<Safetensors> {
    return readSafetensors(await readFile(this.at(name)));
  }

  list = async (): Promise<string[]> => (await readdir(this.folder)).sort();

  /** Runs a program in the folder to its end; `during` can act while it runs. */
  run(program: string, args: string[], during?: (send: (signal: NodeJS.Signals) => void, said: () => string) => Promise<void>): Promise<Ended> {
    return new Promise((done, failed) => {
      const child = spawn(program, args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
      const ended: Ended = { code: null, out: '', error: '' };
      child.stdout.on('data', (text) => { ended.out += text; });
      child.stderr.on('data', (text) => { ended.error += text; });
      child.on('error', failed);
      child.on('close', (code) => done({ ...ended, code }));
      during?.((signal) => { child.kill(signal); }, () => ended.error).catch(failed);
    });
  }

  node(...args: string[]): Promise<Ended> {
    return this.run(process.execPath, args);
  }
}

interface Packed {
  files: { path: string; mode: number }[];
  filename: string;
}

const npm = (folder: string, ...args: string[]): string =>
  execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** What npm would pack, found without packing. */
export const contents = (): Packed => JSON.parse(npm(FOLDER, 'pack', '--dry-run', '--json'))[0];

export const test = base.extend<object, { host: Host }>({
  host: [async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'np-lora-package-'));
    npm(FOLDER, 'pack', '--pack-destination', folder);
    const packed = (await readdir(folder)).find((name) => name.endsWith('.tgz'))!;
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'host', private: true, type: 'module' }));
    npm(folder, 'install', '--no-audit', '--no-fund', '--prefer-offline', `./${packed}`);
    await use(new Host(folder));
    await rm(folder, { recursive: true, force: true });
  }, { scope: 'worker', timeout: 180_000 }],
});
