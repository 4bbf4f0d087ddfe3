/** What there is to measure with: the programs, the page, a browser, PyTorch, a graphics card. What is missing is noted. */

import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { build } from 'esbuild';
import { ARGS, EXECUTABLE } from '../browser/chromium.ts';
import { MEMORY_PROBE } from './chromium.ts';
import { firstLine, run, start, treeOf, within } from './processes.ts';

/** What `cargo xtask bench` hands over. */
export interface Built {
  /** The native programs of examples/. */
  fuse: string;
  pair: string;
  device: string;
  /** Folders: the page, and its program with the names of its functions. */
  page: string;
  named: string;
  /** For all that is written; removed at the end. */
  work: string;
}

export interface Setup extends Built {
  /** Addresses of the page, and of a copy with `MEMORY_PROBE` and the floor in it; null without a browser. */
  browser: { version: string; page: string; probed: string; profile: string } | null;
  /** With the graphics card's name for it, if it can use one. */
  torch: { python: string; version: string; device: string | null } | null;
  /** The graphics card's name. */
  gpu: string | null;
  /** What could not be run, and why. */
  notRun: string[];
}

/** One program, one pair, one pass of the browser. */
export const LIMIT_SECONDS = 900;
const QUICK_SECONDS = 60;

export async function setUp(built: Built): Promise<Setup> {
  const profile = join(built.work, 'profile');
  // However this ends, nothing is left behind.
  process.on('exit', () => {
    for (const { pid } of treeOf(profile)) process.kill(pid, 'SIGKILL');
    rmSync(built.work, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  rmSync(built.work, { recursive: true, force: true });
  await mkdir(built.work, { recursive: true });

  const notRun: string[] = [];
  const attempt = <T>(what: string, made: Promise<T>): Promise<T | null> => made.catch((error: unknown) => {
    notRun.push(`${what}: ${firstLine(error)}`);
    return null;
  });
  const browser = await attempt('Chromium, and the floor of its reads and writes', startBrowser(built, profile));
  const torch = await attempt('PyTorch', findTorch());
  const gpu = await attempt('A graphics card', findGpu(built));
  return { ...built, browser, torch, gpu, notRun };
}

async function startBrowser({ page, work }: Built, profile: string): Promise<NonNullable<Setup['browser']>> {
  const browser = await chromium.launch({ args: ARGS, ...EXECUTABLE, timeout: 1000 * QUICK_SECONDS });
  const version = browser.version();
  await browser.close();
  const probed = join(work, 'page');
  await cp(page, probed, { recursive: true });
  const worker = join(probed, 'worker.js');
  await writeFile(worker, MEMORY_PROBE + await readFile(worker, 'utf8'));
  const floor = (name: string): string => join('tests/bench/floor', name);
  await build({
    entryPoints: { floor: floor('page.ts'), 'floor-worker': floor('worker.ts') }, outdir: probed, bundle: true, logLevel: 'error',
  });
  await writeFile(join(probed, 'floor.html'),
    '<!doctype html><title>Floor</title><input type="file" id="content"><input type="file" id="style"><script src="floor.js"></script>');
  return { version, page: await serve(page), probed: await serve(probed), profile };
}

function serve(folder: string): Promise<string> {
  const server = start(process.execPath, ['www/serve.mjs', folder, '--port', '0']);
  // It says its address once it listens.
  return within(QUICK_SECONDS, 'serving the page', new Promise((resolve, reject) => {
    server.on('error', reject);
    server.stdout.once('data', (text: Buffer) => resolve(String(text).trim()));
  }));
}

async function findTorch(): Promise<NonNullable<Setup['torch']>> {
  const python = process.env.NP_LORA_PYTHON || 'python3';
  const { stdout } = await run(python, ['-c', 'import torch, safetensors; print(torch.__version__, "cuda" if torch.cuda.is_available() else "")'], QUICK_SECONDS);
  const [version = '', device] = stdout.trim().split(' ');
  return { python, version, device: device ?? null };
}

/** Its name; software devices are passed over. */
const findGpu = async ({ fuse }: Built): Promise<string> => (await run(fuse, ['--adapter'], QUICK_SECONDS)).stdout.trim();

/** As examples/pair.rs reads it. */
export interface Recipe {
  layers: string | { count: number; size: number };
  rank: number;
  alpha: number;
  dtype: 'F16' | 'BF16';
  decay: number;
  hollow?: boolean;
}

export interface Made {
  content: string;
  style: string;
  modules: number;
  /** Of each file. */
  bytes: number;
  operations: number;
}

export async function makePair({ pair }: Built, folder: string, recipe: Recipe): Promise<Made> {
  await mkdir(folder, { recursive: true });
  const { stdout } = await run(pair, [folder, JSON.stringify(recipe)], LIMIT_SECONDS);
  const [content, style] = ['content', 'style'].map((part) => join(folder, `${part}.safetensors`));
  return { ...JSON.parse(stdout) as Omit<Made, 'content' | 'style'>, content: content!, style: style! };
}
