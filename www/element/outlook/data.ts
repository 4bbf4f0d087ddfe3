/** The numbers behind a drawing: as a table, as CSV and as JSON. */

import { LitElement, css, html, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { download } from '../../core/save.ts';
import { Edges, edges } from '../parts/edges.ts';
import { inert, percent, toJson } from '../words/format.ts';
import { base } from '../parts/tokens.css.ts';
import { text } from './strings.ts';

type Value = string | number | null;

/** `share`: shown as a percentage on the page; the files contain the number. */
interface Column {
  key: string;
  name: string;
  share?: boolean;
}

export interface Table {
  /** The name of the files, without their endings. */
  file: string;
  columns: readonly Column[];
  rows: readonly (readonly Value[])[];
}

const SHARES: ReadonlySet<string> = new Set(['overlap', 'chance', 'contentKept', 'change']);
export const isShare = (key: string): boolean => SHARES.has(key);

/** The most rows to show; more would tell nothing new, and the files contain all. */
const SHOWN = 500;
/** A text that a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/;
/** A character at which some spreadsheet might split a line. */
const SEPARATOR = /[",;\t\r\n]/;

function csvValue(value: Value): string {
  if (typeof value !== 'string') return value === null ? '' : String(value);
  const harmless = FORMULA.test(value) ? `'${value}` : value;
  return SEPARATOR.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

const toCsv = ({ columns, rows }: Table): string =>
  [columns.map(({ key }) => key), ...rows].map((row) => `${row.map(csvValue).join(',')}\r\n`).join('');

const toObjects = ({ columns, rows }: Table): Record<string, Value>[] =>
  rows.map((row) => Object.fromEntries(columns.map(({ key }, index) => [key, row[index] ?? null])));

const FORMATS = [
  { name: 'csv', ending: 'csv', type: 'text/csv;charset=utf-8', write: toCsv },
  { name: 'json', ending: 'json', type: 'application/json', write: (table: Table) => toJson(toObjects(table)) },
] as const;

export class Data extends LitElement {
  static override styles = [base, edges, css`
    :host { display: block; min-width: 0; font-size: var(--small); }
    summary { padding: 4px 0; width: max-content; max-width: 100%; color: var(--muted); }
    .scroll { max-height: 288px; overflow: auto; border: 1px solid var(--line); border-radius: 8px; margin-top: 4px; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; min-width: 100%; }
    th, td { padding: 4px 16px 4px 8px; text-align: right; font-weight: 400; white-space: nowrap; }
    .word { text-align: left; }
    thead th { position: sticky; top: 0; background: var(--surface); color: var(--muted); box-shadow: 0 1px var(--line); }
  `];

  /** Makes the table; called only when the table is opened or saved. */
  @property({ attribute: false, hasChanged: () => true }) of: () => Table = () => ({ file: '', columns: [], rows: [] });
  @property() label = '';
  /** The title of the drawing whose data this is. */
  @property() about = '';
  @state() private opened = false;
  protected edges = new Edges(this, () => this.renderRoot.querySelector('.scroll'));

  override render(): TemplateResult {
    return html`<details @toggle=${(event: Event) => { this.opened = (event.target as HTMLDetailsElement).open; }}>
      <summary>${this.#label}<span class="unseen">: ${this.about}</span></summary>
      ${this.opened ? this.#table(this.of()) : nothing}
    </details>`;
  }

  get #label(): string {
    return this.label || text.data;
  }

  #table(table: Table): TemplateResult {
    const { columns, rows } = table;
    const isWord = columns.map((_, index) => typeof rows[0]?.[index] === 'string');
    const word = (index: number): string => (isWord[index] ? 'word stranger' : '');
    return html`<div class="row">${FORMATS.map((format) => html`<button class="plain" type="button" aria-label="${text[format.name]}: ${this.about}"
        @click=${() => download(new Blob([format.write(this.of())], { type: format.type }), `${table.file}.${format.ending}`)}>${text[format.name]}</button>`)}
        ${rows.length > SHOWN ? html`<span class="muted">${text.firstRows(SHOWN, rows.length)}</span>` : nothing}</div>
      <div class="scroll" role="group" tabindex="0" aria-label="${this.#label}: ${this.about}"><table>
        <thead><tr>${columns.map(({ name }, index) => html`<th scope="col" class=${word(index)}>${name}</th>`)}</tr></thead>
        <tbody>${rows.slice(0, SHOWN).map((row) => html`<tr>${row.map((value, index) => html`<td class=${word(index)}>${shown(value, columns[index]?.share)}</td>`)}</tr>`)}</tbody>
      </table></div>`;
  }
}

/** A value as shown in the table; six digits are more than are meaningful. */
function shown(value: Value, share = false): string {
  if (value === null) return '–';
  if (share && typeof value === 'number') return percent(value);
  return typeof value === 'string' ? inert(value) : value === Infinity ? '∞' : String(Number(value.toPrecision(6)));
}
