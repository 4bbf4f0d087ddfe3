/** The heat map: each kind of layer in each block, coloured by one figure and showing its number. It is one tab stop, with arrow keys inside. */

import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, query, state } from 'lit/decorators.js';
import { guard } from 'lit/directives/guard.js';
import type { Outlook } from '../../core/types.ts';
import { WHOLE, type Blocks } from '../settings/block-strengths.ts';
import { Edges, edges } from '../parts/edges.ts';
import { inert } from '../words/format.ts';
import { muText } from '../words/mu.ts';
import { language } from '../words/language.ts';
import { base } from '../parts/tokens.css.ts';
import type { BlocksChange, Brush } from './brush.ts';
import { isShare, type Table } from './data.ts';
import { blockName, boundsOf, FIGURES, inWords, layOut, step, type Field, type Figure, type FigureName, type Place, type Row } from './figures.ts';
import { brushText, column, figures, text, who } from './strings.ts';
import { Stroke } from './stroke.ts';

interface At {
  row: number;
  column: number;
}

/** How far a key moves; rows and columns without a field are skipped. */
const KEYS: Record<string, { row?: number; column?: number }> = {
  ArrowUp: { row: -1 }, ArrowDown: { row: 1 }, ArrowLeft: { column: -1 }, ArrowRight: { column: 1 },
  PageUp: { row: -10 }, PageDown: { row: 10 }, Home: { column: -Infinity }, End: { column: Infinity },
};

export class OverlapMap extends LitElement {
  static override styles = [base, edges, css`
    :host { display: block; min-width: 0; }
    .top { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: center; gap: 0 16px; }
    .top label { display: flex; align-items: center; gap: 8px; min-width: 0; white-space: nowrap; }
    select { min-width: 0; min-height: 32px; padding: 0 8px; font-size: var(--small); }
    .legend { display: flex; align-items: start; gap: 8px; margin-top: 8px; color: var(--muted); white-space: nowrap; }
    .legend > span { line-height: 12px; }
    .colours { display: flex; flex: 0 1 240px; min-width: 0; }
    .colours li { flex: 1; height: 28px; position: relative; line-height: 16px; }
    .colours li::before { content: ''; display: block; height: 12px; background: var(--colour); border-block: 1px solid var(--edge); }
    .colours li:first-child::before { border-left: 1px solid var(--edge); border-radius: 3px 0 0 3px; }
    .colours li:last-child::before { border-right: 1px solid var(--edge); border-radius: 0 3px 3px 0; }
    .colours span { position: absolute; top: 12px; left: 0; transform: translateX(-50%); font-size: calc(0.6875 * var(--rem)); white-space: nowrap; }
    /* Numbers of four digits have room at every other step. */
    .colours.long li:nth-child(odd) span { display: none; }
    @container (max-width: 388px) { .colours li:nth-child(odd) span { display: none; } }
    /* Its headings stay above its fields, and below what the page puts over it. */
    .scroll { position: relative; isolation: isolate; margin-top: 8px; max-height: min(530px, 60vh); overflow: auto; border: 1px solid var(--line); border-radius: 8px; scroll-padding: 32px 0 0 96px; }
    table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: var(--tiny); font-variant-numeric: tabular-nums; }
    th { position: sticky; background: var(--surface); font-weight: 400; color: var(--muted); text-align: left; padding: 0 8px; height: 24px; }
    thead th { top: 0; z-index: 1; height: 32px; text-align: center; white-space: nowrap; box-shadow: 0 1px var(--line); }
    th:first-child { left: 0; text-align: left; min-width: 72px; max-width: 112px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; box-shadow: 1px 0 var(--line); }
    thead th:first-child { z-index: 2; box-shadow: 1px 1px var(--line); }
    td { height: 24px; min-width: 48px; padding: 0 4px; text-align: center; white-space: nowrap; cursor: pointer; background: var(--colour); color: var(--on, var(--ink)); }
    td:not(.none):hover { outline: 1px solid var(--ink); outline-offset: -1px; }
    td.none { cursor: default; color: var(--muted); background: none; }
    td.whole { border-right: 1px solid var(--line); font-weight: 650; }
    td[aria-selected='true'] { box-shadow: inset 0 0 0 2px var(--ink); font-weight: 700; text-decoration: underline; }
    td:focus-visible { outline: 2px solid var(--ink); outline-offset: -2px; box-shadow: inset 0 0 0 4px var(--surface); }
    td.own { background: var(--surface); color: var(--ink); cursor: default; text-align: left; padding: 0 8px; border-right: 1px solid var(--line); }
    td.own:hover { outline: 0; }
    tr.off th { text-decoration: line-through; }
    .brushing tr[data-row] > * { cursor: crosshair; }
    .brushing tr[data-row]:hover > * { box-shadow: inset 0 1px var(--ink), inset 0 -1px var(--ink); }
    /* By finger, rows are painted along their names; the fields still scroll. */
    .brushing tr[data-row] th { touch-action: none; color: var(--ink); }
    .brushing { user-select: none; }
    /* Even steps of lightness. What is written on them turns where the other ink is read better. */
    .o0 { --colour: var(--surface); }
    .o1 { --part: 14.3%; }
    .o2 { --part: 28.6%; }
    .o3 { --part: 42.9%; }
    .o4 { --part: 57.1%; --on: light-dark(var(--ink), #fff); }
    .o5 { --part: 71.4%; --on: light-dark(var(--ink), var(--page)); }
    .o6 { --part: 85.7%; --on: var(--page); }
    .o7 { --part: 100%; --on: var(--page); }
    .c1, .y1 { --part: 33.3%; }
    .c2, .y2 { --part: 66.7%; --on: light-dark(var(--ink), #000); }
    .c3, .y3 { --part: 100%; --on: var(--page); }
    .o1, .o2, .o3, .o4, .o5, .o6, .o7 { --full: var(--overlap); }
    .c1, .c2, .c3 { --full: var(--subject); }
    .y1, .y2, .y3 { --full: var(--style); }
    :is(td, .colours li):not(.o0, .own, .none) { --colour: color-mix(in oklab, var(--full) var(--part), var(--surface)); }
    .readout { min-height: 4.5em; margin-top: 8px; }
    .readout strong { font-weight: 650; }
    @container (max-width: 568px) { td.own { white-space: normal; max-width: 88px; } .readout { min-height: 6em; } }
    /* The same steps, from the system's ground to its text. */
    @media (forced-colors: active) {
      :is(td, .colours li):not(.own, .none) { forced-color-adjust: none; --surface: Canvas; --full: CanvasText; --on: CanvasText; color: var(--on); }
      td:is(.o4, .o5, .o6, .o7, .c2, .c3, .y2, .y3):not(.own) { --on: Canvas; }
      td[aria-selected='true'] { outline: 2px solid; outline-offset: -2px; }
      td:focus-visible { outline: 3px solid Highlight; outline-offset: -3px; }
    }
  `];

  @property({ attribute: false }) outlook: Outlook | null = null;
  /** The field whose layers are listed outside the map. */
  @property({ attribute: false }) opened: Place | null = null;
  @property({ attribute: false }) blocks: Blocks = {};
  /** The brush that rows are painted with; null: pressing a field opens it. */
  @property({ attribute: false }) brush: Brush | null = null;
  #stroke: Stroke | null = null;
  @state() private figure: FigureName = 'overlap';
  @state() private at: At = { row: 0, column: 0 };
  @state() private pointed: At | null = null;
  @state() private focused = false;
  /** Tells screen readers the new values of a row that was painted with the keyboard. */
  @state() private said = '';
  @query('td[tabindex="0"]') private stop!: HTMLElement | null;
  #rows: Row[] = [];
  /** Whether somebody has focused or pressed a field. */
  #entered = false;
  protected edges = new Edges(this, () => this.renderRoot.querySelector('.scroll'));

  override focus(options?: FocusOptions): void {
    this.stop?.focus(options);
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (!changed.has('outlook')) return;
    this.#rows = this.outlook ? layOut(this.outlook) : [];
    if (!this.outlook) this.#entered = false;
    // The layers become known in any order, so the first field may change.
    if (!this.#entered || !this.#field(this.at)) this.at = this.#first();
  }

  override render(): TemplateResult | typeof nothing {
    const { outlook } = this;
    if (!outlook) return nothing;
    const figure: Figure = FIGURES[this.figure];
    const bounds = boundsOf(figure, this.#rows);
    return html`<div class="top"><h3 id="title">${text.map}</h3>
        <label class="small">${text.colourBy}
          <select @change=${(event: Event) => { this.figure = (event.target as HTMLSelectElement).value as FigureName; }}>
            ${(Object.keys(FIGURES) as FigureName[]).map((name) => html`<option value=${name} .selected=${name === this.figure}>${figures[name].name}</option>`)}
          </select></label></div>
      ${legend(this.figure, bounds)}
      <div class="scroll" tabindex=${this.#field(this.at) ? nothing : 0}>
        ${guard([outlook, figure, this.at, this.opened, this.blocks, this.brush, language()], () => this.#table(outlook, figure, bounds))}
      </div>
      <p class="readout small">${this.#readout(outlook)}</p>
      <p class="unseen" role="status">${this.said}</p>
      <np-lora-data about=${text.map} .of=${() => table(outlook, this.#rows)}></np-lora-data>`;
  }

  #table({ kinds }: Outlook, figure: Figure, bounds: readonly number[]): TemplateResult {
    const own = this.brush !== null || this.#rows.some(({ label }) => Object.hasOwn(this.blocks, label));
    return html`<table role="grid" aria-labelledby="title" class=${this.brush ? 'brushing' : ''} @keydown=${this.#key} @click=${this.#press} @pointerover=${this.#point}
      @pointerdown=${this.#begin} @pointermove=${this.#paint} @pointercancel=${this.#giveUp}
      @pointerleave=${() => { this.pointed = null; }} @focusin=${this.#enter} @focusout=${() => { this.focused = false; }}>
      <thead><tr><th scope="col">${text.block}</th>${own ? html`<th scope="col">${brushText.ownValues}</th>` : nothing}<th scope="col">${text.all}</th>
        ${kinds.map((kind) => html`<th scope="col" class="stranger">${inert(kind, 24)}</th>`)}</tr></thead>
      <tbody>${this.#rows.map(({ label, fields }, row) => html`<tr data-row=${row} class=${this.#isOff(label) ? 'off' : ''}>
        <th scope="row" class="stranger" title=${inert(blockName(label))}>${inert(blockName(label), 32)}</th>
        ${own ? html`<td class="own">${this.#own(label)}</td>` : nothing}
        ${fields.map((field, column) => this.#cell(field, { row, column }, figure, bounds))}</tr>`)}</tbody>
    </table>`;
  }

  #cell(field: Field | null | undefined, at: At, figure: Figure, bounds: readonly number[]): TemplateResult {
    const whole = at.column === 0 ? 'whole' : '';
    if (!field) {
      const [sign, words] = field === null ? ['·', text.noCell] : ['…', text.noCellYet];
      return html`<td class="none ${whole}"><span aria-hidden="true">${sign}</span><span class="unseen">${words}</span></td>`;
    }
    const value = figure.of(field);
    const { block, kind } = this.#place(at);
    const open = this.opened !== null && this.opened.block === block && this.opened.kind === kind;
    return html`<td class="${step(figure, bounds, field)} ${whole}" data-at="${at.row} ${at.column}" aria-selected=${open ? 'true' : 'false'}
      tabindex=${at.row === this.at.row && at.column === this.at.column ? 0 : -1}>${value === null ? '–' : figure.show(value)}</td>`;
  }

  #isOff(label: string): boolean {
    const { content, style } = this.blocks[label] ?? WHOLE;
    return content === 0 && style === 0;
  }

  /** A block's own values, in words. */
  #own(label: string, blocks = this.blocks): string {
    const { content, style, mu } = blocks[label] ?? WHOLE;
    const strengths = ([['content', content], ['style', style]] as const).filter(([, strength]) => strength !== 1);
    return [...strengths.map(([role, strength]) => `${who[role]} ${strength}`), ...(mu === null ? [] : [`μ ${muText(mu)}`])].join(' · ');
  }

  #readout({ kinds }: Outlook): TemplateResult | string {
    const at = this.pointed ?? (this.focused ? this.at : null);
    const field = at && this.#field(at);
    if (!at || !field) return text.readoutHint;
    const label = this.#rows[at.row]?.label ?? '';
    const kind = at.column === 0 ? text.all : kinds[at.column - 1] ?? '';
    return html`<strong class="stranger">${inert(blockName(label), 60)} · ${inert(kind, 24)}</strong> <span class="muted">${text.layers(field.modules)}</span><br>${inWords(field)}`;
  }

  #field({ row, column }: At): Field | null {
    return this.#rows[row]?.fields[column] ?? null;
  }

  #first(): At {
    const row = this.#rows.findIndex(({ fields }) => fields.some((field) => field));
    return { row: Math.max(0, row), column: Math.max(0, this.#rows[row]?.fields.findIndex((field) => field) ?? 0) };
  }

  #place({ row, column }: At): Place {
    return { block: this.#rows[row]?.label ?? '', kind: column === 0 ? null : this.outlook?.kinds[column - 1] ?? '' };
  }

  #key = (event: KeyboardEvent): void => {
    const { key } = event;
    const enters = key === 'Enter' || key === ' ';
    if (enters && this.brush) this.#dab(this.#place(this.at).block, this.brush);
    else if (enters) this.#open(this.at);
    else if (key === 'Escape' && this.brush) this.dispatchEvent(new CustomEvent<Brush | null>('np-brush', { detail: null }));
    else if (key === 'Escape' && this.opened) this.#tell(null);
    else if (key in KEYS) this.#go(this.#reach(KEYS[key] ?? {}, event.ctrlKey || event.metaKey));
    else return;
    event.preventDefault();
  };

  /** The field that a key leads to: as far as the key moves, then on to the next existing field, or else back to one. */
  #reach({ row = 0, column = 0 }: { row?: number; column?: number }, everywhere: boolean): At {
    const [rows, columns] = [this.#rows.length, this.#rows[0]?.fields.length ?? 0];
    const within = (value: number, of: number): number => Math.min(of - 1, Math.max(0, value));
    const ends = everywhere && !Number.isFinite(column);
    const way = ends ? Math.sign(column) * Infinity : row;
    const to = { row: within(this.at.row + way, rows), column: within(this.at.column + column, columns) };
    const [down, right] = [Math.sign(row), Math.sign(column)];
    for (let { row: r, column: c } = to; r >= 0 && r < rows && c >= 0 && c < columns; r += down, c += right) {
      if (this.#field({ row: r, column: c })) return { row: r, column: c };
      if (Math.abs(column) === Infinity) break;
    }
    for (let { row: r, column: c } = to; r >= 0 && r < rows && c >= 0 && c < columns; r -= down, c -= right) {
      if (this.#field({ row: r, column: c })) return { row: r, column: c };
    }
    return this.at;
  }

  #go(at: At): void {
    this.at = at;
    void this.updateComplete.then(() => this.stop?.focus());
  }

  #enter = (): void => {
    this.focused = this.#entered = true;
  };

  #point = (event: Event): void => {
    this.pointed = atOf(event);
  };

  #press = (event: Event): void => {
    const at = atOf(event);
    if (!at) return;
    this.at = at;
    this.#entered = true;
    if (!this.brush) this.#open(at);
  };

  /** Paints a single row. The row for layers outside all blocks cannot have values of its own. */
  #dab(label: string, brush: Brush): void {
    if (label === '') return;
    const { blocks } = new Stroke(this.blocks, brush, label);
    this.#put(blocks, true);
    this.said = `${inert(blockName(label), 60)}: ${this.#own(label, blocks) || `${who.content} 1 · ${who.style} 1`}`;
  }

  #begin = (event: PointerEvent): void => {
    const label = this.#labelAt(event);
    if (!this.brush || !event.isPrimary || event.button !== 0 || label === '') return;
    // Prevents text from being selected while painting.
    event.preventDefault();
    this.#stroke = new Stroke(this.blocks, this.brush, label);
    addEventListener('pointerup', this.#end, { once: true });
    this.#put(this.#stroke.blocks, false);
  };

  #paint = (event: PointerEvent): void => {
    const label = this.#stroke ? this.#labelAt(event) : '';
    if (this.#stroke && label !== '' && this.#stroke.reach(label)) this.#put(this.#stroke.blocks, false);
  };

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener('pointerup', this.#end);
    this.#giveUp();
  }

  #end = (): void => {
    if (this.#stroke) this.#put(this.#stroke.blocks, true);
    this.#stroke = null;
  };

  /** Undoes the stroke, because the gesture turned out to be something else, such as scrolling. */
  #giveUp = (): void => {
    if (this.#stroke) this.#put(this.#stroke.before, true);
    this.#stroke = null;
  };

  /** The block under the pointer: touch events keep their first target, so it is looked up by position. */
  #labelAt({ clientX, clientY }: PointerEvent): string {
    const row = (this.renderRoot as ShadowRoot).elementFromPoint(clientX, clientY)?.closest<HTMLElement>('tr[data-row]')?.dataset.row;
    return this.#rows[Number(row ?? NaN)]?.label ?? '';
  }

  #put(blocks: Blocks, committed: boolean): void {
    this.dispatchEvent(new CustomEvent<BlocksChange>('np-blocks', { detail: { blocks, committed } }));
  }

  /** Opens a field, or closes it if it is open. */
  #open(at: At): void {
    const place = this.#place(at);
    const open = this.opened?.block === place.block && this.opened.kind === place.kind;
    this.#tell(open ? null : place);
  }

  #tell(place: Place | null): void {
    this.dispatchEvent(new CustomEvent<Place | null>('np-field', { detail: place }));
  }
}

function atOf(event: Event): At | null {
  const at = (event.target as Element).closest<HTMLElement>('td[data-at]')?.dataset.at;
  if (at === undefined) return null;
  const [row = 0, column = 0] = at.split(' ').map(Number);
  return { row, column };
}

function legend(name: FigureName, bounds: readonly number[]): TemplateResult {
  const { steps, show }: Figure = FIGURES[name];
  return html`<div class="legend small"><span>${figures[name].low}</span>
    <ul class="colours ${(bounds.at(-1) ?? 0) >= 1000 ? 'long' : ''}" aria-hidden="true">${steps.map((of, index) => html`<li class=${of}>${index > 0 ? html`<span>${show(bounds[index - 1] ?? 0)}</span>` : nothing}</li>`)}</ul>
    <span>${figures[name].high}</span></div>`;
}

const COLUMNS = ['modules', 'overlap', 'chance', 'contentKept', 'change', 'contentNorm', 'styleNorm'] as const;
const names = (): string[] => [column.layers, column.overlap, column.chance, text.kept, text.change, column.contentSize, column.styleSize];

function table({ kinds }: Outlook, rows: readonly Row[]): Table {
  return {
    file: 'np-lora-map',
    columns: [{ key: 'block', name: text.block }, { key: 'kind', name: column.kind }, ...COLUMNS.map((key, index) => ({ key, name: names()[index] ?? key, share: isShare(key) }))],
    rows: rows.flatMap(({ label, fields }) => fields.flatMap((field, column) =>
      field ? [[label, column === 0 ? text.all : kinds[column - 1] ?? '', ...COLUMNS.map((key) => field[key])]] : [])),
  };
}
