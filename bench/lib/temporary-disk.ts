import { type Dirent, lstatSync, readdirSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { join, sep } from 'node:path';

const NO_DISK = ['/dev/', '/proc/', '/sys/'];
/** The access modes that write, of the flags in /proc/PID/fdinfo. */
const WRITES = 0o3;

/**
 * The most that a tree of processes kept on disk outside of what it was to write: in its folder for temporary files,
 * and in whatever else it was seen to have open for writing, removed already or not. A file that comes and goes between
 * two looks is missed.
 */
export class TemporaryDisk {
  peakBytes = 0;
  readonly #seen = new Set<string>();

  readonly #scratch: string;
  readonly #target: string | undefined;

  /** @param scratch the tree's TMPDIR and HOME @param target the folder that it is to write into */
  constructor(scratch: string, target: string | undefined) {
    this.#scratch = scratch;
    this.#target = target;
  }

  look(pids: readonly number[]): void {
    const sizes = new Map<string, number>();
    const add = (stats: Stats | undefined) => {
      if (stats?.isFile()) sizes.set(`${stats.dev}:${stats.ino}`, stats.size);
    };
    for (const path of filesBelow(this.#scratch)) add(attempt(() => lstatSync(path)));
    for (const pid of pids) {
      for (const { link, path } of openForWriting(pid)) {
        if (this.#isTarget(path)) continue;
        add(attempt(() => statSync(link)));
        if (!path.endsWith(' (deleted)')) this.#seen.add(path);
      }
    }
    for (const path of this.#seen) add(attempt(() => lstatSync(path)));
    this.peakBytes = Math.max(
      this.peakBytes,
      [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0),
    );
  }

  #isTarget(path: string): boolean {
    return this.#target !== undefined && path.startsWith(this.#target + sep);
  }
}

function filesBelow(folder: string): string[] {
  const entries = attempt<Dirent[]>(() => readdirSync(folder, { recursive: true, withFileTypes: true })) ?? [];
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function* openForWriting(pid: number): Generator<{ link: string; path: string }> {
  for (const name of attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
    const link = `/proc/${pid}/fd/${name}`;
    const path = attempt(() => readlinkSync(link));
    if (!path?.startsWith('/') || NO_DISK.some((start) => path.startsWith(start))) continue;
    const flags = /^flags:\s*(\d+)/m.exec(
      attempt(() => readFileSync(`/proc/${pid}/fdinfo/${name}`, 'utf8')) ?? '',
    )?.[1];
    if (flags !== undefined && (Number.parseInt(flags, 8) & WRITES) !== 0) yield { link, path };
  }
}

/** What is looked at may go at any time. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
