const LOOP = /^pg_dump: (?:warning|NOTICE): there are circular foreign-key constraints on this table:/;
const MORE = /^pg_dump: (?:detail: | {2}|hint: |You might not be able to restore|Consider using a full dump)/;

/**
 * Takes out of what pg_dump says that a table refers to itself, which only a table of an extension can that is there before its
 * rows are: they are one statement, after which the key is checked. Of several tables that refer to each other it stays.
 *
 * @returns what a stage's onLine is
 */
export function withoutLoneLoops(): (line: string) => boolean {
  let isInside = false;
  return (line) => {
    isInside = LOOP.test(line) || (isInside && MORE.test(line));
    return isInside;
  };
}
