/** The state behind the element: the files in their places, how they fit, the run and its result. Lit redraws when it changes. */

import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { abortError, isAbort, unless } from '../../core/abort.ts';
import { ProblemError, problem, toProblem } from '../../core/problem.ts';
import type { BackendFound, Third } from '../../core/protocol.ts';
import type { Announce } from '../events.ts';
import { Session } from '../../core/session.ts';
import { isFile } from '../../core/shape.ts';
import { canStore, isReadable } from '../../core/stored.ts';
import type { BackendChoice, Comparison, FamilyChoice, FileLink, FusedFile, PairFit, Problem, Progress, Report, Role, SavedRecipe, Settings, Several, Summary, Variant } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import { Foresight } from './foresight.ts';
import { toJson } from '../words/format.ts';
import { Hashes } from './hashes.ts';
import { type Outcome, type Phase, type Running, warningsOf } from '../model.ts';
import { AWAY, Places } from './places.ts';
import type { Sources } from '../settings/recipe.ts';
import { named, type Names } from '../settings/several.ts';

/** How long to wait before fitting: a slider sends many changes, and only the last one matters. */
const FIT_AFTER_MS = 120;

/** Results larger than this may be more than a browser keeps in memory for a page. */
const HEAVY_BYTES = 500e6;

interface DeskHost {
  settings(): Settings;
  /** The several files to make of a pair and their names; null: one file. */
  wanted(): { several: Several; names: Names } | null;
  backendChoice(): BackendChoice;
  /** Whether to analyse the pair before a fusion. */
  foresees(): boolean;
  startSession(onStalled: (stalled: boolean) => void): Session;
  /** A promise that settles once links with `autoload` have been taken up; null if nothing is pending. */
  coming(): Promise<unknown> | null;
  /** Sends an event. False: a listener does not want the warning shown. */
  announce: Announce;
}

/** What a run makes its results from: the files with their configurations, and all settings. */
interface Inputs {
  files: readonly (File | FileLink | string | null)[];
  settings: string;
}

export class Desk implements ReactiveController {
  readonly places = new Places({
    gone: () => this.#gone,
    core: () => this.#core,
    begun: () => this.#session,
    changed: () => this.#changed(),
    redraw: () => this.element.requestUpdate(),
    swapped: () => {
      this.#touch();
      this.foresight.drop();
      this.element.requestUpdate();
    },
    emptied: () => this.#hash(),
    settled: () => this.refit(0),
    failed: (thrown) => this.fail(thrown),
    announce: (name, detail) => this.host.announce(name, detail),
  });
  fit: PairFit | null = null;
  /** The model families to choose from; null until they are known for the open files. */
  families: FamilyChoice | null = null;
  /** The number of files that a run would make. */
  files = 1;
  #canStore: boolean | null = null;
  backend: BackendFound | null = null;
  running: Running | null = null;
  /** The outcomes of the last run, in the order of its variants. */
  outcomes: Outcome[] = [];
  readonly foresight = new Foresight({
    analyse: (...from) => this.#core.analyse(...from),
    outlook: (settings) => this.#core.outlook(settings),
    spectra: (...from) => this.#core.spectra(...from),
  }, () => this.element.requestUpdate(), (refusal) => this.host.announce('error', refusal));
  readonly hashes = new Hashes((...from) => this.#core.hash(...from), () => this.element.requestUpdate());
  /** The current problems: of the pair, of the backend, and of the last run. */
  #fitProblem: Problem | null = null;
  #backendProblem: Problem | null = null;
  #runProblem: Problem | null = null;

  #session: Session | null = null;
  /** Whether nothing was heard from the program for half a minute. */
  isStalled = false;
  #gone = false;
  /** The aborters of all requested runs: the one in progress, and those that wait. */
  readonly #aborters = new Set<AbortController>();
  /** The run that was started last. */
  #under: { signal: AbortSignal; over: Promise<void> } | null = null;
  /** What the current outcomes were made from. */
  #made: Inputs | null = null;
  /** Whether each warning of the pair is to be shown, as the host was asked once; the key is what the warning is about. */
  #asked = new Map<string, boolean>();
  #fitTurn = 0;
  #backendTurn = 0;
  #backendWanted = false;
  #fitTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private element: ReactiveControllerHost, private host: DeskHost) {
    element.addController(this);
  }

  // The worker starts when somebody begins to use the tool, not with the page: most visitors only look.
  get #core(): Session {
    // Outside a document, nobody would end the session.
    if (this.#gone) throw new ProblemError(AWAY);
    return (this.#session ??= this.host.startSession((stalled) => {
      this.isStalled = stalled;
      if (this.running) this.#run({ ...this.running, stalled });
      else this.element.requestUpdate();
    }));
  }

  /** Prepares the program for a file that is about to come. */
  prepare(): void {
    if (!this.#gone) this.#core.prepare();
  }

  /** The first outcome, if any. */
  get outcome(): Outcome | null {
    return this.outcomes[0] ?? null;
  }

  get phase(): Phase {
    if (this.running) return this.running.progress?.stage === 'verify' ? 'checking' : 'fusing';
    if (this.outcome) return 'done';
    if (this.problem || this.places.problem) return 'failed';
    if (this.isReady) return 'ready';
    // Both files are open, but the fit is not known yet.
    return this.places.bothOpen || this.places.isOpening ? 'opening' : 'empty';
  }

  get problem(): Problem | null {
    // That a single file cannot be converted does not hinder a person who is about to choose the second.
    return this.#runProblem ?? (this.places.bothOpen ? this.#fitProblem ?? this.foresight.refusal ?? this.#backendProblem : null);
  }

  /** Why the open files do not fit together, or why the only one cannot be converted. */
  get fitProblem(): Problem | null {
    return this.#fitProblem;
  }

  /** The files in their places; a linked one only once it is open. */
  get sources(): Sources {
    const source = (role: Role): Sources[Role] => {
      const card = this.places.cards[role];
      const local = this.places.localOf(role);
      const file = card.state === 'open' ? card.file : local;
      return file && { file, sha256: this.hashes.of(local) };
    };
    return { content: source('content'), style: source('style') };
  }

  /** The bytes that a run would have to keep in memory, if they are so many that it may fail; else 0. */
  get heavy(): number {
    const bytes = this.files * (this.fit?.outputBytes ?? 0);
    return this.#canStore === false && bytes > HEAVY_BYTES ? bytes : 0;
  }

  get isReady(): boolean {
    return this.places.bothOpen && this.fit !== null;
  }

  hostConnected(): void {
    this.#gone = false;
    this.places.comeBack();
  }

  hostDisconnected(): void {
    this.#gone = true;
    // If the element was only moved, it is back at once, and its work goes on.
    queueMicrotask(() => { if (this.#gone) this.#leave(); });
  }

  #leave(): void {
    this.cancel();
    this.places.leave();
    clearTimeout(this.#fitTimer);
    this.#fitTurn += 1;
    this.#backendTurn += 1;
    this.foresight.drop();
    this.#session?.dispose();
    this.#session = null;
  }

  /** What a recipe says; null if the element has left the document meanwhile. Nothing here changes. */
  recipe(file: File): Promise<SavedRecipe | null> {
    return this.#unlessLeft((core) => core.recipe(file));
  }

  /** Asks the session; null if the element has left the document meanwhile and ended its session, which is not an error. */
  async #unlessLeft<T>(ask: (core: Session) => Promise<T>): Promise<T | null> {
    const core = this.#core;
    try {
      return await ask(core);
    } catch (thrown) {
      if (this.#session !== core) return null;
      throw thrown;
    }
  }

  /** The program's version; empty until the program is loaded. */
  get version(): string {
    return this.#session?.version ?? '';
  }

  /** Opens two examples; false if there are none, or if their places are no longer empty. */
  async example(): Promise<boolean> {
    try {
      const made = await this.#unlessLeft((core) => Promise.all([core.example('content'), core.example('style')]));
      // If the person has chosen something else in the meantime, that stays.
      if (!made || !this.places.isEmpty) return false;
      await Promise.all([this.places.choose('content', made[0]), this.places.choose('style', made[1])]);
      return true;
    } catch (thrown) {
      this.fail(thrown);
      return false;
    }
  }

  /** Settings changed: the result no longer matches them, and the fit may differ. */
  refit(after = FIT_AFTER_MS): void {
    this.#touch();
    clearTimeout(this.#fitTimer);
    const turn = ++this.#fitTurn;
    // When the element is back in a document, the files are opened again.
    if (this.#gone) return;
    if (!this.places.bothOpen && !this.places.only) return this.#hash();
    this.#fitTimer = setTimeout(async () => {
      try {
        if (this.families === null) {
          const families = await this.#core.families();
          if (turn !== this.#fitTurn) return;
          this.families = families;
          // A choice that is no longer available is removed before the fit is asked for.
          this.element.requestUpdate();
          await this.element.updateComplete;
          if (turn !== this.#fitTurn) return;
        }
        const settings = this.host.settings();
        const fit = await this.#core.fit(settings);
        if (turn !== this.#fitTurn) return;
        void this.#count(settings, turn);
        void this.#lookForStorage();
        this.fit = { ...fit, warnings: fit.warnings.filter((warning) => this.#shows(warning)) };
        this.#fitProblem = null;
        this.#foresee();
      } catch (thrown) {
        if (turn !== this.#fitTurn) return;
        const refusal = toProblem(thrown);
        const known = [this.#fitProblem, this.#runProblem].some((one) => toJson(one) === toJson(refusal));
        this.fit = null;
        this.#fitProblem = refusal;
        this.#foresee();
        // Every change of settings fits the pair again, and the same error is announced only once.
        if (this.places.bothOpen && !known) this.host.announce('error', refusal);
      }
      this.#hash();
      this.element.requestUpdate();
      // Done after the fit, which answers at once: finding a device and compiling for it may take seconds.
      if (this.#backendWanted) void this.findBackend();
    }, after);
  }

  async findBackend(): Promise<void> {
    if (this.#gone || !this.places.bothOpen) return;
    this.#backendWanted = false;
    const turn = ++this.#backendTurn;
    try {
      const found = await this.#core.backend(this.host.backendChoice());
      if (turn !== this.#backendTurn) return;
      this.#useBackend(found);
    } catch (thrown) {
      if (turn !== this.#backendTurn) return;
      this.backend = null;
      this.#backendProblem = toProblem(thrown);
      this.host.announce('error', this.#backendProblem);
    }
    this.element.requestUpdate();
  }

  /** The files to make, each with its name; for a single file always one. */
  async #variants(settings: Settings, signal?: AbortSignal): Promise<Variant[]> {
    const wanted = this.places.bothOpen ? this.host.wanted() : null;
    if (!wanted) return [{ settings, swapped: false }];
    return named(await this.#core.variants(settings, wanted.several, signal), wanted.names);
  }

  /** Counts the files of a run. This is separate from the fit, which does not need the whole program. A run reports why it fails. */
  async #count(settings: Settings, turn: number): Promise<void> {
    const variants = await this.#variants(settings).catch(() => []);
    if (turn !== this.#fitTurn || variants.length === 0) return;
    this.files = variants.length;
    this.element.requestUpdate();
  }

  async #lookForStorage(): Promise<void> {
    if (this.#canStore !== null) return;
    this.#canStore = await canStore();
    this.element.requestUpdate();
  }

  /** The summaries of the open files, once nothing is being opened any more. */
  async inspect(): Promise<Record<Role, Summary | null>> {
    const here = !this.#gone;
    await this.host.coming();
    if (here && this.#gone) throw abortError();
    return this.places.opened();
  }

  /** Fuses the pair, or converts the only file, once the files are open. Resolves to the first result. */
  async run(converting: boolean, signal: AbortSignal | undefined): Promise<FusedFile> {
    if (signal?.aborted) throw abortError();
    const aborter = new AbortController();
    const abort = (): void => aborter.abort();
    signal?.addEventListener('abort', abort, { once: true });
    this.#aborters.add(aborter);
    try {
      const coming = this.host.coming();
      if (coming) await unless(aborter.signal, coming);
      if (this.places.isOpening) await unless(aborter.signal, this.places.opened());
      // A run that was cancelled ends in a moment.
      if (this.running && this.#under?.signal.aborted) await unless(aborter.signal, this.#under.over);
      if (this.running) throw new ProblemError(problem('E_RUNNING'));
      if (this.#gone) throw new ProblemError(AWAY);
      const lacks = converting ? !this.places.only && 'E_NOT_ONE' : !this.places.bothOpen && 'E_NOT_READY';
      // If a file was refused, that is the reason.
      if (lacks) throw new ProblemError(this.places.problem ?? problem(lacks));
      const made = this.#make(converting, aborter.signal);
      this.#under = { signal: aborter.signal, over: made.then(() => {}, () => {}) };
      return await made;
    } finally {
      this.#aborters.delete(aborter);
      signal?.removeEventListener('abort', abort);
    }
  }

  async #make(converting: boolean, signal: AbortSignal): Promise<FusedFile> {
    const made = this.#inputs();
    const sources = { content: this.places.localOf('content'), style: this.places.localOf('style') };
    const wanted = this.host.settings();
    const now = performance.now();
    this.#runProblem = null;
    this.outcomes = [];
    // The run finds its backend itself; the answer to an earlier search must not interfere.
    this.#backendTurn += 1;
    const running: Running = { converting, files: converting ? 1 : this.files, result: wanted.result, stageSince: now, progress: null, stalled: false };
    this.#run(running);
    try {
      // The session is taken before anything is awaited: if the element leaves in the meantime, the run is cancelled.
      const core = this.#core;
      const variants = await this.#variants(wanted, signal);
      this.files = variants.length;
      this.#run({ ...running, files: this.files });
      const results = await core.fuse(variants, this.host.backendChoice(), { signal, onProgress: (progress) => this.#progress(progress) });
      const [first] = results;
      if (!first) throw new ProblemError(problem('E_INTERNAL', 'nothing was made'));
      const { report } = first;
      this.#useBackend({ backend: report.backend, adapter: report.adapter, reason: report.backendReason });
      const all = warningsOf(results.map((result) => result.report.warnings));
      const hidden = all.filter((warning) => !this.host.announce('warning', warning)).map((warning) => JSON.stringify(warning));
      const warnings = (report: Report): Problem[] => report.warnings.filter((warning) => !hidden.includes(JSON.stringify(warning)));
      // A listener that heard of these warnings may have cancelled the run.
      if (signal.aborted) throw abortError();
      this.#made = made;
      const swapped = { content: sources.style, style: sources.content };
      this.outcomes = results.map((result, at) => (
        { ...result, sources: variants[at]?.swapped ? swapped : sources, warnings: warnings(result.report), stale: this.#stale() }));
      this.#run(null);
      this.host.announce('complete', { ...first, results });
      return first;
    } catch (thrown) {
      this.#run(null);
      this.#backendWanted ||= this.backend === null;
      if (isAbort(thrown)) {
        if (this.#backendWanted) void this.findBackend();
        this.host.announce('abort', null);
        throw thrown;
      }
      const refusal = toProblem(thrown);
      this.#runProblem = refusal;
      // A pair that does not fit was announced when that was found out; for a single file, nothing was.
      if (converting || toJson(refusal) !== toJson(this.#fitProblem)) this.host.announce('error', refusal);
      throw new ProblemError(refusal);
    } finally {
      // If a cancelled worker was replaced, everything it was working out must be asked for again.
      this.#hash();
      this.#foresee();
    }
  }

  /** Finds how much of the pair a third file contains. */
  compare = async (third: Third, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<Comparison> =>
    this.#core.compare(this.host.settings(), third, signal, onProgress);

  /** Cancels all runs, including those that wait for their files. */
  cancel(): void {
    for (const aborter of this.#aborters) aborter.abort();
  }

  reset(): void {
    this.cancel();
    this.outcomes = [];
    this.#made = null;
    this.#runProblem = null;
    for (const role of ROLES) void this.places.clear(role);
  }

  /** Forgets a failure, because the action is tried again. */
  forgive(): void {
    this.#runProblem = null;
    this.element.requestUpdate();
  }

  fail(thrown: unknown): void {
    const refusal = toProblem(thrown);
    this.#runProblem = refusal;
    this.host.announce('error', refusal);
    this.element.requestUpdate();
  }

  /** Forgets results that can no longer be read. */
  async forgetLost(): Promise<void> {
    const there = await Promise.all(this.outcomes.map(({ file }) => isReadable(file)));
    this.outcomes = this.outcomes.filter((_, at) => there[at]);
    this.element.requestUpdate();
  }

  /** Starts or drops the outlook; a single file has none. */
  #foresee(): void {
    if (this.places.bothOpen && this.fit && this.host.foresees()) this.foresight.want(this.host.settings());
    else this.foresight.drop();
  }

  #hash(): void {
    const files = this.places.files.filter((file) => isFile(file));
    this.hashes.want([...this.outcomes.map(({ file }) => file), ...files]);
  }

  #progress(progress: Progress): void {
    if (!this.running) return;
    const same = this.running.progress?.stage === progress.stage;
    this.#run({ ...this.running, progress, stageSince: same ? this.running.stageSince : performance.now() });
    this.host.announce('progress', progress);
  }

  #useBackend(found: BackendFound): void {
    const changed = this.backend?.backend !== found.backend || this.backend.adapter !== found.adapter;
    this.backend = found;
    this.#backendProblem = null;
    if (changed) this.host.announce('backendchange', found);
  }

  /** Whether to show a warning. Every change of settings fits the pair again, but the host is asked about each warning once. */
  #shows(warning: Problem): boolean {
    const about = JSON.stringify([warning.code, warning.file, warning.tensor]);
    const shown = this.#asked.get(about) ?? this.host.announce('warning', warning);
    this.#asked.set(about, shown);
    return shown;
  }

  /** A place has another file now. */
  #changed(): void {
    this.#asked.clear();
    this.foresight.drop();
    // The backend is looked for again for the next pair.
    this.#backendTurn += 1;
    this.#backendWanted = true;
    this.#backendProblem = null;
    // A fit that is still pending belongs to other files.
    clearTimeout(this.#fitTimer);
    this.#fitTurn += 1;
    this.fit = null;
    this.families = null;
    this.#fitProblem = null;
    this.#touch();
    this.element.requestUpdate();
  }

  /** Something that the result was made from may have changed. */
  #touch(): void {
    if (this.#runProblem) this.element.requestUpdate();
    this.#runProblem = null;
    const stale = this.#stale();
    if (!this.outcome || this.outcome.stale === stale) return;
    this.outcomes = this.outcomes.map((outcome) => ({ ...outcome, stale }));
    this.element.requestUpdate();
  }

  #inputs(): Inputs {
    const { cards } = this.places;
    return {
      files: ROLES.flatMap((role) => [this.places.fileOf(role), 'config' in cards[role] ? cards[role].config?.text ?? null : null]),
      settings: toJson([this.host.settings(), this.host.wanted()]),
    };
  }

  /** Whether files or settings have changed since the outcomes were made. */
  #stale(): Outcome['stale'] {
    const { files, settings } = this.#inputs();
    if (this.#made?.files.some((file, at) => file !== files[at])) return 'files';
    return this.#made?.settings === settings ? false : 'settings';
  }

  #run(running: Running | null): void {
    this.running = running;
    this.element.requestUpdate();
  }
}
