/** The tool for programs: two LoRA files, or one, and all that can be asked about them. Nothing here depends on a page. */

import { unless } from '../core/abort.ts';
import { DEFAULT_SETTINGS } from '../core/defaults.ts';
import { asFile, defaultName } from '../core/naming.ts';
import { ProblemError, problem } from '../core/problem.ts';
import { cleanStem } from '../core/save.ts';
import {
  ROLES, type BackendChoice, type FusedFile, type Hashed, type Outlook, type PairFit, type Progress, type Role, type Settings, type Spectra, type Summary,
} from '../core/types.ts';
import { checkBackend, checkBlocks, checkHashed, checkInputs, checkModule, checkOptions, checkSettings, taken } from './checks.ts';
import { refused } from './refused.ts';

/** A LoRA file. `config` is the adapter_config.json that came with it: as a file, as its text, or as the parsed object. */
export type Input = Blob | { file: Blob; config?: Blob | string | Readonly<Record<string, unknown>> | null | undefined };

/** The files of a pair. One may be missing: the other can then be inspected and converted. */
export interface Inputs {
  content?: Input | null | undefined;
  style?: Input | null | undefined;
}

export interface CallOptions {
  /** Aborting it rejects the call with an AbortError. */
  signal?: AbortSignal | undefined;
}

export interface RunOptions extends CallOptions {
  /** Called with progress, at most about five times a second. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface FuseOptions extends RunOptions {
  /** The backend that computes; `auto` by default. Node has no `webgpu`. */
  backend?: BackendChoice | undefined;
}

/** What does the work: a worker's session, or in Node the program itself. */
export interface Engine<More = unknown> {
  inspect(role: Role, file: File, config: string | null): Promise<Summary>;
  fit(settings: Partial<Settings>): Promise<PairFit>;
  analyse(settings: Partial<Settings>, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<unknown>;
  outlook(settings: Partial<Settings>): Promise<Outlook>;
  spectra(settings: Partial<Settings>, module: string): Promise<Spectra>;
  hash(file: Blob, of: Hashed, signal: AbortSignal): Promise<string>;
  /** Names of the options that this engine takes besides those of every engine. */
  readonly options: readonly string[];
  /** The result's name if the settings do not give one; null: a name made from its sources. */
  nameFor(options: Partial<More>): string | null;
  /** `sources`: the files that must not be overwritten. */
  run(
    settings: Partial<Settings> & { outputName: string }, backend: BackendChoice, sources: readonly Blob[], options: FuseOptions & Partial<More>,
  ): Promise<FusedFile>;
  dispose(): void;
}

/** Open files, ready to be asked about. Every refusal is a `ProblemError`, with `code`, `message` and `remedy`. */
export class Pair<More = unknown> {
  /** Null once the pair is closed. */
  #engine: Engine<More> | null;
  #files: Record<Role, File | null>;
  /** Every Blob that was passed in, configs included. */
  #sources: readonly Blob[];
  /** The summary of the subject's file; null if there is none. */
  readonly content: Summary | null;
  readonly style: Summary | null;

  private constructor(engine: Engine<More>, files: Record<Role, File | null>, sources: readonly Blob[], summaries: Record<Role, Summary | null>) {
    this.#engine = engine;
    this.#files = files;
    this.#sources = sources;
    this.content = summaries.content;
    this.style = summaries.style;
  }

  /** Opens files in `engine`, which from then on belongs to the pair. */
  static async open<More>(engine: Engine<More>, inputs: Inputs, options: CallOptions = {}): Promise<Pair<More>> {
    const files: Record<Role, File | null> = { content: null, style: null };
    const summaries: Record<Role, Summary | null> = { content: null, style: null };
    const sources: Blob[] = [];
    try {
      checkInputs(inputs);
      checkOptions(options, engine.options);
      const { signal } = options;
      for (const role of ROLES) {
        const given = inputs[role];
        if (!given) continue;
        const { file, config, sources: read } = await taken(role, given);
        sources.push(...read);
        const opened = (files[role] = asFile(role, file));
        summaries[role] = await unless(signal, engine.inspect(role, opened, config));
      }
      return new Pair(engine, files, sources, summaries);
    } catch (thrown) {
      engine.dispose();
      throw thrown;
    }
  }

  /** How the two files fit together, or what becomes of the only one; found before any arithmetic. */
  async fit(given: Partial<Settings> = {}): Promise<PairFit> {
    const settings = checkSettings(given);
    const fit = await this.#ask((engine) => engine.fit(this.#named(settings)));
    // Block settings have no effect on an overlap, which may lack the layers of some blocks.
    if (settings.result !== 'overlap') checkBlocks(settings.blocks ?? {}, fit);
    return fit;
  }

  /** Analyses the pair, once, and tells what the projection would do to it with these settings. */
  async outlook(given: Partial<Settings> = {}, options: RunOptions = {}): Promise<Outlook> {
    this.#demandBoth();
    return this.#ask(async (engine) => {
      checkOptions(options, engine.options);
      const { signal, onProgress } = options;
      const settings = await unless(signal, this.#check(given));
      for (;;) {
        try {
          await engine.analyse(settings, signal ?? new AbortController().signal, onProgress ?? (() => {}));
          return await engine.outlook(settings);
        } catch (thrown) {
          // A run needed the machine; asked again, the analysis continues where it stopped.
          if (!(thrown instanceof ProblemError) || thrown.code !== 'E_ABORTED') throw thrown;
        }
      }
    });
  }

  /** The singular values of one module, given by its name in the outlook. */
  async spectra(module: string, given: Partial<Settings> = {}): Promise<Spectra> {
    checkModule(module);
    this.#demandBoth();
    const settings = await this.#check(given);
    return this.#ask((engine) => engine.spectra(settings, module));
  }

  /** SHA-256 in hex. The first ten digits of a whole file's hash are what model sites call AutoV2, the first twelve of its tensors' hash AutoV3. */
  async hash(file: Blob, { of = 'file', signal }: CallOptions & { of?: Hashed } = {}): Promise<string> {
    checkHashed(file, of);
    return this.#ask((engine) => engine.hash(file, of, signal ?? new AbortController().signal));
  }

  /** Fuses the two files. In a browser, a result of over 200 MB is kept on disk until the pair is fused again or nothing refers to it. */
  async fuse(settings: Partial<Settings> = {}, options: FuseOptions & Partial<More> = {}): Promise<FusedFile> {
    this.#demandBoth();
    return this.#run(settings, options);
  }

  /** Converts the only file to another naming, number format or rank. */
  async convert(settings: Partial<Settings> = {}, options: FuseOptions & Partial<More> = {}): Promise<FusedFile> {
    if (!this.content === !this.style) throw new ProblemError(problem('E_NOT_ONE'));
    return this.#run(settings, options);
  }

  #demandBoth(): void {
    if (!this.content || !this.style) throw new ProblemError(problem('E_NOT_READY'));
  }

  /** Closes the files and ends the worker. Results stay valid. */
  close(): void {
    this.#engine?.dispose();
    this.#engine = null;
  }

  /** Asks the engine. A call that is in progress when the pair is closed fails like one that is made later. */
  async #ask<T>(what: (engine: Engine<More>) => Promise<T>): Promise<T> {
    if (!this.#engine) throw refused('E_CLOSED');
    try {
      return await what(this.#engine);
    } catch (thrown) {
      throw !this.#engine && thrown instanceof ProblemError && thrown.code === 'E_WORKER_LOST' ? refused('E_CLOSED') : thrown;
    }
  }

  /** Checks the settings, and refuses those that the program would silently ignore. */
  async #check(given: Partial<Settings>): Promise<Partial<Settings>> {
    const settings = checkSettings(given);
    if (Object.keys(settings.blocks ?? {}).length > 0) await this.fit(settings);
    return settings;
  }

  async #run(given: Partial<Settings>, options: FuseOptions & Partial<More>): Promise<FusedFile> {
    await this.#ask(async (engine) => { checkOptions(options, engine.options); });
    const backend = options.backend ?? 'auto';
    checkBackend(backend);
    const settings = await this.#check(given);
    return this.#ask((engine) => engine.run(this.#named(settings, engine.nameFor(options)), backend, this.#sources, options));
  }

  /** The settings with the result's name, which is also written into its metadata. */
  #named(settings: Partial<Settings>, path: string | null = null): Partial<Settings> & { outputName: string } {
    const { content, style } = this.#files;
    const otherwise = defaultName(content, style, { ...DEFAULT_SETTINGS, ...settings });
    return { ...settings, outputName: cleanStem(settings.outputName || (path ?? ''), otherwise) };
  }
}

/** Single questions, each about files that are opened for it and closed afterwards. */
export interface Questions<More, Opening> {
  inspect: (file: Input, options?: Opening) => Promise<Summary>;
  analyse: (inputs: Inputs, settings?: Partial<Settings>, options?: Opening & RunOptions) => Promise<Outlook>;
  fuse: (inputs: Inputs, settings?: Partial<Settings>, options?: Opening & FuseOptions & Partial<More>) => Promise<FusedFile>;
  convert: (file: Input, settings?: Partial<Settings>, options?: Opening & FuseOptions & Partial<More>) => Promise<FusedFile>;
}

export const questions = <More, Opening>(open: (inputs: Inputs, options?: Opening) => Promise<Pair<More>>): Questions<More, Opening> => ({
  inspect: (file, options) => once(open({ content: file }, options), async ({ content }) => content!),
  analyse: (inputs, settings, options) => once(open(inputs, options), (pair) => pair.outlook(settings, options)),
  fuse: (inputs, settings, options) => once(open(inputs, options), (pair) => pair.fuse(settings, options)),
  convert: (file, settings, options) => once(open({ content: file }, options), (pair) => pair.convert(settings, options)),
});

async function once<More, T>(pair: Promise<Pair<More>>, ask: (pair: Pair<More>) => Promise<T>): Promise<T> {
  const open = await pair;
  try {
    return await ask(open);
  } finally {
    open.close();
  }
}
