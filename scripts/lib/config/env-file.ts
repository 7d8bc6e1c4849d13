type Environment = Readonly<Record<string, string | undefined>>;

/** What stands in the environment, without what `docker run --env-file` leaves in it. */
export interface Unquoted {
  readonly environment: Environment;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Set in the image. */
const IN_IMAGE = 'RUNS_IN_IMAGE';

/**
 * `docker run --env-file` passes on each line as it is, with the quotes that every other reader of such a file takes away, and
 * with a comment at its end (https://docs.docker.com/reference/cli/docker/container/run/#env). So do the quoted items of a list
 * under `environment` in a compose file. Quotes around the whole value are taken as those of the file, and what cannot be told
 * apart is a problem. Values that Compose has read from an env file are left as they are.
 *
 * @param isOurs whether a variable is read by this program
 * @param isSecret whether it may hold every character
 */
export function withoutQuotes(
  given: Environment,
  { isOurs, isSecret }: { isOurs(name: string): boolean; isSecret(name: string): boolean },
): Unquoted {
  if (given[IN_IMAGE] === undefined || given.COMPOSE_READ !== undefined) {
    return { environment: given, problems: [], warnings: [] };
  }
  const environment = { ...given };
  const problems: string[] = [];
  const unquoted: string[] = [];
  for (const [name, text = ''] of Object.entries(given)) {
    if (!isOurs(name)) continue;
    const [, single, double] = /^(?:'([^']*)'|"((?:[^"\\]|\\.)*)")(?:\s+#.*)?\s*$/.exec(text) ?? [];
    if (double !== undefined && /[$\\]/.test(double)) {
      problems.push(
        `${name} is in double quotes, with a $ or \\ in it, and docker run --env-file leaves it so; write it in single quotes`,
      );
    } else if (single !== undefined || double !== undefined) {
      environment[name] = single ?? double;
      unquoted.push(name);
    } else if (!isSecret(name) && /\s#/.test(text)) {
      problems.push(
        `${name} ends in a comment, which docker run --env-file takes for a part of the value; write the comment on a line of its own`,
      );
    }
  }
  return { environment, problems, warnings: ambiguous(unquoted, isSecret) };
}

/** Several values in quotes are a file's. One secret alone may have them by right. */
function ambiguous(unquoted: readonly string[], isSecret: (name: string) => boolean): string[] {
  const [only, ...others] = unquoted;
  if (only === undefined || others.length > 0 || !isSecret(only)) return [];
  return [
    `${only}: the quotes around it are taken as those of an env file, and are no part of it; give a secret with quotes of its own in a file (${only}_FILE)`,
  ];
}
