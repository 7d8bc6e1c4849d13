#!/usr/bin/env tsx
import { loadResolved, type Resolved } from './lib/config/config.ts';
import { type CopySettings, isOfCopy, lockText } from './lib/config/copies.ts';
import { retentionFor, rpoTargetFor } from './lib/config/own-settings.ts';
import { isSecretName, type Origin } from './lib/config/settings.ts';
import { VARIABLES, type Variable } from './lib/config/variables.ts';
import { EXIT } from './lib/errors.ts';
import { formatDuration } from './lib/quantities.ts';
import type { RetentionPolicy } from './lib/repository/retention.ts';
import type { Source } from './lib/source.ts';
import { log, print, printJson, redact } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
config  [--json]

Shows every setting in force, where it comes from, and what is to be backed up. Secrets are not shown. Connects to nothing.

  --json   one JSON document: {variables: [{name, value, secret, origin, where}], sources: [{name, engine, host, port,
           database, user, hasPassword, format, compression, schedule, retention, rpoTargetMs, rtoTargetMs, drill, job,
           variable}], storage, copies, encrypted, warnings}

Exit codes: 0 the configuration is valid, 2 it is not, or wrong usage.`;

const DEFAULT: Origin = { kind: 'default', where: 'default' };
const HIDDEN = '[secret]';

await main({
  help,
  options: {},
  allowPositionals: false,
  run: async ({ json }) => {
    const resolved = loadResolved();
    const document = describe(resolved);
    if (json) printJson(document);
    else show(document);
    return EXIT.done;
  },
});

function describe({ config, settings }: Resolved) {
  const { env, origins, warnings } = settings;
  const names = [
    ...Object.keys(VARIABLES),
    ...Object.keys(env)
      .filter((name) => name.startsWith('BACKUP_SOURCE_') || isOfCopy(name))
      .sort(),
  ];
  const variables = names.map((name) => {
    const variable: Variable<unknown> | undefined = VARIABLES[name as keyof typeof VARIABLES];
    const text = env[name] ?? variable?.default;
    const origin = env[name] === undefined ? DEFAULT : (origins.get(name) ?? DEFAULT);
    const secret = isSecretName(name);
    return {
      name,
      value: text === undefined ? null : secret ? HIDDEN : text,
      secret,
      origin: origin.kind,
      where: origin.where,
    };
  });
  return {
    variables,
    sources: config.sources.map((source) => ({ ...describeSource(source), ...describeRules(config, source) })),
    storage: describeStorage(config.repository.storage),
    copies: config.copies.map(describeCopy),
    encrypted: config.repository.encryption.recipients.length > 0,
    warnings,
  };
}

type Described = ReturnType<typeof describe>;

function describeStorage(storage: Resolved['config']['repository']['storage']) {
  if (storage.kind === 'directory') return { kind: storage.kind, path: storage.path };
  const { kind, endpoint, region, bucket } = storage;
  return { kind, endpoint: endpoint ?? null, region, bucket };
}

function describeCopy({ name, variable, storage, prefix, retention, hasLog, ...rest }: CopySettings) {
  return {
    name,
    variable,
    storage: describeStorage(storage),
    prefix,
    retention,
    wal: hasLog,
    lock: storage.kind === 's3' && storage.lock ? lockText(storage.lock) : null,
    maxRate: rest.uploadBytesPerSecond ?? null,
    rpoTargetMs: rest.rpoTargetMs ?? null,
  };
}

function describeSource(source: Source) {
  const { name, engine, format, compression, variable } = source;
  const method = compression.level === undefined ? compression.method : `${compression.method}:${compression.level}`;
  return {
    name,
    engine,
    ...(source.engine === 'files'
      ? { host: '', port: 0, database: source.path, user: '', hasPassword: false }
      : {
          host: source.host,
          port: source.port,
          database: source.database,
          user: source.user,
          hasPassword: source.password !== undefined,
        }),
    format,
    compression: method,
    variable,
  };
}

/** What is judged and kept of a source, whether it says so itself or all do. */
function describeRules(config: Resolved['config'], source: Source) {
  const { own, name } = source;
  return {
    schedule: (own?.schedule ?? config.values.BACKUP_SCHEDULE).text,
    retention: retentionFor(config, name),
    rpoTargetMs: rpoTargetFor(config, source),
    rtoTargetMs: own?.rtoTargetMs ?? config.values.RTO_TARGET,
    drill: own?.isDrilled !== false,
    job: own?.schedule === undefined ? null : jobLabels(name, own.schedule.ofelia),
  };
}

/** The labels of the backup container by which Ofelia backs up one source at times of its own. */
function jobLabels(source: string, schedule: string): string[] {
  const job = `ofelia.job-exec.backup-${source}`;
  return [
    `${job}.schedule: ${JSON.stringify(schedule)}`,
    `${job}.command: backup ${source}`,
    `${job}.user: postgres`,
    `${job}.no-overlap: "true"`,
  ];
}

function show({ variables, sources, storage, copies, encrypted, warnings }: Described): void {
  printTable(
    ['variable', 'value', 'from'],
    variables.map(({ name, value, where }) => [name, value ?? '–', value === null ? '' : where]),
  );
  print('');
  printTable(
    ['source', 'kind', 'what', 'user', 'password', 'format', 'variable'],
    sources.map(({ name, engine, host, port, database, user, hasPassword, format, compression, variable }) => [
      name,
      engine,
      engine === 'files' ? database : `${host}:${port}/${database}`,
      user,
      hasPassword ? 'set' : '–',
      `${format}, ${compression}`,
      variable,
    ]),
  );
  print('');
  printTable(
    ['source', 'schedule', 'keeps', 'RPO', 'RTO', 'drill'],
    sources.map(({ name, schedule, retention, rpoTargetMs, rtoTargetMs, drill }) => [
      name,
      schedule,
      `${rulesOf(retention)}, at least ${retention.minBackups}`,
      formatDuration(rpoTargetMs),
      formatDuration(rtoTargetMs),
      drill ? 'yes' : 'no',
    ]),
  );
  for (const { name, job } of sources) {
    if (job === null) continue;
    print(`\nlabels of the backup container for the schedule of ${name}:`);
    for (const label of job) print(`  ${label}`);
  }
  print('');
  print(`stored in ${placeOf(storage)}`);
  for (const { name, storage, prefix, retention, lock } of copies) {
    const where = `${placeOf(storage)}${prefix === '' ? '' : `, under ${prefix}/`}`;
    print(`copied to ${where}, as ${name}: keeps ${rulesOf(retention)}${lock === null ? '' : `, locked (${lock})`}`);
  }
  print(encrypted ? 'encrypted before they leave this machine' : 'not encrypted: BACKUP_AGE_RECIPIENTS is not set');
  for (const warning of warnings) log.warn(warning);
}

function placeOf(storage: Described['storage']): string {
  return storage.kind === 'directory'
    ? `the directory ${storage.path}`
    : `the bucket ${storage.bucket} at ${storage.endpoint ?? 'Amazon'}, region ${storage.region}`;
}

function rulesOf({ keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly }: RetentionPolicy): string {
  const rules = Object.entries({
    last: keepLast,
    hourly: keepHourly,
    daily: keepDaily,
    weekly: keepWeekly,
    monthly: keepMonthly,
    yearly: keepYearly,
  }).filter(([, count]) => count !== 0);
  if (rules.length === 0) return 'everything';
  return rules.map(([rule, count]) => `${count === -1 ? 'all' : count} ${rule}`).join(', ');
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const shown = [head, ...rows].map((row) => row.map((cell) => redact(cell).replaceAll('\n', ' ')));
  const widths = head.map((_, column) => Math.max(...shown.map((row) => (row[column] ?? '').length)));
  for (const row of shown)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}
