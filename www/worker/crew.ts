/**
 * The other workers of a page, at most one for each core and a few in all, each with its own instance of the program: memory can be shared only if a
 * host page sends special headers. They share the runs that this worker leads.
 */

import { Line, type Call } from '../core/line.ts';
import { problem, ProblemError } from '../core/problem.ts';
import type { Assisted, Calls, CrewCall, OpenedFile } from '../core/protocol.ts';
import { ROLES, type BackendChoice, type Role } from '../core/types.ts';
import { ANSWERS } from './answers.ts';
import { Hashing } from './hashing.ts';

/** The most workers to start: with more, hashing, which cannot be shared, decides the time, and each takes more memory. */
const MOST = 3;
/** The number of cores from which on another worker only hashes. On fewer, it would take from the others what it saves the leader. */
const CORES_TO_HASH = 4;
/**
 * How many tasks a member has at a time: it computes one, reads for another, and has more to do while this worker takes its results. Of large tasks
 * it has half as many (fusion/run/sharing.rs).
 */
export const DEPTH = 4;

/** How long a member may take to stop when a run is over: more than a module takes, since unlike for the leading worker nobody waits. */
const REST_GRACE_MS = 1000;

export type Files = Record<Role, OpenedFile | null>;

interface Member {
  line: Line<CrewCall>;
  /** The files that the member has open. */
  files: Files;
  /** Settles when the member has been told of the last run. */
  hearing: Promise<void>;
  /** The tasks that the member is working on, with their sizes. */
  calls: Map<Call<'assist'>, number>;
}

const loadOf = ({ calls }: Member): number => [...calls.values()].reduce((sum, size) => sum + size, 0);

export class Crew {
  #ready: Member[] = [];
  /** The members that know the current run. */
  #on: Member[] = [];
  /** The number of filled places, including members that are still starting and those lost at work. */
  #hired = 0;
  #backend: BackendChoice = 'cpu';
  /** A number that changes whenever the members are told of a run, and when a run ends. */
  #told = 0;
  /** The worker that hashes; null until it is ready. */
  #hasher: Line<CrewCall> | null = null;
  #hasherHired = false;
  #hashes: Hashing[] = [];
  #lastHash = 0;
  /** Whether the program has been warmed up, or is about to be. */
  #isWarm = false;
  /** The member that warms up the program, and the call. */
  #warming: { line: Line<CrewCall>; id: number } | null = null;

  /** `start`: how this worker was started; the others are started alike. `alive` is called when a member reports: the page hears only this one. */
  constructor(private readonly start: Calls['start']['in'], private readonly alive: () => void) {}

  /** Starts the others in the background; a run uses those that are ready. Members that could not start are tried again. */
  prepare(): void {
    const cores = navigator.hardwareConcurrency || 1;
    while (this.#hired < Math.min(cores - 1, MOST)) this.#hire();
    if (cores >= CORES_TO_HASH && !this.#hasherHired) this.#hireHasher();
  }

  /** Stops the warm-up, because somebody waits for a run: the run warms the program up too, and the member can take part in it. */
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

  /** Has all members prepare what they need to compute with this backend. */
  equip(backend: BackendChoice): void {
    this.#backend = backend;
    for (const { line } of this.#ready) this.#equip(line);
  }

  #equip(line: Line<CrewCall>): void {
    // If a member cannot get it, a run that needs it will report that.
    if (this.#backend !== 'cpu') line.call('backend', { choice: this.#backend }).reply.catch(() => {});
  }

  get members(): number {
    return this.#ready.length;
  }

  get places(): number {
    return DEPTH * this.#on.length;
  }

  /** Has all ready members open the files and plan the run. Each takes part as soon as it has done so, after what it was told earlier. */
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
      // By now the run may be over, or another one may have begun.
      if (number === this.#told && this.#ready.includes(member)) this.#on.push(member);
    } catch {
      // A member that cannot open the files takes no part, and the run goes on without it.
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

  /** Settles after a turn of the event loop, in which all messages sent so far have arrived. */
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

  /** Begins the hash of a result, if there is a worker to make it. */
  hash(): Hashing | undefined {
    if (!this.#hasher) return undefined;
    const hash = new Hashing(this.#hasher, ++this.#lastHash);
    this.#hashes.push(hash);
    return hash;
  }

  /** Ends the run for the members: each must stop what it is doing, and one that does not is replaced. */
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
      // A member that is lost at work is not replaced: there may not be enough memory for so many.
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
      // If a worker cannot start others, this one works alone.
    }
  }

  /**
   * Starts the worker that hashes, for which the small reader suffices. If lost, it is started again only with the next file, as memory may be short.
   */
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
      // If a worker cannot start others, this one hashes as well.
    }
  }
}
