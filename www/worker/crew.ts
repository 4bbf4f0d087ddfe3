/**
 * The other workers of a page, one a core and a few at most, each with an instance of the program of its own: memory cannot be shared where
 * a host page sets no special headers. They share the runs that this worker leads.
 */

import { Line, type Call } from '../core/line.ts';
import { problem, ProblemError } from '../core/problem.ts';
import type { Assisted, Calls, CrewCall, OpenedFile } from '../core/protocol.ts';
import { ROLES, type BackendChoice, type Role } from '../core/types.ts';
import { ANSWERS } from './answers.ts';
import { Hashing } from './hashing.ts';

/** Beyond this, hashing, which nobody can share, decides the time, and memory grows with each. */
const MOST = 3;
/** From so many cores on, one more worker only hashes. On fewer it would take from the others what it saves the leader. */
const CORES_TO_HASH = 4;
/**
 * Tasks that one has at a time: it computes one, reads for another, and has more while this worker takes what it has made. Of large ones
 * it has half as many (fusion/run/sharing.rs).
 */
export const DEPTH = 4;

/** So long whoever leaves a run may take to stop: more than a module takes. Nobody waits for it, as somebody does for the worker that leads. */
const REST_GRACE_MS = 1000;

export type Files = Record<Role, OpenedFile | null>;

interface Member {
  line: Line<CrewCall>;
  /** What it has open. */
  files: Files;
  /** Settles when it has heard of the last run. */
  hearing: Promise<void>;
  /** What it has been given to do, with their sizes. */
  calls: Map<Call<'assist'>, number>;
}

const loadOf = ({ calls }: Member): number => [...calls.values()].reduce((sum, size) => sum + size, 0);

export class Crew {
  #ready: Member[] = [];
  /** Those who know the run that is under way. */
  #on: Member[] = [];
  /** Places that are filled: also by those on their way, and by those lost at work. */
  #hired = 0;
  #backend: BackendChoice = 'cpu';
  /** The number of what they were told last, or of a run's end. */
  #told = 0;
  /** The one that hashes; none until it is ready. */
  #hasher: Line<CrewCall> | null = null;
  #hasherHired = false;
  #hashes: Hashing[] = [];
  #lastHash = 0;
  /** The program is warmed up, or about to be. */
  #isWarm = false;
  /** Who warms it up, and by which call. */
  #warming: { line: Line<CrewCall>; id: number } | null = null;

  /** `start`: how this worker was started, which is how the others are. `alive` is called when one of them says so: the page hears only this one. */
  constructor(private readonly start: Calls['start']['in'], private readonly alive: () => void) {}

  /** Starts the others, in the background: a run takes those that are ready. Who could not start is tried again. */
  prepare(): void {
    const cores = navigator.hardwareConcurrency || 1;
    while (this.#hired < Math.min(cores - 1, MOST)) this.#hire();
    if (cores >= CORES_TO_HASH && !this.#hasherHired) this.#hireHasher();
  }

  /** Somebody waits for a run. It warms the program up as well, and whoever was at it has a part in it. */
  leaveWarming(): void {
    this.#isWarm = true;
    const asked = this.#warming;
    if (asked?.line.isWaiting(asked.id)) asked.line.cancel(asked.id);
  }

  #warmUp(line: Line<CrewCall>): void {
    if (this.#isWarm) return;
    this.#isWarm = true;
    const { id, reply } = line.call('prepare', {});
    this.#warming = { line, id };
    reply.catch(() => {});
  }

  /** All get what they need to compute on this. */
  equip(backend: BackendChoice): void {
    this.#backend = backend;
    for (const { line } of this.#ready) this.#equip(line);
  }

  #equip(line: Line<CrewCall>): void {
    // Who could not get it says so when a run needs it.
    if (this.#backend !== 'cpu') line.call('backend', { choice: this.#backend }).reply.catch(() => {});
  }

  get members(): number {
    return this.#ready.length;
  }

  get places(): number {
    return DEPTH * this.#on.length;
  }

  /** Has all that are ready open the files and plan the run. Each takes part as soon as it has; what it was told before comes first. */
  async begin(files: Files, run: Calls['share']['in']): Promise<void> {
    this.#on = [];
    const number = ++this.#told;
    await Promise.all(this.#ready.map((member) => (member.hearing = member.hearing.then(() => this.#tell(member, files, run, number)))));
  }

  async #tell(member: Member, files: Files, run: Calls['share']['in'], number: number): Promise<void> {
    try {
      for (const role of ROLES) {
        const file = files[role];
        if (file === member.files[role]) continue;
        member.files[role] = null;
        await (file ? member.line.call('open', { role, ...file }) : member.line.call('close', { role })).reply;
        member.files[role] = file;
      }
      await member.line.call('share', run).reply;
      // The run may be over by now, or told anew.
      if (number === this.#told && this.#ready.includes(member)) this.#on.push(member);
    } catch {
      // Whoever cannot do it takes no part: the run goes on without.
    }
  }

  async run(task: Calls['assist']['in'], size: number): Promise<Assisted> {
    const free = this.#on.reduce<Member | null>((least, member) => (least && loadOf(least) <= loadOf(member) ? least : member), null);
    if (!free) throw problem('E_WORKER_LOST', 'the other workers are gone');
    const call = free.line.call('assist', task);
    free.calls.set(call, size);
    try {
      return await call.reply;
    } catch (thrown) {
      throw thrown instanceof ProblemError ? thrown.problem : thrown;
    } finally {
      free.calls.delete(call);
    }
  }

  /** Settles after a turn of the event loop, in which messages come in that have been sent by now. */
  listen(): Promise<void> {
    return new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(null);
    });
  }

  /** Begins the hash of a result, if there is somebody to make it. */
  hash(): Hashing | undefined {
    if (!this.#hasher) return undefined;
    const hash = new Hashing(this.#hasher, ++this.#lastHash);
    this.#hashes.push(hash);
    return hash;
  }

  /** The run is over: all are to leave what they are doing, and whoever does not is replaced. */
  rest(): void {
    this.#told++;
    for (const hash of this.#hashes.splice(0)) hash.leave();
    for (const { line, calls } of this.#on) {
      const left = [...calls.keys()];
      for (const { id } of left) line.cancel(id);
      if (left.length > 0) setTimeout(() => {
        if (!left.some((call) => calls.has(call))) return;
        line.end(problem('E_WORKER_LOST', 'it did not stop'));
        this.#hired--;
        this.#hire();
      }, REST_GRACE_MS);
    }
    this.#on = [];
  }

  #hire(): void {
    this.#hired++;
    let member: Member | null = null;
    try {
      // One that is lost at work is not replaced: there may be no memory for so many.
      const line = new Line(self.location.href, ANSWERS, () => {}, () => {
        this.#ready = this.#ready.filter((other) => other !== member);
        this.#on = this.#on.filter((other) => other !== member);
      }, this.alive);
      line.call('start', { ...this.start, reader: null, leads: false }).reply.then(() => {
        member = { line, files: { content: null, style: null }, hearing: Promise.resolve(), calls: new Map() };
        this.#ready.push(member);
        this.#equip(line);
        this.#warmUp(line);
      }, (error: ProblemError) => {
        this.#hired--;
        line.end(error.problem);
      });
    } catch {
      // Where a worker may have none of its own, this one works alone.
    }
  }

  /** What opens files is all that it needs. A lost one is hired again only with the next file: memory may be what it died of. */
  #hireHasher(): void {
    this.#hasherHired = true;
    const lost = (): void => {
      this.#hasher = null;
      this.#hasherHired = false;
    };
    try {
      const line = new Line(self.location.href, ANSWERS, () => {}, lost, this.alive);
      line.call('start', { ...this.start, leads: false }).reply.then(() => { this.#hasher = line; }, (error: ProblemError) => line.end(error.problem));
    } catch {
      // As for the others.
    }
  }
}
