/** Hands files to the person: results, their reports, and recipes. */

import { toProblem } from '../../core/problem.ts';
import { cleanStem, download, saveFile, saveFiles, type Saved } from '../../core/save.ts';
import type { FusedFile, Role, SavedSource, Settings } from '../../core/types.ts';
import type { Desk } from './desk.ts';
import { toJson } from '../words/format.ts';
import { writeRecipe, type Sources } from '../settings/recipe.ts';
import { text } from '../words/strings.ts';
import type { Outcome } from '../model.ts';

interface SavingHost {
  requestUpdate(): void;
  /** Offers a result to the host; false if the host takes it. */
  offer(made: FusedFile): boolean;
  /** Shows and announces how saving ended. */
  saved(what: string): void;
}

export class Saving {
  #underWay = 0;

  /** Results that have been saved or taken by the host. */
  #away = new WeakSet<File>();

  constructor(private host: SavingHost, private desk: Desk) {}

  /** How many results would be lost if the page were closed. */
  get unsaved(): number {
    return this.desk.outcomes.filter(({ file }) => !this.#away.has(file)).length;
  }

  /** Whether a dialog is open, or a file is being written. */
  get busy(): boolean {
    return this.#underWay > 0;
  }

  async one(at: number): Promise<boolean> {
    const outcome = this.desk.outcomes[at];
    if (!outcome || !this.#offer(outcome)) return false;
    return this.#tell(await this.#while(saveFile(outcome.file)), text.became, [outcome.file]);
  }

  async all(): Promise<boolean> {
    const files = this.desk.outcomes.filter((outcome) => this.#offer(outcome)).map(({ file }) => file);
    if (files.length === 0) return false;
    return this.#tell(await this.#while(saveFiles(files)), text.becameAll, files);
  }

  #offer({ file, report }: Outcome): boolean {
    const ours = this.host.offer({ file, report });
    if (!ours) this.#away.add(file);
    return ours;
  }

  report(at: number): void {
    const outcome = this.desk.outcomes[at];
    if (!outcome) return;
    const { file, report, sources } = outcome;
    const source = (role: Role): SavedSource | null => report[role] && { ...report[role], sha256: this.desk.hashes.of(sources[role]) };
    json(toJson({ ...report, content: source('content'), style: source('style') }), `${file.name.replace(/\.safetensors$/, '')}.report`);
  }

  /** `called`: the name that a result of these settings would have. */
  recipe(settings: Settings, sources: Sources, called: string): void {
    json(writeRecipe(this.desk.version, settings, sources), `${cleanStem(settings.outputName, called)}.recipe`);
  }

  #tell(saved: Saved, words: Record<Saved, string>, files: readonly File[]): boolean {
    if (saved !== 'closed') files.forEach((file) => this.#away.add(file));
    this.host.saved(words[saved]);
    return saved !== 'closed';
  }

  async #while<T>(saving: Promise<T>): Promise<T> {
    this.#underWay += 1;
    this.host.requestUpdate();
    try {
      return await saving;
    } catch (thrown) {
      if (toProblem(thrown).code === 'E_RESULT_GONE') await this.desk.forgetLost();
      throw thrown;
    } finally {
      this.#underWay -= 1;
      this.host.requestUpdate();
    }
  }
}

function json(text: string, stem: string): void {
  download(new Blob([text], { type: 'application/json' }), `${stem}.json`);
}
