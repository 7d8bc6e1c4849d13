import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { programVersion } from '../../../scripts/lib/engines/mariadb/server/programs.ts';
import { programVersion as versionOfPostgres } from '../../../scripts/lib/engines/postgres/server/programs.ts';

const SAID: readonly (readonly [who: string, said: string, version: string | undefined])[] = [
  ['dump of Debian 12', 'mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)', '10.11.19'],
  [
    'server of Debian 12',
    'mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)',
    '10.11.19',
  ],
  [
    'client of Debian 13',
    'mariadb from 11.8.9-MariaDB, client 15.2 for debian-linux-gnu (x86_64) using  EditLine wrapper',
    '11.8.9',
  ],
  ['dump of Debian 13', 'mariadb-dump from 11.8.9-MariaDB, client 10.19 for debian-linux-gnu (x86_64)', '11.8.9'],
  [
    'server of Debian 13',
    'mariadbd  Ver 11.8.9-MariaDB-0+deb13u1 from Debian for debian-linux-gnu on x86_64 (-- Please help get to 10k stars)',
    '11.8.9',
  ],
  [
    'server of MariaDB itself',
    'mariadbd  Ver 11.8.3-MariaDB-ubu2404 for debian-linux-gnu on x86_64 (mariadb.org binary distribution)',
    '11.8.3',
  ],
  [
    'server of Ubuntu',
    'mariadbd  Ver 10.11.8-MariaDB-0ubuntu0.24.04.1 for debian-linux-gnu on x86_64 (Ubuntu 24.04)',
    '10.11.8',
  ],
  ['server of Alpine', '/usr/bin/mariadbd  Ver 11.4.5-MariaDB for Linux on x86_64 (Alpine Linux)', '11.4.5'],
  ['client of Alpine', 'mariadb from 11.4.5-MariaDB, client 15.2 for Linux (x86_64) using readline 5.1', '11.4.5'],
  [
    'old client',
    'mysql  Ver 15.1 Distrib 10.3.39-MariaDB, for debian-linux-gnu (x86_64) using readline 5.2',
    '10.3.39',
  ],
  ['dump of MySQL', 'mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)', undefined],
  ['server of MySQL', '/usr/sbin/mysqld  Ver 9.7.4-1 for Linux on x86_64 (Debian)', undefined],
];

describe('what a program of MariaDB says is its version', () => {
  for (const [who, said, version] of SAID) {
    test(`${who}: ${version ?? 'none, it is not of MariaDB'}`, () => {
      const { text, isMariaDb } = programVersion(said);
      assert.equal(isMariaDb, version !== undefined);
      if (version !== undefined) assert.equal(text, version);
    });
  }
});

describe('what a program of PostgreSQL says is its version', () => {
  for (const [said, version] of [
    ['pg_dump (PostgreSQL) 18.1 (Debian 18.1-1.pgdg13+2)', '18.1'],
    ['postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)', '15.14'],
    ['psql (PostgreSQL) 17.6 (Ubuntu 17.6-1.pgdg24.04+1)', '17.6'],
    ['pg_restore (PostgreSQL) 16.10', '16.10'],
    ['initdb (PostgreSQL) 19devel', '19'],
    ['pg_dump (EnterpriseDB) 17.2.0', '17.2'],
    ['pg_dump: command not found', undefined],
  ] as const) {
    test(said, () => assert.equal(versionOfPostgres(said), version));
  }
});
