import { MARK_LENGTH, type RecoveryTarget } from '../engines/postgres/recovery/target.ts';
import { OperatorError } from '../errors.ts';
import { parseLsn } from '../log/lsn.ts';
import { shownTime } from '../terminal/time.ts';

/** The moment that an operator asks for. */
export type MomentTarget = RecoveryTarget & {
  /** Of a time, to the millisecond; what the server is told has microseconds. */
  readonly at?: Date;
};

/** What was typed for it. */
export interface MomentWords {
  readonly at?: string | undefined;
  readonly mark?: string | undefined;
  readonly xid?: string | undefined;
  readonly lsn?: string | undefined;
}

const NAMES = ['at', 'mark', 'xid', 'lsn'] as const;

/**
 * The moment that is meant; undefined when none of the words is there.
 * @throws OperatorError USAGE for more than one, and for what is no time, number or position
 */
export function targetOf(words: MomentWords): MomentTarget | undefined {
  const given = NAMES.filter((name) => words[name] !== undefined);
  if (given.length > 1) throw usage(`one moment at a time: ${given.map((name) => `--${name}`).join(', ')}`);
  const [name] = given;
  const text = (name === undefined ? undefined : words[name])?.trim() ?? '';
  if (name !== undefined && text === '') throw usage(`--${name} is empty`);
  switch (name) {
    case undefined:
      return undefined;
    case 'at':
      return timeTarget(text);
    case 'mark':
      if (Buffer.byteLength(text) > MARK_LENGTH) throw usage(`--mark: a mark has at most ${MARK_LENGTH} bytes`);
      return { kind: 'mark', name: text };
    case 'xid':
      if (!/^\d{1,20}$/.test(text) || BigInt(text) < 3n)
        throw usage(`--xid ${JSON.stringify(text)} is no transaction's number such as 8749`);
      return { kind: 'xid', xid: text };
    case 'lsn': {
      if (parseLsn(text) === undefined) throw usage(`--lsn ${JSON.stringify(text)} is no position such as 0/8D0007D0`);
      return { kind: 'lsn', lsn: text.toUpperCase() };
    }
  }
}

const SHAPE =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|UTC|[+-]\d{2}(?::?\d{2})?)?$/i;

/** A zone has more names than meanings, and one hour of autumn has two times. */
const BY_NAME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}\S*\s*[A-Za-z]{2,}[A-Za-z/_+-]*$/;

/** A time as people write it, microseconds and all: a date alone is its midnight, and without a zone it is UTC. */
function timeTarget(text: string): MomentTarget {
  const match = SHAPE.exec(text);
  const [, day = '', hours = '00', minutes = '00', seconds = '00', fraction = '', zone = 'Z'] = match ?? [];
  const micros = fraction.padEnd(6, '0').slice(0, 6);
  const offset = /^(Z|UTC)$/i.test(zone) ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '') || '00'}`;
  const at = new Date(`${day}T${hours}:${minutes}:${seconds}.${micros.slice(0, 3)}${offset}`);
  // 30 February is read by Date as 2 March
  const isThere = new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day) === true;
  if (!match && BY_NAME.test(text))
    throw new OperatorError('USAGE', `--at ${JSON.stringify(text)} names its time zone, which is not read`, {
      hint: 'Write how far it is from UTC then, such as 2026-11-21T10:00:00+01:00, or the time in UTC. Nothing was touched.',
    });
  if (!match || !isThere || Number.isNaN(at.getTime()))
    throw usage(`--at ${JSON.stringify(text)} is not a time such as 2026-11-21T09:00:00Z`);
  const utc = `${at.toISOString().slice(0, 19).replace('T', ' ')}.${micros}+00`;
  return { kind: 'time', time: utc, at };
}

/** The moment in words: a time in UTC, and in TZ where that is another. */
export function describeTarget(target: MomentTarget): string {
  switch (target.kind) {
    case 'time': {
      const utc = `${target.time
        .slice(0, -3)
        .replace(' ', 'T')
        .replace(/\.?0+$/, '')}Z`;
      const local = target.at === undefined ? utc : shownTime(target.at);
      return local.endsWith('Z') ? utc : `${utc} (${local})`;
    }
    case 'mark':
      return `the mark ${target.name}`;
    case 'xid':
      return `transaction ${target.xid}`;
    case 'lsn':
      return `position ${target.lsn}`;
  }
}

function usage(message: string): OperatorError {
  return new OperatorError('USAGE', message, { hint: 'See --help. Nothing was touched.' });
}
