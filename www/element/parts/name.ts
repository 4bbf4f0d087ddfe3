/** Long names: where they may go on in the next line. */

import { html, type TemplateResult } from 'lit';
import { inert } from '../words/format.ts';

/** A file name that breaks between its words, with its ending set back. */
export function named(name: string): TemplateResult {
  const shown = inert(name);
  const [, stem = shown, ending = ''] = /^(.+?)(\.safetensors)$/i.exec(shown) ?? [];
  return html`${breakable(stem)}<span class="ending">${ending}</span>`;
}

/** A long name that may go on in the next line where a part of it ends. */
export const breakable = (name: string): TemplateResult[] => name.split(/(?<=[_\-.])/).map((word) => html`${word}<wbr>`);
