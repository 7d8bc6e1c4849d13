let timeZone = 'UTC';

/** Chooses TZ: the clock of the times that people read. Keys and documents stay UTC. */
export function setTimeZone(name: string): void {
  timeZone = name;
}

/** `2026-11-21T10:22:06Z`, or in TZ with its distance from UTC, `2026-11-21T11:22:06+01:00`: pasted back it is the same moment. */
export function shownTime(at: Date): string {
  if (timeZone === 'UTC') return `${at.toISOString().slice(0, 19)}Z`;
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'longOffset',
  }).formatToParts(at);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? '';
  const offset = part('timeZoneName').replace('GMT', '') || '+00:00';
  return `${part('year')}-${part('month')}-${part('day')}T${part('hour')}:${part('minute')}:${part('second')}${offset}`;
}

/** The same with a space in place of the T, for tables. */
export function shownTimeInTable(at: Date): string {
  return shownTime(at).replace('T', ' ');
}
