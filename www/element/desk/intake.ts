/** Brings files to their places: dropped, pasted, chosen, or given by a host. */

import type { ReactiveControllerHost } from 'lit';
import { isFile } from '../../core/shape.ts';
import type { FileLink, Role, SavedRecipe, Settings } from '../../core/types.ts';
import { ROLES } from '../../core/types.ts';
import type { Desk } from './desk.ts';
import { filesFrom, hasFiles, isConfig, isMeant, isRecipe, linkIn, mayTake, readConfig, recipesAmong } from './drop.ts';
import type { Keep } from '../settings/keep.ts';
import { inPlaces } from '../settings/recipe.ts';
import type { Config } from '../model.ts';
import { recipeText, text } from '../words/strings.ts';

interface IntakeHost {
  /** Whether a person may change files and settings. */
  changeable(): boolean;
  /** Whether a run is in progress. */
  running(): boolean;
  /** Shows a message on the page. */
  notify(what: string): void;
  /** Called when files were put in or taken out. */
  changed(): void;
  openRecipe(name: string, saved: SavedRecipe): void;
  /** Offers the file that a link leads to. */
  paste(role: Role, link: string): void;
}

/**
 * The setting that belongs to one file and moves with it, as in src/fusion/settings/mod.rs; here too, as a file may move before the program is
 * loaded.
 */
export const SCALE = { content: 'contentScale', style: 'styleScale' } as const;

export class Intake {
  #over: Role | 'all' | null = null;
  /** The scale settings of files that a person may go back to. */
  #scales = new WeakMap<object, Settings['contentScale']>();

  constructor(private element: ReactiveControllerHost & HTMLElement, private host: IntakeHost, private desk: Desk, private keep: Keep) {
    element.addEventListener('dragover', (event) => this.#dragOver(event));
    element.addEventListener('dragleave', (event) => {
      if (!element.contains(event.relatedTarget as Node | null)) this.#hover(null);
    });
    element.addEventListener('drop', (event) => this.#drop(event));
    // Dragging a file, or finding it in the system's dialog, takes longer than loading the program.
    element.addEventListener('dragenter', ({ dataTransfer }) => { if (mayTake(dataTransfer)) this.#reached(); });
    element.addEventListener('click', (event) => { if (roleUnder(event)) this.#reached(); });
  }

  /** Whether something is being dragged over a role's place, which would take it. */
  isOver(role: Role): boolean {
    return this.#over === role || this.#over === 'all';
  }

  /** The implementation of the element's `take`. */
  async take(from: DataTransfer | readonly File[], role: Role | null = null): Promise<void> {
    const given = typeof from === 'object' && from !== null && Symbol.iterator in from ? [...from] : null;
    if (given ? !given.every(isFile) : typeof from !== 'object' || from === null || !('items' in from)) {
      throw new TypeError('take() takes a list of Files, or a DataTransfer.');
    }
    if (role !== null && !ROLES.includes(role)) throw new TypeError("The role is 'content' or 'style', or null.");
    // The link and the files must both be read during the event.
    const link = 'getData' in from ? linkIn(from) : null;
    const taken = given ?? await filesFrom(from as DataTransfer);
    if (this.host.running()) return this.host.notify(text.notWhileRunning);
    if (!this.host.changeable()) return;
    // A picture that is a link is dragged both as a file and as a link.
    if (link !== null && !taken.some(isMeant)) {
      const { cards } = this.desk.places;
      const vacant = ROLES.find((one) => { const card = cards[one]; return card.state === 'empty' && !card.reading; });
      const place = role ?? vacant ?? this.#free[0];
      return place ? this.host.paste(place, link) : this.host.notify(text.bothTaken);
    }
    const [recipe, another] = recipesAmong(taken);
    const others = taken.filter((file) => !isRecipe(file));
    return recipe ? this.#takeWithRecipe(others, role, recipe, another !== undefined) : this.#lay(others, role, this.keep.recipe);
  }

  /** The places that can take another file. */
  get #free(): Role[] {
    return ROLES.filter((one) => ['empty', 'offered', 'refused'].includes(this.desk.places.cards[one].state));
  }

  /** Puts LoRAs into their places, with a configuration that came with one. If there are several, a `recipe` tells which is which. */
  async #lay(taken: readonly File[], role: Role | null, recipe: SavedRecipe | null): Promise<void> {
    const config = taken.find(isConfig);
    const files = taken.filter((file) => !isConfig(file));
    const [first, second] = recipe ? inPlaces(recipe, files) : files;
    if (!first) {
      if (config) return this.#takeConfig(config, role);
      return this.host.notify(text.noFiles);
    }
    this.host.notify(files.length > 2 ? text.onlyTwo : config && second ? text.configWhich : '');
    const free = this.#free;
    if (second && free.length !== 1) {
      void this.place('content', first);
      void this.place('style', second);
      return this.host.changed();
    }
    const to = (second ? null : role) ?? free[0];
    const meant = second && recipe && to === 'style' ? second : first;
    if (to) await this.#placed(to, meant, second ? undefined : config);
    else this.host.notify(text.bothTaken);
    if (second) this.host.notify(text.leftOut);
  }

  /** Takes the file that was chosen in a card: a LoRA, its configuration, or a recipe, which belongs to no card. */
  choose(role: Role, file: File | null): void {
    this.host.notify('');
    if (file && isRecipe(file)) void this.takeRecipe(file);
    else if (file && isConfig(file) && this.desk.places.fileOf(role)) void this.#takeConfig(file, role);
    else void this.#placed(role, file);
  }

  chooseConfig(role: Role, config: File | null): void {
    this.host.notify('');
    void this.#placed(role, this.desk.places.fileOf(role), config);
  }

  /** Goes back to the previous file and its scale setting. */
  back(role: Role): void {
    const file = this.desk.places.before(role)?.file;
    void this.desk.places.back(role);
    const scale = file && this.#scales.get(file);
    if (scale) {
      this.#scales.delete(file);
      this.keep.change({ [SCALE[role]]: scale }, true);
    }
    this.host.changed();
  }

  /** Loads the file of a card's link. */
  load(role: Role): void {
    void this.desk.places.load(role);
    this.host.changed();
  }

  #placed(role: Role, file: File | FileLink | null, config: File | null = null): Promise<void> {
    return this.place(role, file, config, () => this.host.changed());
  }

  /** Puts files into their places, as the recipe tells which is which, and then opens the recipe: some settings may change with a new file. */
  async #takeWithRecipe(files: readonly File[], role: Role | null, recipe: File, isOneOfSeveral: boolean): Promise<void> {
    if (files.length > 0) {
      const saved = await this.desk.recipe(recipe).catch(() => null);
      if (this.host.running()) return this.host.notify(text.notWhileRunning);
      if (!this.host.changeable()) return;
      await this.#lay(files, role, saved);
    }
    await this.takeRecipe(recipe);
    if (isOneOfSeveral) this.host.notify(recipeText.onlyOne);
  }

  async takeRecipe(file: File): Promise<void> {
    this.host.notify('');
    try {
      const saved = await this.desk.recipe(file);
      if (saved && this.host.changeable()) this.host.openRecipe(file.name, saved);
    } catch (thrown) {
      this.desk.fail(thrown);
    }
  }

  /** Opens a file in a role's place, opens the one that is there again, or empties the place. `placed` is called once it is in its place. */
  async place(role: Role, file: File | FileLink | null, config: File | null = null, placed = (): void => {}): Promise<void> {
    const before = this.desk.places.fileOf(role);
    const another = file !== before;
    if (another && before) {
      this.remember(role);
      this.forgetScale(role);
    }
    if (!isFile(file) && (file === null || another)) {
      const cleared = this.desk.places.clear(role);
      placed();
      return cleared;
    }
    const read = config && this.#readFor(role, file, config);
    // If the configuration cannot be read, the file that is there stays as it is.
    if (read && !another && !(await read)) return;
    const opened = this.desk.places.choose(role, file, read);
    placed();
    await opened;
  }

  /** The configuration for a file; null if it cannot be read, which is reported, or if the file has gone in the meantime. */
  async #readFor(role: Role, file: File | FileLink, config: File): Promise<Config | null> {
    const read = await readConfig(config).catch(() => null);
    if (this.desk.places.fileOf(role) !== file) return null;
    if (!read) this.host.notify(text.configTooLarge);
    return read;
  }

  /** Remembers the scale setting of the open file, because another file may be about to take its place. */
  remember(role: Role): void {
    const card = this.desk.places.cards[role];
    if (card.state === 'open') this.#scales.set(card.file, this.keep.state[SCALE[role]]);
  }

  /** Resets the scale setting, because that of one file says nothing about the next. */
  forgetScale(role: Role): void {
    this.keep.forget(() => ({ [SCALE[role]]: { kind: 'auto' } }));
  }

  async swap(): Promise<void> {
    this.host.notify('');
    const exchange = (): void => this.keep.forget((settings) => ({ [SCALE.content]: settings[SCALE.style], [SCALE.style]: settings[SCALE.content] }));
    exchange();
    const swapped = this.desk.places.swap(async () => {
      exchange();
      // Changed settings clear errors, so this must come before the error is shown.
      await this.element.updateComplete;
    });
    this.host.changed();
    await swapped;
  }

  /** An adapter_config.json without its file belongs to the card it was dropped on, or to the only file there is. */
  async #takeConfig(config: File, role: Role | null): Promise<void> {
    const filled = ROLES.filter((one) => this.desk.places.fileOf(one) !== null);
    const to = role ?? (filled.length === 1 ? filled[0] : null);
    const file = to ? this.desk.places.fileOf(to) : null;
    if (to && file) await this.#placed(to, file, config);
    else this.host.notify(filled.length > 0 && !role ? text.configWhich : text.configNeedsFile);
  }

  #reached(): void {
    if (this.host.changeable()) this.desk.prepare();
  }

  #hover(over: Role | 'all' | null): void {
    if (over === this.#over) return;
    this.#over = over;
    this.element.requestUpdate();
  }

  #dragOver(event: DragEvent): void {
    if (!mayTake(event.dataTransfer)) return;
    // Otherwise the browser would open the dropped file and leave the page.
    event.preventDefault();
    const elsewhere = under(event, 'np-lora-compare');
    // During a run a drop is allowed, and answered with the reason why nothing is taken.
    // A comparison takes no links.
    const refused = elsewhere ? !hasFiles(event.dataTransfer) : !this.host.changeable() && !this.host.running();
    if (refused && event.dataTransfer) event.dataTransfer.dropEffect = 'none';
    if (elsewhere || !this.host.changeable()) this.#hover(null);
    else this.#hover(hasFiles(event.dataTransfer) && (event.dataTransfer?.items.length ?? 0) > 1 ? 'all' : roleUnder(event) ?? 'all');
  }

  #drop(event: DragEvent): void {
    this.#hover(null);
    if (!mayTake(event.dataTransfer) || !event.dataTransfer) return;
    event.preventDefault();
    // A comparison handles its own drops.
    if (!under(event, 'np-lora-compare')) void this.take(event.dataTransfer, roleUnder(event));
  }
}

/** The element with this name that an event happened in. */
function under(event: Event, name: string): EventTarget | undefined {
  return event.composedPath().find((one) => one instanceof Element && one.localName === name);
}

const roleUnder = (event: Event): Role | null => (under(event, 'np-lora-card') as { side?: Role } | undefined)?.side ?? null;
