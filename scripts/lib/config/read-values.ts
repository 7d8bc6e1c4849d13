import { messageOf } from '../errors.ts';
import { parseSchedule, type Schedule } from './schedule.ts';
import type { Settings } from './settings.ts';
import { holdsKeys } from './url.ts';
import { VARIABLES, type Values, type Variable } from './variables.ts';

/** The value of every variable. Wrong ones become problems. */
export function readValues(env: Settings['env'], origins: Settings['origins'], problems: string[]): Values {
  const values: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries<Variable<unknown>>(VARIABLES)) {
    const text = env[name] ?? variable.default;
    if (text === undefined) continue;
    try {
      values[name] = variable.parse(text);
    } catch (error) {
      const shown = variable.secret || variable.discreet || holdsKeys(text) ? '' : ` ${JSON.stringify(text)}`;
      const origin = origins.get(name);
      const from = origin?.kind === 'alias' ? ` (from ${origin.where})` : '';
      problems.push(`${name}${shown}${from}: ${messageOf(error)}`);
      // a valid value lets the checks that follow go on, so that all problems are told at once
      if (variable.default !== undefined) values[name] = variable.parse(variable.default);
    }
  }
  return inTimeZone(values as Values);
}

/** Schedules are read in TZ, which is a variable itself. */
function inTimeZone(values: Values): Values {
  const { BACKUP_SCHEDULE, CLEANUP_SCHEDULE, DRILL_SCHEDULE, BASE_SCHEDULE, COPY_SCHEDULE, VERIFY_SCHEDULE, TZ } =
    values;
  const zoned = <S extends Schedule | 'off'>(schedule: S) =>
    schedule === 'off' ? schedule : parseSchedule(schedule.text, TZ);
  return {
    ...values,
    BACKUP_SCHEDULE: parseSchedule(BACKUP_SCHEDULE.text, TZ),
    CLEANUP_SCHEDULE: zoned(CLEANUP_SCHEDULE),
    DRILL_SCHEDULE: zoned(DRILL_SCHEDULE),
    BASE_SCHEDULE: zoned(BASE_SCHEDULE),
    COPY_SCHEDULE: zoned(COPY_SCHEDULE),
    VERIFY_SCHEDULE: zoned(VERIFY_SCHEDULE),
  };
}
