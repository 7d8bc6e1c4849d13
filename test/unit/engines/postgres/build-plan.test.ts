import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planBuild } from '../../../../scripts/lib/engines/postgres/split/build-plan.ts';

const PK = 'ALTER TABLE ONLY public.a\n    ADD CONSTRAINT a_pkey PRIMARY KEY (id)';
const INDEX = 'CREATE INDEX i ON public.a USING btree (x)';
const ON_PARTITIONED = 'CREATE UNIQUE INDEX "odd; i" ON ONLY "My Schema"."Table. A" USING btree (x)';
const FK = (table: string) =>
  `ALTER TABLE ONLY public.${table}\n    ADD CONSTRAINT ${table}_fkey FOREIGN KEY (x) REFERENCES public.a(id)`;

/** The kinds of the steps, and what of each. */
function steps(...statements: string[]) {
  return planBuild(statements).steps.map((step) =>
    step.kind === 'in order' ? step.statements : { [step.kind]: step.tasks.map(({ sql }) => sql) },
  );
}

test('indexes and the constraints made of one are built side by side, what belongs to them after them', () => {
  const comment = "COMMENT ON INDEX public.i IS 'x'";
  const attach = 'ALTER INDEX public.p ATTACH PARTITION public.i';
  assert.deepEqual(steps(PK, comment, INDEX, attach, ON_PARTITIONED), [
    { indexes: [PK, INDEX, ON_PARTITIONED] },
    [comment, attach],
  ]);
  assert.deepEqual(
    planBuild([PK, INDEX, ON_PARTITIONED]).steps.flatMap((step) => (step.kind === 'indexes' ? step.tasks : [])),
    [
      { sql: PK, table: 'public.a', isExclusive: true, isOfColumns: true },
      { sql: INDEX, table: 'public.a', isExclusive: false, isOfColumns: true },
      { sql: ON_PARTITIONED, table: '"My Schema"."Table. A"', isExclusive: false, isOfColumns: true },
    ],
  );
});

test('foreign keys come after every index, and what needs neither keeps its place among the rest', () => {
  const trigger = 'CREATE TRIGGER t AFTER INSERT ON public.a FOR EACH ROW EXECUTE FUNCTION f()';
  const comment = "COMMENT ON CONSTRAINT b_fkey ON public.b IS 'x'";
  const refresh = 'REFRESH MATERIALIZED VIEW public.m';
  assert.deepEqual(steps(PK, trigger, FK('b'), comment, FK('c'), refresh), [
    { indexes: [PK] },
    [trigger],
    { references: [FK('b'), FK('c')] },
    [comment, refresh],
  ]);
});

test('an index waits for whatever it may depend on', () => {
  const routine = 'CREATE FUNCTION public.f() RETURNS int BEGIN ATOMIC SELECT id FROM public.a GROUP BY id; END';
  const view = 'CREATE OR REPLACE VIEW public.v AS SELECT 1';
  assert.deepEqual(steps(PK, routine, INDEX), [{ indexes: [PK] }, [routine], { indexes: [INDEX] }]);
  assert.deepEqual(steps(PK, view, ON_PARTITIONED), [{ indexes: [PK] }, [view], { indexes: [ON_PARTITIONED] }]);
});

test('an index is of columns alone only where nothing in it can be a call', () => {
  const ofColumns = (...statements: string[]) =>
    planBuild(statements).steps.flatMap((step) =>
      step.kind === 'indexes' ? step.tasks.map(({ isOfColumns }) => isOfColumns) : [],
    );
  const on = (rest: string, name = 'i') => `CREATE INDEX ${name} ON public.a USING ${rest}`;
  const columns = [
    'btree (x, "Y" DESC NULLS LAST)',
    'gin (x public.gin_trgm_ops)',
    'btree (x COLLATE "C") WITH (fillfactor=\'70\')',
  ];
  assert.deepEqual(ofColumns(...columns.map((rest) => on(rest)), on('btree (x) INCLUDE (y)')), [
    true,
    true,
    true,
    true,
  ]);
  const more = [
    'btree (lower(x))',
    'btree (((x + 1)))',
    'btree (x) WHERE public.f(x)',
    'btree (x) WHERE y',
    "gist (x ops (len='3'))",
  ];
  assert.deepEqual(ofColumns(...more.map((rest) => on(rest)), on('btree (f(x))', '"i USING btree (x)"')), [
    false,
    false,
    false,
    false,
    false,
    false,
  ]);
  const constraint = (what: string) => `ALTER TABLE ONLY public.a\n    ADD CONSTRAINT c ${what}`;
  assert.deepEqual(ofColumns(constraint('UNIQUE (x)'), constraint('EXCLUDE USING gist (public.f(x) WITH &&)')), [
    true,
    false,
  ]);
});

test('a foreign key waits for the indexes that were attached before it', () => {
  const attach = 'ALTER INDEX public.p ATTACH PARTITION public.i';
  assert.deepEqual(steps(FK('b'), attach, FK('c')), [{ references: [FK('b')] }, [attach], { references: [FK('c')] }]);
});

test('what is set first is set in every session, what is set later goes with each statement that follows', () => {
  const set = "SET default_tablespace = ''";
  const plan = planBuild([
    set,
    "SELECT pg_catalog.set_config('search_path', '', false)",
    PK,
    'SET default_tablespace = fast',
    INDEX,
  ]);
  assert.deepEqual(plan.settings, [set, "SELECT pg_catalog.set_config('search_path', '', false)"]);
  assert.deepEqual(
    plan.steps.flatMap((step) => (step.kind === 'indexes' ? step.tasks.map(({ sql }) => sql) : [])),
    [PK, `BEGIN;\nSET LOCAL default_tablespace = fast;\n${INDEX};\nCOMMIT`],
  );
});

test('a foreign key waits for every key that it may refer to, whatever was set before it', () => {
  const set = 'SET default_tablespace = fast';
  assert.deepEqual(steps(PK, set, FK('b'), INDEX), [
    { indexes: [PK, `BEGIN;\nSET LOCAL default_tablespace = fast;\n${INDEX};\nCOMMIT`] },
    { references: [FK('b')] },
  ]);
});

test('what is done as another role is done in one piece, and nothing else as that role', () => {
  const grant = 'GRANT SELECT ON TABLE public.m TO staff';
  const asLead = ['SET SESSION AUTHORIZATION lead', grant, 'RESET SESSION AUTHORIZATION'];
  assert.deepEqual(steps(PK, ...asLead, FK('b')), [{ indexes: [PK] }, [asLead.join(';\n')], { references: [FK('b')] }]);
});

test('tens of thousands of indexes with comments are ordered in one pass', () => {
  const names = Array.from({ length: 40_000 }, (_, i) => `i${i}`);
  const statements = names.flatMap((name) => [
    `CREATE INDEX ${name} ON public.a USING btree (id)`,
    `COMMENT ON INDEX public.${name} IS 'its comment'`,
  ]);
  const before = process.cpuUsage();
  const { steps: planned } = planBuild(statements);
  // of the processor's time, which does not depend on who else has it: one pass takes a tenth of it, a pass for each index ten times
  assert.ok(process.cpuUsage(before).user < 3_000_000);
  assert.deepEqual(
    planned.map((step) => (step.kind === 'in order' ? step.statements.length : step.tasks.length)),
    [40_000, 40_000],
  );
});
