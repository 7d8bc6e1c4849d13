const SHOWN = 10;

/** The first of these, and how many more there are. */
export function describeMissing(missing: readonly string[]): string {
  const more = missing.length > SHOWN ? [`and ${missing.length - SHOWN} more`] : [];
  return [...missing.slice(0, SHOWN), ...more].join('; ');
}
