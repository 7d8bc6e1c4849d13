import { Cron } from 'croner';
import { parseDurationMs } from '../quantities.ts';

/** The shortcuts that Ofelia knows, as the six fields that they stand for. */
const SHORTCUTS = {
  '@yearly': '0 0 0 1 1 *',
  '@annually': '0 0 0 1 1 *',
  '@monthly': '0 0 0 1 * *',
  '@weekly': '0 0 0 * * 0',
  '@daily': '0 0 0 * * *',
  '@midnight': '0 0 0 * * *',
  '@hourly': '0 0 * * * *',
} as const satisfies Record<`@${string}`, string>;

const isShortcut = (text: string): text is keyof typeof SHORTCUTS => Object.hasOwn(SHORTCUTS, text);

/**
 * A schedule, and what Ofelia is to be told so that it runs at these times. A time of day that a change of the clock skips is
 * none on that day, as Ofelia has it (https://pkg.go.dev/github.com/robfig/cron@v1.2.0#hdr-Time_zones).
 */
export interface Schedule {
  /** As somebody wrote it. */
  readonly text: string;
  /** As Ofelia takes it: see ofeliaSchedule. */
  readonly ofelia: string;
  /** The time between two runs where that is all there is to it (`@every`), in milliseconds. */
  readonly everyMs: number | undefined;
  /** The first run after `from`, or undefined when there is none. */
  next(from: Date): Date | undefined;
  /** The last time before or at `until` at which a run was due, after `since`; undefined when there was none. */
  lastDue(since: Date, until: Date): Date | undefined;
  /** The longest time between two runs, in milliseconds, over the next hundreds of runs. */
  longestIntervalMs(): number;
}

/**
 * Reads six fields (seconds first), five as cron has them, a shortcut, or `@every <duration>`.
 * @param timeZone whose clock the fields speak of
 * @throws Error whose message says what is wrong and what to write instead
 */
export function parseSchedule(text: string, timeZone = 'UTC'): Schedule {
  const ofelia = ofeliaSchedule(text);
  const everyMs = ofelia.startsWith('@every ') ? goDurationMs(ofelia.slice('@every '.length)) : undefined;
  if (everyMs !== undefined) {
    return {
      text,
      ofelia,
      everyMs,
      next: (from) => new Date(from.getTime() + everyMs),
      lastDue: (since, until) => {
        const runs = Math.floor((until.getTime() - since.getTime()) / everyMs);
        return runs > 0 ? new Date(since.getTime() + runs * everyMs) : undefined;
      },
      longestIntervalMs: () => everyMs,
    };
  }
  const fields = isShortcut(ofelia) ? SHORTCUTS[ofelia] : ofelia;
  // without a time zone there are no rules to ask for at every step
  const clock = timeZone === 'UTC' ? { utcOffset: 0 } : { timezone: timeZone };
  const domAndDow = needsBothDays(fields);
  let made: Cron | undefined;
  // every verb reads all schedules, and most verbs ask none of them
  const cron = () => {
    made ??= new Cron(cronerFields(fields), { ...clock, domAndDow, paused: true });
    return made;
  };
  let longestMs: number | undefined;
  const [, , , days = ''] = fields.split(' ');
  if (!/^[*?]/.test(days) && !cron().nextRun()) throw new Error('there is no such day: it would never run');
  return {
    text,
    ofelia,
    everyMs: undefined,
    next: (from) => {
      let next = cron().nextRun(from);
      while (next && !cron().match(next)) next = cron().nextRun(next);
      return next ?? undefined;
    },
    lastDue: (since, until) => {
      // what comes next counts only times after its start
      let [last] = cron().previousRuns(1, new Date(until.getTime() + 1_000));
      while (last && last > since && !cron().match(last)) [last] = cron().previousRuns(1, last);
      return last && last > since && last <= until ? last : undefined;
    },
    longestIntervalMs: () => {
      longestMs ??= longestGapMs(cron());
      return longestMs;
    },
  };
}

/**
 * What Ofelia is told for a schedule as people write it, so that it does at those times what was meant. Ofelia reads it by
 * robfig/cron v1, whose dialect is narrower than most: seconds first, weekdays from 0 to 6, none of L, W and #, and of five
 * fields the first would be the second (https://pkg.go.dev/github.com/robfig/cron@v1.2.0); durations are Go's, which have no
 * days (https://pkg.go.dev/time#ParseDuration).
 *
 * @throws Error whose message says what is wrong and what to write instead
 */
export function ofeliaSchedule(text: string): string {
  const words = text.trim().split(/\s+/);
  const [first = ''] = words;
  if (first === '@every') return `@every ${everyDuration(words)}`;
  if (first.startsWith('@')) {
    if (words.length === 1 && isShortcut(first)) return first;
    throw new Error(`unknown shortcut; there are ${Object.keys(SHORTCUTS).join(', ')} and @every <duration>`);
  }
  if (words.length !== 5 && words.length !== 6)
    throw new Error(
      'a schedule is five fields as cron has them, six with seconds first, or a shortcut such as @hourly',
    );
  const fields = words.length === 5 ? ['0', ...words] : words;
  return fields.map((field, i) => FIELDS[i]?.(field) ?? field).join(' ');
}

const LEAST_MS = 1_000;

function everyDuration(words: readonly string[]): string {
  const [, duration = '', ...more] = words;
  const wanted = new Error('@every wants a duration such as 30m, 6h or 1h30m');
  if (more.length > 0) throw wanted;
  const goMs = goDurationMs(duration);
  const ms = goMs ?? parseDurationMs(duration);
  if (ms === undefined || ms < LEAST_MS) throw wanted;
  return goMs === undefined ? `${ms / 1_000}s` : duration;
}

const GO_UNITS_MS = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 } as const;

/** A duration as Go's ParseDuration reads it, in milliseconds; undefined when it does not. Below zero is none of ours. */
function goDurationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d*)?(h|m|s|ms|us|µs|ns))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d*)?)(ms|us|µs|ns|h|m|s)/g))
    ms += Number(count) * GO_UNITS_MS[unit as keyof typeof GO_UNITS_MS];
  // robfig/cron counts in whole seconds
  return Math.floor(ms / 1_000) * 1_000;
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const FIELDS: readonly ((field: string) => string)[] = [
  fieldOf('seconds', 0, 59),
  fieldOf('minutes', 0, 59),
  fieldOf('hours', 0, 23),
  fieldOf('days of the month', 1, 31),
  fieldOf('months', 1, 12, MONTHS),
  (field) => fieldOf('weekdays', 0, 6, WEEKDAYS)(fromSunday(field)),
];

/** Cron's 7 is Sunday too, which robfig/cron has as 0 alone. */
function fromSunday(field: string): string {
  return field
    .split(',')
    .flatMap((part) => {
      if (part === '7') return ['0'];
      const range = /^(\w+)-7$/.exec(part);
      return range ? [`${range[1]}-6`, '0'] : [part];
    })
    .join(',');
}

function fieldOf(name: string, least: number, most: number, names: readonly string[] = []) {
  const numberOf = (word: string) => {
    const named = names.indexOf(word.toLowerCase());
    if (named >= 0) return named + least;
    const number = Number(word);
    if (!/^\d+$/.test(word) || number < least || number > most)
      throw new Error(
        `${JSON.stringify(word)} is none of the ${name}, which are ${least} to ${most}${names.length > 0 ? ` or ${names[0]} to ${names.at(-1)}` : ''}`,
      );
    return number;
  };
  return (field: string): string => {
    for (const part of field.split(',')) {
      const match = /^(?:([*?])|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part);
      if (!match) throw new Error(`${JSON.stringify(part)} is nothing that Ofelia knows in the ${name}: no L, W or #`);
      const [, star, from, to, step] = match;
      // Amazon's six fields end in a year: its 0 2 * * ? * would run every hour here
      if (star === '?' && !name.startsWith('days') && name !== 'weekdays')
        throw new Error(`? stands for a day alone, and is none of the ${name}: six fields begin with the seconds`);
      if (star === undefined && from !== undefined) {
        const start = numberOf(from);
        if (to !== undefined && numberOf(to) < start)
          throw new Error(`${part} of the ${name} goes backwards; write two parts with a comma between them`);
      }
      if (step !== undefined && Number(step) === 0) throw new Error(`${part} of the ${name} has a step of 0`);
      if (step !== undefined && Number(step) > most - least + 1)
        throw new Error(
          `${part} of the ${name} has a step longer than all of them, and would run as if there were none; write @every 90m or the like`,
        );
    }
    return field;
  };
}

/**
 * Whether a day has to fit both the day of the month and the weekday: in robfig/cron, as in cron itself, with a star in one of
 * them, also one that has a step (https://github.com/robfig/cron/blob/v1.2.0/spec.go). Otherwise one of them is enough.
 */
function needsBothDays(fields: string): boolean {
  const [, , , days = '', , weekdays = ''] = fields.split(' ');
  return [days, weekdays].some((field) => /(^|,)[*?]/.test(field));
}

/** The same six fields in croner's words, which has no `?` and no open ranges with a step. */
function cronerFields(fields: string): string {
  const most = [59, 59, 23, 31, 12, 6];
  return fields
    .split(' ')
    .map((field, i) =>
      field
        .split(',')
        .map((part) => part.replace(/^\?/, '*').replace(/^(\w+)\//, `$1-${most[i]}/`))
        .join(','),
    )
    .join(' ');
}

function longestGapMs(cron: Cron): number {
  const runs = cron.nextRuns(400, '2026-01-01T00:00:00Z').map((run) => run.getTime());
  return runs.slice(1).reduce((longest, run, index) => Math.max(longest, run - (runs[index] ?? run)), 0);
}
