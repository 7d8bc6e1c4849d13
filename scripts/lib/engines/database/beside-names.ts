import { createHash } from 'node:crypto';

/** What a restore leaves beside the live database, and for how long: see docs/adr/0004-restore-by-rename.md. */
export const ROLES = ['restoring', 'previous', 'undone', 'picked'] as const;
export type Role = (typeof ROLES)[number];

/** PostgreSQL cuts names at 63 bytes; what is added takes up to 26 of them. */
const BASE_BYTES = 36;

/** The database's name, or for a long one its start and a digest of the whole, so that two long ones stay apart. */
function base(database: string): string {
  if (Buffer.byteLength(database) <= BASE_BYTES) return database;
  const digest = createHash('sha256').update(database).digest('hex').slice(0, 8);
  let start = database;
  while (Buffer.byteLength(start) > BASE_BYTES - 9) start = [...start].slice(0, -1).join('');
  return `${start}_${digest}`;
}

/** `myapp_previous_20261121091500`: a database beside `database`, in a role, since a time (UTC, to the second). */
export function besideName(database: string, role: Role, at: Date): string {
  return `${base(database)}_${role}_${at.toISOString().replace(/\D/g, '').slice(0, 14)}`;
}

/** The time in the name when `name` is one that besideName made for this database and role. */
export function timeOfBeside(name: string, database: string, role: Role): Date | undefined {
  const start = `${base(database)}_${role}_`;
  const digits = name.slice(start.length);
  if (!name.startsWith(start) || !/^\d{14}$/.test(digits)) return undefined;
  const iso = digits.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z');
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** Of a server's databases those that have a name beside this one in a role, the newest first. */
export function besideOf<Row extends { name: string }>(
  rows: readonly Row[],
  database: string,
  role: Role,
): (Row & { since: Date })[] {
  return rows
    .flatMap((row) => {
      const since = timeOfBeside(row.name, database, role);
      return since === undefined ? [] : [{ ...row, since }];
    })
    .sort((a, b) => b.since.getTime() - a.since.getTime());
}

/** A name beside the database that is not taken. */
export function freeName(taken: readonly string[], database: string, role: Role): string {
  for (let ms = Date.now(); ; ms += 1_000) {
    const name = besideName(database, role, new Date(ms));
    if (!taken.includes(name)) return name;
  }
}

/** Whether the name is one that besideName made for any of these databases, in one of these roles. */
export function isBeside(name: string, all: readonly string[], roles: readonly Role[] = ROLES): boolean {
  return roles.some((role) => all.some((live) => live !== name && timeOfBeside(name, live, role) !== undefined));
}
