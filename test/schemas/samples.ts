/** Texts that have gone wrong somewhere before: quotes, backslashes, what COPY writes in its own way, long letters. */
const TEXTS = ['O\'Brien \\ "x"', 'Grüße, 你好 😀', 'tab\tline\nnext\rend', '\\N', '', '$1 %s ;-- /* '];

const DAYS = ['2024-02-29', '1970-01-01', '2038-01-19', '1999-12-31'];
const TIMES = ['00:00:00', '23:59:59', '12:30:15', '03:14:07'];

/** The nth text of at most so many letters, unlike the others before it. */
export function sampleText(n: number, isPlain: boolean, length = 80): string {
  const text = isPlain ? `a${n + 1}` : `${TEXTS[n % TEXTS.length]}${n < TEXTS.length ? '' : n}`;
  return [...text].slice(0, length).join('');
}

export function sampleDay(n: number): string {
  return DAYS[n % DAYS.length] ?? '';
}

export function sampleTime(n: number): string {
  return TIMES[n % TIMES.length] ?? '';
}

/** A number that fits into so many digits, some of them behind the point. */
export function sampleNumber(n: number, digits = 6, behind = 2): string {
  const whole = Math.max(1, Math.min(4, digits - behind));
  const number = (n + 1) % 10 ** whole;
  return behind > 0 ? `${number}.${'25'.padEnd(behind, '0').slice(0, behind)}` : String(number);
}

export function sampleUuid(n: number): string {
  return `0193a1b2-0000-7000-8000-${String(n + 1).padStart(12, '0')}`;
}

export const SAMPLE_JSON = '{"k": [1, null, "\\"q\\" \\\\ 😀"], "e": {}}';
