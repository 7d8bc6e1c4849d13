/**
 * The cases of a matrix that this run takes. `make test` takes those that prove the most in the least time, and
 * `make test-all` all of them: see test/run.sh. A file that is run by itself takes all.
 */
export function cases<T>(essential: readonly T[], more: readonly T[]): readonly T[] {
  switch (process.env.TEST_MATRICES) {
    case 'essential':
      return essential;
    case 'more':
      return more;
    default:
      return [...essential, ...more];
  }
}
