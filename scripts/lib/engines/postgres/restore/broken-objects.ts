import { OperatorError } from '../../../errors.ts';
import type { Connection } from '../server/connection.ts';
import { loadHint } from '../server/load-hints.ts';
import { serverWords, withoutRows } from '../server/server-says.ts';
import { leave } from '../split/build.ts';
import { type LoosenedCheck, putBack, takeTold, validate } from './loosened-checks.ts';
import { saidIn } from './psql-failures.ts';

/** A statement of the dump that the server refused. */
interface Refused {
  readonly statement: string;
  reason: string;
}

/** An object that is not as it was dumped, for the dump's own rows or names do not let it be. */
export interface BrokenObject {
  /** `the index i on public.t`. */
  readonly what: string;
  /** As a dump spells it; empty for what has none. */
  readonly name: string;
  /** The table or domain that it belongs to, likewise. */
  readonly of?: string | undefined;
  /** It is there, for rows that come from now on. */
  readonly isThere: boolean;
  readonly reason: string;
}

/** Without these there are rows missing, or values. */
const HOLDS_DATA =
  /^(COPY|INSERT|CREATE (UNLOGGED )?TABLE|CREATE SEQUENCE|ALTER SEQUENCE|SELECT pg_catalog\.(setval|lo_|lowrite)|DO \$loosen)/i;

/** What a load that goes on without broken objects has met. */
export class BrokenObjects {
  readonly #refused: Refused[] = [];
  readonly #loosened: LoosenedCheck[] = [];
  readonly #broken: BrokenObject[] = [];
  readonly #doom = new AbortController();
  #part: 'message' | 'statement' | 'other' = 'other';
  #message: string[] = [];
  #statement: string[] = [];
  #hidesDetail = false;
  #hasLoosened = false;

  /** Aborts, with the error as its reason, when rows are lost: what is loaded then is not needed. */
  get doom(): AbortSignal {
    return this.#doom.signal;
  }

  /** The objects, once `mend` has done what can be done. */
  get broken(): readonly BrokenObject[] {
    return this.#broken;
  }

  /** Whether a definition is that of one of them, by what a dump's comments call it: `INDEX public.i`, `TABLE public.t`. */
  isOf(object: string): boolean {
    const words = object.split(/[\s.()]+/);
    return this.#broken.some(
      ({ name, of }) =>
        (name !== '' && words.includes(lastOf(name))) ||
        (of !== undefined && /^(TABLE|DOMAIN) /.test(object) && words.at(-1) === lastOf(of)),
    );
  }

  /** A line of what psql writes to its standard error when it goes on after errors and repeats their statements. */
  readonly takeLine = (line: string): boolean => {
    const said = saidIn(line);
    if (said?.kind === 'error') {
      this.#endStatement();
      this.#part = 'message';
      this.#message = [said.text];
      this.#hidesDetail = said.isForeign === true;
    } else if (said?.kind === 'statement') {
      this.#part = 'statement';
      this.#statement = [said.text];
    } else if (said !== undefined) {
      this.#endStatement();
      this.#part = 'other';
      return this.#takeTold(said.text);
    } else if (this.#part === 'message' && !this.#hidesDetail && /^(DETAIL|CONTEXT): /.test(line))
      this.#message.push(line.replace(/ +/g, ' '));
    else if (this.#part === 'statement') this.#statement.push(line);
    else return this.#part === 'message';
    return true;
  };

  #takeTold(message: string): boolean {
    const told = takeTold(message);
    if (told === null) this.#hasLoosened = true;
    else if (told !== undefined) this.#loosened.push(told);
    return told !== undefined;
  }

  #endStatement() {
    if (this.#statement.length > 0) this.refuse(this.#statement.join('\n'), withoutRows(this.#message.join(' ')));
    this.#statement = [];
    this.#message = [];
  }

  /** Takes in a statement that was refused. */
  refuse(statement: string, reason: string): void {
    const sql = statement.trim().replace(/;$/, '');
    if (HOLDS_DATA.test(sql)) {
      const shown = sql.replace(/\s+/g, ' ').slice(0, 120);
      this.#doom.abort(
        new OperatorError('RESTORE_FAILED', `rows would be missing: ${reason} (${shown})`, {
          hint: `Rows are never left out. ${loadHint(reason) ?? ''} The live database is as it was.`.replace('  ', ' '),
        }),
      );
    } else this.#refused.push({ statement: sql, reason });
  }

  /** See Tolerance. */
  keepUnchecked({ table, constraint }: { table: string; constraint: string }, error: unknown): void {
    this.#broken.push({
      what: `the foreign key ${constraint} of ${table}`,
      name: constraint,
      of: table,
      isThere: true,
      reason: reasonOf(error),
    });
  }

  /** When all of a dump has been read. @throws OperatorError when rows would be missing */
  readToEnd(hasRows: boolean): void {
    this.#endStatement();
    this.#doom.signal.throwIfAborted();
    if (hasRows && !this.#hasLoosened)
      throw new OperatorError('RESTORE_FAILED', 'the checks of this dump cannot be left for later', {
        hint: 'Its definitions and rows are not where pg_dump has them: load it by hand with psql. The live database is as it was.',
      });
  }

  /** Tries what was refused once more, and puts the checks back, as far as rows and names let it. */
  async mend(connection: Connection): Promise<void> {
    for (let before = -1; before !== this.#refused.length; ) {
      before = this.#refused.length;
      for (const refused of this.#refused.splice(0)) {
        const reason = await reasonAgainst(connection, refused.statement);
        if (reason !== undefined) this.#refused.push({ ...refused, reason });
      }
    }
    for (const { statement, reason } of this.#refused) {
      if (this.#follows(statement)) continue;
      const isKey = / FOREIGN KEY /.test(statement) && !/ NOT (VALID|ENFORCED)$/.test(statement);
      const isThere = isKey && (await reasonAgainst(connection, `${statement} NOT VALID`)) === undefined;
      this.#broken.push({ ...describe(statement), isThere, reason });
    }
    await this.#putChecksBack(connection);
  }

  /** An owner, a right, a comment of what is missing itself. */
  #follows(statement: string): boolean {
    const isAbout =
      /^(ALTER|COMMENT|GRANT|REVOKE|SECURITY LABEL) /.test(statement) && !/ ADD CONSTRAINT /.test(statement);
    return isAbout && this.#broken.some(({ name, isThere }) => !isThere && name !== '' && statement.includes(name));
  }

  async #putChecksBack(connection: Connection): Promise<void> {
    const lost = new Set<LoosenedCheck>();
    const note = (check: LoosenedCheck, isThere: boolean, error: unknown) =>
      this.#broken.push({
        what: `the check ${check.name} of ${check.of.replace(/^\w+ /, '')}`,
        name: check.name,
        of: check.of.replace(/^\w+ /, ''),
        isThere,
        reason: reasonOf(error),
      });
    for (const check of this.#loosened.toReversed())
      await putBack(connection, check).catch((error: unknown) => {
        lost.add(check);
        note(check, false, error);
      });
    for (const check of this.#loosened.filter((one) => !lost.has(one)))
      await validate(connection, check).catch((error: unknown) => note(check, true, error));
  }
}

async function reasonAgainst(connection: Connection, sql: string): Promise<string | undefined> {
  try {
    await connection.query(sql);
    return undefined;
  } catch (error) {
    const reason = reasonOf(error);
    await leave(connection, sql);
    return reason;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof OperatorError) || error.code !== 'PROCESS_FAILED') throw error;
  return serverWords(error.cause);
}

/** As a sentence, for the log and the result. */
export function describeBroken({ what, isThere, reason }: BrokenObject): string {
  return isThere
    ? `${what} holds for rows from now on alone (NOT VALID), for rows that were dumped break it: ${reason}`
    : `${what} is missing: ${reason}`;
}

/** The last part of a qualified name, without quotes. */
function lastOf(name: string): string {
  const last = /(?:"((?:[^"]|"")*)"|([^".]+))$/.exec(name);
  return last?.[1]?.replaceAll('""', '"') ?? last?.[2] ?? name;
}

const NAME = String.raw`(?:"(?:[^"]|"")*"|[^\s".(]+)`;
const QUALIFIED = `${NAME}(?:\\.${NAME})?`;
/** What a statement makes: `kind`, its name, and what it belongs to. */
const MADE: readonly RegExp[] = [
  new RegExp(`^CREATE (?:UNIQUE )?(?<kind>INDEX) (?<name>${NAME}) ON (?:ONLY )?(?<of>${QUALIFIED})`),
  new RegExp(`^ALTER TABLE (?:ONLY )?(?<of>${QUALIFIED})\\s+ADD CONSTRAINT (?<name>${NAME}) (?<kind>FOREIGN KEY)?`),
  new RegExp(
    `^CREATE (?:OR REPLACE )?(?<kind>(?:MATERIALIZED |RECURSIVE )?VIEW|FUNCTION|PROCEDURE|AGGREGATE|EXTENSION(?: IF NOT EXISTS)?|DOMAIN|TYPE|EVENT TRIGGER) (?<name>${QUALIFIED})`,
  ),
  new RegExp(
    `^CREATE (?:CONSTRAINT )?(?<kind>TRIGGER|POLICY|RULE) (?<name>${NAME}) [\\s\\S]*?\\b(?:ON|TO) (?<of>${QUALIFIED})`,
  ),
  new RegExp(`^REFRESH MATERIALIZED VIEW (?<name>${QUALIFIED})`),
];

/** What a statement makes, as people call it. */
function describe(whole: string): { what: string; name: string; of?: string | undefined } {
  const statement = whole.replace(/^BEGIN;\n(?:(?:SET|SELECT)[^\n]*;\n)*/, '').replace(/;\nCOMMIT$/, '');
  for (const pattern of MADE) {
    const { kind, name = '', of } = pattern.exec(statement)?.groups ?? {};
    if (name === '') continue;
    if (statement.startsWith('REFRESH')) return { what: `the content of the materialized view ${name}`, name };
    const called = (kind ?? 'constraint').replace(' IF NOT EXISTS', '').toLowerCase();
    const belongs = of === undefined ? '' : ` ${kind === 'INDEX' || kind === 'TRIGGER' ? 'on' : 'of'} ${of}`;
    return { what: `the ${called} ${name}${belongs}`, name, of };
  }
  const shown = statement.replace(/\s+/g, ' ');
  return { what: `what this makes or sets (${shown.slice(0, 120)})`, name: '' };
}
