/** The outlook of the current pair: worked out in the background, and asked for again when settings change. */

import { isAbort } from '../../core/abort.ts';
import type { ProgramCode } from '../../core/codes.ts';
import { toProblem } from '../../core/problem.ts';
import type { Outlook, Problem, Progress, Settings, Spectra } from '../../core/types.ts';

interface Calls {
  analyse(settings: Settings, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<unknown>;
  outlook(settings: Settings): Promise<Outlook>;
  spectra(settings: Settings, module: string): Promise<Spectra>;
}

/** The problem that only the values show, whenever they are read: it would also make a fusion fail. */
const OF_VALUES = 'E_NONFINITE' satisfies ProgramCode;

export class Foresight {
  outlook: Outlook | null = null;
  /** The spectra of the module that was chosen. */
  spectra: Spectra | null = null;
  analysing = false;
  /** Why the analysis did not go on. */
  problem: Problem | null = null;

  /** Whether the last question was not answered. */
  #unanswered = false;
  #settings: Settings | null = null;
  #latest: Outlook | null = null;
  /** Whether the analysis failed; it is not tried again with the same files. */
  #failed = false;
  #module: string | null = null;
  #aborter = new AbortController();
  #asking = false;
  #again = false;
  #turn = 0;

  /** `refused` is called when the values of a file show that it cannot be fused. */
  constructor(private calls: Calls, private changed: () => void, private refused: (problem: Problem) => void) {}

  /** The problem, if its cause lies in the files. */
  get refusal(): Problem | null {
    return this.problem?.code === OF_VALUES ? this.problem : null;
  }

  /** Whether the first outlook of the pair is still to come. */
  get coming(): boolean {
    return this.#settings !== null && this.outlook === null && !this.#failed && !this.#unanswered;
  }

  /** Asks for the outlook of a pair that fits with these settings. */
  want(settings: Settings): void {
    this.#settings = settings;
    void this.#ask().then(() => this.#analyse());
    void this.#look();
  }

  /** Tries again after a failure. */
  again(): void {
    this.#failed = false;
    this.problem = null;
    this.changed();
    void this.#ask().then(() => this.#analyse());
  }

  /** Drops everything: there is no pair any more, or another one. */
  drop(): void {
    this.#aborter.abort();
    this.#aborter = new AbortController();
    this.#settings = this.#module = this.#latest = null;
    this.#failed = this.#unanswered = false;
    this.#turn += 1;
    if (this.outlook === null && this.spectra === null && this.problem === null) return;
    this.outlook = this.spectra = this.problem = null;
    this.changed();
  }

  /** Loads the spectra of one of the outlook's modules; null: of none. */
  look(module: number | null): void {
    this.#module = (module !== null && this.outlook?.modules[module]?.name) || null;
    void this.#look();
  }

  async #look(): Promise<void> {
    const [settings, module, turn] = [this.#settings, this.#module, ++this.#turn];
    let spectra: Spectra | null = null;
    try {
      if (settings && module !== null) spectra = await this.calls.spectra(settings, module);
    } catch {
      // The pair does not fit with these settings, which its fit reports.
    }
    if (turn !== this.#turn || spectra === this.spectra) return;
    this.spectra = spectra;
    this.changed();
  }

  async #analyse(): Promise<void> {
    const [settings, { signal }] = [this.#settings, this.#aborter];
    if (!settings || !this.#latest || this.#latest.analysed === this.#latest.total || this.analysing || this.#failed) return;
    this.analysing = true;
    try {
      await this.calls.analyse(settings, signal, () => void this.#ask());
    } catch (thrown) {
      const problem = toProblem(thrown);
      // In the other cases the analysis was stopped by work that needed the machine more, and whoever did that asks again.
      this.#failed = !signal.aborted && !isAbort(thrown) && problem.code !== 'E_ABORTED';
      if (this.#failed) this.problem = problem;
      if (this.refusal) this.refused(problem);
    }
    this.analysing = false;
    await this.#ask();
    // The analysis was of another pair than the current one, or of its layers at other settings.
    if (signal.aborted || settings !== this.#settings) void this.#analyse();
  }

  #take(outlook: Outlook): void {
    this.#latest = outlook;
    // A worker that was replaced starts over; until it knows as much as the last one, the old outlook is shown.
    const going = outlook.analysed < outlook.total && !this.#failed;
    if (going && this.outlook && outlook.analysed < this.outlook.analysed) return;
    // An outlook of a part is meaningless if the pair cannot be fused.
    this.outlook = this.refusal || (this.#failed && outlook.analysed === 0) ? null : outlook;
  }

  /** Asks one question at a time; changes in the meantime are asked for afterwards. */
  async #ask(): Promise<void> {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    do {
      this.#again = false;
      const [settings, { signal }] = [this.#settings, this.#aborter];
      if (!settings) break;
      try {
        const outlook = await this.calls.outlook(settings);
        if (!signal.aborted) this.#take(outlook);
        this.#unanswered = false;
      } catch {
        // The pair does not fit with these settings, which its fit reports.
        this.#unanswered = !signal.aborted;
      }
      this.changed();
    } while (this.#again);
    this.#asking = false;
  }
}
