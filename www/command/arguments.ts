/** Turns what was typed into an order: a command, files, settings and options. */

import { parseArgs } from 'node:util';
import type { Settings } from '../core/types.ts';
import { near } from '../headless/did-you-mean.ts';
import { ALSO, COMMANDS, OPTIONS, onDisk, Usage, type Command, type Name, type Option } from './options.ts';

export interface Order {
  command: Command;
  files: string[];
  settings: Partial<Settings>;
  text: (name: Name) => string | null;
  on: (name: Name) => boolean;
}

const ALL = Object.entries(OPTIONS) as [Name, Option][];

/** Reads a command line. Throws a `Usage`. */
export function understand(typed: string[]): Order | 'help' | 'version' {
  const { values, positionals } = parsed(typed);
  if (values.help) return 'help';
  if (values.version) return 'version';
  const [first, ...others] = positionals;
  if (first === undefined) throw new Usage('no file was named');
  const named = commandOf(first);
  const command = named ?? 'fuse';
  const files = named ? others : positionals;
  files.forEach(onDisk);
  const { files: wanted, words } = COMMANDS[command];
  if (files.length !== wanted) throw new Usage(`np-lora ${command} takes ${words}, not ${files.length} files`);
  for (const [name, { of }] of ALL) {
    if (values[name] !== undefined && of && !of.includes(command)) throw new Usage(`--${name} has no meaning for ${command}`);
  }
  const settings: Partial<Settings> = {};
  for (const [name, { set }] of ALL) {
    for (const value of [values[name] ?? []].flat()) {
      try {
        set?.(settings, String(value));
      } catch (thrown) {
        throw thrown instanceof Usage ? new Usage(`--${name}: ${thrown.message}`) : thrown;
      }
    }
  }
  const text = (name: Name): string | null => (typeof values[name] === 'string' ? values[name] : null);
  return { command, files, settings, text, on: (name) => values[name] === true };
}

/** The command that a word means; null for the name of a file. A misspelled command, without a dot or a folder, throws a `Usage`. */
function commandOf(first: string): Command | null {
  const command = Object.hasOwn(COMMANDS, first) ? first as Command : ALSO[first];
  if (command) return command;
  const meant = /[./\\]/.test(first) ? null : near(first, Object.keys(COMMANDS));
  if (meant) throw new Usage(`there is no command "${first}": is it "${meant}" that you mean?`);
  return null;
}

function parsed(typed: string[]): { values: Partial<Record<Name, string | boolean | (string | boolean)[]>>; positionals: string[] } {
  const options = Object.fromEntries(ALL.map(([name, { short, value, multiple = false }]) =>
    [name, { type: value === undefined ? 'boolean' as const : 'string' as const, multiple, ...(short ? { short } : {}) }]));
  try {
    return parseArgs({ args: joined(typed), options, allowPositionals: true });
  } catch (thrown) {
    throw new Usage(thrown instanceof Error ? thrown.message.split(/\.(?:\s|$)/)[0]! : String(thrown));
  }
}

/** Joins a negative number to the option in front of it: by itself it would be taken for an option. */
function joined(typed: string[]): string[] {
  const all: string[] = [];
  for (const one of typed) {
    const last = all.at(-1);
    if (last !== undefined && /^-[\d.]/.test(one) && ALL.some(([name, { value }]) => value !== undefined && last === `--${name}`)) all.push(`${all.pop()}=${one}`);
    else all.push(one);
  }
  return all;
}

export function help(): string {
  const row = (left: string, right: string): string => `  ${left.padEnd(38)} ${right}`;
  const commands = Object.entries(COMMANDS).map(([name, { words, help: what }]) => row(`np-lora ${name} ${words}`, what));
  const options = [...groups()].map(([of, all]) => [`Options of ${of}:`, ...all.map(([name, { short, value, help: what }]) =>
    row(`${short ? `-${short}, ` : '    '}--${name}${value ? ` ${value}` : ''}`, what)), '']);
  return [
    'Fuses a subject LoRA with a style LoRA (NP-LoRA, arXiv 2511.11051).', '',
    '  np-lora subject.safetensors style.safetensors -o fused.safetensors --mu 0.5',
    '  np-lora subject.safetensors style.safetensors --block "double 7=0.5,1" --block "single 20=0"', '', ...commands, '', ...options.flat(),
    'The result appears when it has been read back and checked.',
    'Exit codes: 0 done, 1 refused, 2 not understood, 130 cancelled (129 by SIGHUP, 143 by SIGTERM).', '',
  ].join('\n');
}

/** The options, grouped by the commands that take them. */
function groups(): Map<string, [Name, Option][]> {
  const all = new Map<string, [Name, Option][]>();
  for (const one of ALL) {
    const of = one[1].of?.join(', ') ?? 'all';
    all.set(of, [...all.get(of) ?? [], one]);
  }
  return all;
}
