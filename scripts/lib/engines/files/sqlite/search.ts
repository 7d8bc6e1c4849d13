import { closeSync, lstatSync, openSync, readSync, type Stats } from 'node:fs';
import { log } from '../../../terminal/log.ts';
import { pathOf, shownPath } from '../tree/byte-path.mjs';

/** How a database keeps what is not committed: beside it in a log that readers read too, or in a journal to roll back by. */
export type JournalMode = 'wal' | 'rollback';

/** An SQLite database in a folder. */
export interface FoundDatabase {
  /** Below the folder, as bytes (latin1); empty when the source is the file itself. */
  readonly path: string;
  readonly journal: JournalMode;
  readonly sizeBytes: number;
  /** Its log, which belongs to it. */
  readonly walBytes: number;
  /** Of a file with several names. */
  readonly inode: string | undefined;
}

/** Files that SQLite keeps beside a database, by what is added to its name. */
export const BESIDE = ['-wal', '-shm', '-journal'] as const;

// https://www.sqlite.org/fileformat2.html
const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');
const WAL_VERSION = 2;
const READ_VERSION_AT = 19;
const HEADER_BYTES = 100;
const SMALLEST_PAGE = 512;
const WAL_MAGICS = [Buffer.from('377f0682', 'hex'), Buffer.from('377f0683', 'hex')];
const JOURNAL_MAGIC = Buffer.from('d9d505f920a163d7', 'hex');

/** Names that say so, of which the header need not. */
const NAMED_SO = /\.(sqlite|sqlite3)$/i;
const OFTEN_NAMED_SO = /\.(db|db3|sqlite|sqlite3)$/i;

/** Finds SQLite databases among the files of a folder, by their first bytes. */
export class DatabaseSearch {
  readonly #folder: string;
  readonly #found = new Map<string, FoundDatabase>();
  /** What is called a database, or has SQLite's log or journal beside it, and does not begin as one. */
  readonly #odd = new Set<string>();

  /** @param folder or the one file */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The source is one file. @returns what it takes on the disk */
  lookAtOnly(): number {
    const stat = lstatSync(this.#folder);
    const head = readHead(pathOf(this.#folder, ''), HEADER_BYTES);
    if (isDatabase(head)) this.#add('', head, stat);
    return stat.blocks * SMALLEST_PAGE;
  }

  /** @param path of a regular file below the folder, as bytes (latin1) */
  lookAt(path: string, stat: Pick<Stats, 'size' | 'nlink' | 'dev' | 'ino'>): void {
    const suffix = BESIDE.find((each) => path.endsWith(each));
    const owner = suffix && path.slice(0, -suffix.length);
    if (owner !== undefined && !this.#found.has(owner) && this.#isOfDatabase(path)) this.#odd.add(owner);
    // a database is whole pages long, but where it is broken
    const mayBe = stat.size >= HEADER_BYTES && (stat.size % SMALLEST_PAGE === 0 || OFTEN_NAMED_SO.test(path));
    const head = mayBe ? readHead(pathOf(this.#folder, path), HEADER_BYTES) : undefined;
    if (head !== undefined && isDatabase(head)) this.#add(path, head, stat);
    else if (stat.size > 0 && NAMED_SO.test(path)) this.#odd.add(path);
  }

  #isOfDatabase(path: string): boolean {
    const head = readHead(pathOf(this.#folder, path), JOURNAL_MAGIC.length);
    return WAL_MAGICS.some((magic) => head.subarray(0, 4).equals(magic)) || head.equals(JOURNAL_MAGIC);
  }

  #add(path: string, head: Buffer, stat: Pick<Stats, 'size' | 'nlink' | 'dev' | 'ino'>): void {
    const live = pathOf(this.#folder, path);
    const wal = lstatSync(Buffer.concat([live, Buffer.from('-wal')]), { throwIfNoEntry: false });
    this.#odd.delete(path);
    this.#found.set(path, {
      path,
      journal: head[READ_VERSION_AT] === WAL_VERSION ? 'wal' : 'rollback',
      sizeBytes: stat.size,
      walBytes: wal?.size ?? 0,
      inode: stat.nlink > 1 ? `${stat.dev}:${stat.ino}` : undefined,
    });
  }

  get list(): FoundDatabase[] {
    return [...this.#found.values()];
  }

  /** Names what may be a database and cannot be read as one. */
  found(source: string): FoundDatabase[] {
    const odd = [...this.#odd].filter((path) => !this.#found.has(path)).map(shownPath);
    if (odd.length > 0)
      log.warn(
        `${source}: ${odd.join(', ')}: SQLite databases by their names or by what lies beside them, and encrypted or broken: copied as files, which while an application writes to them are of no one moment`,
      );
    return this.list;
  }
}

const isDatabase = (head: Buffer) => head.length === HEADER_BYTES && head.subarray(0, MAGIC.length).equals(MAGIC);

/** The first bytes of a file; none of one that cannot be read, which tar will tell of, or that is gone. */
function readHead(path: Buffer, length: number): Buffer {
  const head = Buffer.alloc(length);
  try {
    const file = openSync(path, 'r');
    try {
      return head.subarray(0, readSync(file, head, 0, length, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return Buffer.alloc(0);
  }
}
