/** A moment as it stands in the names of chains and of their objects: `20261127T092000Z`, UTC, to the second. */
export function formatStamp(at: Date): string {
  return `${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

/** The inverse of formatStamp; undefined for what it would not have written. */
export function parseStamp(text: string): Date | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hours, minutes, seconds] = match;
  const at = new Date(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}.000Z`);
  // 20260230 is read by Date as 2 March
  return Number.isNaN(at.getTime()) || formatStamp(at) !== text ? undefined : at;
}
