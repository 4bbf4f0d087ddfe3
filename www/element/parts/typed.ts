/** Text fields: input that makes no sense changes nothing, is put back, and is explained beside the field. */

import { html, nothing, type ReactiveControllerHost, type TemplateResult } from 'lit';
import { inert } from '../words/format.ts';
import { muText, readMu } from '../words/mu.ts';
import { within, type Limits } from '../words/limits.ts';
import { whole, written } from '../words/spelling.ts';
import { text } from '../words/strings.ts';

/** How a value is written and read, and what to say when it cannot be read. */
export interface Spelling<T> {
  write(value: T): string;
  read(typed: string): T | undefined;
  refusal(typed: string, inForce: string): string;
  /** The keyboard that a touch screen shows; some numeric ones have no minus sign. */
  keys?: 'decimal' | 'numeric';
  /** The value after an arrow key up (1) or down (-1). */
  step?(from: T, by: number): T;
}

export const numbers = (limits: Limits): Spelling<number> => ({
  ...(limits.least < 0 ? {} : { keys: limits.whole ? 'numeric' : 'decimal' }),
  write: String,
  read: (typed) => (limits.whole ? whole(typed.trim().normalize('NFKC'), limits) : written(typed, limits)),
  step: (from, by) => within(Number((from + by * (limits.step ?? 1)).toPrecision(12)), limits),
  refusal: (typed, inForce) => (limits.whole ? text.notWhole : text.notNumber)(typed, String(limits.least), String(limits.most), inForce),
});

export const MU: Spelling<number> = { keys: 'decimal', write: muText, read: readMu, refusal: (typed, inForce) => text.notMu(typed, inForce) };

/** The same spelling, or nothing; `inForce` says what an empty field means. */
export const orNothing = <T>(spelling: Spelling<T>, inForce: () => string): Spelling<T | null> => ({
  ...(spelling.keys ? { keys: spelling.keys } : {}),
  ...(spelling.step ? { step: (from: T | null, by: number): T | null => (from === null ? null : spelling.step!(from, by)) } : {}),
  write: (value) => (value === null ? '' : spelling.write(value)),
  read: (typed) => (typed.trim() === '' ? null : spelling.read(typed)),
  refusal: (typed, now) => spelling.refusal(typed, now || inForce()),
});

export interface TypedField<T> {
  id: string;
  value: T;
  spelling: Spelling<T>;
  disabled: boolean;
  changed: (value: T) => void;
  /** The accessible name of a field that has no label. */
  name?: string;
  placeholder?: string | undefined;
  title?: string;
  /** The id of the element that describes the field. */
  hint?: string | undefined;
  /** The id of the element that shows the error, if it is not beside the field. */
  said?: string;
}

/** The text fields of a component. The last error stays until another value is in force or something else is done. */
export class Typing {
  #refused: { id: string; said: string; inForce: string; why: () => string } | null = null;

  constructor(private host: ReactiveControllerHost) {}

  /** Clears the error, because something else was done. */
  forget(): void {
    this.#refused = null;
    this.host.requestUpdate();
  }

  /** The field, with its error below. */
  field<T>(field: TypedField<T>): TemplateResult {
    return html`${this.input(field)}${this.refusal(`${field.id}-refused`)}`;
  }

  input<T>(field: TypedField<T>): TemplateResult {
    const { id, value, spelling, disabled, name, placeholder, title, hint, said = `${id}-refused` } = field;
    if (this.#refused?.id === id && this.#refused.inForce !== spelling.write(value)) this.#refused = null;
    const refused = this.#refused?.id === id;
    return html`<input id=${id} type="text" inputmode=${spelling.keys ?? nothing} autocomplete="off" spellcheck="false" .value=${spelling.write(value)} ?disabled=${disabled}
      aria-label=${name ?? nothing} placeholder=${placeholder ?? nothing} title=${title ?? nothing}
      aria-invalid=${refused ? 'true' : nothing} aria-describedby=${[hint, refused ? said : undefined].filter(Boolean).join(' ') || nothing}
      @change=${(event: Event) => this.#type(event.target as HTMLInputElement, { ...field, said })}
      @keydown=${(event: KeyboardEvent) => this.#step(event, field)}>`;
  }

  /** The error. It must come after its fields in the template. */
  refusal(said: string): TemplateResult | typeof nothing {
    return this.#refused?.said === said ? html`<p class="refusal stranger" id=${said} role="alert">${this.#refused.why()}</p>` : nothing;
  }

  #step<T>(event: KeyboardEvent, { value, spelling, changed }: TypedField<T>): void {
    const by = Number(event.key === 'ArrowUp') - Number(event.key === 'ArrowDown');
    if (by === 0 || !spelling.step || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    event.preventDefault();
    const input = event.target as HTMLInputElement;
    const next = spelling.step(spelling.read(input.value) ?? value, by);
    input.value = spelling.write(next);
    changed(next);
  }

  #type<T>(input: HTMLInputElement, { id, value, spelling, said, changed }: TypedField<T> & { said: string }): void {
    const read = spelling.read(input.value);
    const inForce = spelling.write(read === undefined ? value : read);
    const typed = inert(input.value, 60);
    // Worded only when it is shown, because the page's language may have changed by then.
    this.#refused = read === undefined ? { id, said, inForce, why: () => spelling.refusal(typed, inForce) } : null;
    input.value = inForce;
    this.host.requestUpdate();
    if (read !== undefined) changed(read);
  }
}
