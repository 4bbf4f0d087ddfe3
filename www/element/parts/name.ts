/** Where long names may be broken. */

import { html, type TemplateResult } from 'lit';
import { inert } from '../words/format.ts';

/** A file name that can break between its words, with its ending greyed. */
export function named(name: string): TemplateResult {
  const shown = inert(name);
  const [, stem = shown, ending = ''] = /^(.+?)(\.safetensors)$/i.exec(shown) ?? [];
  return html`${breakable(stem)}<span class="ending">${ending}</span>`;
}

/** A long name that can break after each of its parts. */
export const breakable = (name: string): TemplateResult[] => name.split(/(?<=[_\-.])/).map((word) => html`${word}<wbr>`);
