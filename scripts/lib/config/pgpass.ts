import { readText } from './from-files.ts';

interface Connection {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/**
 * The password that libpq would take from this file; undefined when it has none, or is not there.
 * https://www.postgresql.org/docs/current/libpq-pgpass.html
 */
export function passwordFromPassfile(path: string, { host, port, database, user }: Connection): string | undefined {
  let text: string;
  try {
    text = readText(path);
  } catch {
    // as libpq does: the server then says that it wants one
    return undefined;
  }
  const wanted = [host, String(port), database, user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)].map(([, field = '']) =>
      field.replace(/\\(.)/g, '$1'),
    );
    if (fields.length < 5 || !wanted.every((each, index) => fields[index] === '*' || fields[index] === each)) continue;
    return fields[4];
  }
  return undefined;
}
