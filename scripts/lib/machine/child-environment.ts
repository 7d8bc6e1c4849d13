/** What a child is given of this process's environment. Credentials of the storage are not among it. */
const PASSED_ON = [
  ...['PATH', 'HOME', 'USER', 'TMPDIR', 'LD_LIBRARY_PATH'],
  // by which a prompt knows the terminal that it was given
  'TERM',
  // an account for a user that has none, as docker/backup/verb.sh makes it
  ...['LD_PRELOAD', 'NSS_WRAPPER_PASSWD', 'NSS_WRAPPER_GROUP'],
] as const;

/**
 * The language and the time zone of the user who runs this, or of the application whose `.env` this is, are no business of
 * programs whose output is read and kept. The one locale that every Linux has; elsewhere names are others.
 */
const FIXED: Readonly<Record<string, string>> =
  process.platform === 'linux' ? { LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TZ: 'UTC' } : { TZ: 'UTC' };

let inherited: Readonly<Record<string, string>> = {};

/** Tells this module once, from the one reader of the environment, which environment children start from. */
export function setChildEnvironment(environment: Readonly<Record<string, string | undefined>>): void {
  inherited = Object.fromEntries(
    PASSED_ON.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
}

/** The environment of a child: the few inherited variables and what the stage adds. */
export function childEnvironment(added: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...inherited, ...FIXED, ...added };
}
