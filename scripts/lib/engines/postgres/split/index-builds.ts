import type { Task } from './build-plan.ts';

/** What indexes wait for. */
export interface Awaited {
  /** Whether what this one is made of is there. */
  mayBegin(task: Task): boolean;
  /** Whether more may come, or may begin, than may now. */
  mayFollow(): boolean;
}

/** One that begins. */
export interface Begun {
  readonly task: Task;
  /** Of its table. */
  readonly sizeBytes: number;
  /** Nothing else is built, nor will be before it is done. */
  readonly isAlone: boolean;
}

const NOTHING: Awaited = { mayBegin: () => true, mayFollow: () => false };

/**
 * Indexes to be built by several sessions side by side, those of the largest tables first. None begins before what it waits for
 * is there, nor on a table that another one has for itself.
 */
export class IndexBuilds {
  #waiting: Task[] = [];
  readonly #tables = new Map<string, { users: number; isExclusive: boolean }>();
  readonly #awaited: Awaited;
  readonly #sizes = new Map<Task, number>();
  #running = 0;
  #waiters: (() => void)[] = [];

  constructor(awaited: Awaited = NOTHING) {
    this.#awaited = awaited;
  }

  /** Those that nobody has begun. */
  get waiting(): readonly Task[] {
    return this.#waiting;
  }

  /** @param sizeOf of the table that it is built on */
  add(tasks: readonly Task[], sizeOf: (task: Task) => number): void {
    for (const task of tasks) this.#sizes.set(task, sizeOf(task));
    this.#waiting = [...this.#waiting, ...tasks].sort((a, b) => this.#sizeOf(b) - this.#sizeOf(a));
    this.wake();
  }

  #sizeOf(task: Task): number {
    return this.#sizes.get(task) ?? 0;
  }

  /** Something is there that may have been waited for. */
  wake(): void {
    const woken = this.#waiters;
    this.#waiters = [];
    for (const wake of woken) wake();
  }

  /** Builds one after the other, until none may follow. Several do so at a time. */
  async work(run: (begun: Begun) => Promise<void>, signal?: AbortSignal): Promise<void> {
    const wake = () => this.wake();
    signal?.addEventListener('abort', wake, { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        const { task, isBlocked } = this.#take();
        if (task) await this.#runOn(task, run);
        else if (isBlocked || this.#awaited.mayFollow())
          await new Promise<void>((resolve) => {
            this.#waiters.push(resolve);
          });
        else return;
      }
    } finally {
      signal?.removeEventListener('abort', wake);
    }
  }

  /** The first that does not have to wait for another one on the same table; or whether there is one that has to. */
  #take(): { task?: Task | undefined; isBlocked: boolean } {
    let isBlocked = false;
    const index = this.#waiting.findIndex((task) => {
      if (!this.#awaited.mayBegin(task)) return false;
      const use = this.#tables.get(task.table);
      const isFree = !use || (!use.isExclusive && !task.isExclusive);
      isBlocked ||= !isFree;
      return isFree;
    });
    return { task: index < 0 ? undefined : this.#waiting.splice(index, 1)[0], isBlocked };
  }

  async #runOn(task: Task, run: (begun: Begun) => Promise<void>): Promise<void> {
    const { table, isExclusive } = task;
    const use = this.#tables.get(table) ?? { users: 0, isExclusive };
    this.#tables.set(table, { ...use, users: use.users + 1 });
    const isAlone = this.#running === 0 && this.#waiting.length === 0 && !this.#awaited.mayFollow();
    this.#running += 1;
    try {
      await run({ task, sizeBytes: this.#sizeOf(task), isAlone });
    } finally {
      this.#running -= 1;
      const users = (this.#tables.get(table)?.users ?? 1) - 1;
      if (users === 0) this.#tables.delete(table);
      else this.#tables.set(table, { users, isExclusive: false });
      this.wake();
    }
  }
}
