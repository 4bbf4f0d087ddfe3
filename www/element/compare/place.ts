/** The place of a comparison with a third file, folded until somebody opens it. Its code is fetched then. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property, query, state } from 'lit/decorators.js';
import type { Third } from '../../core/protocol.ts';
import type { Comparison, FileLink, Progress, Settings } from '../../core/types.ts';
import type { CompareView } from './view.ts';
import { filesFrom, hasFiles } from '../desk/drop.ts';
import { Fetched, fetchCharts, fetchComparison } from '../lazy.ts';
import { text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

export type Compare = (third: Third, signal: AbortSignal, onProgress: (progress: Progress) => void) => Promise<Comparison>;

export class ComparePlace extends LitElement {
  static override styles = [base, css`
    :host { display: block; min-width: 0; }
    :host([over]) .panel { border-color: var(--ink); background: var(--sunken); }
    h2 { display: inline; font-size: var(--body); }
    .failed { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 8px 16px; }
    summary { padding: 4px 0; margin: -4px 0; }
    details > :not(summary) { margin-top: 16px; }
  `];

  @property({ attribute: false }) compare!: Compare;
  @property({ attribute: false }) settings: Settings | null = null;
  /** The files of the pair; when one changes, a comparison is dropped. */
  @property({ attribute: false }) contentFile: File | FileLink | null = null;
  @property({ attribute: false }) styleFile: File | FileLink | null = null;
  @property({ type: Boolean }) disabled = false;
  @property({ type: Boolean, reflect: true }) over = false;
  /** The comparison's code, and that of the charts, whose tables it uses. */
  #view = new Fetched(this, fetchComparison, fetchCharts);
  @state() private opened = false;
  @query('np-lora-compare-view') private found!: CompareView | null;

  constructor() {
    super();
    this.addEventListener('dragover', ({ dataTransfer }) => { this.over = !this.disabled && hasFiles(dataTransfer); });
    this.addEventListener('dragleave', ({ relatedTarget }) => { if (!this.contains(relatedTarget as Node | null)) this.over = false; });
    this.addEventListener('drop', (event) => void this.#drop(event));
  }

  override render(): TemplateResult {
    return html`<details class="panel" part="compare" ?open=${this.opened} @toggle=${this.#toggle}>
      <summary><h2>${text.compare}</h2></summary>
      ${this.opened ? this.#body() : nothing}
    </details>`;
  }

  #body(): TemplateResult {
    switch (this.#view.state) {
      case 'there':
        return html`<np-lora-compare-view .compare=${this.compare} .settings=${this.settings} .contentFile=${this.contentFile} .styleFile=${this.styleFile}
          ?disabled=${this.disabled}></np-lora-compare-view>`;
      case 'failed':
        return html`<div class="failed"><p>${text.compareFailed}${this.#view.hint}</p><button type="button" @click=${() => void this.#view.want()}>${text.tryAgain}</button></div>`;
      default:
        return html`<p class="muted">${text.compareComing}</p>`;
    }
  }

  #toggle = (event: Event): void => {
    this.opened = (event.target as HTMLDetailsElement).open;
    if (this.opened) void this.#view.want();
  };

  async #drop({ dataTransfer }: DragEvent): Promise<void> {
    this.over = false;
    if (!dataTransfer || !hasFiles(dataTransfer) || this.disabled) return;
    const taken = filesFrom(dataTransfer);
    this.opened = true;
    await this.#view.want();
    await this.updateComplete;
    await this.found?.take(await taken);
  }
}
