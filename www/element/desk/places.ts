/** The two places for files: what lies in them, and how it got there. */

import { abortError } from '../../core/abort.ts';
import { ProblemError, problem, toProblem } from '../../core/problem.ts';
import type { Session } from '../../core/session.ts';
import { isFile } from '../../core/shape.ts';
import type { FileLink, GivenFile, Problem, RemoteFile, Role, Summary } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import type { Announce } from '../events.ts';
import { type Before, type Card, type Config, EMPTY } from '../model.ts';

interface PlacesHost {
  /** The element is in no document: nothing is asked until it comes back. */
  gone(): boolean;
  /** The session, which begins with the first call. Throws where nobody would end it. */
  core(): Session;
  /** The session, if there is one. */
  begun(): Session | null;
  /** Another card lies in a place: what was known of the pair is void. */
  changed(): void;
  redraw(): void;
  /** Both files are where the other was. */
  swapped(): void;
  /** A file is gone: nothing is worked out of it any more. */
  emptied(): void;
  /** A file is open, or is gone: how the files fit has to be found out anew. */
  settled(): void;
  failed(thrown: unknown): void;
  /** False: whoever listens wants a warning not to be shown. */
  announce: Announce;
}

/** What is asked of an element that is in no document. */
export const AWAY = problem('E_NOT_READY', 'The element is not in the document.');

/** What is under way for a place, until something else is. */
class Place {
  /** Aborted, it is over. */
  readonly aborter = new AbortController();
  /** Begins it once more, for an element that comes back: as long as not all of it is in the card. */
  again: (() => Promise<void>) | null = null;
  /** A link that is all there is. */
  link: string | null = null;
  /** It is loaded by itself, or the empty place says why not. */
  loads = false;
  /** Settles when it is done. */
  opening: Promise<void> = Promise.resolve();
  /** What was open before it. */
  before: Before | null = null;
}

export class Places {
  cards: Record<Role, Card> = { content: EMPTY, style: EMPTY };
  /** A file came while the element was in no document. */
  #missed = false;
  #places: Record<Role, Place> = { content: new Place(), style: new Place() };

  constructor(private host: PlacesHost) {}

  get bothOpen(): boolean {
    return ROLES.every((role) => this.cards[role].state === 'open');
  }

  get isOpening(): boolean {
    return ROLES.some((role) => {
      const { loads, again } = this.#places[role];
      return (loads && again !== null) || this.cards[role].state === 'opening';
    });
  }

  get isEmpty(): boolean {
    return ROLES.every((role) => this.cards[role].state === 'empty');
  }

  /** The role of the only file, with the other place empty. */
  get only(): Role | null {
    const [role, ...others] = ROLES.filter((one) => this.cards[one].state !== 'empty');
    return role && others.length === 0 && this.cards[role].state === 'open' ? role : null;
  }

  /** What stands in a place instead of a file that could be used. */
  get problem(): Problem | null {
    const [problem = null] = ROLES.map((role) => this.cards[role]).flatMap((card) => ('problem' in card && card.problem ? [card.problem] : []));
    return problem;
  }

  summaryOf(role: Role): Summary | null {
    const card = this.cards[role];
    return card.state === 'open' ? card.summary : null;
  }

  fileOf(role: Role): File | FileLink | null {
    const card = this.cards[role];
    return 'file' in card ? card.file : null;
  }

  /** The file in a place, if it lies on this machine. */
  localOf(role: Role): File | null {
    const file = this.fileOf(role);
    return isFile(file) ? file : null;
  }

  /** The link that lies in a place, as it was given, as long as there is nothing else. */
  linkIn(role: Role): string | null {
    return this.#places[role].link;
  }

  /** Where a link in a place, or its file, lies; null where there is none. */
  urlIn(role: Role): string | null {
    const card = this.cards[role];
    const link = card.state === 'offered' ? card.link : this.fileOf(role);
    return isFile(link) ? null : link?.url ?? null;
  }

  /** The files that are open, on this machine or on a server. */
  get files(): GivenFile[] {
    return ROLES.map((role) => this.cards[role]).flatMap((card) => (card.state === 'open' ? [card.file] : []));
  }

  get remote(): RemoteFile[] {
    return this.files.filter((file): file is RemoteFile => !isFile(file));
  }

  /** The element is in a document, again. */
  comeBack(): void {
    // The old worker is gone, the files are still chosen.
    if (this.host.begun() && !this.#missed) return;
    this.#missed = false;
    for (const role of ROLES) {
      const card = this.cards[role];
      const { again } = this.#places[role];
      if (again) void again();
      else if ('file' in card) void this.choose(role, card.file, card.config);
    }
  }

  /** The element is in no document any more: what is being opened is given up, and opened when it comes back. */
  leave(): void {
    for (const role of ROLES) {
      const { aborter, again, link, loads, opening, before } = this.#places[role];
      aborter.abort();
      this.#places[role] = Object.assign(new Place(), { again, link, loads, opening, before });
    }
  }

  /** What is open, once nothing is being opened any more. Rejects with the first refusal. */
  async opened(): Promise<Record<Role, Summary | null>> {
    if (this.isOpening && this.host.gone()) throw new ProblemError(AWAY);
    for (let waited: unknown[] = []; this.isOpening;) {
      if (this.host.gone()) throw abortError();
      const openings = ROLES.map((role) => this.#places[role].opening);
      // Nothing more is on its way: it would be waited for without a pause.
      if (openings.every((opening, at) => opening === waited[at])) break;
      await Promise.all(openings);
      waited = openings;
    }
    for (const role of ROLES) {
      const card = this.cards[role];
      // A link that was only offered nobody waits for.
      const refusal = card.state === 'refused' || (card.state === 'empty' && this.#places[role].loads) ? card.problem : null;
      if (refusal) throw new ProblemError(refusal);
    }
    return { content: this.summaryOf('content'), style: this.summaryOf('style') };
  }

  /**
   * Says what a link means; nothing is asked of its host yet, unless it is to be loaded by itself. `placed` is called once what it means
   * lies in the role's place.
   */
  offer(role: Role, link: string, hosts: string[], load: boolean, placed: () => void): Promise<void> {
    const before = this.before(role);
    const place = this.#next(role, () => this.offer(role, link, hosts, load, placed));
    Object.assign(place, { link, loads: load, before });
    if (this.cards[role].state === 'empty') {
      // Nothing lies there yet that would change what is known of the other file.
      this.cards = { ...this.cards, [role]: { state: 'empty', problem: null, reading: true } };
      this.host.redraw();
    }
    return (place.opening = this.#offer(role, place, link, hosts, placed));
  }

  async #offer(role: Role, place: Place, link: string, hosts: string[], placed: () => void): Promise<void> {
    const offered = await this.#link(link, hosts);
    if (place.aborter.signal.aborted) return;
    if (this.host.gone()) {
      this.#missed = true;
      return;
    }
    if ('url' in offered && place.loads) {
      const opened = this.choose(role, offered);
      placed();
      return opened;
    }
    // A link that leads to no file takes none away.
    if (!('url' in offered) && this.fileOf(role)) {
      const card = this.cards[role];
      Object.assign(place, { again: null, link: null, loads: false });
      // Its opening was given up for the link.
      if (card.state === 'opening') await this.choose(role, card.file, card.config);
      return this.host.failed(new ProblemError(offered));
    }
    const before = this.before(role);
    void this.clear(role);
    Object.assign(this.#places[role], { link, loads: place.loads, before });
    this.#set(role, 'url' in offered ? { state: 'offered', link: offered } : { state: 'empty', problem: offered, reading: false });
    placed();
    // The place is as empty as it was, and the other file alone.
    this.host.settled();
    if (!('url' in offered)) this.host.announce('error', offered);
  }

  async #link(link: string, hosts: string[]): Promise<FileLink | Problem> {
    try {
      return await this.host.core().link(link, hosts);
    } catch (thrown) {
      return toProblem(thrown);
    }
  }

  /** Asks the host of a role's link for its file, also for one that was loaded before. */
  async load(role: Role): Promise<void> {
    const card = this.cards[role];
    const link = card.state === 'offered' ? card.link : this.fileOf(role);
    if (!link || isFile(link)) return;
    const { url, host, name } = link;
    const config = 'config' in card && !card.config?.loaded ? card.config : null;
    await this.choose(role, { url, host, name }, config);
  }

  /** Opens a file in a role's place. Its configuration may still have to be read. */
  choose(role: Role, file: File | FileLink, config: Config | null | Promise<Config | null> = null, before = this.before(role)): Promise<void> {
    const place = this.#next(role, config instanceof Promise ? () => this.choose(role, file, config, before) : null);
    // What is opened once more is not what was there before.
    place.before = before && (before.file !== file || before.config !== config) ? before : null;
    return (place.opening = this.#open(role, place, file, config));
  }

  async #open(role: Role, place: Place, file: File | FileLink, coming: Config | null | Promise<Config | null>): Promise<void> {
    const { signal } = place.aborter;
    let config = coming instanceof Promise ? null : coming;
    this.#set(role, { state: 'opening', file, config });
    if (coming instanceof Promise) {
      config = await coming;
      if (signal.aborted) return;
      place.again = null;
      this.#set(role, { state: 'opening', file, config });
    }
    if (this.host.gone()) {
      this.#missed = true;
      return;
    }
    try {
      const core = this.host.core();
      const given = isGiven(file) ? file : await core.find(file, signal);
      if (signal.aborted) return;
      let summary = await core.inspect(role, given, config?.text ?? null, signal);
      if (signal.aborted) return;
      const beside = given === file || config ? null : await core.config(role, signal);
      if (signal.aborted) return;
      if (beside !== null) {
        // Also where it is refused, so that it can be taken away.
        [file, config] = [given, { name: 'adapter_config.json', text: beside, loaded: true }];
        summary = await core.inspect(role, given, beside, signal);
        if (signal.aborted) return;
      }
      this.#set(role, { state: 'open', file: given, config, summary });
      this.host.announce('inspect', { role, summary });
      const warnings = summary.warnings.filter((warning) => this.host.announce('warning', warning));
      if (warnings.length < summary.warnings.length && !signal.aborted) {
        this.cards = { ...this.cards, [role]: { state: 'open', file: given, config, summary: { ...summary, warnings } } };
      }
      this.host.settled();
    } catch (thrown) {
      if (signal.aborted) return;
      const refusal = toProblem(thrown);
      this.#set(role, { state: 'refused', file, config, problem: refusal, before: place.before });
      this.host.announce('error', refusal);
    }
  }

  /** What is open in a role's place, or was before what is there. */
  before(role: Role): Before | null {
    const card = this.cards[role];
    return card.state === 'open' ? card : card.state === 'refused' ? card.before : this.#places[role].before;
  }

  /** Opens what lay in a role's place before the file that was refused. */
  async back(role: Role): Promise<void> {
    const card = this.cards[role];
    if (card.state === 'refused' && card.before) await this.choose(role, card.before.file, card.before.config);
  }

  async clear(role: Role): Promise<void> {
    this.#next(role);
    const had = this.cards[role].state !== 'empty';
    this.#set(role, EMPTY);
    this.host.emptied();
    if (had) await this.host.begun()?.close(role).catch(() => {});
    // What is left can be converted.
    this.host.settled();
  }

  /** `undone`: where that failed, and both are as they were, before it is told. */
  async swap(undone: () => Promise<void>): Promise<void> {
    const { content, style } = this.cards;
    if (content.state === 'open' && style.state === 'open') {
      const swapped = (this.cards = { content: style, style: content });
      const session = this.host.begun();
      this.host.swapped();
      try {
        await session?.swap();
        this.host.settled();
      } catch (thrown) {
        // The next session opens them as they lie.
        if (this.host.begun() !== session) return;
        // There they are as they were.
        if (this.cards === swapped) {
          this.cards = { content, style };
          await undone();
        }
        this.host.settled();
        this.host.failed(thrown);
      }
      return;
    }
    // Half a pair has nothing to swap in the wasm session: each file simply moves over.
    const [ofContent, ofStyle] = ROLES.map((role) => ({ before: this.before(role), link: this.#places[role].link }));
    for (const [role, card, was] of [['content', style, ofStyle!], ['style', content, ofContent!]] as const) {
      if ('file' in card) void this.choose(role, card.file, card.config, card.state === 'open' ? null : was.before);
      else {
        void this.clear(role);
        if (card.state === 'offered') Object.assign(this.#places[role], was);
        // What a link means that was being read is not asked for any more.
        this.#set(role, card.state === 'empty' ? { ...card, reading: false } : card);
      }
    }
  }

  /** Whatever was to be done with the role's place is over. */
  #next(role: Role, again: (() => Promise<void>) | null = null): Place {
    this.#places[role].aborter.abort();
    return (this.#places[role] = Object.assign(new Place(), { again }));
  }

  #set(role: Role, card: Card): void {
    this.cards = { ...this.cards, [role]: card };
    this.host.changed();
  }
}

/** Of a link alone nobody knows yet what it leads to. */
const isGiven = (file: File | FileLink): file is GivenFile => isFile(file) || 'tag' in file;
