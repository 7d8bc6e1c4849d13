/** How a limit counts: both go by whole characters, so that none is cut in half. */
export type Measure = (text: string) => number;

export const inUnits: Measure = (text) => text.length;
export const inBytes: Measure = (text) => Buffer.byteLength(text);

/** As much of the text's beginning as fits. */
export function keepStart(text: string, limit: number, measure: Measure = inUnits): string {
  if (measure(text) <= limit) return text;
  let size = 0;
  let kept = '';
  // no character measures less than one
  for (const character of text.slice(0, Math.max(0, limit) + 1)) {
    size += measure(character);
    if (size > limit) break;
    kept += character;
  }
  return kept;
}

/** As much of the text's end as fits. */
export function keepEnd(text: string, limit: number, measure: Measure = inUnits): string {
  if (measure(text) <= limit) return text;
  const characters = [...text.slice(-(Math.max(0, limit) + 1))];
  let size = 0;
  let from = characters.length;
  while (from > 0) {
    size += measure(characters[from - 1] as string);
    if (size > limit) break;
    from -= 1;
  }
  return characters.slice(from).join('');
}
