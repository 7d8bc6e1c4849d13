import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inOrder } from '../../../scripts/lib/proof/bytes.mjs';
import {
  areColumnsReordered,
  compareDigests,
  compareStatements,
  describeStatement,
} from '../../../scripts/lib/proof/compare.ts';
import { DigestBuilder } from '../../../scripts/lib/proof/digest.ts';
import { fieldsOf } from '../../../scripts/lib/proof/postgres-names.mjs';
import { PostgresReader } from '../../../scripts/lib/proof/postgres-reader.mjs';
import { BUCKET_COUNT, type ReadingOptions } from '../../../scripts/lib/proof/reading.ts';
import { BUCKETS, LONG_ROW_BYTES } from '../../../scripts/lib/proof/row-sums.mjs';

/** What is read of a dump that comes in chunks of so many bytes. */
function read(dump: string | Buffer, chunkBytes = 1 << 20, options: Partial<ReadingOptions> = {}): DigestBuilder {
  const digest = new DigestBuilder();
  const reader = new PostgresReader({ dialect: 'postgres', ...options }, (line) => {
    digest.take(`PROOF ${JSON.stringify(line)}`);
  });
  const bytes = Buffer.from(dump as string);
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.feed(bytes.subarray(at, at + chunkBytes));
  reader.end();
  return digest;
}

const copy = (name: string, ...rows: string[]) =>
  [`COPY ${name} FROM stdin;`, ...rows, '\\.', ''].map((line) => `${line}\n`).join('');

const sums = (digest: DigestBuilder) => [...digest.tables.values()].map(({ name, rows, sum }) => ({ name, rows, sum }));

describe('the reader of dumps of PostgreSQL', () => {
  const dump = [
    'SET search_path = x;',
    '-- Name: f(); Type: FUNCTION; Schema: public; Owner: me',
    "CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $_$\nCOPY public.t (id) FROM stdin;\nselect ';'\n$_$;",
    "COMMENT ON FUNCTION public.f() IS 'it''s;\n-- not a comment';",
    copy('public.t (id, text)', '1\ta;b', "2\tit's", '\\N\t\\.'),
    'CREATE FUNCTION public.g() RETURNS void\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT CASE WHEN true THEN 1 END;\n SELECT 2;\nEND;',
    'SELECT pg_catalog.setval(\'public."S"\', 7, true);',
    '',
  ].join('\n');

  test('text is what the dump says it is, also where its bytes happen to be UTF-8', () => {
    const written = `SET client_encoding = 'LATIN1';\n${copy('public."BÃ¼cher" (id)', '1')}`;
    const said = written.replace('LATIN1', 'UTF8');
    const names = (digest: DigestBuilder) => [...digest.tables.values()].map(({ name }) => name);
    assert.deepEqual(names(read(Buffer.from(written, 'latin1'))), ['public."BÃ¼cher"']);
    assert.deepEqual(names(read(said)), ['public."BÃ¼cher"']);
    assert.deepEqual(names(read(said.replace('UTF8', 'SQL_ASCII'))), ['public."BÃ¼cher"']);
  });

  test('a right that somebody else granted is another right', () => {
    const grant = 'GRANT SELECT ON TABLE public.t TO r2;\n';
    const as = (role: string) => `SET SESSION AUTHORIZATION ${role};\n${grant}RESET SESSION AUTHORIZATION;\n${grant}`;
    const texts = (sql: string) => read(sql).statements.map(({ text }) => text);
    assert.deepEqual(texts(as('"R 1"')), [`-- as "R 1"\n${grant.trim().slice(0, -1)}`, grant.trim().slice(0, -1)]);
    assert.notDeepEqual(compareDigests(read(as('r1')), read(as('r3'))).differingStatements, []);
  });

  test('tells rows from definitions, wherever a chunk ends', () => {
    const whole = read(dump);
    assert.deepEqual(
      whole.statements.map(({ text }) => text.split('\n')[0]),
      [
        'CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $_$',
        "COMMENT ON FUNCTION public.f() IS 'it''s;",
        'CREATE FUNCTION public.g() RETURNS void',
        'public."S" = 7, called',
      ],
    );
    assert.equal(whole.statements[0]?.object, 'FUNCTION public.f()');
    assert.equal(whole.tables.get('public.t')?.rows, 3);
    assert.deepEqual([whole.wholeParts, whole.brokenParts], [1, 0]);
    for (const chunkBytes of [1, 2, 3, 7, 64]) {
      const inChunks = read(dump, chunkBytes);
      assert.deepEqual(inChunks.statements, whole.statements, `${chunkBytes} bytes`);
      assert.deepEqual(sums(inChunks), sums(whole), `${chunkBytes} bytes`);
    }
  });

  test('BEGIN is a name too, and ends no statement', () => {
    const routines = [
      'CREATE FUNCTION f(begin date, "end" date, begin atomic) RETURNS begin LANGUAGE sql AS $$ select 1; $$',
      'CREATE PROCEDURE begin() LANGUAGE sql BEGIN ATOMIC SELECT begin, begin AS atomic FROM t; SELECT 2; END',
    ];
    const digest = read(`${routines.join(';\n')};\n${copy('public.t (id)', '1')}`);
    assert.deepEqual(
      digest.statements.map(({ text }) => text),
      routines,
    );
    assert.deepEqual([digest.tables.get('public.t')?.rows, digest.brokenParts], [1, 0]);
  });

  test('a dump that ends within a table or a statement is not whole', () => {
    assert.equal(read('COPY a (b) FROM stdin;\n1\n').brokenParts, 1);
    assert.equal(read('CREATE TABLE a (\n').brokenParts, 1);
  });

  test('rows have the same sum in whatever order and in whatever pieces they come', () => {
    const [a, b] = [
      copy('public.t (id)', '1', '2', '3'),
      copy('"public"."t" ("id")', '3', '1') + copy('public.t (id)', '2'),
    ];
    assert.deepEqual(sums(read(a)), sums(read(b)));
    assert.deepEqual(read(a).buckets, read(b).buckets);
  });

  test('a row that is there twice does not make up for another', () => {
    const [a, b] = [copy('t (id)', '1', '2', '3', '3'), copy('t (id)', '1', '1', '2', '3')];
    assert.notDeepEqual(sums(read(a)), sums(read(b)));
  });

  test('one changed bit of a row is a difference, in a row as long as may be too', () => {
    const long = 'x'.repeat(LONG_ROW_BYTES * 2);
    const [a, b] = [copy('t (id)', `1${long}`), copy('t (id)', `0${long}`)];
    assert.notDeepEqual(sums(read(a)), sums(read(b)));
    assert.deepEqual(sums(read(a, 1000)), sums(read(a, 1 << 22)), 'hashed in parts or at once');
  });

  test('columns in another order are set right where a first reading says how they were', () => {
    const first = read(copy('t (a, "B", c)', '1\t2\t3'));
    const second = read(copy('t (c, a, "B")', '3\t1\t2'), 1 << 20, { columns: { t: ['a', 'B', 'c'] } });
    assert.deepEqual(compareDigests(first, second).differingTables, []);
  });

  test('fields are told apart in a row of any length', () => {
    const row = (...fields: Buffer[]) =>
      Buffer.concat(fields.flatMap((field, i) => (i === 0 ? [field] : [Buffer.from('\t'), field])));
    const [a, long, none] = [Buffer.from('a'), Buffer.alloc(2 << 20, 'x'), Buffer.alloc(0)];
    assert.ok(inOrder(row(a, long, none), [2, 1, 0]).equals(row(none, long, a)));
    assert.deepEqual(
      fieldsOf(row(a, long, none)).map((field) => field.slice(0, 2)),
      ['a', 'xx', ''],
    );
  });

  test('a hundred thousand objects that all differ are compared in one pass', () => {
    const objects = (hash: string) =>
      Array.from({ length: 100_000 }, (_, i) => ({
        ...({ kind: 'statement', about: 'large objects', text: '' } as const),
        ...{ object: `BLOB ${i}`, hash: `${hash}${i}` },
      }));
    const before = process.cpuUsage();
    const differing = compareStatements(objects('a'), objects('b'));
    // of the processor's time: a pass for each object takes minutes
    assert.ok(process.cpuUsage(before).user < 10_000_000);
    assert.deepEqual([differing.length, differing[7]?.missing.length, differing[7]?.extra.length], [100_000, 1, 1]);
  });

  test('names are the same however they are spelled', () => {
    const [plain] = sums(read(copy('public."größe" (id)', '1')));
    assert.equal(sums(read(copy('U&"public".U&"gr\\+0000f6\\+0000dfe" (id)', '1')))[0]?.name, plain?.name);
  });

  test('a list of an IN is the same before and after it has been loaded', () => {
    const check = (list: string) => `ALTER TABLE t ADD CHECK (((kind)::text = ANY (${list})));\n`;
    const [dumped, again] = [
      check("(ARRAY['a,]'::character varying, 'b'::character varying])::text[]"),
      check("ARRAY[('a,]'::character varying)::text, ('b'::character varying)::text]"),
    ];
    assert.deepEqual(compareDigests(read(dumped), read(again)).differingStatements, []);
  });

  test('a condition that begins with a BETWEEN is the same before and after it has been loaded', () => {
    const check = (condition: string) => read(`-- Name: t; Type: CHECK; Schema: -; Owner: me\nCHECK (${condition});\n`);
    const differing = (dumped: string, again: string) =>
      compareDigests(check(dumped), check(again)).differingStatements.length;
    assert.equal(differing('(((a >= 1) AND (a <= 5)) AND (b > 0))', '((a >= 1) AND (a <= 5) AND (b > 0))'), 0);
    assert.equal(differing("((((c < ')') OR (c > 5)) OR x) OR y)", "((c < ')') OR (c > 5) OR x OR y)"), 0);
    // these are other conditions, or stay as they are
    assert.equal(differing('(((a >= 1) OR (a <= 5)) AND (b > 0))', '((a >= 1) OR (a <= 5) AND (b > 0))'), 1);
    assert.equal(differing('((b > 0) AND ((a >= 1) AND (a <= 5)))', '((b > 0) AND (a >= 1) AND (a <= 5))'), 1);
    assert.equal(differing('(((a >= 1) AND (a <= 5)) = l)', '((a >= 1) AND (a <= 5) = l)'), 1);
    assert.equal(differing("((a AND b) AND (c = '((a'))", "((a AND b) AND (c = '(a'))"), 1);
  });

  test('the field of an EXTRACT is the same in large and in small letters', () => {
    const view = (field: string) =>
      read(
        `-- Name: v; Type: VIEW; Schema: -; Owner: me\nCREATE VIEW v AS\n SELECT EXTRACT(${field} FROM t.d) AS x\n   FROM t;\n`,
      );
    assert.deepEqual(compareDigests(view('YEAR'), view('year')).differingStatements, []);
    assert.equal(compareDigests(view('YEAR'), view('month')).differingStatements.length, 1);
  });

  test('the roles of a policy are the same in any order, and the rows of a VALUES with a blank before them', () => {
    const policy = (roles: string) =>
      read(
        `-- Name: t p; Type: POLICY; Schema: public; Owner: me\nCREATE POLICY "a TO b" ON public.t AS RESTRICTIVE FOR SELECT TO ${roles} USING ((x IN ( SELECT 1)));\n`,
      );
    assert.deepEqual(compareDigests(policy('b, "a, c", d'), policy('d, b, "a, c"')).differingStatements, []);
    assert.equal(compareDigests(policy('b, d'), policy('b')).differingStatements.length, 1);
    const list = (blank: string) =>
      read(`CREATE VIEW v AS\n SELECT x.a\n   FROM (${blank}VALUES (1), (2)) x(a)\n ORDER BY x.a;\n`);
    assert.deepEqual(compareDigests(list(''), list(' ')).differingStatements, []);
  });

  test('the key of rows that hold for a time is its columns', () => {
    const { keys } = read(
      'ALTER TABLE ONLY public.rooms\n    ADD CONSTRAINT rooms_pkey PRIMARY KEY (id, valid WITHOUT OVERLAPS);\n',
    );
    assert.deepEqual(keys.get('public.rooms'), ['id', 'valid']);
  });

  test('what tablespace a table is made in belongs to its definition', () => {
    const inSpace = (name: string) => read(`SET default_tablespace = ${name};\nCREATE TABLE t (\n    a integer\n);\n`);
    const [difference] = compareDigests(inSpace('fast'), inSpace("''")).differingStatements;
    assert.match(difference ? describeStatement(difference) : '', /tablespace fast/);
  });

  test('both ways to say how many buckets there are agree', () => {
    assert.equal(BUCKETS, BUCKET_COUNT);
  });

  test('columns of a table that inherits are the same in another order, and of no other table', () => {
    const table = (columns: readonly string[], end: string) =>
      `-- Name: t; Type: TABLE; Schema: public; Owner: me\nCREATE TABLE public.t (\n    ${columns.join(',\n    ')}\n)${end};\n`;
    const isReordered = (a: readonly string[], b: readonly string[], end = '\nINHERITS (public.p)') => {
      const [difference] = compareStatements(read(table(a, end)).statements, read(table(b, end)).statements);
      return difference !== undefined && areColumnsReordered(difference);
    };
    const columns = ['z integer', "y text DEFAULT 'a,'::text", 'x integer'];
    assert.equal(isReordered(columns, columns.toReversed()), true);
    assert.equal(isReordered(columns, columns.toReversed(), ''), false);
    assert.equal(isReordered(columns, ['z integer', "y text DEFAULT 'b,'::text", 'x integer']), false);
    assert.equal(isReordered(columns, columns.slice(1)), false);
    const many = Array.from({ length: 500 }, (_, n) => `c${n} integer`);
    assert.equal(isReordered(many, many.toReversed()), false, 'only its beginning is known');
  });
});
