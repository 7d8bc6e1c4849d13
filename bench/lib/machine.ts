import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { type TestBed, versionLine } from './test-bed.ts';

/** Where and when, and with which programs: without it a figure says nothing. */
export function describeMachine(bed: TestBed): string {
  const system = /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';
  const programs = [
    `PostgreSQL ${bed.serverVersion}`,
    `node ${process.versions.node}`,
    versionLine(bed, 'gzip'),
    ...(bed.has('igzip') ? [versionLine(bed, 'igzip', ['-V'])] : []),
    ...(bed.has('zstd') ? [/v[\d.]+/.exec(versionLine(bed, 'zstd'))?.[0].replace('v', 'zstd ') ?? 'zstd'] : []),
    ...(bed.has('restic') ? [versionLine(bed, 'restic', ['version']).split(' compiled')[0]] : []),
    ...(bed.has('aws') ? [versionLine(bed, 'aws').split(' ')[0]] : []),
    ...(bed.has('mc') ? [versionLine(bed, 'mc').split(' (')[0]] : []),
    ...(bed.has('pigz') ? [versionLine(bed, 'pigz')] : []),
    ...(bed.has('kopia') ? [`kopia ${versionLine(bed, 'kopia').split(' ')[0]}`] : []),
    ...(bed.has('borg') ? [versionLine(bed, 'borg')] : []),
    ...(bed.has('borgmatic') ? [`borgmatic ${versionLine(bed, 'borgmatic')}`] : []),
    ...(bed.has('pgbackrest') ? [versionLine(bed, 'pgbackrest', ['version'])] : []),
    ...(bed.has('barman-cloud-backup') ? [versionLine(bed, 'barman-cloud-backup')] : []),
    ...(bed.has('wal-g') ? [versionLine(bed, 'wal-g')] : []),
    ...(bed.s3 ? ['Garage v2.4.1'] : []),
  ].filter(Boolean);
  return [
    `- date: ${new Date().toISOString().slice(0, 10)}`,
    `- machine: ${cpus().length} × ${cpus()[0]?.model.trim()}, ${(totalmem() / 1e9).toFixed(0)} GB, ${system}, Linux ${release()}`,
    `- programs: ${programs.join(', ')}`,
    `- load of the machine before the run: ${loadavg()[0]?.toFixed(2)}`,
  ].join('\n');
}
