import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitStatements } from '../../../../scripts/lib/engines/postgres/split/statements.ts';

test('a semicolon ends a statement only where it is SQL', () => {
  const statements = [
    'SET x = 1',
    "COMMENT ON TABLE t IS 'a; it''s -- no comment \\'",
    "SELECT E'it\\'s; \\\\'",
    'CREATE INDEX "odd; "" name" ON public."t;"(a)',
    'CREATE FUNCTION f() AS $_$ begin; $$ ; $x$ ; end; $_$ LANGUAGE plpgsql',
    'CREATE FUNCTION g() AS $$;$$',
    'SELECT a$b$c, $1',
    'ALTER TABLE t /* a; /* nested; */ b; */ ADD x int',
    'CREATE RULE r AS ON INSERT TO t DO INSTEAD ( SELECT f((1)); DELETE FROM u; UPDATE v SET a = (b); )',
  ];
  assert.deepEqual(splitStatements(`${statements.join(';\n\n--\n-- Name: x; Type: INDEX\n--\n\n')};\n`), statements);
});

test('the body of a function in SQL is a part of its statement', () => {
  const routine =
    'CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN 1=1 THEN 2 ELSE 3 END; SELECT 4; END';
  assert.deepEqual(splitStatements(`${routine}; SELECT 1;`), [routine, 'SELECT 1']);
  assert.deepEqual(splitStatements('BEGIN; CREATE TABLE "end" (a int); END;'), [
    'BEGIN',
    'CREATE TABLE "end" (a int)',
    'END',
  ]);
});

test('BEGIN is a name too: of a parameter, a function, a column', () => {
  const routines = [
    'CREATE FUNCTION f(begin date, "end" date, begin atomic) RETURNS begin LANGUAGE sql AS $$ select 1; $$',
    'CREATE PROCEDURE begin() LANGUAGE sql BEGIN ATOMIC SELECT begin, begin AS atomic FROM t; SELECT 2; END',
  ];
  assert.deepEqual(splitStatements(`${routines.join(';\n')};\nSELECT 3;`), [...routines, 'SELECT 3']);
});

test("psql's restricted mode is passed over, any other command of psql's refused", () => {
  assert.deepEqual(splitStatements('--\n\n\\restrict abc\n\nSET a = 1;\n\n\\unrestrict abc\n\n'), ['SET a = 1']);
  for (const script of ['\\! touch /tmp/x\n', 'SELECT 1 \\g /tmp/x\n;', '\\restrict a; \\! id\n', '\\restrict\n']) {
    assert.throws(() => splitStatements(script), { code: 'DUMP_INCOMPLETE', message: /cannot be read: it has \\/ });
  }
});

for (const [what, script] of [
  ['a statement', 'SELECT 1; SELECT 2'],
  ['a text', "SELECT 'abc; "],
  ['a dollar-quoted text', 'SELECT $x$ abc; '],
  ['a comment', 'SELECT 1; /* abc; /* */'],
  ['a function in SQL', 'CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;'],
] as const) {
  test(`a script that ends within ${what} is refused`, () => {
    assert.throws(() => splitStatements(script), { code: 'DUMP_INCOMPLETE', message: /it ends within|cannot be read/ });
  });
}

test('a script without statements has none', () => {
  assert.deepEqual(splitStatements('-- nothing\n;;\n'), []);
});
