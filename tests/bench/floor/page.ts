/**
 * The reads, the writes and the re-read of a fusion through the same interfaces of the browser, spread over as many
 * workers, with nothing computed in between: what no program in this browser can be faster than.
 */

import type { Answer, Asked, Asks } from './messages.ts';

/** Of each input at a time, which makes parts of twice this size in the result. */
const SLICE = 4 * 1024 * 1024;
/** Above this the page writes to a file, as a Blob may live in memory only. */
const BLOB_LIMIT = 200e6;
/** Pieces under way in each, so that one is read while another is copied. */
const DEPTH = 2;

class Hand {
  #worker = new Worker('floor-worker.js');
  #waiting: { resolve(out: never): void; reject(error: Error): void }[] = [];

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const waiting = this.#waiting.shift();
      if ('failed' in data) waiting?.reject(new Error(data.failed));
      else waiting?.resolve(data.out as never);
    };
    this.#worker.onerror = ({ message }) => { for (const { reject } of this.#waiting) reject(new Error(message)); };
  }

  /** Answers come in the order of the questions. */
  ask<Name extends keyof Asks>(ask: Name, input: Asks[Name]['in'], transfer: Transferable[] = []): Promise<Asks[Name]['out']> {
    this.#worker.postMessage({ ask, in: input } as Asked, transfer);
    return new Promise((resolve, reject) => { this.#waiting.push({ resolve, reject }); });
  }
}

const hired: Hand[] = [];

/** Has all pieces done, by whoever is free. */
async function share<T>(pieces: T[], work: (hand: Hand, piece: T) => Promise<void>): Promise<void> {
  const left = pieces.values();
  await Promise.all(Array.from({ length: DEPTH }, () => hired).flat().map(async (hand) => {
    for (const piece of left) await work(hand, piece);
  }));
}

async function prepare(workers: number): Promise<void> {
  for (let more = workers; more > 0; more--) hired.push(new Hand());
  await Promise.all(hired.map((hand) => hand.ask('read', [])));
}

const slices = (blob: Blob, bytes: number): Blob[] =>
  Array.from({ length: Math.ceil(blob.size / bytes) }, (_, at) => blob.slice(at * bytes, (at + 1) * bytes));

/** Seconds. */
async function run(content: File, style: File): Promise<number> {
  const began = performance.now();
  const [writer] = hired;
  if (!writer) throw new Error('there are no workers');
  const toFile = content.size + style.size > BLOB_LIMIT;
  await writer.ask('begin', { file: toFile });
  const [subjects, styles] = [slices(content, SLICE), slices(style, SLICE)];
  const pieces = Array.from({ length: Math.max(subjects.length, styles.length) }, (_, at) => [subjects[at], styles[at]].filter((slice) => !!slice));
  await share(pieces, async (hand, piece) => {
    const bytes = await hand.ask('read', piece);
    await writer.ask('write', bytes, [bytes]);
  });
  const result = await writer.ask('finish', null);
  if (result.size !== content.size + style.size) throw new Error(`${result.size} bytes came out`);
  if (!toFile) await share(slices(result, 2 * SLICE), async (hand, slice) => { await hand.ask('read', [slice]); });
  return (performance.now() - began) / 1000;
}

window.floor = { prepare, run };
