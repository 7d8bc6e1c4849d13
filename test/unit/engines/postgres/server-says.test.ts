import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadHint } from '../../../../scripts/lib/engines/postgres/server/load-hints.ts';
import { pgDumpStage } from '../../../../scripts/lib/engines/postgres/server/pg-dump.ts';
import { nextStepFor, programWords, serverWords } from '../../../../scripts/lib/engines/postgres/server/server-says.ts';
import type { DatabaseSource } from '../../../../scripts/lib/source.ts';

test('what the server says reaches the operator with its HINT and DETAIL, but for rows, and for keys that are more than a number', () => {
  const error = Object.assign(new Error('insert or update on table "orders" violates foreign key constraint "fk"'), {
    detail: 'Key (customer_id)=(42) is not present in table "customers".',
    hint: 'Look there.',
  });
  assert.equal(
    serverWords(error),
    'insert or update on table "orders" violates foreign key constraint "fk" DETAIL: Key (customer_id)=(42) is not present in table "customers". HINT: Look there.',
  );
});

test('what a program writes is cut to the error: no row, no value of a key, no bytes of a large object', () => {
  const said = programWords(
    [
      'ERROR:  new row for relation "people" violates check constraint "adult"',
      'DETAIL:  Failing row contains (1, Jane Doe, DE89 3704 0044 0532 0130 00).',
      'CONTEXT:  COPY people, line 1: "1\tJane Doe\tDE89 3704 0044 0532 0130 00"',
      'CONTEXT:  COPY people, line 7, column iban: "DE89 3704 0044 0532 0130 00"',
      'DETAIL:  Key (name, iban)=(Jane (x) Doe, DE89) already exists.',
      "LINE 1: SELECT pg_catalog.lowrite(0, '\\x4a616e65');",
      '               ^',
      'psql:<stdin>:12: ERROR:  type "earth" does not exist',
      'LINE 5:   select a from earth',
      '                        ^',
    ].join('\n'),
  );
  assert.doesNotMatch(said, /Jane|DE89|4a616e65/);
  assert.match(said, /Failing row contains \(…\)\./);
  assert.match(said, /CONTEXT: {2}COPY people, line 1\n/);
  assert.match(said, /COPY people, line 7, column iban\n/);
  assert.match(said, /Key \(name, iban\)=\(…\) already exists/);
  assert.match(said, /LINE 5: {3}select a from earth/);
});

const SOURCE = {
  host: 'h',
  port: 5432,
  user: 'u',
  database: 'd',
  sslMode: 'disable',
  connectTimeoutMs: 1_000,
  lockTimeoutMs: 1_000,
} as DatabaseSource;

test('a load that fails on a name in a row is not told of a search path', () => {
  const said = 'ERROR:  relation "public.t_pkey" does not exist\nCONTEXT:  COPY named, line 1, column r';
  assert.match(loadHint(said) ?? '', /regclass/);
  assert.match(loadHint('ERROR:  relation "t" does not exist\nCONTEXT:  PL/pgSQL function f()') ?? '', /search_path/);
});

test('a table that may not be read is not taken for one that is locked', () => {
  const { hints = [] } = pgDumpStage(SOURCE, { path: 'pg_dump', version: '18.1', major: 18 }, '1', []);
  const hintFor = (said: string) => hints.find(([words]) => words.test(said))?.[1] ?? '';
  const locking = 'LOCK TABLE public.t IN ACCESS SHARE MODE';
  assert.match(hintFor(`ERROR:  permission denied for table t\n${locking}`), /GRANT pg_read_all_data/);
  assert.match(hintFor(`ERROR:  canceling statement due to lock timeout\n${locking}`), /LOCK_TIMEOUT/);
});

for (const [words, step] of [
  ['too many connections for role "backup_role"', /ALTER ROLE … CONNECTION LIMIT.* 3 sessions/],
  ['too many connections for database "myapp"', /ALTER DATABASE … CONNECTION LIMIT/],
  ['sorry, too many clients already', /max_connections/],
  ['cannot connect to invalid database "broken"', /DROP DATABASE/],
  ['database "myapp" is not currently accepting connections', /ALLOW_CONNECTIONS true/],
  ['out of shared memory', /max_locks_per_transaction/],
  ['could not extend file "base/1/2": No space left on device', /disk is full/],
  ['canceling statement due to conflict with recovery', /hot_standby_feedback/],
  ['cannot execute CREATE DATABASE in a read-only transaction', /standby, or default_transaction_read_only/],
  ['unsupported startup parameter: options', /PgBouncer/],
] as const) {
  test(`a next step that is true: ${words}`, () => assert.match(nextStepFor(new Error(words)) ?? '', step));
}

test('a server that speaks another language is understood by its SQLSTATE', () => {
  const error = Object.assign(new Error('Gemeinsamer Speicher ist erschöpft'), { code: '53200' });
  assert.match(nextStepFor(error) ?? '', /max_locks_per_transaction/);
});

test('in another language than English, where rows stand in a message is not known: none is shown', () => {
  const german = [
    'psql:<stdin>:7: FEHLER:  neue Zeile für Relation »people« verletzt Check-Constraint »good«',
    'DETAIL:  Fehlgeschlagene Zeile enthält (1, secret).',
    'CONTEXT:  COPY people, Zeile 1: »1 secret«',
  ].join('\n');
  assert.equal(programWords(german), german.split('\n')[0]);
  assert.match(programWords(german.replace('FEHLER', 'ERROR')), /DETAIL/);
  const error = { message: 'verletzt »good«', severity: 'FEHLER', detail: 'Zeile enthält (1, secret).' };
  assert.equal(serverWords(Object.assign(new Error(error.message), error)), 'verletzt »good«');
});
