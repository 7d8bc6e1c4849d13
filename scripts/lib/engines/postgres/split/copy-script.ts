import { OperatorError } from '../../../errors.ts';
import type { Contents } from '../../../repository/manifest.ts';
import { quoteIdentifier, quoteLiteral } from '../server/connection.ts';
import type { Piece } from './pieces.ts';

/** Locks are released after this many tables: the session that exported the snapshot holds them all anyway. */
const TABLES_PER_TRANSACTION = 50;

// as pg_dump sets them, so that every value is written in full whatever the server's or the role's settings are
const SESSION = (versionNum: number, lockTimeoutMs: number) => [
  'set statement_timeout = 0;',
  `set lock_timeout = ${lockTimeoutMs};`,
  'set idle_in_transaction_session_timeout = 0;',
  ...(versionNum >= 170_000 ? ['set transaction_timeout = 0;'] : []),
  'set standard_conforming_strings = on;',
  'set row_security = off;',
  'set synchronize_seqscans = off;',
  'set extra_float_digits = 3;',
  "set datestyle = 'ISO';",
  "set intervalstyle = 'postgres';",
  "set bytea_output = 'hex';",
  // what is written there is told as warnings
  'set client_min_messages = warning;',
];

const HEAD = (encoding: string) => [
  '--',
  '-- PostgreSQL database dump: data',
  '--',
  '',
  'SET statement_timeout = 0;',
  'SET lock_timeout = 0;',
  'SET idle_in_transaction_session_timeout = 0;',
  `SET client_encoding = '${encoding}';`,
  'SET standard_conforming_strings = on;',
  "SELECT pg_catalog.set_config('search_path', '', false);",
  'SET check_function_bodies = false;',
  'SET xmloption = content;',
  'SET client_min_messages = warning;',
  'SET row_security = off;',
  '',
];

/** The words that pg_dump ends a dump with. */
const TAIL = ['--', '-- PostgreSQL database dump complete', '--', ''];

export interface CopyScript {
  readonly snapshotId: string;
  readonly pieces: readonly Piece[];
  readonly sequences: Contents['sequences'];
  /** The database's, which the dump has too: nothing is converted. */
  readonly encoding: string;
  readonly serverVersionNum: number;
  /** How long to wait for a table that somebody waits to alter. */
  readonly lockTimeoutMs: number;
}

/**
 * A script for psql that writes these pieces as plain SQL: `COPY … FROM stdin;`, rows, `\.`. It is of ASCII alone
 * unless the database's encoding is UTF8, so that it means the same in every encoding.
 *
 * @throws OperatorError SOURCE_VERSION for a name that the script cannot spell
 */
export function copyScript({
  snapshotId,
  pieces,
  sequences,
  encoding,
  serverVersionNum,
  lockTimeoutMs,
}: CopyScript): string {
  const spell = spelling(encoding, serverVersionNum);
  const lines = [
    ...SESSION(serverVersionNum, lockTimeoutMs),
    "select pg_catalog.set_config('search_path', '', false) \\g /dev/null",
  ];
  const say = (text: string) => lines.push(`\\echo ${quoteForPsql(text)}`);
  for (const line of HEAD(encoding)) say(line);
  for (const [index, piece] of pieces.entries()) {
    if (index % TABLES_PER_TRANSACTION === 0) {
      if (index > 0) lines.push('commit;');
      lines.push(
        'begin isolation level repeatable read read only;',
        `set transaction snapshot ${quoteLiteral(snapshotId)};`,
      );
    }
    const header = `COPY ${spell(piece.table.via ?? piece.table)}${columnList(piece, spell)} FROM stdin;`;
    say(header);
    lines.push(copyStatement(piece, spell));
    say('\\.\n');
  }
  if (pieces.length > 0) lines.push('commit;');
  for (const { sequence, value, isCalled } of sequences) {
    say(`SELECT pg_catalog.setval(${quoteLiteral(ascii(sequence, encoding))}, ${value}, ${isCalled});`);
  }
  for (const line of TAIL) say(line);
  return `${lines.join('\n')}\n`;
}

function copyStatement({ table, fromPage, toPage }: Piece, spell: Spelling): string {
  const name = spell(table);
  const columns = table.columns.map((column) => spell.one(column)).join(', ');
  const ranges = [
    ...(fromPage === 0 ? [] : [`ctid >= '(${fromPage},0)'::pg_catalog.tid`]),
    ...(toPage === undefined ? [] : [`ctid < '(${toPage},0)'::pg_catalog.tid`]),
  ];
  const isWhole = ranges.length === 0 && !table.condition;
  if (isWhole) return `copy ${name}${columnList({ table }, spell)} to stdout;`;
  const where = ranges.length > 0 ? `where ${ranges.join(' and ')}` : table.condition;
  return `copy (select ${columns} from only ${name} ${where}) to stdout;`;
}

/** Empty for a table without columns of its own: COPY wants none then. */
function columnList({ table }: Pick<Piece, 'table'>, spell: Spelling): string {
  return table.columns.length === 0 ? '' : ` (${table.columns.map((column) => spell.one(column)).join(', ')})`;
}

interface Spelling {
  (relation: { readonly schema: string; readonly relation: string }): string;
  one(name: string): string;
}

function spelling(encoding: string, serverVersionNum: number): Spelling {
  const one = (name: string) => {
    if (encoding === 'UTF8' || isAscii(name)) return quoteIdentifier(name);
    if (encoding === 'SQL_ASCII' || serverVersionNum < 130_000) throw unspellable(name, encoding);
    // Unicode escapes are converted by the server: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
    return `U&${quoteIdentifier(escaped(name))}`;
  };
  return Object.assign(
    ({ schema, relation }: { readonly schema: string; readonly relation: string }) => `${one(schema)}.${one(relation)}`,
    { one },
  );
}

/** A literal in which names stand, as it is: for other encodings than UTF8 it has to be of ASCII. */
function ascii(text: string, encoding: string): string {
  if (encoding === 'UTF8' || isAscii(text)) return text;
  throw unspellable(text, encoding);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what it is
const isAscii = (text: string) => /^[\x00-\x7f]*$/.test(text);

function escaped(name: string): string {
  return [...name.replaceAll('\\', '\\\\')]
    .map((character) =>
      isAscii(character) ? character : `\\+${(character.codePointAt(0) ?? 0).toString(16).padStart(6, '0')}`,
    )
    .join('');
}

function unspellable(name: string, encoding: string): OperatorError {
  return new OperatorError(
    'SOURCE_VERSION',
    `folder backups cannot spell ${name} in a database of encoding ${encoding}`,
    {
      hint: 'Use BACKUP_FORMAT=sql for this source.',
    },
  );
}

/** An argument of one of psql's own commands, in which neither variables nor backquotes mean anything. */
function quoteForPsql(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}'`;
}
