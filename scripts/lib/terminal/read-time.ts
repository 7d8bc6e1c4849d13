import { isValid } from 'date-fns/isValid';
import { parseISO } from 'date-fns/parseISO';
import { OperatorError } from '../errors.ts';

/**
 * A time as people write it: a date alone is its midnight, and without a zone it is UTC. 30 February is none.
 * @throws OperatorError USAGE that names the option
 */
export function timeOf(text: string, option = '--at'): Date {
  const hasZone = /(Z|[+-]\d\d:?\d\d)$/i.test(text);
  const iso = text.trim().replace(' ', 'T');
  const time = parseISO(hasZone ? iso : `${iso.includes('T') ? iso : `${iso}T00:00:00`}Z`);
  if (isValid(time)) return time;
  throw new OperatorError('USAGE', `${option} ${JSON.stringify(text)} is not a time such as 2026-11-21T09:00:00Z`);
}
