/** Everything that can be set on the element, turned into the settings of a run, whatever a host wrote. */

import { LitElement } from 'lit';
import { property, state } from 'lit/decorators.js';
import { defaultName } from '../core/naming.ts';
import { cleanStem } from '../core/save.ts';
import { BACKENDS, DTYPES, type FileLink, type Role, type Settings, type Several } from '../core/types.ts';
import type { State } from './settings/address.ts';
import type { Setting } from './model.ts';
import { asMu, asOneOf, asStrength, asText, DEFAULTS, MORE, type More, reads } from './settings/settings.ts';
import { asSeveral, type Names } from './settings/several.ts';
import { rankText, readRank } from './words/spelling.ts';

export abstract class Properties extends LitElement {
  /** How strongly to project; the default is 0.5. 0 is plain addition, `Infinity` (in markup `∞`) removes the whole overlap. */
  @property({ converter: reads(asMu) }) get mu(): number { return this.#mu; }
  set mu(mu: number) { this.#mu = asMu(mu); }
  /** The subject's strength, as a loader would apply it; the default is 1. */
  @property({ attribute: 'content-strength', converter: reads(asStrength) }) get contentStrength(): number { return this.#contentStrength; }
  set contentStrength(strength: number) { this.#contentStrength = asStrength(strength); }
  /** The style's strength, as a loader would apply it; the default is 1. */
  @property({ attribute: 'style-strength', converter: reads(asStrength) }) get styleStrength(): number { return this.#styleStrength; }
  set styleStrength(strength: number) { this.#styleStrength = asStrength(strength); }
  // Lists of words are repeated here as types, because the package's manifest cannot see the types of other files.
  /** The result's number format: `auto` (that of the inputs), `F16`, `BF16` or `F32`. */
  @property({ converter: reads(String) }) get dtype(): 'auto' | 'F16' | 'BF16' | 'F32' { return this.#dtype; }
  set dtype(dtype: 'auto' | 'F16' | 'BF16' | 'F32') { this.#dtype = asOneOf(dtype, DTYPES, DEFAULTS.dtype); }
  /** The result's rank: `exact` (the sum of both), at most a number (`32`), or as many as keep a share of the energy (`90%`). */
  @property({ converter: reads(String) }) get rank(): string { return rankText(this.more.recompress); }
  set rank(rank: string | number) {
    const recompress = readRank(String(rank).trim().toLowerCase()) ?? MORE.recompress;
    // Setting the same value must not make a result out of date.
    if (rankText(recompress) !== this.rank) this.more = { ...this.more, recompress };
  }
  /** The backend that computes: `auto` (the faster one), `webgpu` or `cpu`. */
  @property({ converter: reads(String) }) get backend(): 'auto' | 'webgpu' | 'cpu' { return this.#backend; }
  set backend(backend: 'auto' | 'webgpu' | 'cpu') { this.#backend = asOneOf(backend, BACKENDS, DEFAULTS.backend); }
  /** The result's file name without its ending; by default it is made from the names of the files. */
  @property({ attribute: 'output-name', converter: reads(asText) }) outputName = '';
  /** What to make of a pair when more than one file is wanted: `{ mus, plain, bothDirections }`; null: one file, at `mu`. */
  @property({ attribute: false }) several: Several | null = null;

  // The setters turn whatever a host writes into usable values, which the host then reads back.
  #mu = DEFAULTS.mu;
  #contentStrength = DEFAULTS.contentStrength;
  #styleStrength = DEFAULTS.styleStrength;
  #dtype = DEFAULTS.dtype;
  #backend = DEFAULTS.backend;

  @state() protected more: More = MORE;

  /** The file or link of a role, which is there or on its way; its name becomes part of the result's. */
  protected abstract fileOf(role: Role): File | FileLink | null;

  protected settings(): Settings {
    const { mu, contentStrength, styleStrength, dtype } = this;
    return { ...this.more, mu, contentStrength, styleStrength, dtype, outputName: cleanStem(asText(this.outputName), this.defaultName) };
  }

  /** The settings with the output name as somebody chose it: empty if nobody did. */
  protected get named(): Settings {
    return { ...this.settings(), outputName: asText(this.outputName) };
  }

  protected get defaultName(): string {
    return defaultName(this.fileOf('content'), this.fileOf('style'), this.more);
  }

  /** `several`, if more than one file is to be made. */
  protected get severalInForce(): Several | null {
    return this.more.result === 'fusion' ? asSeveral(this.several) : null;
  }

  protected wanted(): { several: Several; names: Names } | null {
    const several = this.severalInForce;
    if (!several) return null;
    const own = asText(this.outputName);
    const swapped = own ? `${own}_swapped` : defaultName(this.fileOf('style'), this.fileOf('content'), this.more);
    return { several, names: { straight: own || this.defaultName, swapped } };
  }

  protected state(): State {
    return { ...this.named, backend: this.backend, several: asSeveral(this.several) };
  }

  protected apply(patch: Setting['patch']): void {
    for (const [key, value] of Object.entries(patch)) {
      if (key in MORE) this.more = { ...this.more, [key]: value };
      else Object.assign(this, { [key]: value });
    }
  }
}
