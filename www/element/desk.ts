/** The state behind the element: two cards, how they fit, the run and its result. Lit redraws when it changes. */

import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { ProblemError, abortError, isAbort, problem, toProblem } from '../core/problem.ts';
import type { BackendFound, Third } from '../core/protocol.ts';
import type { FusedFile } from './events.ts';
import { fileNameFor } from '../core/save.ts';
import { Session } from '../core/session.ts';
import { renamed } from '../core/stored.ts';
import type {
  BackendChoice, Comparison, FileLink, GivenFile, PairFit, Problem, Progress, RemoteFile, Role, SavedRecipe, Settings, Several, Summary, Variant,
} from '../core/types.ts';
import { ROLES } from '../core/types.ts';
import { Foresight } from './foresight.ts';
import { Hashes } from './hashes.ts';
import { type Card, type Config, EMPTY, type Outcome, type Phase, type Running, warningsOf } from './model.ts';
import { named, type Names } from './several.ts';

/** A slider sends many changes; the wasm side needs only the last. */
const FIT_AFTER_MS = 120;

export interface DeskHost extends ReactiveControllerHost {
  settings(): Settings;
  /** What is made of a pair where it is more than one file, and how that is called. */
  wanted(): { several: Several; names: Names } | null;
  backendChoice(): BackendChoice;
  /** Whether to find out beforehand what a fusion would do. */
  foresees(): boolean;
  startSession(onStalled: (stalled: boolean) => void): Session;
  /** False: whoever listens wants a warning not to be shown. */
  announce(name: 'inspect' | 'warning' | 'progress' | 'backendchange' | 'complete' | 'error' | 'abort', detail: unknown): boolean;
}

const AWAY = problem('E_NOT_READY', 'The element is not in the document.');
export class Desk implements ReactiveController {
  cards: Record<Role, Card> = { content: EMPTY, style: EMPTY };
  fit: PairFit | null = null;
  /** The model families of which one has to be chosen; null until that is known of the files that are open. */
  families: readonly string[] | null = null;
  /** How many files a run would make. */
  files = 1;
  backend: BackendFound | null = null;
  running: Running | null = null;
  /** Of the last run, in the order of its variants. */
  outcomes: Outcome[] = [];
  readonly foresight = new Foresight({
    analyse: (...from) => this.#core.analyse(...from),
    outlook: (settings) => this.#core.outlook(settings),
    spectra: (...from) => this.#core.spectra(...from),
  }, () => this.host.requestUpdate());
  readonly hashes = new Hashes((...from) => this.#core.hash(...from), () => this.host.requestUpdate());
  /** What stands in the way: of the pair, of the backend, or what ended the last run. */
  #fitProblem: Problem | null = null;
  #backendProblem: Problem | null = null;
  #runProblem: Problem | null = null;

  #session: Session | null = null;
  #gone = false;
  /** A file came while it was gone. */
  #missed = false;
  #aborter: AbortController | null = null;
  #turn: Record<Role, number> = { content: 0, style: 0 };
  #opener: Record<Role, AbortController> = { content: new AbortController(), style: new AbortController() };
  /** Links of which it is not known yet what they mean: asked for again by an element that comes back. */
  #linked: Record<Role, (() => Promise<void>) | null> = { content: null, style: null };
  #opening: Record<Role, Promise<void>> = { content: Promise.resolve(), style: Promise.resolve() };
  /** Warnings of the pair that the host was asked about, by what they are about, and whether they are to be shown. */
  #asked = new Map<string, boolean>();
  #fitTurn = 0;
  #backendTurn = 0;
  #backendWanted = false;
  #fitTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private host: DeskHost) {
    host.addController(this);
  }

  // The worker starts when somebody reaches for the tool, not with the page: most visitors only look.
  get #core(): Session {
    // Out of the document nobody would end it.
    if (this.#gone) throw new ProblemError(AWAY);
    return (this.#session ??= this.host.startSession((stalled) => {
      if (this.running) this.#run({ ...this.running, stalled });
    }));
  }

  /** A file is about to come. */
  prepare(): void {
    if (!this.#gone) this.#core.prepare();
  }

  /** The first result. */
  get outcome(): Outcome | null {
    return this.outcomes[0] ?? null;
  }

  get phase(): Phase {
    if (this.running) return this.running.progress?.stage === 'verify' ? 'checking' : 'fusing';
    if (this.outcome) return 'done';
    if (this.problem || ROLES.some((role) => this.cards[role].state === 'refused')) return 'failed';
    if (this.isReady) return 'ready';
    // How they fit is still to come.
    return this.bothOpen || ROLES.some((role) => this.cards[role].state === 'opening') ? 'opening' : 'empty';
  }

  get problem(): Problem | null {
    // That a single file cannot be converted stands in nobody's way who is about to choose the second.
    return this.#runProblem ?? (this.bothOpen ? this.#fitProblem ?? this.#backendProblem : null);
  }

  /** Why the files that are open do not fit, or why the only one cannot be converted. */
  get fitProblem(): Problem | null {
    return this.#fitProblem;
  }

  get bothOpen(): boolean {
    return ROLES.every((role) => this.cards[role].state === 'open');
  }

  get isReady(): boolean {
    return this.bothOpen && this.fit !== null;
  }

  /** The role of the only file, with the other place empty. */
  get only(): Role | null {
    const [role, ...others] = ROLES.filter((one) => this.cards[one].state !== 'empty');
    return role && others.length === 0 && this.cards[role].state === 'open' ? role : null;
  }

  summaryOf(role: Role): Summary | null {
    const card = this.cards[role];
    return card.state === 'open' ? card.summary : null;
  }

  fileOf(role: Role): File | FileLink | null {
    const card = this.cards[role];
    return 'file' in card ? card.file : null;
  }

  /** The files that are open and lie on a server. */
  get remote(): RemoteFile[] {
    return ROLES.map((role) => this.cards[role]).flatMap((card) => (card.state === 'open' && !(card.file instanceof File) ? [card.file] : []));
  }

  hostConnected(): void {
    this.#gone = false;
    // Back in a document after being removed: the old worker is gone, the files are still chosen.
    if (this.#session && !this.#missed) return;
    this.#missed = false;
    for (const role of ROLES) {
      const card = this.cards[role];
      const linked = this.#linked[role];
      if (linked) void linked();
      else if ('file' in card) void this.choose(role, card.file, card.config);
    }
  }

  hostDisconnected(): void {
    this.#gone = true;
    // Moved to another place it is back at once, and what it does goes on.
    queueMicrotask(() => { if (this.#gone) this.#leave(); });
  }

  #leave(): void {
    this.cancel();
    clearTimeout(this.#fitTimer);
    this.foresight.drop();
    this.#session?.dispose();
    this.#session = null;
  }

  /** Whatever was to be done with the role's place is over. */
  #next(role: Role): number {
    this.#linked[role] = null;
    this.#opener[role].abort();
    this.#opener[role] = new AbortController();
    return ++this.#turn[role];
  }

  /** Says what a link means; nothing is asked of its host yet, unless it is to be loaded by itself. */
  offer(role: Role, link: string, hosts: string[], load: boolean): Promise<void> {
    return (this.#opening[role] = this.#offer(role, link, hosts, load));
  }

  async #offer(role: Role, link: string, hosts: string[], load: boolean): Promise<void> {
    const turn = this.#next(role);
    this.#linked[role] = () => this.offer(role, link, hosts, load);
    const offered = await this.#link(link, hosts);
    if (turn !== this.#turn[role] || this.#gone) return;
    this.#linked[role] = null;
    if ('url' in offered && load) return this.choose(role, offered);
    void this.clear(role);
    this.#set(role, 'url' in offered ? { state: 'offered', link: offered } : { state: 'empty', problem: offered });
    if (!('url' in offered)) this.host.announce('error', offered);
  }

  async #link(link: string, hosts: string[]): Promise<FileLink | Problem> {
    try {
      return await this.#core.link(link, hosts);
    } catch (thrown) {
      return problemOf(thrown);
    }
  }

  /** Asks the host of a role's link for its file, also for one that was loaded before. */
  async load(role: Role): Promise<void> {
    const card = this.cards[role];
    const link = card.state === 'offered' ? card.link : this.fileOf(role);
    if (!link || link instanceof File) return;
    const { url, host, name } = link;
    const config = 'config' in card && !card.config?.loaded ? card.config : null;
    await this.choose(role, { url, host, name }, config);
  }

  choose(role: Role, file: File | FileLink, config: Config | null = null): Promise<void> {
    return (this.#opening[role] = this.#open(role, file, config));
  }

  /** What is open, once nothing is being opened any more. Rejects with the first refusal. */
  async opened(): Promise<Record<Role, Summary | null>> {
    while (ROLES.some((role) => this.cards[role].state === 'opening')) {
      if (this.#gone) throw new ProblemError(AWAY);
      await Promise.all(ROLES.map((role) => this.#opening[role]));
    }
    for (const role of ROLES) {
      const card = this.cards[role];
      if (card.state === 'refused') throw new ProblemError(card.problem);
    }
    return { content: this.summaryOf('content'), style: this.summaryOf('style') };
  }

  async #open(role: Role, file: File | FileLink, config: Config | null): Promise<void> {
    const turn = this.#next(role);
    this.#set(role, { state: 'opening', file, config });
    if (this.#gone) {
      this.#missed = true;
      return;
    }
    const { signal } = this.#opener[role];
    try {
      const given = isGiven(file) ? file : await this.#core.find(file);
      if (turn !== this.#turn[role]) return;
      let summary = await this.#core.inspect(role, given, config?.text ?? null, signal);
      if (turn !== this.#turn[role]) return;
      const beside = given === file || config ? null : await this.#core.config(role);
      if (turn !== this.#turn[role]) return;
      if (beside !== null) {
        // Also where it is refused, so that it can be taken away.
        [file, config] = [given, { name: 'adapter_config.json', text: beside, loaded: true }];
        summary = await this.#core.inspect(role, given, beside, signal);
        if (turn !== this.#turn[role]) return;
      }
      this.#set(role, { state: 'open', file: given, config, summary });
      this.host.announce('inspect', { role, summary });
      const warnings = summary.warnings.filter((warning) => this.host.announce('warning', warning));
      if (warnings.length < summary.warnings.length && turn === this.#turn[role]) {
        this.cards = { ...this.cards, [role]: { state: 'open', file: given, config, summary: { ...summary, warnings } } };
      }
      this.#backendWanted = true;
      this.refit(0);
    } catch (thrown) {
      if (turn !== this.#turn[role]) return;
      const refusal = problemOf(thrown);
      this.#set(role, { state: 'refused', file, config, problem: refusal });
      this.host.announce('error', refusal);
    }
  }

  /** What a recipe says. It changes nothing here. */
  recipe(text: string, name: string): Promise<SavedRecipe> {
    return this.#core.recipe(text, name);
  }

  /** The program's version, once it is there. */
  get version(): string {
    return this.#session?.version ?? '';
  }

  async clear(role: Role): Promise<void> {
    this.#next(role);
    const had = this.cards[role].state !== 'empty';
    this.#set(role, EMPTY);
    this.#hash();
    if (had) await this.#session?.close(role).catch(() => {});
    // What is left can be converted.
    this.refit(0);
  }

  async swap(): Promise<void> {
    const { content, style } = this.cards;
    if (content.state === 'open' && style.state === 'open') {
      this.#touch('files');
      this.foresight.drop();
      const swapped = (this.cards = { content: style, style: content });
      this.host.requestUpdate();
      try {
        await this.#session?.swap();
        this.refit(0);
      } catch (thrown) {
        // There they are as they were.
        if (this.cards === swapped) this.cards = { content, style };
        this.refit(0);
        this.fail(thrown);
      }
      return;
    }
    // Half a pair has nothing to swap in the wasm session: each file simply moves over.
    for (const [role, card] of [['content', style], ['style', content]] as const) {
      if ('file' in card) void this.choose(role, card.file, card.config);
      else {
        void this.clear(role);
        this.#set(role, card);
      }
    }
  }

  async example(): Promise<void> {
    try {
      const [content, style] = await Promise.all([this.#core.example('content'), this.#core.example('style')]);
      await Promise.all([this.choose('content', content), this.choose('style', style)]);
    } catch (thrown) {
      this.#runProblem = problemOf(thrown);
      this.host.announce('error', this.#runProblem);
      this.host.requestUpdate();
    }
  }

  /** Settings changed: the result no longer shows them, and the fit may differ. */
  refit(after = FIT_AFTER_MS): void {
    this.#touch('settings');
    clearTimeout(this.#fitTimer);
    const turn = ++this.#fitTurn;
    if (!this.bothOpen && !this.only) return this.#hash();
    this.#fitTimer = setTimeout(async () => {
      try {
        if (this.families === null) {
          const families = await this.#core.families();
          if (turn !== this.#fitTurn) return;
          this.families = families;
          // A choice that no longer is one goes before it is asked about.
          this.host.requestUpdate();
          await this.host.updateComplete;
          if (turn !== this.#fitTurn) return;
        }
        const settings = this.host.settings();
        const fit = await this.#core.fit(settings);
        if (turn !== this.#fitTurn) return;
        void this.#count(settings, turn);
        this.fit = { ...fit, warnings: fit.warnings.filter((warning) => this.#shows(warning)) };
        this.#fitProblem = null;
        this.#foresee();
      } catch (thrown) {
        if (turn !== this.#fitTurn) return;
        this.fit = null;
        this.#fitProblem = problemOf(thrown);
        this.#foresee();
        if (this.bothOpen) this.host.announce('error', this.#fitProblem);
      }
      this.#hash();
      this.host.requestUpdate();
      // Behind the fit, which answers at once: finding a device and compiling for it may take seconds.
      if (this.#backendWanted) void this.findBackend();
    }, after);
  }

  async findBackend(): Promise<void> {
    if (!this.bothOpen) return;
    this.#backendWanted = false;
    const turn = ++this.#backendTurn;
    try {
      const found = await this.#core.backend(this.host.backendChoice());
      if (turn !== this.#backendTurn) return;
      this.#useBackend(found);
    } catch (thrown) {
      if (turn !== this.#backendTurn) return;
      this.backend = null;
      this.#backendProblem = problemOf(thrown);
      this.host.announce('error', this.#backendProblem);
    }
    this.host.requestUpdate();
  }

  /** The files to make, each with its name: of a single file always one. */
  async #variants(settings: Settings, signal?: AbortSignal): Promise<Variant[]> {
    const wanted = this.bothOpen ? this.host.wanted() : null;
    if (!wanted) return [{ settings, swapped: false }];
    return named(await this.#core.variants(settings, wanted.several, signal), wanted.names);
  }

  /** Beside the fit, which the whole program is not needed for. Why it cannot be told, a run says. */
  async #count(settings: Settings, turn: number): Promise<void> {
    const variants = await this.#variants(settings).catch(() => []);
    if (turn !== this.#fitTurn || variants.length === 0) return;
    this.files = variants.length;
    this.host.requestUpdate();
  }

  /** Fuses the pair, or converts the only file. Gives the first result. */
  async run(converting: boolean, signal: AbortSignal | undefined): Promise<FusedFile> {
    if (ROLES.some((role) => this.cards[role].state === 'opening')) await Promise.race([this.opened(), abortOf(signal)]);
    if (this.running) throw new ProblemError(problem('E_RUNNING'));
    if (converting && !this.only) throw new ProblemError(problem('E_NOT_ONE'));
    if (!converting && !this.bothOpen) throw new ProblemError(problem('E_NOT_READY'));
    if (signal?.aborted) throw abortError();
    const aborter = (this.#aborter = new AbortController());
    const abort = (): void => aborter.abort();
    signal?.addEventListener('abort', abort, { once: true });
    const settings = this.host.settings();
    const now = performance.now();
    this.#runProblem = null;
    this.outcomes = [];
    // The run finds its backend itself; what is told of an earlier search would come in between.
    this.#backendTurn += 1;
    const running: Running = { converting, files: converting ? 1 : this.files, result: settings.result, since: now, stageSince: now, progress: null, stalled: false };
    this.#run(running);
    try {
      // Taken before it waits: whoever leaves meanwhile has cancelled it.
      const core = this.#core;
      const variants = await this.#variants(settings, aborter.signal);
      this.#run({ ...running, files: variants.length });
      const made = await core.fuse(variants, this.host.backendChoice(), {
        signal: aborter.signal, onProgress: (progress) => this.#progress(progress),
      });
      const results = made.map(({ file, report }): FusedFile => (
        { file: renamed(file, fileNameFor(report.settings.outputName)), report }));
      const [first] = results;
      if (!first) throw new ProblemError(problem('E_INTERNAL', 'nothing was made'));
      const { report } = first;
      this.#useBackend({ backend: report.backend, adapter: report.adapter, reason: report.backendReason });
      const all = warningsOf(results.map((result) => result.report.warnings));
      const hidden = all.filter((warning) => !this.host.announce('warning', warning)).map((warning) => JSON.stringify(warning));
      this.outcomes = results.map((result) => (
        { ...result, warnings: result.report.warnings.filter((warning) => !hidden.includes(JSON.stringify(warning))), stale: false }));
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
      this.#runProblem = problemOf(thrown);
      this.host.announce('error', this.#runProblem);
      throw new ProblemError(this.#runProblem);
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#aborter = null;
      // A cancelled worker may have been replaced, with all that it was working out.
      this.#hash();
      this.#foresee();
    }
  }

  /** What a third file has of the two. */
  compare = async (third: Third, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<Comparison> =>
    this.#core.compare(this.host.settings(), third, signal, onProgress);

  cancel(): void {
    this.#aborter?.abort();
  }

  reset(): void {
    this.cancel();
    this.outcomes = [];
    this.#runProblem = null;
    for (const role of ROLES) void this.clear(role);
  }

  /** What failed is tried again. */
  forgive(): void {
    this.#runProblem = null;
    this.host.requestUpdate();
  }

  fail(thrown: unknown): void {
    this.#runProblem = problemOf(thrown);
    this.host.announce('error', this.#runProblem);
    this.host.requestUpdate();
  }

  /** Of one file there is nothing to foresee. */
  #foresee(): void {
    if (this.bothOpen && this.fit && this.host.foresees()) this.foresight.want(this.host.settings());
    else this.foresight.drop();
  }

  #hash(): void {
    const files = ROLES.map((role) => this.cards[role]).flatMap((card) => (card.state === 'open' && card.file instanceof File ? [card.file] : []));
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

  /** Every change of settings fits the pair anew: the host is asked about a warning once. */
  #shows(warning: Problem): boolean {
    const about = JSON.stringify([warning.code, warning.file, warning.tensor]);
    const shown = this.#asked.get(about) ?? this.host.announce('warning', warning);
    this.#asked.set(about, shown);
    return shown;
  }

  #set(role: Role, card: Card): void {
    this.cards = { ...this.cards, [role]: card };
    this.#asked.clear();
    this.foresight.drop();
    // Asked anew for the next pair.
    this.#backendTurn += 1;
    this.#backendProblem = null;
    this.fit = null;
    this.families = null;
    this.#fitProblem = null;
    this.#touch('files');
    this.host.requestUpdate();
  }

  /** Something that the result was made from has changed. */
  #touch(what: 'files' | 'settings'): void {
    this.#runProblem = null;
    if (this.outcome?.stale !== 'files' && this.outcome?.stale !== what) this.outcomes = this.outcomes.map((outcome) => ({ ...outcome, stale: what }));
  }

  #run(running: Running | null): void {
    this.running = running;
    this.host.requestUpdate();
  }
}

/** Rejects when it is aborted. */
const abortOf = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => signal?.addEventListener('abort', () => reject(abortError()), { once: true }));

/** Of a link alone nobody knows yet what it leads to. */
const isGiven = (file: File | FileLink): file is GivenFile => file instanceof File || 'tag' in file;

function problemOf(thrown: unknown): Problem {
  return thrown instanceof ProblemError ? thrown.problem : toProblem(thrown);
}
