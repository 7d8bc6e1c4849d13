/** Who reads a hint: somebody with our Makefile, or somebody with the container alone. */
export type Place = 'make' | 'compose';

/** What an operator can be told to run, and how that is written in each place. */
const COMMANDS = {
  base: { make: 'make base', compose: 'docker compose exec backup base' },
  backup: { make: 'make backup', compose: 'docker compose exec backup backup' },
  cleanup: { make: 'make cleanup', compose: 'docker compose exec backup cleanup' },
  cleanupPicked: {
    make: 'make cleanup-picked',
    compose: 'docker compose exec backup cleanup --picked',
  },
  copy: { make: 'make copy', compose: 'docker compose exec backup copy' },
  copyFrom: { make: 'make copy FROM=', compose: 'docker compose exec backup copy --from ' },
  refill: {
    make: 'docker compose exec backup copy --refill',
    compose: 'docker compose exec backup copy --refill',
  },
  verify: { make: 'make verify', compose: 'docker compose exec backup verify' },
  drill: { make: 'make drill', compose: 'docker compose exec backup drill' },
  keygen: { make: 'make keygen', compose: 'docker compose exec backup keygen' },
  list: { make: 'make list-backups', compose: 'docker compose exec backup list' },
  logs: { make: 'make logs-backup', compose: 'docker compose logs backup ofelia' },
  pitrOff: { make: 'make pitr-off', compose: 'docker compose exec backup pitr off' },
  receive: { make: 'make receive', compose: 'docker compose up --detach receiver' },
  receiverLogs: { make: 'docker compose logs receiver', compose: 'docker compose logs receiver' },
  restore: { make: 'make restore', compose: 'docker compose exec backup restore' },
  restoreKey: {
    make: 'make restore FILE=<key or latest>',
    compose: 'docker compose exec backup restore <key or latest>',
  },
  restoreElsewhere: {
    make: 'make restore OTHER_SERVER=yes',
    compose: 'docker compose exec backup restore --other-server',
  },
  undo: { make: 'make restore-undo', compose: 'docker compose exec backup restore --undo' },
  undoServer: {
    make: 'make restore-server-undo',
    compose: 'docker compose run --rm restore-server restore-server --undo',
  },
  status: { make: 'make status', compose: 'docker compose exec backup status' },
  up: { make: 'make up', compose: 'docker compose up --build --detach' },
} as const satisfies Record<string, Record<Place, string>>;

let place: Place = 'make';

/** Tells this module once, from the one place that a run begins at, where commands are typed here. */
export function writeHintsFor(reader: Place): void {
  place = reader;
}

/** The command as the reader of a hint can type it. */
export function command(name: keyof typeof COMMANDS): string {
  return COMMANDS[name][place];
}
