/** The program without a worker: it computes in the calling thread and yields to other code between modules. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { abortError } from '../core/abort.ts';
import { asLastWords, isFatal, ProblemError, problem, toProblem } from '../core/problem.ts';
import { fileNameFor } from '../core/save.ts';
import type { BackendChoice, FusedFile, Hashed, Outlook, PairFit, Progress, Role, Settings, Spectra, Summary } from '../core/types.ts';
import type { Glue, Hash, Others, WholeSession } from '../worker/program.ts';
import { BlobSink } from '../core/blob-sink.ts';
import { paced } from '../core/pace.ts';
import { DiskSink, pathOf, type DiskOptions } from './disk.ts';
import type { Engine, FuseOptions } from './pair.ts';

/** The program as wasm-bindgen generates it; `initSync` takes a module that is already compiled. */
interface Program extends Glue<WholeSession> {
  initSync(input: { module: WebAssembly.Module }): unknown;
}

const GLUE = new URL('./np_lora.js', import.meta.url);
const WASM = new URL('./np_lora_bg.wasm', import.meta.url);

/** Node's own SHA-256 is several times as fast as one in wasm. */
function hash(): Hash {
  const made = createHash('sha256');
  return {
    update: (bytes) => {
      made.update(bytes);
      return Promise.resolve();
    },
    finish: () => Promise.resolve(made.digest('hex')),
  };
}

/** The stand-in for other workers: there are none, and nobody shares the work. */
const ALONE: Others = {
  members: 0, places: 0, each: 0, begin: () => Promise.resolve(), run: () => Promise.reject(problem('E_INTERNAL', 'there is nobody')), hash,
  listen: () => new Promise((resolve) => { setImmediate(resolve); }),
};

/** An error that a listener throws does not end the run; it is rethrown where nobody catches it, so that it is not lost. */
const heard = (tell: (progress: Progress) => void) => (progress: Progress): void => {
  try {
    tell(progress);
  } catch (thrown) {
    queueMicrotask(() => { throw thrown; });
  }
};

let loaded: Promise<Program> | null = null;
let attempts = 0;

/** Loads the program as a new module each time: after a trap, the state of the old one is unknown. */
async function load(): Promise<Program> {
  try {
    const [program, module] = await Promise.all([
      import(`${GLUE.href}?${attempts++}`) as Promise<Program>,
      readFile(WASM).then((bytes) => WebAssembly.compile(bytes)),
    ]);
    program.initSync({ module });
    return program;
  } catch (thrown) {
    loaded = null;
    throw new ProblemError(problem('E_WASM_LOAD', toProblem(thrown).detail));
  }
}

export class Direct implements Engine<DiskOptions> {
  readonly options = ['path', 'overwrite'] satisfies (keyof DiskOptions)[];
  #session: WholeSession | null;

  private constructor(private readonly program: Program) {
    this.#session = new program.Session();
  }

  static async start(): Promise<Direct> {
    return new Direct(await (loaded ??= load()));
  }

  static async version(): Promise<string> {
    return (await (loaded ??= load())).version();
  }

  inspect(role: Role, file: File, config: string | null): Promise<Summary> {
    return this.#ask((session) => session.open(role, file, config ?? undefined));
  }

  fit(settings: Partial<Settings>): Promise<PairFit> {
    return this.#ask((session) => session.fit(settings));
  }

  analyse(settings: Partial<Settings>, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<void> {
    return this.#ask((session) => session.analyse(settings, ALONE, paced(heard(onProgress)), () => signal.aborted));
  }

  outlook(settings: Partial<Settings>): Promise<Outlook> {
    return this.#ask((session) => session.outlook(settings));
  }

  spectra(settings: Partial<Settings>, module: string): Promise<Spectra> {
    return this.#ask((session) => session.spectra(settings, module));
  }

  hash(file: Blob, of: Hashed, signal: AbortSignal): Promise<string> {
    return this.#ask(() => this.program.sha256(file, of === 'tensors', () => Promise.resolve(!signal.aborted)));
  }

  nameFor({ path }: Partial<DiskOptions>): string | null {
    return path === undefined ? null : basename(pathOf(path));
  }

  /** `auto` means the CPU: Node has no graphics devices, and looking for one would end the process. */
  async run(
    settings: Partial<Settings> & { outputName: string }, backend: BackendChoice, sources: readonly Blob[],
    { signal, onProgress, ...disk }: FuseOptions & Partial<DiskOptions>,
  ): Promise<FusedFile> {
    if (signal?.aborted) throw abortError();
    if (backend === 'webgpu') throw new ProblemError(problem('E_GPU_UNAVAILABLE', 'Node has no graphics devices.'));
    const report = paced(heard((progress) => { if (!signal?.aborted) onProgress?.(progress); }));
    const sink = disk.path === undefined ? new BlobSink() : await DiskSink.create(disk.path, disk, sources);
    try {
      const [fused] = await this.#ask((session) => session.fuse(
        [{ settings, swapped: false }], 'cpu', [sink], ALONE, report, () => signal?.aborted ?? false,
      ));
      if (!fused) throw new ProblemError(problem('E_INTERNAL', 'nothing was made'));
      if (sink instanceof DiskSink) return { file: await sink.keep(), report: fused.report };
      return { file: new File([fused.file], fileNameFor(settings.outputName), { type: fused.file.type }), report: fused.report };
    } catch (thrown) {
      // The program has already done this if it gave up by itself.
      await sink.discard();
      throw thrown;
    }
  }

  /** Forgets the session. A call in progress may still hold it; the bindings free it when nothing does. */
  dispose(): void {
    this.#session = null;
  }

  async #ask<T>(what: (session: WholeSession) => T | Promise<T>): Promise<T> {
    if (!this.#session) throw new ProblemError(problem('E_WORKER_LOST', 'it stopped in an earlier call: open the files again'));
    try {
      return await what(this.#session);
    } catch (thrown) {
      if (isFatal(thrown)) {
        loaded = this.#session = null;
        throw new ProblemError(asLastWords(thrown));
      }
      const refused = toProblem(thrown);
      throw refused.code === 'E_ABORTED' ? abortError() : new ProblemError(refused);
    }
  }
}
