/** THIRD-PARTY.txt, against what cargo and esbuild themselves say is built in. */

import { execFileSync } from 'node:child_process';
import { expect } from '@playwright/test';
import { build } from 'esbuild';

/** Names and versions of the crates of others in the programs. */
export function crates(): string[] {
  const asked = ['tree', '--package', 'np-lora', '--target', 'wasm32-unknown-unknown', '--edges', 'normal,no-proc-macro', '--prefix', 'none', '--format', '{p}', '--locked', '--offline'];
  const lines = execFileSync(process.env.CARGO ?? 'cargo', asked, { encoding: 'utf8' }).split('\n');
  return [...new Set(lines.flatMap((line) => /^(\S+) v(\S+)(?: \(\*\))?$/.exec(line)?.slice(1).join(' ') ?? []))];
}

/** Names of the npm packages that scripts take something from. */
export async function packages(...entryPoints: string[]): Promise<string[]> {
  const { metafile } = await build({ entryPoints, bundle: true, format: 'esm', splitting: true, metafile: true, write: false, outdir: '.' });
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs)).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  return [...new Set(used.flatMap(([path]) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []))];
}

/** The names and versions that the text lists: each with a licence, each the owner of a text, and nothing in it of this machine. */
export function listed(text: string): string[] {
  const [list, ...licences] = text.split(`\n${'='.repeat(80)}\n`);
  const names = [...list!.matchAll(/^ {2}(\S+ \S+) \(.+\)$/gm)].map(([, name]) => name!);
  const owners = licences.map((licence) => /^(.+):\n\n(?=.*\S)/.exec(licence)?.[1]?.split(', ') ?? []);
  expect(new Set(owners.flat())).toEqual(new Set(names));
  expect(owners.filter((of) => of.length === 0)).toEqual([]);
  expect(text).not.toMatch(/crates\.io|registry|node_modules|\/root\/|\/home\//);
  return names;
}
