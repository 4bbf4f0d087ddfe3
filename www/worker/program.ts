/**
 * The program, which exists in two builds. The reader opens and interprets files, and loads quickly; the whole program can also compute, is loaded in
 * the background, and takes the reader's place together with the open files.
 */

import type { Program as Addresses } from '../core/assets.ts';
import { problem } from '../core/problem.ts';
import type { Assisted, BackendFound, Calls, Fused } from '../core/protocol.ts';
import {
  type BackendChoice, type Comparison, type FamilyChoice, type FileLink, type Outlook, type OutputSink, type PairFit, type Progress, type RemoteFile, type Role,
  ROLES, type SavedRecipe, type Settings, type Several, type Spectra, type Summary, type Variant,
} from '../core/types.ts';
import type { Files } from './crew.ts';
import { whyNotLoaded } from '../core/loading.ts';
import { given, type Asked, type ask } from './remote.ts';

/** The SHA-256 of a result, made by another worker. The bytes may change as soon as `update` returns. */
export interface Hash {
  update(bytes: Uint8Array): Promise<void>;
  finish(): Promise<string>;
}

/** The other workers, as src/web/crew.rs calls them. */
export interface Others {
  members: number;
  places: number;
  each: number;
  begin(ranks: number[][] | null, checksum: number, onDevice: boolean): Promise<void>;
  run(task: string, size: number, onDevice: boolean, result: Blob | undefined): Promise<Assisted>;
  /** Undefined if the program must hash by itself. */
  hash(): Hash | undefined;
  listen(): Promise<void>;
}

/** The session that src/web/mod.rs exports. */
interface ReaderSession {
  free(): void;
  open(role: Role, file: File | Asked, config?: string): Promise<Summary>;
  close(role: Role): void;
  swap(): void;
  families(): FamilyChoice;
  fit(settings: Partial<Settings>): PairFit;
}

/** The session with the methods that src/web/compute.rs adds. */
export interface WholeSession extends ReaderSession {
  backend(choice: BackendChoice): Promise<BackendFound>;
  fuse(
    variants: Variant[], backend: BackendChoice, sinks: OutputSink[], others: Others,
    onProgress: (progress: Progress) => void, isCancelled: () => boolean,
  ): Promise<Fused[]>;
  analyse(
    settings: Partial<Settings>, others: Others, onProgress: (progress: Progress) => void, isCancelled: () => boolean, stopped?: Promise<void>,
  ): Promise<void>;
  /** Added by src/web/remote.rs. */
  config(role: Role, stopped: Promise<void>): Promise<string | undefined>;
  outlook(settings: Partial<Settings>): Outlook;
  recipe(file: File): Promise<SavedRecipe>;
  variants(settings: Partial<Settings>, several: Several): Variant[];
  spectra(settings: Partial<Settings>, module: string): Promise<Spectra>;
  compare(
    settings: Partial<Settings>, file: File, config: string | undefined, onProgress: (progress: Progress) => void, isCancelled: () => boolean,
    stopped?: Promise<void>,
  ): Promise<Comparison>;
  share(variants: Variant[], ranks: number[][] | null, checksum: number, backend: BackendChoice): Promise<void>;
  assist(task: string, result: Blob | undefined, onDevice: boolean, isCancelled: () => boolean, stopped: Promise<void>): Promise<Assisted>;
}

/** A SHA-256 that is fed bit by bit. */
export interface Digest {
  update(bytes: Uint8Array): void;
  finish(): string;
}

/** The exports of a wasm-bindgen module. */
export interface Glue<S> {
  default(input: { module_or_path: string }): Promise<unknown>;
  version(): string;
  example(role: Role): Uint8Array<ArrayBuffer>;
  sha256(blob: Blob, onlyTensors: boolean, mayGoOn: () => Promise<boolean>): Promise<string>;
  Digest: new () => Digest;
  Session: new () => S;
}

/** The exports with those that src/web/remote.rs adds. */
interface WholeGlue extends Glue<WholeSession> {
  link(text: string, hosts: string[]): FileLink;
  find(link: FileLink, asks: { ask: typeof ask }, stopped: Promise<void>): Promise<RemoteFile>;
}

interface Loaded<S, G = Glue<S>> {
  glue: G;
  session: S;
}

async function load<G extends Glue<unknown>>({ glue: glueURL, wasm: wasmURL }: Addresses, imported: Promise<G>): Promise<G> {
  try {
    const glue = await imported;
    await glue.default({ module_or_path: wasmURL });
    return glue;
  } catch (thrown) {
    throw await whyNotLoaded(thrown, [glueURL, wasmURL]);
  }
}

export class Program {
  #reader: Loaded<ReaderSession> | null = null;
  #whole: Loaded<WholeSession, WholeGlue> | null = null;
  #loading: Promise<WholeGlue> | null = null;
  #attempts = 0;

  /** `files`: the open files, maintained by whoever opens them. `start`: how this worker was started. */
  constructor(private readonly files: Readonly<Files>, private readonly start: Calls['start']['in']) {}

  /** Loads what the first calls need: the reader, or the whole program if this worker computes or a host wants it. */
  async begin(): Promise<{ version: string }> {
    const { reader } = this.start;
    if (reader === null) await this.whole();
    else {
      // The reader's module exports a factory, because whatever a module itself holds, such as its wasm memory, could never be freed.
      const made = import(reader.glue).then(({ default: make }: { default(): Glue<ReaderSession> }) => make());
      const glue = await load(reader, made);
      this.#reader = { glue, session: new glue.Session() };
    }
    return { version: this.there.glue.version() };
  }

  /**
   * Opens a made-up file, or fuses a made-up pair, and forgets it, so that whatever is compiled or allocated on first use is ready. Code that a
   * browser has optimised is shared by all workers of a page.
   */
  async prepare(fuse?: (session: WholeSession) => Promise<unknown>): Promise<null> {
    const { glue } = this.there;
    const session = new glue.Session();
    try {
      for (const role of fuse ? ROLES : ['content'] as const) await session.open(role, new File([await glue.example(role)], 'example'));
      await fuse?.(session as WholeSession);
    } finally {
      session.free();
    }
    return null;
  }

  /** The program that is loaded: the whole one, or else the reader. */
  get there(): Loaded<ReaderSession> {
    const there = this.#whole ?? this.#reader;
    if (!there) throw problem('E_WASM_LOAD', 'the program was not started');
    return there;
  }

  /** The whole program's session, for calls that come only when it is in use. */
  get computing(): WholeSession {
    if (!this.#whole) throw problem('E_INTERNAL', 'there is no run to take part in');
    return this.#whole.session;
  }

  /** The whole program's exports that ask hosts, which the reader lacks. */
  get asking(): WholeGlue {
    if (!this.#whole) throw problem('E_INTERNAL', 'the program that asks hosts is not there');
    return this.#whole.glue;
  }

  /** Fetches the whole program, unless that is done or in progress. After a failure, the next call tries again. */
  load(): Promise<WholeGlue> {
    return (this.#loading ??= this.#load().catch((thrown: unknown) => {
      this.#loading = null;
      throw thrown;
    }));
  }

  /** The whole program's session, which replaces the reader's. No file may be opened or closed in the meantime. */
  async whole(): Promise<WholeSession> {
    if (this.#whole) return this.#whole.session;
    const glue = await this.load();
    const session = new glue.Session();
    for (const role of ROLES) {
      const opened = this.files[role];
      if (opened) await session.open(role, given(opened.file, opened.kept), opened.config ?? undefined);
    }
    this.#whole = { glue, session };
    this.#reader = null;
    return session;
  }

  async #load(): Promise<WholeGlue> {
    const { whole } = this.start;
    // Browsers used to remember that an import failed, by its whole address (whatwg/html#6768).
    const again = this.#attempts++ > 0 ? `#${this.#attempts}` : '';
    const glue = await load<WholeGlue>(whole, import(whole.glue + again));
    const [version, of] = [glue.version(), this.#reader?.glue.version()];
    if (of !== undefined && of !== version) throw problem('E_WASM_MISSING', `${whole.glue} is of version ${version}, what was loaded before it of ${of}`);
    return glue;
  }
}
