import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BrokenObjects, describeBroken } from '../../../../scripts/lib/engines/postgres/restore/broken-objects.ts';
import type { Connection } from '../../../../scripts/lib/engines/postgres/server/connection.ts';
import { OperatorError } from '../../../../scripts/lib/errors.ts';
import { temporaryFolder } from '../../../support/folders.ts';

/** A server that refuses what the pattern finds. */
const refusing = (pattern: RegExp) => {
  const ran: string[] = [];
  const query = async (sql: string) => {
    ran.push(sql);
    if (pattern.test(sql))
      throw new OperatorError('PROCESS_FAILED', 'refused', {
        cause: Object.assign(new Error('no'), { code: '23503' }),
      });
    return [];
  };
  return { ran, connection: { query } as unknown as Connection };
};

const SAID = `ERROR:  relation "public.v" does not exist
LINE 1: CREATE VIEW public.w AS SELECT 1 FROM public.v;
                                              ^
STATEMENT:  CREATE VIEW public.w AS
 SELECT 1 FROM public.v;
WARNING:  LOOSENED {"of":"TABLE public.t","name":"Good","definition":"CHECK ((a > 0))","comment":"it's"}
WARNING:  LOOSENED null
ERROR:  insert or update on table "o" violates foreign key constraint "o_c"
DETAIL:  Key (c)=(777) is not present in table "c".
STATEMENT:  ALTER TABLE ONLY public.o
    ADD CONSTRAINT o_c FOREIGN KEY (c) REFERENCES public.c(id);
ERROR:  relation "public.w" does not exist
STATEMENT:  ALTER TABLE public.w OWNER TO app;`;

test('what psql was refused is tried once more, and what stays refused is named with its reason', async () => {
  const broken = new BrokenObjects();
  for (const line of SAID.split('\n')) assert.equal(broken.takeLine(line), true, line);
  broken.readToEnd(true);
  const { ran, connection } = refusing(/^CREATE VIEW|^ALTER TABLE public\.w|FOREIGN KEY .*\)$|validate/);
  await broken.mend(connection);
  assert.deepEqual(broken.broken.map(describeBroken), [
    'the view public.w is missing: no',
    'the foreign key o_c of public.o holds for rows from now on alone (NOT VALID), for rows that were dumped break it: no',
    'the check Good of public.t holds for rows from now on alone (NOT VALID), for rows that were dumped break it: no',
  ]);
  assert.ok(ran.includes('alter TABLE public.t add constraint "Good" CHECK ((a > 0)) not valid'));
  assert.ok(ran.includes(`comment on constraint "Good" on public.t is 'it''s'`));
  assert.equal(broken.isOf('VIEW public.w'), true);
  assert.equal(broken.isOf('TABLE public.t'), true);
  assert.equal(broken.isOf('FK CONSTRAINT public.o o_c'), true);
  assert.equal(broken.isOf('INDEX public.other'), false);
});

test('rows that a server refuses are the end of it, at once', () => {
  const broken = new BrokenObjects();
  broken.takeLine('ERROR:  function low(text) does not exist');
  broken.takeLine('CONTEXT:  COPY pages, line 1: "1	secret"');
  broken.takeLine('STATEMENT:  COPY public.pages (id, t) FROM stdin;');
  assert.equal(broken.doom.aborted, false);
  broken.takeLine('ERROR:  another');
  assert.ok(broken.doom.aborted);
  assert.match(String(broken.doom.reason), /rows would be missing: function low/);
  assert.doesNotMatch(String(broken.doom.reason), /secret/);
});

test('a dump whose checks were not loosened before its rows is not taken for one that was', () => {
  const broken = new BrokenObjects();
  broken.readToEnd(false);
  assert.throws(() => broken.readToEnd(true), /checks of this dump/);
});

const LOOSEN = fileURLToPath(new URL('../../../../scripts/lib/engines/postgres/restore/loosen.pl', import.meta.url));

function loosened(dump: string): string {
  const file = join(temporaryFolder(), 'inserted');
  writeFileSync(file, '<inserted>\n');
  const fd = openSync(file, 'r');
  return spawnSync('perl', [LOOSEN], {
    input: dump,
    stdio: ['pipe', 'pipe', 'inherit', fd],
    encoding: 'utf8',
    maxBuffer: 1 << 24,
  }).stdout;
}

test('what is inserted stands before the first rows, and a dump without rows stays as it is', () => {
  const rows = 'COPY public.t (a) FROM stdin;\n1\nCOPY x FROM stdin;\n\\.\n';
  assert.equal(
    loosened(`CREATE TABLE public.t ();\n\n${rows}${rows}`),
    `CREATE TABLE public.t ();\n\n<inserted>\n${rows}${rows}`,
  );
  assert.equal(loosened('CREATE TABLE t ();\n-- no end'), 'CREATE TABLE t ();\n-- no end');
  const long = `-- ${'x'.repeat(3_000_000)}\n`;
  assert.equal(loosened(`${long}${rows}`), `${long}<inserted>\n${rows}`);
});
