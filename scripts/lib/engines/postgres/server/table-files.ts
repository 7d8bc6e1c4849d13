import type { Connection } from './connection.ts';

/** Which file a table's rows lie in: `pg_class.relfilenode`, which TRUNCATE and what writes a table anew change. */
export interface TableFile {
  /** `public.orders`, quoted where SQL would want it. */
  readonly table: string;
  readonly file: string;
}

/** The files of the connection's database, as its transaction sees them. */
export function tableFiles(connection: Connection): Promise<TableFile[]> {
  return connection.query<TableFile>(`
    select format('%I.%I', n.nspname, c.relname) as table, pg_relation_filenode(c.oid)::text as file
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and pg_relation_filenode(c.oid) is not null
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1`);
}
