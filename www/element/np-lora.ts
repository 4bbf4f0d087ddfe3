/**
 * `<np-lora>`: two LoRA files in, one fused and checked file out, or one in and the same under other names out.
 * Attributes, properties, methods, events; the parts draw.
 */

import { LitElement, css, html, nothing, type PropertyValues } from 'lit';
import { property, state } from 'lit/decorators.js';
import { toJson } from './format.ts';
import { Desk, type DeskHost } from './desk.ts';
import { filesFrom, hasFiles, isConfig, readConfig } from './drop.ts';
import { type Action, type Choices, type Config, type Phase, type Setting } from './model.ts';
import { doneWith } from './result-view.ts';
import { percentDone } from './run-panel.ts';
import { ANALYSES, BACKENDS, DEFAULTS, DTYPES, MORE, type More, asMu, asOneOf, asStrength, defaultName, reads } from './settings.ts';
import { text } from './strings.ts';
import { base, tokens } from './tokens.css.ts';
import { ProblemError } from '../core/problem.ts';
import type { Fused } from '../core/protocol.ts';
import { cleanStem, download, saveFile } from '../core/save.ts';
import { Session } from '../core/session.ts';
import type { BackendChoice, BackendInUse, Outlook, Problem, Report, Role, Settings } from '../core/types.ts';
import { ROLES } from '../core/types.ts';

const SCALE = { content: 'contentScale', style: 'styleScale' } as const;
/** The one refusal that a setting answers. */
const UNCLEAR = 'E_FAMILY_UNCLEAR';

/**
 * Two LoRA files in, one fused and checked file out.
 *
 * @csspart app - All that the element shows.
 * @fires input - While a setting is being changed; `detail` are all settings.
 * @fires change - A setting or a file was changed; `detail` are all settings.
 * @fires inspect - A file is open: `detail.role` and `detail.summary`, which says what it is.
 * @fires warning - Something that a person should know, once a file, a pair or a run; `detail` is the warning. Cancelable.
 * @fires progress - At most ten times a second while a run goes on: bytes, modules and the stage.
 * @fires backendchange - Another backend is in use, or was found; `detail.backend` and `detail.reason`.
 * @fires beforesave - Save was pressed or called; `detail.file` and `detail.report`. Who cancels it saves the file otherwise.
 * @fires complete - The result was written, read back and checked: `detail.file` and `detail.report`.
 * @fires error - What went wrong: `detail.code`, a sentence, what to do, and where.
 * @fires abort - The run was cancelled; nothing was saved.
 */
export class NpLora extends LitElement implements DeskHost {
  /** Where the worker's script lies; a host that moves files sets it before the first file is chosen. */
  static workerURL: string | URL = new URL('./worker.js', import.meta.url);
  /** Where the whole program lies, for a host that moves or replaces it: it is then loaded at once. Beside the worker when null. */
  static glueURL: string | URL | null = null;
  /** The same for its wasm. */
  static wasmURL: string | URL | null = null;

  static override styles = [tokens, base, css`
    :host { display: block; min-width: 0; }
    .app { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; }
    .files { display: grid; grid-template-columns: minmax(0, 1fr) auto minmax(0, 1fr); gap: 8px; align-items: stretch; }
    .swap { align-self: center; width: 40px; padding: 0; border-radius: 50%; border-color: var(--line); }
    .swap svg { width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
    .invite { display: flex; flex-wrap: wrap; align-items: center; justify-content: center; gap: 8px 16px; padding: 8px 0; text-align: center; }
    @media (max-width: 600px) {
      .files { grid-template-columns: minmax(0, 1fr); justify-items: center; }
      .files > * { width: 100%; }
      .files > .swap { width: 40px; transform: rotate(90deg); }
      .invite button { width: 100%; }
    }
  `];

  /** How strongly to project, 0.5 unless set: 0 is plain addition, `Infinity` (in markup `∞`) removes all of the overlap. */
  @property({ converter: reads(asMu) }) mu: number = DEFAULTS.mu;
  /** The subject's strength, as a loader would apply it; 1 unless set. */
  @property({ attribute: 'content-strength', converter: reads(asStrength) }) contentStrength: number = DEFAULTS.contentStrength;
  /** The style's strength, as a loader would apply it; 1 unless set. */
  @property({ attribute: 'style-strength', converter: reads(asStrength) }) styleStrength: number = DEFAULTS.styleStrength;
  /** The result's number format: `auto` (as the inputs), `F16`, `BF16` or `F32`. */
  @property({ converter: reads((value) => asOneOf(value, DTYPES, DEFAULTS.dtype)) }) dtype = DEFAULTS.dtype;
  /** Who computes: `auto` (the faster one), `webgpu` or `cpu`. */
  @property({ converter: reads((value) => asOneOf(value, BACKENDS, DEFAULTS.backend)) }) backend = DEFAULTS.backend;
  /** Whether a pair is analysed as soon as both files are there. */
  @property({ converter: reads((value) => asOneOf(value, ANALYSES, 'auto')) }) analysis: 'auto' | 'off' = 'auto';
  /** The result's file name, without its ending; made from those of the files unless set. */
  @property({ attribute: 'output-name' }) outputName = '';
  /** Nothing can be chosen or started. */
  @property({ type: Boolean, reflect: true }) disabled = false;

  @state() private more: More = MORE;
  @state() private over: Role | 'all' | null = null;
  @state() private notice = '';
  @state() private spoken = '';
  @state() private makingExample = false;
  #desk = new Desk(this);

  constructor() {
    super();
    this.addEventListener('dragover', (event) => this.#dragOver(event));
    this.addEventListener('dragleave', (event) => {
      if (!this.contains(event.relatedTarget as Node | null)) this.over = null;
    });
    this.addEventListener('drop', (event) => this.#drop(event));
  }

  /** The subject's file. Setting it opens it. */
  get contentFile(): File | null { return this.#desk.fileOf('content'); }
  set contentFile(file: File | null) { void this.#place('content', file); }
  /** The style's file (`style` itself is taken by HTML). Setting it opens it. */
  get styleFile(): File | null { return this.#desk.fileOf('style'); }
  set styleFile(file: File | null) { void this.#place('style', file); }

  /** `empty`, `opening`, `ready`, `fusing`, `checking`, `done` or `failed`. */
  get phase(): Phase { return this.#desk.phase; }
  /** The last result, once it was checked. */
  get result(): File | null { return this.#desk.outcome?.file ?? null; }
  /** What was done to make it: settings, counts and measures. */
  get report(): Report | null { return this.#desk.outcome?.report ?? null; }
  /** What a fusion would do, as far as the pair is analysed by now. */
  get outlook(): Outlook | null { return this.#desk.foresight.outlook; }
  /** What stands in the way, with `code`, `message` and `remedy`. */
  get error(): Problem | null {
    const refused = ROLES.map((role) => this.#desk.cards[role]).find((card) => card.state === 'refused');
    return this.#desk.problem ?? (refused?.state === 'refused' ? refused.problem : null);
  }
  /** `webgpu` or `cpu`, once that is known. */
  get backendInUse(): BackendInUse | null { return this.#desk.backend?.backend ?? null; }

  /** Fuses both files. Rejects with AbortError, or with an error that has `.code`. */
  async fuse({ signal }: { signal?: AbortSignal } = {}): Promise<Fused> {
    const { file, report } = await this.#desk.run(false, signal);
    return { file, report };
  }

  /**
   * Writes the only file anew, in another naming, number format or rank: with one place filled and the other empty.
   * Goes through the phases of a fusion and ends with the same events, checks and `result`; in the report `content` or
   * `style` is null. Rejects like `fuse`.
   */
  async convert({ signal }: { signal?: AbortSignal } = {}): Promise<Fused> {
    const { file, report } = await this.#desk.run(true, signal);
    return { file, report };
  }

  /** Stops a run; nothing is saved. */
  cancel(): void {
    this.#desk.cancel();
  }

  /** Back to two empty places. */
  reset(): void {
    this.notice = '';
    this.#desk.reset();
  }

  /** Saves the result. False when there is none, the host took it (`beforesave`), or the person closed the dialog. */
  async save(): Promise<boolean> {
    const { outcome } = this.#desk;
    if (!outcome || !this.#tell('beforesave', outcome, true)) return false;
    const saved = await saveFile(outcome.file, outcome.file.name);
    this.spoken = this.notice = text.became[saved];
    return saved !== 'closed';
  }

  /**
   * Takes files from a drop, a paste or a host; without a role the first free place, subject before style. An
   * adapter_config.json goes with the one file beside it, or else with one that is there already.
   */
  async take(from: DataTransfer | readonly File[], role: Role | null = null): Promise<void> {
    const taken = 'items' in from ? await filesFrom(from) : [...from];
    if (this.disabled || this.#desk.running) return;
    const config = taken.find(isConfig);
    const files = taken.filter((file) => !isConfig(file));
    const [first, second] = files;
    if (!first) {
      if (config) return this.#takeConfig(config, role);
      this.notice = text.noFiles;
      return;
    }
    const free = ROLES.filter((one) => ['empty', 'refused'].includes(this.#desk.cards[one].state));
    this.notice = files.length > 2 ? text.onlyTwo : config && second ? text.configWhich : '';
    if (second && free.length !== 1) {
      void this.#place('content', first);
      void this.#place('style', second);
      return;
    }
    const to = (second ? null : role) ?? free[0];
    if (to) await this.#place(to, first, second ? undefined : config);
    else this.notice = text.bothTaken;
    if (second) this.notice = text.leftOut;
  }

  /** An adapter_config.json without its file belongs to the card it fell on, or to the only file there is. */
  async #takeConfig(config: File, role: Role | null): Promise<void> {
    const filled = ROLES.filter((one) => this.#desk.fileOf(one) !== null);
    const to = role ?? (filled.length === 1 ? filled[0] : null);
    const file = to ? this.#desk.fileOf(to) : null;
    if (to && file) await this.#place(to, file, config);
    else this.notice = filled.length > 0 && !role ? text.configWhich : text.configNeedsFile;
  }

  // What the desk asks of its host.
  /** @internal */
  settings(): Settings {
    const { mu, contentStrength, styleStrength, dtype } = this;
    return {
      ...this.more, mu: asMu(mu), contentStrength: asStrength(contentStrength), styleStrength: asStrength(styleStrength),
      dtype: asOneOf(dtype, DTYPES, DEFAULTS.dtype),
      outputName: cleanStem(this.outputName ?? '', this.#defaultName),
    };
  }

  /** @internal */
  backendChoice(): BackendChoice {
    return asOneOf(this.backend, BACKENDS, DEFAULTS.backend);
  }

  /** @internal */
  foresees(): boolean {
    return this.analysis !== 'off';
  }

  /** @internal */
  startSession(onStalled: (stalled: boolean) => void): Session {
    return new Session({ workerURL: NpLora.workerURL, glueURL: NpLora.glueURL, wasmURL: NpLora.wasmURL, onStalled });
  }

  /** @internal */
  announce(name: string, detail: unknown): void {
    if (name === 'complete') this.spoken = doneWith((detail as Fused).report);
    if (name === 'abort') this.spoken = this.notice = text.cancelled;
    if (name === 'progress' && this.#desk.running?.progress) {
      // Every tenth percent would drown a screen reader; quarters tell enough.
      const { progress, converting, result } = this.#desk.running;
      const quarter = Math.floor(percentDone(progress) / 25) * 25;
      this.spoken = `${progress.stage === 'verify' ? text.checking : converting ? text.converting : text.fusing[result]}, ${quarter} %`;
    }
    this.#tell(name, detail, name === 'warning');
  }

  override render() {
    const desk = this.#desk;
    const { foresight } = desk;
    const busy = this.disabled || desk.running !== null;
    const empty = ROLES.every((role) => desk.cards[role].state === 'empty');
    // Solved by a setting, or that of a single file: shown where the setting is.
    const asked = desk.only || desk.fitProblem?.code === UNCLEAR ? desk.fitProblem : null;
    const fit = html`<np-lora-pair-fit .fit=${desk.fit} ?single=${desk.only !== null} .result=${this.more.result}></np-lora-pair-fit>`;
    return html`<div class="app" part="app" @input=${stop} @change=${stop}>
      <div class="files">
        ${this.#card('content', busy)}
        <button class="swap" type="button" aria-label=${text.swap} title=${text.swap} ?disabled=${busy || empty} @click=${() => this.#swap()}>
          <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M3 7h13m-3.5-3.5L16 7l-3.5 3.5M17 13H4m3.5-3.5L4 13l3.5 3.5" /></svg>
        </button>
        ${this.#card('style', busy)}
      </div>
      ${empty ? html`<div class="invite">
        <button type="button" ?disabled=${busy || this.makingExample} @click=${() => this.#example()}>${this.makingExample ? text.makingExample : text.example}</button>
        <span class="small muted">${text.exampleHint}</span>
      </div>` : nothing}
      ${desk.fit && !desk.only ? fit : nothing}
      ${desk.bothOpen && desk.fit && this.foresees() ? html`<np-lora-outlook .outlook=${foresight.outlook} .mu=${asMu(this.mu)} .spectra=${foresight.spectra}
        ?running=${foresight.analysing} ?disabled=${busy || this.more.result !== 'fusion'}
        @np-mu=${({ detail: { mu, committed } }: CustomEvent<{ mu: number; committed: boolean }>) => this.#setting({ patch: { mu }, committed })}
        @np-balance=${({ detail }: CustomEvent<Setting['patch']>) => this.#setting({ patch: detail, committed: true })}
        @np-module=${({ detail }: CustomEvent<{ module: number | null }>) => foresight.look(detail.module)}></np-lora-outlook>` : nothing}
      ${desk.bothOpen || desk.only ? html`<np-lora-controls .choices=${this.#choices(busy)} .backend=${this.backendChoice()}
        .backendReason=${desk.backend?.reason ?? ''} .defaultName=${this.#defaultName} .problem=${asked}
        @np-setting=${(event: CustomEvent<Setting>) => this.#setting(event.detail)}>${desk.fit && desk.only ? fit : nothing}</np-lora-controls>` : nothing}
      <np-lora-run .phase=${desk.phase} .running=${desk.running} .outcome=${desk.outcome} .problem=${asked && asked === desk.problem ? null : desk.problem}
        .backend=${desk.backend} .making=${this.more.result} .sha256=${desk.hashes.of(this.result)} .notice=${this.notice} ?ready=${desk.isReady}
        ?convertible=${desk.only !== null && desk.fit !== null} ?disabled=${this.disabled}
        @np-do=${(event: CustomEvent<Action>) => this.#do(event.detail)}></np-lora-run>
      <p class="unseen" role="status">${this.spoken}</p>
    </div>`;
  }

  #card(role: Role, busy: boolean) {
    return html`<np-lora-card side=${role} .card=${this.#desk.cards[role]} ?disabled=${busy}
      .sha256=${this.#desk.hashes.of(this.#desk.fileOf(role))} ?ownScale=${this.more[SCALE[role]].kind !== 'auto'}
      ?over=${this.over === role || this.over === 'all'}
      @np-file=${(event: CustomEvent<File | null>) => this.#choose(role, event.detail)}
      @np-config=${(event: CustomEvent<File | null>) => this.#chooseConfig(role, event.detail)}></np-lora-card>`;
  }

  #choices(disabled: boolean): Choices {
    const { fit, only } = this.#desk;
    const summaries = { content: this.#desk.summaryOf('content'), style: this.#desk.summaryOf('style') };
    const idle = disabled || (only === null && this.more.result === 'overlap');
    return { settings: { ...this.settings(), outputName: this.outputName ?? '' }, fit, summaries, families: this.#families(), only, disabled, idle };
  }

  /** Families that every file which is unsure of its own could be of. */
  #families(): string[] {
    const [first = [], second = first] = ROLES.map((role) => this.#desk.summaryOf(role)?.families ?? []).filter((some) => some.length > 0);
    return first.filter((family) => second.includes(family));
  }

  // What was chosen from a list goes when the files no longer offer it.
  protected override willUpdate(): void {
    const summaries = ROLES.map((role) => this.#desk.summaryOf(role));
    if (summaries.every((summary) => summary === null) || ROLES.some((role) => this.#desk.cards[role].state === 'opening')) return;
    const { family } = this.more;
    if (family !== null && !this.#families().includes(family)) this.more = { ...this.more, family: null };
    const now = [...new Set(summaries.map((summary) => summary?.family)), this.more.family].filter((name) => name).sort().join();
    const chosen = this.more.scheme !== null || Object.keys(this.more.blocks).length > 0;
    if (now !== this.#listsOf && chosen) this.more = { ...this.more, scheme: null, blocks: {} };
    this.#listsOf = now;
  }
  #listsOf = '';

  protected override updated(changed: PropertyValues): void {
    const settings = ['mu', 'contentStrength', 'styleStrength', 'dtype', 'outputName', 'more'];
    // The first update is no change: nothing was fitted before it.
    if (this.#drawn && settings.some((name) => changed.has(name))) this.#desk.refit();
    if (this.#drawn && changed.has('analysis')) this.#desk.refit();
    if (this.#drawn && changed.has('backend')) void this.#desk.findBackend();
    this.#drawn = true;
  }
  #drawn = false;

  get #defaultName(): string {
    return defaultName(this.contentFile, this.styleFile, this.more.result);
  }

  #setting({ patch, committed }: Setting): void {
    for (const [key, value] of Object.entries(patch)) {
      if (key in MORE) this.more = { ...this.more, [key]: value };
      else Object.assign(this, { [key]: value });
    }
    this.#tell(committed ? 'change' : 'input', this.settings());
  }

  #choose(role: Role, file: File | null): void {
    this.notice = '';
    if (file && isConfig(file) && this.#desk.fileOf(role)) void this.#takeConfig(file, role);
    else void this.#place(role, file);
    this.#tell('change', this.settings());
  }

  #chooseConfig(role: Role, config: File | null): void {
    this.notice = '';
    void this.#place(role, this.#desk.fileOf(role), config);
  }

  async #place(role: Role, file: File | null, config: File | null = null): Promise<void> {
    if (!(file instanceof File)) return this.#desk.clear(role);
    // The word on one file's scale says nothing about the next one's.
    const another = file !== this.#desk.fileOf(role);
    if (another && this.more[SCALE[role]].kind !== 'auto') this.more = { ...this.more, [SCALE[role]]: { kind: 'auto' } };
    const read: Config | null = config && await readConfig(config).catch(() => null);
    if (config && !read) {
      this.notice = text.configTooLarge;
      if (!another) return;
    }
    await this.#desk.choose(role, file, read);
  }

  #swap(): void {
    this.notice = '';
    const { contentScale, styleScale } = this.more;
    this.more = { ...this.more, contentScale: styleScale, styleScale: contentScale };
    void this.#desk.swap();
  }

  async #example(): Promise<void> {
    this.makingExample = true;
    await this.#desk.example();
    this.makingExample = false;
  }

  #do(action: Action): void {
    switch (action) {
      case 'fuse':
        this.notice = '';
        // The desk shows and announces what went wrong; nobody waits for this promise.
        return void this.fuse().catch(() => {});
      case 'convert':
        this.notice = '';
        return void this.convert().catch(() => {});
      case 'cancel': return this.cancel();
      case 'reset': return this.reset();
      case 'save':
        this.notice = '';
        this.#desk.forgive();
        return void this.save().catch((error: ProblemError) => this.#desk.fail(error));
      case 'save-report': return this.#saveReport();
    }
  }

  #saveReport(): void {
    const { outcome } = this.#desk;
    if (!outcome) return;
    const name = outcome.file.name.replace(/\.safetensors$/, '') + '.report.json';
    download(new Blob([toJson(outcome.report)], { type: 'application/json' }), name);
  }

  #dragOver(event: DragEvent): void {
    if (!hasFiles(event.dataTransfer)) return;
    // Without this the browser would open the file and leave the page.
    event.preventDefault();
    this.over = (event.dataTransfer?.items.length ?? 0) > 1 ? 'all' : this.#roleUnder(event) ?? 'all';
  }

  #drop(event: DragEvent): void {
    this.over = null;
    if (!hasFiles(event.dataTransfer) || !event.dataTransfer) return;
    event.preventDefault();
    void this.take(event.dataTransfer, this.#roleUnder(event));
  }

  #roleUnder(event: Event): Role | null {
    const card = event.composedPath().find((one) => one instanceof Element && one.localName === 'np-lora-card');
    return (card as { side?: Role } | undefined)?.side ?? null;
  }

  /** None bubbles: an event called "error" must not look like the window's own. */
  #tell(type: string, detail: unknown, cancelable = false): boolean {
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable }));
  }
}

/** The controls' own events are not the element's: it sends its own, with the settings. */
function stop(event: Event): void {
  event.stopPropagation();
}
