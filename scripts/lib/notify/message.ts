import { formatDuration } from '../quantities.ts';
import { inUnits, keepEnd, keepStart, type Measure } from '../terminal/cut.ts';
import { redact } from '../terminal/log.ts';
import { shownTimeInTable } from '../terminal/time.ts';

/** What people are told about a run. */
export interface Notice {
  readonly verb:
    | 'backup'
    | 'base'
    | 'cleanup'
    | 'copy'
    | 'drill'
    | 'receive'
    | 'restore'
    | 'status'
    | 'test'
    | 'verify';
  readonly outcome: Outcome;
  readonly items: readonly NoticeItem[];
  readonly at: Date;
  /** The end of the run's log. */
  readonly logTail?: string;
  /** Which machine speaks. */
  readonly host?: string;
}

export type Outcome = 'success' | 'warning' | 'failure';

export interface NoticeItem {
  readonly source: string;
  /** What happened. */
  readonly what: string;
  /** Since when, such as the time of the last good backup. */
  readonly since?: Date;
  /** The next step. */
  readonly next?: string;
}

/** A notice in words. Nothing in it is secret any more, and nothing in it is a control character. */
export interface Message {
  readonly notice: Notice;
  /** One line. */
  readonly subject: string;
  /** Per source what happened, since when and the next step; then when and where. */
  readonly text: string;
  /** Empty when there is none. */
  readonly logTail: string;
}

const TITLES = {
  backup: { success: 'Backup done', warning: 'Backup done, with a warning', failure: 'Backup failed' },
  base: { success: 'Base taken', warning: 'Base taken, with a warning', failure: 'Base failed' },
  restore: { success: 'Restore done', warning: 'Restore done, with a warning', failure: 'Restore failed' },
  cleanup: { success: 'Cleanup done', warning: 'Cleanup done, with a warning', failure: 'Cleanup failed' },
  drill: {
    success: 'Restore drill passed',
    warning: 'Restore drill passed, with a warning',
    failure: 'Restore drill failed',
  },
  copy: { success: 'Copies done', warning: 'Copies done, with a warning', failure: 'Copying backups failed' },
  verify: {
    success: 'Backups read back',
    warning: 'Backups read back, with a warning',
    failure: 'Backups are damaged or unprotected',
  },
  receive: {
    success: "A server's log is taken",
    warning: "A server's log needs a look",
    failure: "A server's log has a gap",
  },
  status: { success: 'Backups are in order', warning: 'Backups need a look', failure: 'Backups are stale or failing' },
  test: { success: 'Test notification', warning: 'Test notification', failure: 'Test notification' },
} as const satisfies Record<Notice['verb'], Record<Outcome, string>>;

const LONGEST_SUBJECT = 200;
const MOST_NAMES = 3;
const CUT_MARK = '\n… (cut)';
const TAIL_TITLE = '\n\nThe end of the log:\n';
// less than this of a log helps nobody
const SHORTEST_TAIL = 120;

export function render(given: Notice): Message {
  const notice = cleanNotice(given);
  const lines = notice.items.map((item) => renderItem(item, notice.at));
  const where = notice.host === undefined ? '' : ` on ${notice.host}`;
  return {
    notice,
    subject: renderSubject(notice),
    text: [...lines, `${shownTimeInTable(notice.at)}${where}`].join('\n\n'),
    logTail: notice.logTail ?? '',
  };
}

/** Text and log in at most `limit`: the text comes first, of the log its end. */
export function fitMessage(message: Message, limit: number, measure: Measure = inUnits): string {
  const text =
    measure(message.text) <= limit
      ? message.text
      : `${keepStart(message.text, limit - measure(CUT_MARK), measure)}${CUT_MARK}`;
  const room = limit - measure(text) - measure(TAIL_TITLE);
  if (message.logTail === '' || (room < SHORTEST_TAIL && measure(message.logTail) > room)) return text;
  return `${text}${TAIL_TITLE}${keepEnd(message.logTail, room, measure)}`;
}

function renderSubject({ verb, outcome, items, host }: Notice): string {
  const names = [...new Set(items.map((item) => item.source))];
  const shown = names.slice(0, MOST_NAMES).join(', ');
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
  const where = host === undefined ? '' : ` on ${host}`;
  const subject = `${TITLES[verb][outcome]}${names.length === 0 ? '' : `: ${shown}${more}`}${where}`;
  return keepStart(subject.replace(/\s+/g, ' '), LONGEST_SUBJECT);
}

function renderItem({ source, what, since, next }: NoticeItem, at: Date): string {
  const lines = [`${source}: ${what.trim().replaceAll('\n', '\n  ')}`];
  if (since !== undefined) {
    const ageMs = at.getTime() - since.getTime();
    lines.push(`  since: ${shownTimeInTable(since)}${ageMs >= 0 ? ` (${formatDuration(ageMs)} ago)` : ''}`);
  }
  if (next) lines.push(`  next: ${next.trim().replaceAll('\n', '\n  ')}`);
  return lines.join('\n');
}

function cleanNotice(notice: Notice): Notice {
  return {
    ...notice,
    items: notice.items.map((item) => ({
      ...item,
      source: clean(item.source),
      what: clean(item.what),
      ...(item.next === undefined ? {} : { next: clean(item.next) }),
    })),
    ...(notice.logTail === undefined ? {} : { logTail: clean(notice.logTail).trim() }),
    ...(notice.host === undefined ? {} : { host: clean(notice.host) }),
  };
}

/** Without secrets, without control characters but tab and line feed, without halves of characters. */
function clean(text: string): string {
  return redact(text)
    .replaceAll('\r\n', '\n')
    .replace(/[^\P{Cc}\n\t]/gu, '')
    .replace(/\p{Cs}/gu, '\ufffd');
}
