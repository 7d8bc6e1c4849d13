import { OperatorError } from '../../../errors.ts';

/** pg_dump's last words, followed since August 2025 by the end of its restricted mode. */
const COMPLETION_MARKER = /\n--\n-- PostgreSQL database dump complete\n--\n\n(?:\\unrestrict \S+\n\n)?$/;

/** @throws OperatorError DUMP_INCOMPLETE when a plain dump does not end as pg_dump ends one */
export function assertComplete(tail: string): void {
  if (COMPLETION_MARKER.test(tail)) return;
  throw new OperatorError(
    'DUMP_INCOMPLETE',
    "the dump does not end with pg_dump's completion marker: it is not whole",
    {
      hint: "Nothing of it is used. Look at the database server's log for the time of the dump.",
    },
  );
}
