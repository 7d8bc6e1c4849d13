import { formatBytes } from '../quantities.ts';
import type { Contents } from './manifest.ts';

/**
 * What was restored held against what was dumped, as sentences; empty when all of it is there. More than was dumped
 * is a difference only where it was counted.
 */
export function compareContents(expected: Contents, found: Contents): string[] {
  return [
    ...compareTables(expected, found),
    ...compareSequences(expected, found),
    ...compareLargeObjects(expected, found),
    ...compareCodeObjects(expected, found),
    ...compareTrees(expected, found),
  ];
}

/** Missing tables, and those whose number of rows differs. */
export function compareTables(expected: Contents, found: Contents): string[] {
  const rowsOf = new Map(found.tables.map(({ table, rows }) => [table, rows]));
  return expected.tables.flatMap(({ table, rows }) => {
    const restored = rowsOf.get(table);
    if (restored === undefined) return [`table ${table} is missing (${rows} rows expected)`];
    return restored === rows ? [] : [`table ${table} has ${restored} rows, expected ${rows}`];
  });
}

/** Missing sequences, and those that stand elsewhere than the dump can have had them. */
export function compareSequences(expected: Contents, found: Contents): string[] {
  const restoredValues = new Map(found.sequences.map(({ sequence, value }) => [sequence, value]));
  return expected.sequences.flatMap(({ sequence, value, valueAtEnd = value }) => {
    const restored = restoredValues.get(sequence);
    if (restored === undefined) return [`sequence ${sequence} is missing`];
    // pg_dump read it at some moment between the two readings; a sequence may count down
    const [low, high] = BigInt(value) <= BigInt(valueAtEnd) ? [value, valueAtEnd] : [valueAtEnd, value];
    const isBetween = BigInt(low) <= BigInt(restored) && BigInt(restored) <= BigInt(high);
    return isBetween
      ? []
      : [`sequence ${sequence} stands at ${restored}, expected ${low === high ? low : `${low} to ${high}`}`];
  });
}

/** A difference in the number of large objects, where it was counted. */
export function compareLargeObjects(expected: Contents, found: Contents): string[] {
  if (expected.largeObjects === undefined || expected.largeObjects === found.largeObjects) return [];
  return [`${found.largeObjects ?? 0} large objects, expected ${expected.largeObjects}`];
}

/** Kinds of views, triggers, routines and events of which there are not as many, where they were counted. */
export function compareCodeObjects(expected: Contents, found: Contents): string[] {
  if (expected.codeObjects === undefined) return [];
  const kinds = new Set([...Object.keys(expected.codeObjects), ...Object.keys(found.codeObjects ?? {})]);
  return [...kinds].flatMap((kind) => {
    const [before, now] = [expected.codeObjects?.[kind] ?? 0, found.codeObjects?.[kind] ?? 0];
    return before === now ? [] : [`objects of the kind ${kind}: ${now}, expected ${before}`];
  });
}

/** Differences between two trees of files, where there are any. Owners count where both sides know them. */
export function compareTrees(expected: Contents, found: Contents): string[] {
  if (expected.files === undefined) return [];
  const differences: string[] = [];
  if (found.files !== expected.files) differences.push(`${found.files ?? 0} files, expected ${expected.files}`);
  if (found.fileBytes !== expected.fileBytes)
    differences.push(`${found.fileBytes ?? 0} bytes in files, expected ${expected.fileBytes ?? 0}`);
  if (found.treeDigest !== expected.treeDigest)
    differences.push(`the digest of the tree is ${found.treeDigest}, expected ${expected.treeDigest}`);
  if (found.ownerDigest !== undefined && found.ownerDigest !== expected.ownerDigest)
    differences.push(
      `the digest of owners and special permissions is ${found.ownerDigest}, expected ${expected.ownerDigest}`,
    );
  differences.push(...compareAttributes(expected, found));
  return differences;
}

/** What people call a kind of attributes. */
export const attributesNamed = (kind: string): string => (kind === 'acl' ? 'access lists' : `attributes ${kind}.*`);

/** Differences in access lists and extended attributes, of the kinds that could be set where it was restored. */
function compareAttributes({ attributes }: Contents, found: Contents): string[] {
  if (attributes === undefined || found.attributes === undefined) return [];
  const kinds = new Set([...attributes, ...found.attributes].map(({ kind }) => kind));
  return [...kinds].flatMap((kind) => {
    const [before, now] = [attributes, found.attributes ?? []].map((of) => of.find((each) => each.kind === kind));
    if (before?.digest === now?.digest) return [];
    return [
      `${attributesNamed(kind)}: ${now?.entries ?? 0}, expected ${before?.entries ?? 0}${before?.entries === now?.entries ? ', and they are others' : ''}`,
    ];
  });
}

/** `3 tables, 8500 rows` or `1200 files, 3.4 GiB`. */
export function describeContents(contents: Contents): string {
  if (contents.files !== undefined) return `${contents.files} files, ${formatBytes(contents.fileBytes ?? 0)}`;
  const rows = contents.tables.reduce((sum, table) => sum + table.rows, 0);
  return `${contents.tables.length} tables, ${rows} rows`;
}

/** A sentence on what changed while it was read; empty when nothing did. */
export function describeChanges({ changed }: Contents): string[] {
  if (!changed || changed.total === 0) return [];
  const more = changed.total > changed.names.length ? ` and ${changed.total - changed.names.length} more` : '';
  return [`changed while they were read, so not as of one moment: ${changed.names.join(', ')}${more}`];
}
