import { type Candidate, CREATE, dump, type Place, PSQL } from './candidate.ts';

const SECRET = 'bench';
/** What the last of a repository's commands is to say nothing to. */
const QUIET = '>/dev/null 2>&1';

/** Tools that keep a repository of what they are given; the dump goes in by standard input. */
export const TOOLS: readonly Candidate[] = [
  {
    name: 'pg_dump | restic --stdin',
    needs: ['restic'],
    script: (place) => `restic -q -r ${place.out} init && ${dump(place)} | restic -q -r ${place.out} backup --stdin`,
    env: () => ({ RESTIC_PASSWORD: SECRET }),
    afterwards: {
      restore: ({ out }) => `${CREATE} && restic -q -r ${out} dump latest stdin | ${PSQL}`,
      listed: ({ out }) => `restic -r ${out} snapshots --json | grep -q '"id"'`,
    },
  },
  {
    name: 'pg_dump | kopia --stdin-file',
    needs: ['kopia'],
    script: (place) =>
      `kopia repository create filesystem --path=${place.out} ${QUIET} && ${dump(place)} | kopia snapshot create --no-progress --stdin-file=d.sql ${place.database} >/dev/null`,
    env: () => ({ KOPIA_PASSWORD: SECRET, KOPIA_CHECK_FOR_UPDATES: 'false' }),
    afterwards: {
      restore: (place) =>
        `${CREATE} && ${kopiaList(place)} | sed -n 's/.*"obj":"\\([^"]*\\)".*/\\1/p' > root && kopia show "$(cat root)/d.sql" | ${PSQL}`,
      listed: (place) => `${kopiaList(place)} | grep -q '"obj"'`,
    },
  },
];

/** The list of what the repository has. The tool has forgotten where that is: its home is a new one. */
function kopiaList({ out }: Place): string {
  return `kopia repository connect filesystem --path=${out} ${QUIET} && kopia snapshot list --all --json`;
}
