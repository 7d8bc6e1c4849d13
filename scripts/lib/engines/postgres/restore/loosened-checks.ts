import { type Connection, quoteIdentifier, quoteLiteral } from '../server/connection.ts';

/** A check that was taken from its table or domain while rows are loaded. */
export interface LoosenedCheck {
  /** `TABLE public.t`, or `DOMAIN public.d`. */
  readonly of: string;
  readonly name: string;
  readonly definition: string;
  readonly comment: string | null;
}

/** By which the statements say that they have run. */
const DONE = 'LOOSENED null';
const TOLD = 'LOOSENED ';

/** A transaction that takes more at a time would hold more locks than a server has by default. */
const PER_TRANSACTION = 500;

/**
 * Takes the checks of tables and domains away before rows come: PostgreSQL has no other way to let rows in that break one.
 * What an inherited one comes from goes first. Tells of each in a WARNING; see takeTold.
 */
export function loosenChecks(serverVersionNum: number): string {
  // procedures and COMMIT in DO came with PostgreSQL 11
  const commit = serverVersionNum >= 110_000 ? `if n % ${PER_TRANSACTION} = 0 then commit; end if;` : '';
  return `
do $loosen$
declare c record; n integer := 0; before integer;
begin
  loop
    before := n;
    for c in
      select case when con.contypid = 0 then 'TABLE ' || pg_catalog.format('%I.%I', s.nspname, r.relname)
          else 'DOMAIN ' || pg_catalog.format('%I.%I', s.nspname, t.typname) end as of,
        con.conname as name, pg_catalog.pg_get_constraintdef(con.oid) as definition,
        pg_catalog.obj_description(con.oid, 'pg_constraint') as comment
      from pg_catalog.pg_constraint con
        join pg_catalog.pg_namespace s on s.oid = con.connamespace
        left join pg_catalog.pg_class r on r.oid = con.conrelid
        left join pg_catalog.pg_type t on t.oid = con.contypid
      where con.contype = 'c' and con.convalidated and con.coninhcount = 0
        and (con.contypid <> 0 or r.relkind = any (array['r', 'p']::"char"[]))
        and s.nspname <> 'information_schema' and s.nspname !~ '^pg_'
        and not exists (select from pg_catalog.pg_depend d where d.deptype = 'e'
          and d.objid = coalesce(nullif(con.conrelid, 0), con.contypid))
    loop
      begin
        execute pg_catalog.format('alter %s drop constraint %I', c.of, c.name);
        n := n + 1;
        raise warning '${TOLD}%', pg_catalog.row_to_json(c);
      exception when others then null;
      end;
      ${commit}
    end loop;
    exit when n = before;
  end loop;
  raise warning '${DONE}';
end $loosen$;
`;
}

/** What a message of the statements' tells of: a check, or null when all are told; undefined for another message. */
export function takeTold(message: string): LoosenedCheck | null | undefined {
  return message.startsWith(TOLD) ? (JSON.parse(message.slice(TOLD.length)) as LoosenedCheck | null) : undefined;
}

/** Puts one back so that it holds for rows that come from now on. An inherited one comes before what it was inherited from. */
export async function putBack(connection: Connection, { of, name, definition, comment }: LoosenedCheck): Promise<void> {
  const constraint = quoteIdentifier(name);
  await connection.query(`alter ${of} add constraint ${constraint} ${definition} not valid`);
  if (comment !== null) {
    const on = of.replace(/^TABLE /, '');
    await connection.query(`comment on constraint ${constraint} on ${on} is ${quoteLiteral(comment)}`);
  }
}

/** Looks whether the rows that are there keep it. @throws OperatorError when they do not: it then stays as it is */
export async function validate(connection: Connection, { of, name }: LoosenedCheck): Promise<void> {
  await connection.query(`alter ${of} validate constraint ${quoteIdentifier(name)}`);
}
