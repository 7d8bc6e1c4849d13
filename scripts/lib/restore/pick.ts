import { distance } from 'fastest-levenshtein';
import { OperatorError } from '../errors.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Contents, Manifest } from '../repository/manifest.ts';
import { command } from '../terminal/hints.ts';

const SUGGESTED = 5;

/** The names in a text, between commas or spaces; what stands in quotes is whole. */
export function namesIn(text: string): string[] {
  return text.match(/(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`|[^\s,"`])+/g) ?? [];
}

/**
 * The tables that are meant by these words: a table's name, with its schema or without where that is clear, or the name of a
 * schema for all of its tables.
 *
 * @returns their names as the manifest has them
 * @throws OperatorError RESTORE_REFUSED without a manifest, NO_SUCH_TABLE with the nearest names
 */
export function tablesMeant(words: readonly string[], backup: Backup, manifest: Manifest | undefined): string[] {
  if (!manifest)
    throw new OperatorError('RESTORE_REFUSED', `${backup.key} has no manifest, which would say what tables it has`, {
      hint: 'Restore all of it beside the live database, and take the table from there: --to DATABASE. Nothing was touched.',
    });
  const known = namesOf(manifest);
  return [...new Set(words.flatMap((word) => meantBy(word, known, backup, manifest)))];
}

/** Tables with rows of their own, and those that are divided into partitions. */
function namesOf({ tables, outline = {}, leftOut }: Manifest): string[] {
  const outlined = Object.keys(outline).flatMap((key) =>
    key.startsWith('table ') ? [key.slice('table '.length)] : [],
  );
  const isThere = (name: string) =>
    !leftOut?.tables.includes(name) && !leftOut?.schemas.some((schema) => plain(name).startsWith(`${plain(schema)}.`));
  return [...new Set([...tables.map(({ table }) => table), ...outlined])].filter(isThere).sort();
}

/** What is like a table, and has no rows of its own in a dump. */
function withoutRows({ outline = {}, sequences }: Manifest): { kind: string; name: string }[] {
  const outlined = Object.keys(outline).flatMap((key) => {
    const [, kind, name] = /^(materialized view|foreign table|view) (.*)$/s.exec(key) ?? [];
    return kind === undefined || name === undefined ? [] : [{ kind, name }];
  });
  return [...outlined, ...sequences.map(({ sequence }) => ({ kind: 'sequence', name: sequence }))];
}

function meantBy(word: string, known: readonly string[], backup: Backup, manifest: Manifest): string[] {
  const wanted = plain(word);
  const exact = known.filter((name) => plain(name) === wanted);
  if (exact.length > 0) return exact;
  const unqualified = known.filter((name) => lastOf(name) === wanted && partsOf(name).length === 2);
  const ofPublic = unqualified.filter((name) => partsOf(name)[0] === 'public');
  const ofSchema = known.filter((name) => partsOf(name).length === 2 && partsOf(name)[0] === unquoted(wanted));
  if (unqualified.length > 0 && ofSchema.length > 0)
    throw noSuch(
      `${word} is a table and a schema in ${backup.key}: ${unqualified.join(', ')}; ${ofSchema.join(', ')}`,
      'Name the tables that you want, each with its schema.',
    );
  if (unqualified.length === 1 || ofPublic.length === 1) return ofPublic.length === 1 ? ofPublic : unqualified;
  if (unqualified.length > 1)
    throw noSuch(
      `there are several tables ${word} in ${backup.key}: ${unqualified.join(', ')}`,
      'Write the schema, too.',
    );
  if (ofSchema.length > 0) return ofSchema;
  const leftOut = [manifest.leftOut?.tables, manifest.leftOut?.schemas].flatMap((names) => names ?? []);
  if (leftOut.some((name) => plain(name) === wanted || lastOf(name) === wanted || wanted.startsWith(`${plain(name)}.`)))
    throw noSuch(
      `${word} is left out of ${backup.key} on purpose`,
      `An older backup may have it (${command('list')}).`,
    );
  const other = withoutRows(manifest).find(({ name }) => plain(name) === wanted || lastOf(name) === wanted);
  if (other !== undefined)
    throw noSuch(
      `${other.name} is a ${other.kind} in ${backup.key}, and a table is what can be picked out`,
      'Pick out the tables that it is made of, or look into the backup (the verb look), where it is too.',
    );
  const nearest = known
    .map((name) => ({ name, far: Math.min(distance(plain(name), wanted), distance(lastOf(name), wanted)) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, SUGGESTED)
    .map(({ name }) => name);
  throw noSuch(
    `there is no table and no schema ${word} in ${backup.key}`,
    nearest.length === 0 ? 'It has no table at all.' : `The nearest: ${nearest.join(', ')}.`,
  );
}

const noSuch = (message: string, hint: string) =>
  new OperatorError('NO_SUCH_TABLE', message, { hint: `${hint} Nothing was touched.` });

/** The parts of a qualified name, without quotes. */
const partsOf = (name: string): string[] => (name.match(/"(?:[^"]|"")*"|`(?:[^`]|``)*`|[^."`]+/g) ?? []).map(unquoted);

function unquoted(part: string): string {
  const quote = /^["`]/.exec(part)?.[0];
  return quote === undefined ? part : part.slice(1, -1).replaceAll(quote + quote, quote);
}

const plain = (name: string) => partsOf(name).join('.');
const lastOf = (name: string) => partsOf(name).at(-1) ?? '';

/** What of a backup's contents is expected where only these tables' rows were restored. */
export function pickedContents<C extends Contents>(contents: C, holds: (table: string) => boolean): C {
  return {
    ...contents,
    tables: contents.tables.filter(({ table }) => holds(table)),
    derived: contents.derived?.filter(({ table, kind }) => kind === 'generated columns' && holds(table)),
    largeObjects: contents.largeObjects === undefined ? undefined : 0,
  };
}
