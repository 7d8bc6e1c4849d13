/** What came of comparing what a database needs of its server. */
export interface GlobalsComparison {
  readonly compared: number;
  readonly differences: readonly string[];
  readonly notCompared: readonly { readonly what: string; readonly why: string }[];
}

/** A setting that would let nobody in where its library is not there. */
const PRELOADED = /^alter (?:database|role) .* set "?(?:session|local)_preload_libraries"? to /i;

/** By which a statement is known to be about a role: `do` blocks that make it where it is missing, and plain ones. */
const ROLE = [
  /rolname = '{1,2}([^']+)'/,
  /^(?:create|alter|comment on|security label for \S+ on) role (?:"((?:[^"]|"")*)"|([^\s";]+))/i,
  /^grant (?![^;]* on database )[^;]* to (?:"((?:[^"]|"")*)"|([^\s";]+))(?: with| granted|$)/i,
];

/**
 * What was stored beside the dump against what ours writes of the server restored on, statement by statement. Roles that
 * the server had are left as they are by a restore: they are told of.
 * @param rolesBefore those that the server had
 */
export function describeGlobals(
  expected: string | undefined,
  restored: string | undefined,
  rolesBefore: readonly string[] = [],
): GlobalsComparison {
  if (expected === undefined || restored === undefined) return { compared: 0, differences: [], notCompared: [] };
  const [wanted, found] = [statementsOf(expected), statementsOf(restored)];
  const differences: string[] = [];
  const notCompared: { what: string; why: string }[] = [];
  for (const statement of new Set([...wanted, ...found])) {
    if (wanted.includes(statement) && found.includes(statement)) continue;
    const side = wanted.includes(statement) ? 'missing' : 'besides';
    const role = roleOf(statement);
    if (side === 'missing' && PRELOADED.test(statement)) {
      notCompared.push({
        what: discreet(statement),
        why: 'its library is not on this server, and was left out with a word',
      });
    } else if (role !== undefined && rolesBefore.includes(role)) {
      if (side === 'missing')
        notCompared.push({ what: `role ${role}`, why: 'the server had it already, and it is left as it is' });
    } else differences.push(`${side}: ${discreet(statement)}`);
  }
  return { compared: wanted.length, differences, notCompared };
}

/** A setting of a role in the database belongs to the database, whoever made the role. */
const IN_DATABASE = /^alter role (?:"(?:[^"]|"")*"|[^\s";]+) in database /i;

function roleOf(statement: string): string | undefined {
  if (IN_DATABASE.test(statement)) return undefined;
  for (const pattern of ROLE) {
    const found = pattern.exec(statement);
    const name = found?.[1] ?? found?.[2];
    if (name !== undefined) return name.replaceAll('""', '"');
  }
  return undefined;
}

/** Each statement of globals stands on lines of its own, between psql's commands and what asks for their conditions. */
function statementsOf(globals: string): string[] {
  return globals
    .split(/;\n/)
    .map((statement) =>
      statement
        .split('\n')
        .filter((line) => !/^(--|\\)|\\gset$/.test(line))
        .join('\n')
        .trim(),
    )
    .filter((statement) => statement !== '' && !/^(re)?set role\b/.test(statement));
}

const discreet = (statement: string) => statement.replaceAll(/password\s+\S+/gi, 'password …');
