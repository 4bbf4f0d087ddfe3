/** The element: attributes, properties, methods, events, its place in a form; the parts draw. */

import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { app } from './app.css.ts';
import { Properties } from './properties.ts';
import { Actions } from './actions.ts';
import { Desk } from './desk/desk.ts';
import { takeEarly } from './upgrade.ts';
import type { Listening, NpLoraEvents } from './events.ts';
import { toJson } from './words/format.ts';
import { Intake, SCALE } from './desk/intake.ts';
import { isUnfit, type Choices, type ActionAt, type Outcome, type Phase, type Setting } from './model.ts';
import { ANALYSES, asOneOf, asText, MORE, REMEMBER, reads } from './settings/settings.ts';
import { recipeText, text } from './words/strings.ts';
import { Keep } from './settings/keep.ts';
import { language } from './words/language.ts';
import { Links } from './desk/links.ts';
import { SpeaksAsAround, languageComing } from './languages/languages.ts';
import { understood, type Language } from './languages/tags.ts';
import type { BlocksChange } from './outlook/brush.ts';
import { Look } from './files/look.ts';
import type { MuChange } from './controls/mu-range.ts';
import { Notices } from './notices.ts';
import { Saving } from './desk/saving.ts';
import { spokenOf, whatIsOpen } from './announcements.ts';
import type { BarAction } from './controls/settings-bar.ts';
import { base, tokens } from './parts/tokens.css.ts';
import type { ProgramCode } from '../core/codes.ts';
import { asFile } from '../core/naming.ts';
import { cleanStem, delivery } from '../core/save.ts';
import { Session } from '../core/session.ts';
import type { BackendInUse, FileLink, FusedFile, Outlook, Problem, Report, Role, Summary } from '../core/types.ts';
import { Internals } from './internals.ts';
import { ROLES } from '../core/types.ts';

/** The one refusal that a setting answers. */
const UNCLEAR = 'E_FAMILY_UNCLEAR' satisfies ProgramCode;

/** The first drawing waits no longer than this for its language's sentences; it is drawn in English then. */
const LANGUAGE_MS = 1000;

export interface NpLora {
  addEventListener: Listening<NpLora, AddEventListenerOptions>;
  removeEventListener: Listening<NpLora, EventListenerOptions>;
}

/**
 * Two LoRA files in, one fused and checked file out or several, or one in and the same under other names out.
 *
 * @csspart app - All that the element shows.
 * @csspart files - The two cards and what is between them.
 * @csspart card - A file's card.
 * @csspart pair-fit - How the two fit.
 * @csspart outlook - What the projection will do.
 * @csspart controls - The settings.
 * @csspart fuse - The button that fuses.
 * @csspart convert - The button that converts the only file.
 * @csspart backend - What computes.
 * @csspart progress - How far a run is.
 * @csspart result - The result and what is said of it.
 * @csspart save - The button that saves.
 * @csspart compare - What a third file has of the two.
 * @csspart error - What went wrong.
 * @attr {string} name - Of its value in a form; without one, nothing is sent.
 * @cssState empty - A file is missing.
 * @cssState opening - A file is being read, or how the two fit is being found out.
 * @cssState ready - `fuse()` can be called.
 * @cssState fusing - A run is under way.
 * @cssState checking - The run's result is being read back.
 * @cssState done - There is a result.
 * @cssState failed - A run, the pair or a file was refused.
 * @cssState stale - Files or settings differ from those that the result was made with.
 * @slot heading - Above the cards.
 * @slot help - Below them.
 * @slot footer - At the end.
 * @fires {CustomEvent<Settings>} input - While a setting is being changed; `detail` are all settings.
 * @fires {CustomEvent<Settings>} change - A person changed a setting or a file, or `take` was called; `detail` are all settings.
 * @fires {CustomEvent<{ role: Role; summary: Summary }>} inspect - A file is open: `detail.role` and `detail.summary`, which says what it is.
 * @fires {CustomEvent<Problem>} warning - Something that a person should know, once a file, a pair or a run; `detail` is the warning. Cancelled, it is not shown.
 * @fires {CustomEvent<Progress>} progress - At most five times a second while a run goes on: bytes, modules and the stage.
 * @fires {CustomEvent<BackendFound>} backendchange - Another backend is in use, or was found; `detail.backend` and `detail.reason`.
 * @fires {CustomEvent<Phase>} phasechange - `phase` is another one, which `detail` is.
 * @fires {CustomEvent<FusedFile>} beforesave - Save was pressed or called; `detail.file` and `detail.report`. Who cancels it saves the file otherwise.
 * @fires {CustomEvent<FusedFile & { results: FusedFile[] }>} complete - The result was written, read back and checked: `detail.file` and `detail.report`; `detail.results` are all of the run.
 * @fires {CustomEvent<Problem>} error - What went wrong: `detail.code`, a sentence, what to do, and where.
 * @fires {CustomEvent<null>} abort - The run was cancelled; nothing was saved.
 */
export class NpLora extends Properties {
  /** A form sends the fused file as the element's value. */
  static readonly formAssociated = true;
  /** A folder that has the worker and the programs. A host that moves files says so before the first one is chosen. */
  static assetBase: string | URL | null = null;
  /** Where the worker's script lies, when not with the others. */
  static workerURL: string | URL | null = null;
  /** Where the whole program lies, for a host that replaces it: it is then loaded at once. */
  static glueURL: string | URL | null = null;
  /** The same for its wasm. */
  static wasmURL: string | URL | null = null;
  /** Who takes the files that people save on this page (results, reports, tables). Null: the browser. */
  static set deliver(to: ((file: File) => void) | null) { delivery.to = to; }

  /** Which of its languages somebody gets who reads these, the dearest first. All elements of a page speak one: that of their `lang`, or what is around them. */
  static understands(...tags: string[]): Language { return understood(tags); }

  static override styles = [tokens, base, app];

  /** Whether a pair is analysed as soon as both files are there. */
  @property({ converter: reads((value) => asOneOf(value, ANALYSES, 'auto')) }) analysis: 'auto' | 'off' = 'auto';
  /** A link to the subject's file. Its host is asked when a person says so, or at once with `autoload`. */
  @property({ attribute: 'content-src', converter: reads(asText) }) contentSrc = '';
  /** A link to the style's file. */
  @property({ attribute: 'style-src', converter: reads(asText) }) styleSrc = '';
  /** The files of links are loaded without anybody's saying so. */
  @property({ type: Boolean }) autoload = false;
  /** Hosts that files may be loaded from besides the Hugging Face Hub: names or origins, with spaces between. */
  @property({ converter: reads(asText) }) hosts = '';
  /** Whether the settings stand in the page's address as well, behind the #: `off` or `hash`. */
  @property({ converter: reads((value) => asOneOf(value, REMEMBER, 'off')) }) remember: 'off' | 'hash' = 'off';
  /** People can neither choose nor start anything; what the host calls goes on. */
  @property({ type: Boolean, reflect: true }) disabled = false;

  /** By a fieldset around it. */
  @state() private barred = false;
  #notices = new Notices(this);
  #internals = new Internals(this, () => this.focus());
  #phase: Phase = 'empty';
  #desk = new Desk(this, {
    settings: () => this.settings(),
    wanted: () => this.wanted(),
    backendChoice: () => this.backend,
    foresees: () => this.#foresees,
    startSession: (onStalled) => {
      const { assetBase, workerURL, glueURL, wasmURL } = NpLora;
      return new Session({ assetBase, workerURL, glueURL, wasmURL, onStalled });
    },
    coming: () => (this.autoload && this.isConnected && this.isUpdatePending ? this.updateComplete : null),
    announce: (name, detail) => this.#announce(name, detail),
  });
  #links = new Links(this, this.#desk.places);
  #look = new Look(this, this.#desk);
  #keep = new Keep(this, {
    state: () => this.state(), apply: (patch) => this.apply(patch), changeable: () => this.#changeable, fit: () => this.#desk.fit, families: () => this.#desk.families?.names ?? [], sources: () => this.#desk.sources,
  });
  #intake = new Intake(this, {
    changeable: () => this.#changeable,
    running: () => this.#desk.running !== null,
    notify: (what) => this.#notices.note(what),
    changed: () => this.#actions.changed(),
    paste: (role, link) => this.#actions.paste(role, link),
    openRecipe: (name, saved) => {
      this.#keep.open(name, { ...saved, settings: { ...saved.settings, outputName: cleanStem(saved.settings.outputName, '') } });
      this.#notices.say([recipeText.opened, ...this.#keep.remarks.slice(1)].join(text.gap));
      this.#actions.changed();
    },
  }, this.#desk, this.#keep);
  #saving = new Saving({
    requestUpdate: () => this.requestUpdate(), offer: (outcome) => this.#tell('beforesave', outcome, true), saved: (what) => this.#notices.ofSaving(what),
  }, this.#desk);

  #actions = new Actions(this, {
    settings: () => this.settings(), named: () => this.named, state: () => this.state(), defaultName: () => this.defaultName, changeable: () => this.#changeable,
    tell: (name, detail) => this.#tell(name, detail),
  }, { desk: this.#desk, intake: this.#intake, keep: this.#keep, links: this.#links, notices: this.#notices, saving: this.#saving });

  constructor() {
    super();
    this.addController(new SpeaksAsAround(this));
  }

  /** @internal */
  override connectedCallback(): void {
    super.connectedCallback();
    takeEarly(this, ['contentFile', 'styleFile', 'name']);
  }

  /** As a click on its label: to the first file. */
  override focus(options?: FocusOptions): void {
    // An element that was never in a document has nothing in it.
    this.shadowRoot?.querySelector<HTMLElement>('np-lora-card')?.focus(options);
  }

  /** The subject's file; null also where it is a link's. Setting it, or a Blob, opens it. */
  get contentFile(): File | null { return this.#desk.places.localOf('content'); }
  set contentFile(file: Blob | null) { void this.#intake.place('content', asFile('content', file)); }
  /** The style's file (`style` itself is taken by HTML). Setting it opens it. */
  get styleFile(): File | null { return this.#desk.places.localOf('style'); }
  set styleFile(file: Blob | null) { void this.#intake.place('style', asFile('style', file)); }

  protected fileOf(role: Role): File | FileLink | null {
    return this.#desk.places.fileOf(role);
  }

  /** `empty`, `opening`, `ready`, `fusing`, `checking`, `done` or `failed`. */
  get phase(): Phase { return this.#desk.phase; }
  /** The last result, once it was checked. */
  get result(): File | null { return this.#desk.outcome?.file ?? null; }
  /** What was done to make it: settings, counts and measures. */
  get report(): Report | null { return this.#desk.outcome?.report ?? null; }
  /** All of the last run: one, or as many as `several` asks for; `result` and `report` are the first. */
  get results(): { file: File; report: Report }[] { return this.#desk.outcomes.map(({ file, report }) => ({ file, report })); }
  /** How many of these nobody has saved yet, also while one is being written. */
  get unsaved(): number { return this.#saving.unsaved; }
  /** What a fusion would do, as far as the pair is analysed by now. */
  get outlook(): Outlook | null { return this.#desk.foresight.outlook; }
  /** What stands in the way, with `code`, `message` and `remedy`. */
  get error(): Problem | null {
    return this.#desk.problem ?? this.#desk.places.problem;
  }
  /** `webgpu` or `cpu`, once that is known. */
  get backendInUse(): BackendInUse | null { return this.#desk.backend?.backend ?? null; }

  /** Its name in a form: empty, nothing is sent. */
  get name(): string { return this.getAttribute('name') ?? ''; }
  set name(name: string) { this.setAttribute('name', asText(name)); }
  /** The form it is in. */
  get form(): HTMLFormElement | null { return this.#internals.form; }
  /** Its `<label>`s. */
  get labels(): NodeList { return this.#internals.labels; }

  /**
   * The form begins anew: so do the files, and the settings are as the markup says.
   * @internal
   */
  formResetCallback(): void {
    this.reset();
    this.more = MORE;
    this.several = null;
    // Links among them are offered anew with the next update.
    for (const name of NpLora.observedAttributes) this.attributeChangedCallback(name, null, this.getAttribute(name));
    this.#keep.reset();
  }

  /**
   * By itself or by a fieldset; a run goes on.
   * @internal
   */
  formDisabledCallback(disabled: boolean): void {
    this.barred = disabled;
  }

  /** What the chosen files are, once they are open. Rejects with an error that has `.code` for the first that is refused. */
  inspect(): Promise<Record<Role, Summary | null>> {
    return this.#desk.inspect();
  }

  /** Fuses both files, once they are open. Gives the first result; `results` has all. Rejects with AbortError, or with an error that has `.code`. */
  async fuse({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<FusedFile> {
    const { file, report } = await this.#desk.run(false, signal);
    return { file, report };
  }

  /**
   * Writes the only file anew, in another naming, number format or rank: with one place filled and the other empty.
   * Goes through the phases of a fusion and ends with the same events, checks and `result`; in the report `content` or
   * `style` is null. Rejects like `fuse`.
   */
  async convert({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<FusedFile> {
    const { file, report } = await this.#desk.run(true, signal);
    return { file, report };
  }

  /** Ends a run, or a call that waits for its files; nothing is saved. */
  cancel(): void {
    this.#desk.cancel();
  }

  /** Back to two empty places; the settings stay, but for the scales of these files. */
  reset(): void {
    this.#notices.clear();
    // So that the same ones may be set again.
    this.contentSrc = this.styleSrc = '';
    ROLES.forEach((role) => this.#intake.forgetScale(role));
    this.#keep.closeRecipe();
    this.#actions.converting = false;
    this.#desk.reset();
    this.#stand();
  }

  /** Takes back the last change of a setting that a person made; false where there is none. */
  undo(): boolean {
    return this.#actions.step('undo');
  }

  /** Makes the last change that was taken back again; false where there is none. */
  redo(): boolean {
    return this.#actions.step('redo');
  }

  /**
   * Saves a result, the first one. False when there is none, the host took it (`beforesave`), or the person closed the dialog.
   * @param {number} at
   */
  save(at = 0): Promise<boolean> {
    return this.#saving.one(at);
  }

  /** Saves all results, in one folder where the browser lets the person choose one. Each is offered to the host first. */
  saveAll(): Promise<boolean> {
    return this.#saving.all();
  }

  /**
   * Takes files from a drop, a paste or a host; without a role the first free place, subject before style. An
   * adapter_config.json goes with the one file beside it, or else with one that is there already; of a recipe or a report the
   * settings are taken. A link that was dropped or pasted is offered, as its file will be.
   */
  take(from: DataTransfer | readonly File[], role: Role | null = null): Promise<void> {
    return this.#intake.take(from, role);
  }

  /** Files and settings are a person's to change. */
  get #changeable(): boolean { return !this.#idle && this.#desk.running === null; }

  get #foresees(): boolean { return this.analysis !== 'off' && this.#look.isFree; }

  #announce<K extends keyof NpLoraEvents>(name: K, detail: NpLoraEvents[K]['detail']): boolean {
    // Whoever hears of a result has it in the form by then.
    this.#stand();
    const spoken = spokenOf(name, detail, this.#desk.running, this.#open);
    if (name === 'abort') this.#notices.notice = text.cancelled;
    if (name === 'complete') this.#notices.saved = '';
    // Its own words are read where they stand.
    if (name === 'error') this.#notices.ofNoProgress();
    const wanted = this.#tell(name, detail, name === 'warning');
    // Whoever waits at Cancel is taken to the result, which says it itself.
    const heard = name === 'complete' && this.shadowRoot?.querySelector('np-lora-run')?.matches(':focus-within');
    if (name === 'progress') this.#notices.ofProgress(spoken);
    else if (spoken !== null && wanted) this.#notices.say(heard ? '' : spoken, name === 'warning');
    return wanted;
  }

  get #open(): Record<Role, Summary | null> {
    const { places } = this.#desk;
    return { content: places.summaryOf('content'), style: places.summaryOf('style') };
  }

  async #swap(): Promise<void> {
    const { content } = this.#open;
    await this.#intake.swap();
    if (this.#open.content !== content) this.#notices.say(whatIsOpen(this.#open));
  }

  get #idle(): boolean {
    return this.disabled || this.barred;
  }

  override render(): TemplateResult {
    const { fit, fitProblem, places: { only, bothOpen } } = this.#desk;
    const busy = this.#idle || this.#desk.running !== null;
    const folded = only !== null && !this.#actions.converting;
    // Solved by a setting, or that of a single file: shown where the setting is.
    const asked = only || fitProblem?.code === UNCLEAR ? fitProblem : null;
    const settable = only ? !folded : bothOpen && (fit || (fitProblem && (!isUnfit(fitProblem) || this.#keep.hasSteps)));
    return html`<div class="app" part="app" lang=${language()} dir="ltr" @input=${this.#ownInput} @pointerdown=${(event: PointerEvent) => this.#actions.pressed(event)} @pointercancel=${(event: PointerEvent) => this.#actions.swiped(event)}>
      <slot name="heading"></slot>
      ${this.#files(busy)}
      ${this.#invitation(busy)}
      ${this.#recipe()}
      <slot name="help"></slot>
      ${fit && !only ? this.#fit() : nothing}
      ${fitProblem && !asked ? html`<np-lora-problem exportparts="error" shown .problem=${fitProblem}></np-lora-problem>` : nothing}
      ${this.#outlook(busy)}
      ${folded ? html`<div class="invite"><button type="button" ?disabled=${busy} @click=${() => this.#actions.offerConversion()}>${text.convertTitle}</button></div>` : nothing}
      ${settable ? this.#controls(busy, asked) : nothing}
      ${this.#run(folded)}
      ${bothOpen && fit ? html`<np-lora-compare exportparts="compare" .compare=${this.#desk.compare} .settings=${this.settings()} .contentFile=${this.fileOf('content')} .styleFile=${this.fileOf('style')}
        ?disabled=${busy}></np-lora-compare>` : nothing}
      <slot name="footer"></slot>
      <p class="unseen" role="status">${this.#notices.spoken}</p>
    </div>`;
  }

  #files(busy: boolean): TemplateResult {
    return html`<div class="files" part="files">
      ${this.#card('content', busy)}
      <button class="swap" type="button" title=${text.swap} ?disabled=${busy || this.#desk.places.isEmpty} @click=${() => void this.#swap()}>
        <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M3 7h13m-3.5-3.5L16 7l-3.5 3.5M17 13H4m3.5-3.5L4 13l3.5 3.5" /></svg>
      </button>
      ${this.#card('style', busy)}
    </div>`;
  }

  /** To begin without files, or with those of two links at once. */
  #invitation(busy: boolean): TemplateResult | typeof nothing {
    const { isEmpty, cards } = this.#desk.places;
    const { makingExample } = this.#actions;
    if (isEmpty) {
      return html`<div class="invite">
        <button type="button" ?disabled=${busy || makingExample} @click=${() => this.#actions.example()}>${makingExample ? text.makingExample : text.example}</button>
        <span class="small muted">${text.exampleHint}</span>
      </div>`;
    }
    return ROLES.every((role) => cards[role].state === 'offered') ? html`<div class="invite">
      <button class="primary" type="button" ?disabled=${busy} @click=${() => this.#actions.loadBoth()}>${text.loadBoth}</button></div>` : nothing;
  }

  #fit(): TemplateResult {
    const { fit, places: { only } } = this.#desk;
    return html`<np-lora-pair-fit exportparts="pair-fit" .fit=${fit} ?single=${only !== null} .result=${this.more.result} ?same=${this.#same} ?bound=${this.more.recompress.kind === 'energy'}></np-lora-pair-fit>`;
  }

  /** Both files have the same bytes. */
  get #same(): boolean {
    const [one, other] = ROLES.map((role) => this.#desk.hashes.of(this.#desk.places.localOf(role)));
    return Boolean(one) && one === other;
  }

  #outlook(busy: boolean): TemplateResult {
    const { foresight, fit, places } = this.#desk;
    const several = this.severalInForce;
    const fits = places.bothOpen && fit !== null;
    return html`${fits && this.#foresees ? html`<np-lora-outlook exportparts="outlook" .outlook=${foresight.outlook} .mu=${this.mu} .fit=${fit} .blocks=${this.more.blocks} .spectra=${foresight.spectra} .result=${this.more.result} .several=${several}
        ?coming=${foresight.coming} ?same=${this.#same} ?running=${foresight.analysing} ?disabled=${busy || this.more.result !== 'fusion' || several !== null}
        @np-mu=${({ detail: { mu, committed } }: CustomEvent<MuChange>) => this.#actions.setting({ patch: { mu }, committed })}
        @np-balance=${({ detail }: CustomEvent<Setting['patch']>) => this.#actions.setting({ patch: detail, committed: true })}
        @np-blocks=${({ detail: { blocks, committed } }: CustomEvent<BlocksChange>) => this.#actions.setting({ patch: { blocks }, committed })}
        @np-module=${({ detail }: CustomEvent<{ module: number | null }>) => foresight.look(detail.module)}></np-lora-outlook>` : nothing}
      ${foresight.problem ? html`<np-lora-problem exportparts="error" .problem=${foresight.problem}>${foresight.refusal ? nothing
        : html`<button type="button" ?disabled=${busy} @click=${() => this.#actions.foreseeAgain()}>${text.tryAgain}</button>`}</np-lora-problem>` : nothing}
      ${fits && this.analysis !== 'off' && !this.#foresees ? this.#look.offer(busy, () => this.#actions.foresee()) : nothing}`;
  }

  #controls(busy: boolean, asked: Problem | null): TemplateResult {
    const { backend, fit, foresight, places: { only } } = this.#desk;
    const { canUndo, canRedo, isChanged } = this.#keep;
    return html`<np-lora-controls exportparts="controls, pair-fit, error" .choices=${this.#choices(busy)} .backend=${this.backend}
      .backendReason=${backend?.reason ?? ''} .defaultName=${this.defaultName} .problem=${asked} .outlook=${foresight.outlook}
      @np-setting=${(event: CustomEvent<Setting>) => this.#actions.setting(event.detail)}>
      <np-lora-settings-bar slot="bar" ?undoable=${canUndo} ?redoable=${canRedo} ?resettable=${isChanged} ?disabled=${busy} ?savable=${fit !== null}
        @np-bar=${({ detail }: CustomEvent<BarAction>) => this.#actions.bar(detail)}
        @np-recipe=${({ detail }: CustomEvent<File>) => void this.#intake.takeRecipe(detail)}></np-lora-settings-bar>${fit && only ? this.#fit() : nothing}</np-lora-controls>`;
  }

  #run(folded: boolean): TemplateResult {
    const { backend, files, fit, fitProblem, foresight, hashes, heavy, isReady, outcomes, places, problem, running } = this.#desk;
    const saidAbove = new Set([fitProblem, foresight.problem].map(toJson));
    return html`<np-lora-run exportparts="fuse, convert, backend, progress, result, save, error"
      .running=${running} .outcomes=${outcomes} .problem=${saidAbove.has(toJson(problem)) ? null : problem}
      .backend=${backend} .making=${this.more.result} .files=${files} .heavy=${heavy}
      .unsaved=${this.#saving.unsaved} .saved=${this.#notices.saved} .hashOf=${(file: File) => hashes.of(file)} .notice=${this.#notices.notice} ?ready=${isReady && foresight.refusal === null}
      ?convertible=${places.only !== null && !folded && fit !== null} ?disabled=${this.#idle || this.#saving.busy}
      @np-do=${(event: CustomEvent<ActionAt>) => this.#actions.do(event.detail)}></np-lora-run>`;
  }

  #card(role: Role, busy: boolean) {
    return html`<np-lora-card side=${role} exportparts="card, error" .card=${this.#desk.places.cards[role]} ?disabled=${busy}
      .sha256=${this.#desk.hashes.of(this.#desk.places.localOf(role))} .tensors=${this.#desk.hashes.of(this.#desk.places.localOf(role), 'tensors')}
      ?ownScale=${this.more[SCALE[role]].kind !== 'auto'}
      ?over=${this.#intake.isOver(role)} ?stalled=${this.#desk.isStalled}
      @np-file=${(event: CustomEvent<File | null>) => this.#intake.choose(role, event.detail)}
      @np-link=${(event: CustomEvent<string>) => this.#actions.paste(role, event.detail)} @np-load=${() => this.#intake.load(role)} @np-back=${() => this.#intake.back(role)}
      @np-tensors=${() => this.#desk.hashes.askTensors(this.#desk.places.localOf(role))}
      @np-config=${(event: CustomEvent<File | null>) => this.#intake.chooseConfig(role, event.detail)}></np-lora-card>`;
  }

  #choices(disabled: boolean): Choices {
    const { fit, places: { only } } = this.#desk;
    const summaries = { content: this.#desk.places.summaryOf('content'), style: this.#desk.places.summaryOf('style') };
    const idle = disabled || (only === null && this.more.result === 'overlap');
    return { settings: this.named, several: this.severalInForce, files: this.#desk.files, fit, unfit: this.#desk.places.bothOpen && isUnfit(this.#desk.fitProblem), summaries, families: this.#desk.families?.names ?? [], only, disabled, idle };
  }

  // Not first in one language and then in another, unless that takes long.
  protected override scheduleUpdate(): void | Promise<unknown> {
    const coming = this.hasUpdated ? null : languageComing();
    if (!coming) return super.scheduleUpdate();
    return Promise.race([coming, new Promise((over) => { setTimeout(over, LANGUAGE_MS); })]).then(() => super.scheduleUpdate());
  }

  protected override willUpdate(): void {
    const { families, places, running } = this.#desk;
    if (running === null && this.#notices.notice === text.notWhileRunning) this.#notices.notice = '';
    if (places.isEmpty || places.bothOpen) this.#actions.converting = false;
    if (families !== null) this.#keep.follow(families, ROLES.map((role) => places.summaryOf(role)?.family));
    const stale = this.#desk.outcome?.stale ?? false;
    if (stale && !this.#stale) this.#notices.say(stale === 'files' ? text.staleFiles : text.stale, true);
    this.#stale = stale;
  }

  #stale: Outcome['stale'] = false;

  protected override updated(changed: PropertyValues): void {
    const settings = ['mu', 'contentStrength', 'styleStrength', 'dtype', 'outputName', 'several', 'more', 'analysis'];
    // The first update is no change: nothing was fitted before it.
    if (this.#drawn && settings.some((name) => changed.has(name))) this.#desk.refit();
    if (this.#drawn && changed.has('backend')) void this.#desk.findBackend();
    this.#links.follow(changed, !this.#drawn);
    this.#drawn = true;
    this.#stand();
    const { phase } = this;
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#tell('phasechange', phase);
  }
  #drawn = false;

  #stand(): void {
    const { phase, result } = this;
    this.#internals.tell(result, this.#desk.outcome?.stale ? [phase, 'stale'] : [phase]);
  }

  #recipe() {
    const [lead, ...more] = this.#keep.remarks;
    return lead === undefined ? nothing : html`<aside class="panel recipe" aria-label=${recipeText.about}>
      <div><p class="stranger">${lead}</p>${more.map((remark) => html`<p class="stranger remark">${remark}</p>`)}</div>
      <button class="plain" type="button" @click=${() => this.#actions.closeRecipe()}>${recipeText.close}</button></aside>`;
  }

  /** Those of its controls are not the element's, which sends its own, with the settings; those of a host's fields in its slots are the host's. */
  #ownInput = (event: Event): void => {
    if (this.renderRoot.contains(event.target as Node)) event.stopPropagation();
  };

  /** None bubbles: an event called "error" must not look like the window's own. */
  #tell<K extends keyof NpLoraEvents>(type: K, detail: NpLoraEvents[K]['detail'], cancelable = false): boolean {
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable }));
  }
}
