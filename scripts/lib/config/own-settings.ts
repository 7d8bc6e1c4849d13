import type { RetentionPolicy } from '../repository/retention.ts';
import { type OwnSettings, type Source, sourceNamed } from '../source.ts';
import { parseSchedule } from './schedule.ts';
import { ofQuery } from './url.ts';
import * as value from './values.ts';

/** How many backups a rule keeps, by the name that it has in a URL. */
export const RULES = {
  'keep-last': 'keepLast',
  'keep-hourly': 'keepHourly',
  'keep-daily': 'keepDaily',
  'keep-weekly': 'keepWeekly',
  'keep-monthly': 'keepMonthly',
  'keep-yearly': 'keepYearly',
} as const satisfies Record<string, keyof RetentionPolicy>;

const NONE = { keepLast: 0, keepHourly: 0, keepDaily: 0, keepWeekly: 0, keepMonthly: 0, keepYearly: 0 };

/** What a source can say for itself: in the query of its URL, and behind its name in a variable. */
const OPTIONS = {
  schedule: 'SCHEDULE',
  ...(Object.fromEntries(Object.keys(RULES).map((rule) => [rule, `RETENTION_${wordOf(rule)}`])) as Record<
    keyof typeof RULES,
    string
  >),
  'min-backups': 'RETENTION_MIN_BACKUPS',
  'rpo-target': 'RPO_TARGET',
  'rto-target': 'RTO_TARGET',
  drill: 'DRILL',
  format: 'FORMAT',
  compression: 'COMPRESSION',
} as const;

function wordOf(option: string): string {
  return option.toUpperCase().replaceAll('-', '_');
}

const OPTION = new RegExp(`_(${Object.values(OPTIONS).join('|')})$`);

/** Whether a variable of the family says something of a source, and is none itself, as one named so would be. */
export function isOwnSetting(name: string, text: string): boolean {
  return OPTION.test(name) && !text.includes('://');
}

/** The variable of the source that such a one is about. */
export const sourceOfSetting = (name: string): string => name.replace(OPTION, '');

/**
 * What a source says for itself, in its variables and in its URL, out of which it is taken; its format and compression are put
 * there, where all sources have them.
 *
 * @throws Error naming what is wrong
 */
export function takeOwnSettings(
  env: Readonly<Record<string, string>>,
  variable: string,
  query: URLSearchParams,
  timeZone: string,
): OwnSettings {
  const texts = new Map<string, string>();
  for (const [option, word] of Object.entries(OPTIONS)) {
    const [inUrl, more] = query.getAll(option);
    const given = env[`${variable}_${word}`];
    if (more !== undefined) throw new Error(`?${option} is there more than once`);
    if (inUrl !== undefined && given !== undefined)
      throw new Error(`says ?${option}, and ${variable}_${word} is set too; keep one`);
    const text = inUrl ?? given;
    if (text !== undefined) texts.set(option, text);
    if (option === 'format' || option === 'compression') {
      if (text !== undefined) query.set(option, text);
    } else query.delete(option);
  }
  const read = <T>(option: keyof typeof OPTIONS, parse: value.Parse<T>): T | undefined => {
    const text = texts.get(option);
    return text === undefined ? undefined : ofQuery(option, parse)(text);
  };
  const rules = Object.entries(RULES).flatMap(([option, rule]) => {
    const count = read(option as keyof typeof RULES, value.keepCount);
    return count === undefined ? [] : [[rule, count] as const];
  });
  const minBackups = read('min-backups', value.integer(0));
  const schedule = read('schedule', (text) => parseSchedule(text, timeZone));
  const rpoTargetMs = read('rpo-target', value.durationMs);
  const rtoTargetMs = read('rto-target', value.durationMs);
  const isDrilled = read('drill', value.flag);
  return {
    ...(schedule === undefined ? {} : { schedule }),
    // as for copies: naming a rule takes the place of all
    ...(rules.length === 0 && minBackups === undefined
      ? {}
      : {
          retention: {
            ...(rules.length === 0 ? {} : { ...NONE, ...Object.fromEntries(rules) }),
            ...(minBackups === undefined ? {} : { minBackups }),
          },
        }),
    ...(rpoTargetMs === undefined ? {} : { rpoTargetMs }),
    ...(rtoTargetMs === undefined ? {} : { rtoTargetMs }),
    ...(isDrilled === undefined ? {} : { isDrilled }),
  };
}

/** What of the configuration the settings of a source are read from, and fall back on. */
interface Common {
  readonly sources: readonly Source[];
  readonly retention: RetentionPolicy;
  readonly rpoTargetMs: number;
}

/** How many backups are kept of what has this name; of a source that is not configured any more, as the common rules say. */
export function retentionFor(
  { sources, retention }: Pick<Common, 'sources' | 'retention'>,
  name: string,
): RetentionPolicy {
  return { ...retention, ...sourceNamed(sources, name)?.own?.retention };
}

/** How old the last backup of a source may be: what it says, else twice the longest time of its own schedule, else the common target. */
export function rpoTargetFor(config: Pick<Common, 'rpoTargetMs'>, { own }: Pick<Source, 'own'>): number {
  if (own?.rpoTargetMs !== undefined) return own.rpoTargetMs;
  return own?.schedule ? 2 * own.schedule.longestIntervalMs() : config.rpoTargetMs;
}
