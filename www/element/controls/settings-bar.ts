/** The bar with undo, redo and reset, and for opening and saving recipes. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import { chooser, chooserStyles, RECIPES } from '../parts/fields.ts';
import { recipeText, undoText as text } from '../words/strings.ts';
import { base } from '../parts/tokens.css.ts';

export type BarAction = 'undo' | 'redo' | 'reset' | 'save-recipe';

/** Sends `np-bar` {BarAction} and `np-recipe` {File}. */
export class SettingsBar extends LitElement {
  static override styles = [base, chooserStyles, css`
    :host { display: block; }
    .bar { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 16px; font-size: var(--small); }
    .bar > div { display: flex; flex-wrap: wrap; gap: 0 8px; align-items: center; }
    button { display: inline-flex; align-items: center; gap: 4px; }
    svg { width: 16px; height: 16px; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
  `];

  @property({ type: Boolean }) undoable = false;
  @property({ type: Boolean }) redoable = false;
  /** Whether any setting differs from its initial value. */
  @property({ type: Boolean }) resettable = false;
  @property({ type: Boolean }) disabled = false;
  /** Whether there are settings to save: both files are there, or the one to be converted. */
  @property({ type: Boolean }) savable = false;

  override render(): TemplateResult {
    return html`<div class="bar">
      <div role="group" aria-label=${text.steps}>
        <button class="plain" type="button" title=${text.undoHint} ?disabled=${this.disabled} aria-disabled=${this.undoable ? nothing : 'true'} @click=${() => this.#do('undo')}>
          <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 6h6.5a3.5 3.5 0 0 1 0 7H6M6 3 3 6l3 3" /></svg>${text.undo}</button>
        <button class="plain" type="button" title=${text.redoHint} ?disabled=${this.disabled} aria-disabled=${this.redoable ? nothing : 'true'} @click=${() => this.#do('redo')}>
          <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M13 6H6.5a3.5 3.5 0 0 0 0 7H10M10 3l3 3-3 3" /></svg>${text.redo}</button>
        <button class="plain" type="button" title=${text.resetHint} ?disabled=${this.disabled} aria-disabled=${this.resettable ? nothing : 'true'} @click=${() => this.#do('reset')}>${text.reset}</button>
      </div>
      <div>
        ${chooser({ id: 'recipe', label: recipeText.open, look: 'button plain', accept: RECIPES, disabled: this.disabled,
          chosen: (file) => this.dispatchEvent(new CustomEvent<File>('np-recipe', { detail: file })) })}
        ${this.savable ? html`<button class="plain" type="button" ?disabled=${this.disabled} @click=${() => this.#do('save-recipe')}>${recipeText.save}</button>` : nothing}
      </div>
    </div>`;
  }

  #do(action: BarAction): void {
    this.dispatchEvent(new CustomEvent<BarAction>('np-bar', { detail: action }));
  }
}
