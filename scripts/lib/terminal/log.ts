/** The one writer to the console. Results go to standard output, everything else to standard error. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { inBytes, keepEnd } from './cut.ts';
import { shownTime } from './time.ts';

const LEVELS = ['info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

const secrets = new Set<string>();
let format: 'text' | 'json' = 'text';

const TAIL_LINES = 100;
const TAIL_BYTES = 10_000;
const tail: string[] = [];

/**
 * Registers a value that must never be printed. Its URL-encoded form is covered too. Values shorter than three
 * characters are left alone: blanking every "a" of a log would hide the log and still tell the secret.
 */
export function registerSecret(value: string): void {
  if (value.length < 3) return;
  for (const form of [value, encodeURIComponent(value), encodeURI(value), JSON.stringify(value).slice(1, -1)]) {
    secrets.add(form);
  }
  for (const line of value.split('\n')) if (line.trim().length >= 8) secrets.add(line.trim());
}

/** The text with every registered secret replaced. */
export function redact(text: string): string {
  let clean = text;
  // the longest first: a secret may be part of another
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) clean = clean.replaceAll(secret, '[secret]');
  return clean;
}

/** Chooses LOG_FORMAT: lines for people, or one JSON document a line. */
export function setLogFormat(value: 'text' | 'json'): void {
  format = value;
}

const about = new AsyncLocalStorage<{ readonly source: string; readonly isShown: boolean }>();

/**
 * Runs `work`, whose log lines are about this source: JSON lines name it in a field.
 * @param isShown lines for people name it too, as those of several sources come mixed
 */
export function aboutSource<T>(source: string, isShown: boolean, work: () => Promise<T>): Promise<T> {
  return about.run({ source, isShown }, work);
}

/** Whether people watch: standard error is a terminal, and nobody asked for documents on it. */
export function isTerminal(): boolean {
  return process.stderr.isTTY === true && format === 'text';
}

type StatusWriter = ((text: string) => void) & { clear(): void };
let statusWriter: StatusWriter | undefined;
let statusText = '';

/** Shows these lines at the bottom of the terminal, below all that is logged, in place of those before. */
export function setStatusLines(lines: readonly string[]): void {
  statusText = redact(lines.join('\n'));
  if (statusWriter) drawStatus();
  else if (statusText !== '') void openStatus();
}

/** Loaded where there is a terminal, and something to show on it. */
async function openStatus(): Promise<void> {
  const { createLogUpdate } = await import('log-update');
  statusWriter ??= createLogUpdate(process.stderr, { showCursor: true });
  drawStatus();
}

function drawStatus(): void {
  if (statusText === '') statusWriter?.clear();
  else statusWriter?.(statusText);
}

/** Writes to the terminal with the status lines out of the way. */
function above(writeIt: () => void): void {
  if (statusText !== '') statusWriter?.clear();
  writeIt();
  if (statusText !== '') drawStatus();
}

function write(level: Level, message: string, fields: Record<string, unknown> = {}): void {
  const now = new Date();
  const clean = redact(message);
  const mark = level === 'info' ? '' : `${level}: `;
  const { source, isShown } = about.getStore() ?? {};
  const line = `${shownTime(now)} ${isShown ? redact(`[${source}] `) : ''}${mark}${clean}`;
  tail.push(keepEnd(line, TAIL_BYTES));
  if (tail.length > TAIL_LINES) tail.shift();
  if (format === 'json') {
    const named = source === undefined ? fields : { source, ...fields };
    const extra = JSON.parse(redact(JSON.stringify(named))) as Record<string, unknown>;
    process.stderr.write(`${JSON.stringify({ time: now.toISOString(), level, message: clean, ...extra })}\n`);
    return;
  }
  above(() => process.stderr.write(`${line}\n`));
}

/** The end of what has been logged, for people who are told elsewhere: at most 100 messages and 10 kB, redacted. */
export function logTail(): string {
  // once more: a secret may have been registered after the line was written
  return keepEnd(redact(tail.join('\n')), TAIL_BYTES, inBytes);
}

export const log = {
  info: (message: string, fields?: Record<string, unknown>) => write('info', message, fields),
  warn: (message: string, fields?: Record<string, unknown>) => write('warn', message, fields),
  error: (message: string, fields?: Record<string, unknown>) => write('error', message, fields),
};

/** Prints a verb's result to standard output. */
export function print(text: string): void {
  above(() => process.stdout.write(`${redact(text)}\n`));
}

const PIECE_LENGTH = 64 * 1024;

/**
 * Prints the one JSON document of a `--json` run, piece by piece: a list of half a million backups is no string.
 * @param document rows, or an object with rows in it, may be given as they come: whatever can be iterated over
 */
export function printJson(document: unknown): void {
  let text = '';
  for (const piece of piecesOf(document, '')) {
    text += piece;
    if (text.length < PIECE_LENGTH) continue;
    const written = redact(text);
    above(() => process.stdout.write(written));
    text = '';
  }
  print(text);
}

/** As JSON.stringify indents it. */
function* piecesOf(value: unknown, indent: string): Generator<string> {
  const inner = `${indent}  `;
  if (isRows(value)) {
    let before = '[\n';
    for (const row of value) {
      yield `${before}${inner}${jsonOf(row, inner)}`;
      before = ',\n';
    }
    yield before === '[\n' ? '[]' : `\n${indent}]`;
  } else if (indent === '' && typeof value === 'object' && value !== null && !('toJSON' in value)) {
    let before = '{\n';
    for (const [name, part] of Object.entries(value)) {
      if (part === undefined) continue;
      yield `${before}${inner}${JSON.stringify(name)}: `;
      yield* piecesOf(part, inner);
      before = ',\n';
    }
    yield before === '{\n' ? '{}' : `\n${indent}}`;
  } else yield jsonOf(value, indent);
}

function isRows(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function jsonOf(value: unknown, indent: string): string {
  return (JSON.stringify(value, null, 2) ?? 'null').replaceAll('\n', `\n${indent}`);
}
