/** A moment as it stands in the names of chains and of their objects: `20261127T092000Z`, UTC, to the second. */
export function formatStamp(at: Date): string {
  return `${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

/** The inverse of formatStamp; undefined for what it would not have written. */
export function parseStamp(text: string): Date | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (!match) return undefined;
  const [, year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = match.map(Number);
  // numbers, and not a text that is written again to be compared: half a million objects of a log have one each
  const at = new Date(Date.UTC(year, month - 1, day, hours, minutes, seconds));
  // 30 February is taken for 2 March, and the year 99 for 1999
  const isSame =
    at.getUTCFullYear() === year &&
    at.getUTCMonth() === month - 1 &&
    at.getUTCDate() === day &&
    at.getUTCHours() === hours &&
    at.getUTCMinutes() === minutes &&
    at.getUTCSeconds() === seconds;
  return isSame ? at : undefined;
}
