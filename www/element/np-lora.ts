/** The element: its attributes, properties, methods and events, and its role in a form. Drawing is left to the parts. */

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

/** The one refusal that a setting can resolve. */
const UNCLEAR = 'E_FAMILY_UNCLEAR' satisfies ProgramCode;

/** How long the first drawing waits for the language's texts; after that, it is drawn in English. */
const LANGUAGE_MS = 1000;

export interface NpLora {
  addEventListener: Listening<NpLora, AddEventListenerOptions>;
  removeEventListener: Listening<NpLora, EventListenerOptions>;
}

/**
 * Fuses two LoRA files into one or several checked files, or converts a single file to another naming.
 *
 * @csspart app - Everything that the element shows.
 * @csspart files - The two file cards and what is between them.
 * @csspart card - The card of a file.
 * @csspart pair-fit - How the two files fit together.
 * @csspart outlook - What the projection will do.
 * @csspart controls - The settings.
 * @csspart fuse - The button that fuses.
 * @csspart convert - The button that converts a single file.
 * @csspart backend - Which backend computes.
 * @csspart progress - The progress of a run.
 * @csspart result - The result and the details about it.
 * @csspart save - The button that saves.
 * @csspart compare - The comparison of a third file with the pair.
 * @csspart error - An error message.
 * @attr {string} name - The name under which a form sends the element's value; without a name, nothing is sent.
 * @cssState empty - A file is missing.
 * @cssState opening - A file is being read, or the two files are being checked against each other.
 * @cssState ready - `fuse()` can be called.
 * @cssState fusing - A run is in progress.
 * @cssState checking - The run's result is being read back.
 * @cssState done - There is a result.
 * @cssState failed - A run failed, or a file or the pair was refused.
 * @cssState stale - Files or settings differ from those that the result was made with.
 * @slot heading - Content above the file cards.
 * @slot help - Content below the file cards.
 * @slot footer - Content at the end.
 * @fires {CustomEvent<Settings>} input - A setting is being changed; `detail` holds all settings.
 * @fires {CustomEvent<Settings>} change - A person changed a setting or a file, or `take` was called; `detail` holds all settings.
 * @fires {CustomEvent<{ role: Role; summary: Summary }>} inspect - A file was opened: `detail.role`, and `detail.summary`, which describes the file.
 * @fires {CustomEvent<Problem>} warning - A warning about a file, a pair or a run, sent once for each; `detail` is the warning.
 * If the event is cancelled, the warning is not shown.
 * @fires {CustomEvent<Progress>} progress - Sent during a run, at most five times a second: bytes, modules and the stage.
 * @fires {CustomEvent<BackendFound>} backendchange - The backend was determined or has changed: `detail.backend` and `detail.reason`.
 * @fires {CustomEvent<Phase>} phasechange - `phase` has changed; `detail` is the new phase.
 * @fires {CustomEvent<FusedFile>} beforesave - Save was pressed or `save` was called: `detail.file` and `detail.report`.
 * Cancel the event to save the file in another way.
 * @fires {CustomEvent<FusedFile & { results: FusedFile[] }>} complete - The result was written, read back and checked:
 * `detail.file` and `detail.report`; `detail.results` holds all results of the run.
 * @fires {CustomEvent<Problem>} error - Something went wrong: `detail` has `code`, `message`, `remedy`, and where it happened.
 * @fires {CustomEvent<null>} abort - The run was cancelled; nothing was saved.
 */
export class NpLora extends Properties {
  /** Makes the element part of a form, which sends the fused file as its value. */
  static readonly formAssociated = true;
  /** The folder that holds the worker and the programs. A host that moves these files must set it before a file is chosen. */
  static assetBase: string | URL | null = null;
  /** The address of the worker's script, if it is not in the same folder as the other files. */
  static workerURL: string | URL | null = null;
  /** The address of the whole program's glue script, for a host that replaces it; the whole program is then loaded at once. */
  static glueURL: string | URL | null = null;
  /** The address of the whole program's wasm file, for a host that replaces it; the whole program is then loaded at once. */
  static wasmURL: string | URL | null = null;
  /** A function that takes the files that people save on this page (results, reports, tables). Null: the browser saves them. */
  static set deliver(to: ((file: File) => void) | null) { delivery.to = to; }

  /**
   * The element's language that suits a person who reads `tags`, in order of preference. All elements of a page use one language: that of their
   * `lang` attribute, or of the elements around them.
   */
  static understands(...tags: string[]): Language { return understood(tags); }

  static override styles = [tokens, base, app];

  /** Whether a pair is analysed as soon as both files are there: `auto` or `off`. If a file is on a server, a person is asked first. */
  @property({ converter: reads((value) => asOneOf(value, ANALYSES, 'auto')) }) analysis: 'auto' | 'off' = 'auto';
  /** A link to the subject's file. Its host is asked only when a person says so, or at once with `autoload`. */
  @property({ attribute: 'content-src', converter: reads(asText) }) contentSrc = '';
  /** A link to the style's file. */
  @property({ attribute: 'style-src', converter: reads(asText) }) styleSrc = '';
  /** Loads linked files without waiting for a person to say so. */
  @property({ type: Boolean }) autoload = false;
  /** Hosts that files may be loaded from besides the Hugging Face Hub: names or origins, separated by spaces. */
  @property({ converter: reads(asText) }) hosts = '';
  /** Whether the settings are also kept in the page's address, behind the #: `off` or `hash`. */
  @property({ converter: reads((value) => asOneOf(value, REMEMBER, 'off')) }) remember: 'off' | 'hash' = 'off';
  /** People can neither choose nor start anything; calls from the host's code still work. */
  @property({ type: Boolean, reflect: true }) disabled = false;

  /** Whether a disabled fieldset around the element disables it. */
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

  /** Moves the focus to the first file card, as a click on the element's label does. */
  override focus(options?: FocusOptions): void {
    // An element that was never in a document has no content yet.
    this.shadowRoot?.querySelector<HTMLElement>('np-lora-card')?.focus(options);
  }

  /** The subject's file; null if there is none or it comes from a link. Set it to a File or a Blob to open it. */
  get contentFile(): File | null { return this.#desk.places.localOf('content'); }
  set contentFile(file: Blob | null) { void this.#intake.place('content', asFile('content', file)); }
  /** The style's file (HTML already uses the name `style`). Set it to a File or a Blob to open it. */
  get styleFile(): File | null { return this.#desk.places.localOf('style'); }
  set styleFile(file: Blob | null) { void this.#intake.place('style', asFile('style', file)); }

  protected fileOf(role: Role): File | FileLink | null {
    return this.#desk.places.fileOf(role);
  }

  /** The current phase: `empty`, `opening`, `ready`, `fusing`, `checking`, `done` or `failed`. */
  get phase(): Phase { return this.#desk.phase; }
  /** The last result, once it has been checked. */
  get result(): File | null { return this.#desk.outcome?.file ?? null; }
  /** How the last result was made: settings, counts and measurements. */
  get report(): Report | null { return this.#desk.outcome?.report ?? null; }
  /** All results of the last run: one, or as many as `several` asks for. `result` and `report` are those of the first. */
  get results(): { file: File; report: Report }[] { return this.#desk.outcomes.map(({ file, report }) => ({ file, report })); }
  /** How many results have not been saved yet, including one that is still being written. */
  get unsaved(): number { return this.#saving.unsaved; }
  /** What a fusion would do, according to what has been analysed so far. */
  get outlook(): Outlook | null { return this.#desk.foresight.outlook; }
  /** The current error, with `code`, `message` and `remedy`, or null. */
  get error(): Problem | null {
    return this.#desk.problem ?? this.#desk.places.problem;
  }
  /** The backend in use, `webgpu` or `cpu`, once it is known. */
  get backendInUse(): BackendInUse | null { return this.#desk.backend?.backend ?? null; }

  /** The element's name in a form; if it is empty, nothing is sent. */
  get name(): string { return this.getAttribute('name') ?? ''; }
  set name(name: string) { this.setAttribute('name', asText(name)); }
  /** The form that the element belongs to. */
  get form(): HTMLFormElement | null { return this.#internals.form; }
  /** The element's `<label>`s. */
  get labels(): NodeList { return this.#internals.labels; }

  /**
   * Called when the form is reset: the files are removed, and the settings become those of the markup.
   * @internal
   */
  formResetCallback(): void {
    this.reset();
    this.more = MORE;
    this.several = null;
    // Links in the markup are offered again with the next update.
    for (const name of NpLora.observedAttributes) this.attributeChangedCallback(name, null, this.getAttribute(name));
    this.#keep.reset();
  }

  /**
   * Called when the element's own `disabled` or a fieldset's changes; a run goes on.
   * @internal
   */
  formDisabledCallback(disabled: boolean): void {
    this.barred = disabled;
  }

  /** The summaries of the chosen files, once they are open. Rejects with the error, which has a `code`, of the first file that is refused. */
  inspect(): Promise<Record<Role, Summary | null>> {
    return this.#desk.inspect();
  }

  /**
   * Fuses both files, once they are open. Resolves to the first result; `results` has all of them. Rejects with an AbortError, or with an error that
   * has a `code`.
   */
  async fuse({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<FusedFile> {
    const { file, report } = await this.#desk.run(false, signal);
    return { file, report };
  }

  /**
   * Converts a single file to another naming, number format or rank; one file must be chosen and the other place empty. Goes through the same phases
   * as a fusion and ends with the same events, checks and `result`; in the report, the missing one of `content` and `style` is null. Rejects like
   * `fuse`.
   */
  async convert({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<FusedFile> {
    const { file, report } = await this.#desk.run(true, signal);
    return { file, report };
  }

  /** Cancels a run, or a call that is waiting for its files; nothing is saved. */
  cancel(): void {
    this.#desk.cancel();
  }

  /** Removes both files. The settings stay, except for the scales of these files. */
  reset(): void {
    this.#notices.clear();
    // So that setting the same links again has an effect.
    this.contentSrc = this.styleSrc = '';
    ROLES.forEach((role) => this.#intake.forgetScale(role));
    this.#keep.closeRecipe();
    this.#actions.converting = false;
    this.#desk.reset();
    this.#stand();
  }

  /** Undoes the last change that a person made to a setting; returns false if there is none. */
  undo(): boolean {
    return this.#actions.step('undo');
  }

  /** Redoes the last change that was undone; returns false if there is none. */
  redo(): boolean {
    return this.#actions.step('redo');
  }

  /**
   * Saves a result, by default the first. Resolves to false if there is none, the host took it (`beforesave`), or the person closed the dialog.
   * @param {number} at - The index of the result in `results`.
   */
  save(at = 0): Promise<boolean> {
    return this.#saving.one(at);
  }

  /** Saves all results, in one folder if the browser lets the person choose one. Each is first offered to the host (`beforesave`). */
  saveAll(): Promise<boolean> {
    return this.#saving.all();
  }

  /**
   * Takes files from a drop, a paste or a host; without a role, they go to the first free place, subject before style. An adapter_config.json belongs
   * to the file it comes with if there is just one, or else to one that is already open; a recipe or a report supplies its settings. A link that was
   * dropped or pasted is offered, as its file will be.
   */
  take(from: DataTransfer | readonly File[], role: Role | null = null): Promise<void> {
    return this.#intake.take(from, role);
  }

  /** Whether a person may change files and settings. */
  get #changeable(): boolean { return !this.#idle && this.#desk.running === null; }

  get #foresees(): boolean { return this.analysis !== 'off' && this.#look.isFree; }

  #announce<K extends keyof NpLoraEvents>(name: K, detail: NpLoraEvents[K]['detail']): boolean {
    // The form's value is set first, so that listeners find the result there.
    this.#stand();
    const spoken = spokenOf(name, detail, this.#desk.running, this.#open);
    if (name === 'abort') this.#notices.notice = text.cancelled;
    if (name === 'complete') this.#notices.saved = '';
    // The error's own words are read out where they are shown.
    if (name === 'error') this.#notices.ofNoProgress();
    const wanted = this.#tell(name, detail, name === 'warning');
    // If the focus is on Cancel, it moves to the result, which is then read out anyway.
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
    // Shown beside the controls if a setting resolves the problem, or if there is only a single file.
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

  /** The button that starts without files, or loads the files of two links at once. */
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

  /** Whether both files have the same bytes. */
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

  // Waits for the language's texts, so that the element is not drawn in one language first and then in another, unless that takes long.
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
    // The first update changes nothing: no fit came before it.
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

  /** Stops input events of the element's own controls, since the element sends its own with the settings. Events of a host's fields in slots pass. */
  #ownInput = (event: Event): void => {
    if (this.renderRoot.contains(event.target as Node)) event.stopPropagation();
  };

  /** Sends an event. It never bubbles: an event named "error" must not be mistaken for the window's own. */
  #tell<K extends keyof NpLoraEvents>(type: K, detail: NpLoraEvents[K]['detail'], cancelable = false): boolean {
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable }));
  }
}
