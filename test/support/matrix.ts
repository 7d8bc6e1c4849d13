import { readFileSync } from 'node:fs';

/** Whether `make test` leaves out this test file as a whole. */
function isLong(): boolean {
  const long = readFileSync(new URL('../long.txt', import.meta.url), 'utf8').split('\n');
  return long.some((file) => file.startsWith('test/') && process.argv[1]?.endsWith(`/${file}`));
}

/**
 * The cases of a matrix that this run takes. `make test` takes those that prove the most in the least time, and
 * `make test-all` all of them: see test/run.sh. A file that is run by itself takes all, and so does one that make test leaves out.
 */
export function cases<T>(essential: readonly T[], more: readonly T[]): readonly T[] {
  switch (process.env.TEST_MATRICES) {
    case 'essential':
      return essential;
    case 'more':
      return isLong() ? [...essential, ...more] : more;
    default:
      return [...essential, ...more];
  }
}
