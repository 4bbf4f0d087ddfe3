/** Programs run to their end, and what they and others took of memory. */

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';

interface Ran {
  stdout: string;
  seconds: number;
  /** Of memory; null where the system does not say. */
  peakBytes: number | null;
}

/** The peak is asked for this often: a process that has ended tells nothing any more. */
const LOOK_EVERY_MS = 20;

const running = new Set<ChildProcessByStdio<null, Readable, Readable>>();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });

/** Starts a program that does not outlive this one. */
export function start(program: string, args: string[], limitSeconds?: number): ChildProcessByStdio<null, Readable, Readable> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'], killSignal: 'SIGKILL', ...(limitSeconds ? { timeout: 1000 * limitSeconds } : {}),
  });
  running.add(child);
  child.on('close', () => running.delete(child));
  return child;
}

/** Runs a program to its end, or ends it. Rejects with what it wrote when it fails. */
export function run(program: string, args: string[], limitSeconds: number): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = start(program, args, limitSeconds);
    let [stdout, stderr]: [string, string] = ['', ''];
    let peakBytes: number | null = null;
    const look = setInterval(() => { peakBytes = (child.pid && peakOf(child.pid)) || peakBytes; }, LOOK_EVERY_MS);
    child.stdout.on('data', (text: Buffer) => { stdout += String(text); });
    child.stderr.on('data', (text: Buffer) => { stderr += String(text); });
    child.on('error', (error) => {
      clearInterval(look);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearInterval(look);
      if (code === 0) return resolve({ stdout, seconds: (performance.now() - began) / 1000, peakBytes });
      const why = signal === 'SIGKILL' ? `not done after ${limitSeconds} s` : stderr.trim().split('\n').at(-1);
      reject(new Error(`${program.split(/[/\\]/).at(-1)}: ${why || `ended with ${code ?? signal}`}`));
    });
  });
}

/** The most memory that a process has had so far. Only Linux says it of others. */
export function peakOf(pid: number): number | null {
  const found = /^VmHWM:\s+(\d+) kB/m.exec(proc(`${pid}/status`));
  return found ? 1024 * Number(found[1]) : null;
}

interface Process {
  pid: number;
  parent: number;
  command: string;
}

/** A browser by its profile, and all that it has started; the browser first. */
export function treeOf(profile: string): Process[] {
  const all = processes();
  const tree = all.filter(({ command }) => command.includes(`--user-data-dir=${profile}`) && !command.includes('--type='));
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid));
  return tree;
}

function processes(): Process[] {
  return names('/proc').filter((name) => /^\d+$/.test(name)).map((name) => ({
    pid: Number(name),
    // The second field is a name in parentheses, in which anything may stand.
    parent: Number(/.*\) \S (\d+)/.exec(proc(`${name}/stat`))?.[1] ?? 0),
    command: proc(`${name}/cmdline`).replaceAll('\0', ' '),
  }));
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function proc(file: string): string {
  try {
    return readFileSync(`/proc/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** `promise`, or a refusal after `seconds`. */
export async function within<T>(seconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not done after ${seconds} s`)), 1000 * seconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What went wrong, in one line. */
export const firstLine = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown)).split('\n')[0]!;
