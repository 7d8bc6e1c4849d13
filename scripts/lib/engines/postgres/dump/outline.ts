import { messageOf } from '../../../errors.ts';
import { type Outline, outlineLine } from '../../../repository/outline.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, sqlState } from '../server/connection.ts';

const OF_USERS = (schema: string, object: string, catalog: string) =>
  `${schema}.nspname <> 'information_schema' and ${schema}.nspname !~ '^pg_'
   and not exists (select from pg_depend e where e.classid = '${catalog}'::regclass and e.objid = ${object}.oid and e.deptype = 'e')`;

const agg = (what: string, from: string, order = what) =>
  `(select string_agg(${what}, E'\\n' order by ${order}) from ${from})`;

/** @param size how many bytes a relation takes: `t.oid` is what it is asked about */
const relations = (versionNum: number, size: string) => `
  with t as (
    select c.*, format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'f', 'm', 'v') and c.relpersistence <> 't' and ${OF_USERS('n', 'c', 'pg_class')})
  select name, case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'table' end as kind,
    case when relkind in ('r', 'm') then ${size} end::text as bytes,
    ${agg(
      `concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
        ${versionNum >= 120_000 ? 'a.attgenerated' : "''"}, (select collname from pg_collation o where o.oid = a.attcollation), pg_get_expr(d.adbin, d.adrelid))`,
      `pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
       where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped`,
      'a.attnum',
    )} as columns,
    ${agg("conname || ' ' || pg_get_constraintdef(k.oid)", 'pg_constraint k where k.conrelid = t.oid')} as constraints,
    ${agg('pg_get_indexdef(i.indexrelid)', 'pg_index i where i.indrelid = t.oid')} as indexes,
    concat_ws(E'\\n',
      case when relkind in ('v', 'm') then pg_get_viewdef(t.oid) end,
      ${agg("g.tgenabled::text || ' ' || pg_get_triggerdef(g.oid)", 'pg_trigger g where g.tgrelid = t.oid and not g.tgisinternal')},
      ${agg(
        `concat_ws(' ', p.polname, p.polcmd, p.polpermissive, (select string_agg(pg_get_userbyid(r), ',' order by r) from unnest(p.polroles) r),
          pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))`,
        'pg_policy p where p.polrelid = t.oid',
      )},
      ${agg('pg_get_ruledef(w.oid)', "pg_rewrite w where w.ev_class = t.oid and w.rulename <> '_RETURN'")},
      ${agg('h.inhparent::regclass::text', 'pg_inherits h where h.inhrelid = t.oid')},
      case when relkind = 'p' then pg_get_partkeydef(t.oid) end, pg_get_expr(relpartbound, t.oid),
      reloptions::text, relpersistence, relrowsecurity, relforcerowsecurity) as rules,
    concat_ws(E'\\n', pg_get_userbyid(relowner), relacl::text) as rights
  from t`;

const FUNCTIONS = `
  select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as name,
    case when p.prokind = 'p' then 'procedure' when p.prokind = 'a' then 'aggregate' else 'function' end as kind, null as bytes,
    concat_ws(E'\\n', prosrc, probin, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), provolatile, prosecdef,
      proisstrict, proparallel, proconfig::text, prolang) as body,
    concat_ws(E'\\n', pg_get_userbyid(proowner), proacl::text) as rights
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where ${OF_USERS('n', 'p', 'pg_proc')}`;

/** Of whole texts the server sends the start of a digest alone. */
const digested = (query: string, respects: readonly string[]) =>
  `select kind, name, bytes, ${respects.map((each) => `left(md5(${each}), 8) as ${each}`).join(', ')} from (${query}) o`;

const OF_RELATIONS = ['columns', 'constraints', 'indexes', 'rules', 'rights'] as const;

/** Asking for a size waits for who has the relation for himself: for so long. */
const LOCK_WAIT = '1s';
const EXACT = 'pg_total_relation_size(t.oid)';
/** As the server last estimated, without the indexes. */
const ESTIMATED = "t.relpages::bigint * current_setting('block_size')::bigint";

/**
 * What the database has at this moment, for later comparisons. Waits for nobody, and where it cannot be had there is none.
 * The connection is in no transaction.
 */
export async function readOutline(connection: Connection): Promise<Outline | undefined> {
  for (const size of [EXACT, ESTIMATED]) {
    try {
      await connection.query(`begin read only; set local lock_timeout = '${LOCK_WAIT}'`);
      const rows = await connection.query<Row>(digested(relations(connection.serverVersionNum, size), OF_RELATIONS));
      // prokind came with PostgreSQL 11
      if (connection.serverVersionNum >= 110_000)
        rows.push(...(await connection.query<Row>(digested(FUNCTIONS, ['body', 'rights']))));
      await connection.query('commit');
      return Object.fromEntries(
        rows.map(({ kind, name, bytes, ...parts }) => [`${kind} ${name}`, lineOf(bytes, parts)]),
      );
    } catch (error) {
      // without an answer of the server's there is no session any more
      if (sqlState(error) === undefined || /^(08|57)/.test(sqlState(error) ?? '')) throw error;
      await connection.query('rollback');
      const isLocked = sqlState(error) === '55P03';
      if (isLocked && size === EXACT) continue;
      log.warn(
        `diff will know the rows of this backup alone, for its definitions could not be read: ${messageOf(error)}`,
      );
      return undefined;
    }
  }
  return undefined;
}

type Row = Record<string, string | null> & { kind: string; name: string; bytes: string | null };

function lineOf(bytes: string | null, parts: Readonly<Record<string, string | null>>): string {
  const known = Object.entries(parts).filter((part): part is [string, string] => part[1] !== null);
  return outlineLine({ ...(bytes === null ? {} : { bytes: Number(bytes) }), parts: Object.fromEntries(known) });
}
