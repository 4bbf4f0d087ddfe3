/** The machine in a few words. */

import { cpus, release, totalmem, type } from 'node:os';
import { run } from './processes.ts';
import type { Setup } from './setup.ts';

export async function machine({ browser, torch, gpu }: Setup): Promise<[what: string, value: string][]> {
  const cores = cpus();
  const rust = await run('rustc', ['--version'], 60).then(({ stdout }) => stdout.trim().replace(/^rustc /, ''), () => 'unknown');
  return [
    ['Measured', new Date().toISOString().slice(0, 10)],
    ['Processor', `${cores[0]?.model.trim() ?? 'unknown'}, ${cores.length} cores`],
    ['Memory', `${(totalmem() / 2 ** 30).toFixed(0)} GiB`],
    ['System', `${type()} ${release()}`],
    ['Graphics card', gpu ?? 'none'],
    ['Chromium', browser?.version ?? 'none'],
    ['PyTorch', torch?.version ?? 'none'],
    ['Rust', rust],
    ['Node', process.version],
  ];
}
