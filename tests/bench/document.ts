/** docs/PERFORMANCE.md. */

import { READING_SECONDS, type Opened } from './chromium.ts';
import { kernels, type OnDevice } from './device.ts';
import type { Foreseen } from './foresee.ts';
import { exponent, megabytes, milliseconds, seconds, shown, spread, table } from './figures.ts';
import type { Series } from './growth.ts';
import type { PairFound, Taken, WayName } from './pairs.ts';

export interface Found {
  quick: boolean;
  runs: number;
  machine: [what: string, value: string][];
  pairs: PairFound[];
  growth: Series[];
  opened: Opened[];
  /** Of the file that was opened. */
  openedBytes: number;
  foreseen: { pair: string; runs: Foreseen[] };
  /** Null without a graphics card. */
  device: OnDevice | null;
  sizes: [name: string, bytes: number, brotli: number][];
  /** The same parts for every pair. */
  where: { pair: string; shares: [part: string, share: number][] }[];
  notRun: string[];
}

const WAYS: Record<WayName, string> = {
  copy: 'Copying the bytes of both files, natively',
  floor: 'Chromium’s floor: the same reads, writes and re-read, nothing computed',
  native: 'Native, one thread on the CPU, result checked',
  gpu: 'Native, on the graphics card, result checked',
  torch: 'PyTorch on all cores, load to save, nothing checked',
  chromium: '**The page in Chromium, on the CPU: from Fuse to the checked result**',
};

/** What is compared, the second being 1. */
const RATIOS: [WayName, WayName][] = [
  ['chromium', 'floor'], ['chromium', 'native'], ['chromium', 'torch'], ['native', 'torch'], ['gpu', 'native'], ['native', 'copy'], ['floor', 'copy'],
];
const SHORT: Record<WayName, string> = {
  copy: 'copy', floor: 'floor', native: 'native', gpu: 'graphics card', torch: 'PyTorch', chromium: 'page',
};

export function document(found: Found): string {
  const { quick, runs, machine, notRun } = found;
  const parts = [
    '# How fast it is',
    'Written by `cargo xtask bench`. '
      + (quick ? '**By a trial run (`--quick`): one run of the smallest pair, on a machine that was busy with other things. These figures say only that the measuring works.** ' : '')
      + `${runs === 1 ? '' : `Medians of ${runs} runs, with the least and the most. `}What is compared was run in turn, so that `
      + 'whatever else the machine was doing fell on all alike; the ratios are of one run each, and mean more than the times.',
    machine.map(([what, value]) => `- ${what}: ${value}`).join('\n'),
    '## Fusing a pair',
    `What Chromium does it does in a browser of its own, started anew; Fuse is pressed ${READING_SECONDS} s after both files are open and all workers have started.`,
    ...found.pairs.flatMap(pair),
    '## Growth',
    'Of a native fusion, one thread, the program’s start and all reading, writing and checking included. `p` is the exponent of time ∝ x^p '
      + 'by least squares of the logarithms; operations are those of the basis (Gram-Schmidt twice, 4nr²) and the projection (4nr·k).',
    ...found.growth.map(series),
    ...(found.device ? ['## On the graphics card', ...kernels(found.device)] : []),
    '## Opening', ...opening(found),
    ...(found.foreseen.runs.length > 0 ? ['## Seeing before fusing', ...foreseeing(found.foreseen)] : []),
    ...(found.where.length > 0 ? ['## Where the time goes', ...whereTo(found.where)] : []),
    '## Not run', notRun.length === 0 ? 'Nothing: all was measured.' : notRun.map((line) => `- ${line}`).join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

const done = (runs: (Taken | undefined)[] | undefined): Taken[] => (runs ?? []).filter((taken) => taken !== undefined);

function pair({ pair: { name, modules }, bytes, ways, difference }: PairFound): string[] {
  const rows = [...ways].map(([way, runs]) => {
    const taken = done(runs);
    return [WAYS[way], seconds(taken.map((one) => one.seconds)), memory(taken)];
  });
  const split = done(ways.get('chromium')).map(({ parts = [] }) => parts.map(([what, time]) => `${what} ${shown([time])} s`).join(', '));
  const ratios = RATIOS.map(([over, under]) => [`${SHORT[over]} : ${SHORT[under]}`, shown(ratiosOf(ways.get(over), ways.get(under)))]);
  return [
    `### ${name}: ${modules} modules, 2 × ${(bytes / 1e6).toFixed(0)} MB`,
    table(['', 'time', 'peak of memory'], rows),
    ...(split.length > 0 ? [`In the page: ${split.join('; ')}.`] : []),
    table(['ratio within one run', ''], ratios.filter(([, ratio]) => ratio !== '–')),
    ...(difference === null ? [] : [`PyTorch’s result and ours differ by ${difference.toExponential(0)} of a module’s update at most, rounding included (a tenth of the modules).`]),
  ];
}

function memory(taken: Taken[]): string {
  const kinds = taken[0]?.memory.map(([what]) => what) ?? [];
  const of = (what: string): string => megabytes(taken.flatMap((one) => one.memory.filter(([kind]) => kind === what).map(([, bytes]) => bytes)));
  return kinds.map((what) => `${what}${what ? ': ' : ''}${of(what)}`).join('; ') || '–';
}

/** Of each run with both. */
function ratiosOf(over: (Taken | undefined)[] = [], under: (Taken | undefined)[] = []): number[] {
  return over.flatMap((taken, at) => {
    const other = under[at];
    return taken && other ? [taken.seconds / other.seconds] : [];
  });
}

function series({ name, fixed, points }: Series): string {
  const rows = points.map((point) => [String(point.value), megabytes([point.bytes]), (point.operations / 1e9).toPrecision(3), seconds(point.seconds)]);
  const p = (y: (point: Series['points'][number]) => number): string => exponent(points.map((point) => ({ x: point.value, y: y(point) }))).toFixed(2);
  rows.push(['p', p(({ bytes }) => bytes), p(({ operations }) => operations), p((point) => spread(point.seconds).median)]);
  return `By ${name} (${fixed}):\n\n${table([name, 'both files', '10⁹ operations', 'time'], rows)}`;
}

function opening({ opened, openedBytes, sizes }: Found): string[] {
  const total = (at: 1 | 2): number => sizes.reduce((sum, size) => sum + size[at], 0);
  const all: Found['sizes'] = [...sizes, ['all', total(1), total(2)]];
  const times = table(['', 'time'], [
    ['The page from this machine: interactive', milliseconds(opened.map(({ interactive }) => interactive))],
    ['… until the tool is drawn', milliseconds(opened.map(({ usable }) => usable))],
    [`A file of ${(openedBytes / 1e9).toFixed(1)} GB: from choosing it to its summary, looked for during a second, in which the reader comes`, milliseconds(opened.map(({ first }) => first))],
    ['… the second file, while the first is being hashed', milliseconds(opened.map(({ second }) => second))],
  ]);
  return [
    ...(opened.length > 0 ? [times] : []),
    table(['The built page', 'bytes', 'brotli'], all.map(([name, bytes, brotli]) => [name, String(bytes), String(brotli)])),
  ];
}

function foreseeing({ pair, runs }: Found['foreseen']): string[] {
  const gap = (at: 0 | 1 | 2): string => milliseconds(runs.map(({ frames }) => frames[at]));
  return [
    `${pair}, on the CPU, from choosing the second file. All the while μ was moved with every frame.`,
    table(['', 'time'], [
      ['Until the first figures are drawn', seconds(runs.map(({ first }) => first))],
      ['Until the whole pair is analysed', seconds(runs.map(({ all }) => all))],
      ['From frame to frame meanwhile, the middle one', gap(0)], ['… 19 of 20 take no longer than', gap(1)], ['… the longest', gap(2)],
    ]),
  ];
}

function whereTo(profiles: Found['where']): string[] {
  const parts = profiles[0]?.shares.map(([part]) => part) ?? [];
  return [
    'Of the page’s program, in one thread of Node, by samples of the functions that ran.',
    table(['', ...profiles.map(({ pair }) => pair)], parts.map((part, at) => [part, ...profiles.map(({ shares }) => `${(100 * shares[at]![1]).toFixed(1)} %`)])),
  ];
}
