/** What a child is given of this process's environment. Credentials of the storage are not among it. */
const PASSED_ON = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'LD_LIBRARY_PATH'] as const;

let inherited: Readonly<Record<string, string>> = {};

/** Tells this module once, from the one reader of the environment, which environment children start from. */
export function setChildEnvironment(environment: Readonly<Record<string, string | undefined>>): void {
  inherited = Object.fromEntries(
    PASSED_ON.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
}

/** The environment of a child: the few inherited variables and what the stage adds. */
export function childEnvironment(added: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...inherited, ...added };
}
