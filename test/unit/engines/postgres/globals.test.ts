import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Membership, neededRoles } from '../../../../scripts/lib/engines/postgres/dump/needed-roles.ts';
import { failuresOf } from '../../../../scripts/lib/engines/postgres/restore/psql-failures.ts';
import { settingsOfGlobals } from '../../../../scripts/lib/engines/postgres/restore/settings-in-force.ts';
import { ungivenOf } from '../../../../scripts/lib/engines/postgres/restore/ungiven.ts';

const roles = ['app', 'staff', 'alice', 'boss', 'other', 'set', 'pg_monitor', 'watcher'].map((name) => ({
  oid: `o_${name}`,
  name,
  hasSettings: name === 'set',
}));
const belongs = (member: string, role: string, grantor = '10', admin = false): Membership => ({
  role: `o_${role}`,
  member: `o_${member}`,
  grantor: grantor === '10' ? grantor : `o_${grantor}`,
  options: { admin_option: admin, inherit_option: true, set_option: true },
});

test('a database needs its owners and grantees, what they belong to, and who belongs to them; not everybody of a group above', () => {
  const memberships = [
    belongs('alice', 'app', 'boss'),
    belongs('boss', 'app', '10', true),
    belongs('app', 'staff'),
    belongs('other', 'staff'),
    belongs('alice', 'pg_monitor'),
    belongs('watcher', 'pg_monitor'),
  ];
  const { needed, further, given } = neededRoles(roles, memberships, new Set(['app']));
  assert.deepEqual(
    needed.map(({ name }) => name),
    ['app', 'staff'],
  );
  assert.deepEqual(
    further.map(({ name }) => name),
    ['alice', 'boss', 'set'],
  );
  // who lets others in has been let in before
  assert.deepEqual(
    given.map(({ member, role }) => `${member.slice(2)} in ${role.slice(2)}`),
    ['boss in app', 'alice in pg_monitor', 'app in staff', 'alice in app'],
  );
});

test('what psql says of a refused statement is read with and without its place', () => {
  assert.deepEqual(
    failuresOf(
      'ERROR:  role "a" does not exist\nSTATEMENT:  alter database "x" owner to "a";\npsql:<stdin>:7: ERROR:  no\nDETAIL:  more\nWARNING:  x',
    ),
    [{ message: 'role "a" does not exist', statement: 'alter database "x" owner to "a";' }, { message: 'no' }],
  );
});

for (const severity of ['ERROR', 'FEHLER', 'ERREUR', 'ОШИБКА', 'エラー', '错误'])
  test(`what a server refuses is seen by its SQLSTATE, in whatever language it says so: ${severity}`, () => {
    const said = [
      `${severity}:  42704: no such role`,
      'DETAIL:  more',
      'LOCATION:  get_role_oid, acl.c:5125',
      'STATEMENT:  alter database "x" owner to "a";',
      'HINWEIS:  00000: a word',
      'WARNUNG:  01000: another',
      `psql:<stdin>:7: ${severity}:  42501: no`,
    ];
    assert.deepEqual(failuresOf(said.join('\n')), [
      { message: 'no such role', statement: 'alter database "x" owner to "a";' },
      { message: 'no' },
    ]);
  });

test('a load goes by the settings of the database, and before them by those of the role that loads', () => {
  const globals = [
    'alter role "app" set "app"."region" to \'us\';',
    'alter role "other" set "app"."region" to \'xx\';',
    'alter role "app" in database :"DBNAME" set "app"."region" to \'eu\';',
    'alter database :"DBNAME" set "app"."region" to \'none\';',
    'alter role "other" in database :"DBNAME" set "app"."region" to \'xx\';',
  ].join('\n');
  const of = (role?: string) => settingsOfGlobals(globals, role).map(({ assignment }) => assignment);
  assert.deepEqual(of(), [`"app"."region" to 'none'`]);
  assert.deepEqual(
    of('app'),
    ['none', 'us', 'eu'].map((value) => `"app"."region" to '${value}'`),
  );
});

test('neither a password nor the value of a setting is repeated', () => {
  for (const statement of [
    `create role "a" with LOGIN PASSWORD 'SCRAM-SHA-256$4096:x';`,
    `do 'begin create role "a" with PASSWORD ''md5''; end';`,
    `alter role "a" with password 'x';`,
  ])
    assert.deepEqual(ungivenOf(statement, 'no'), { what: 'a role or its memberships', reason: 'no', isSetting: false });
  assert.equal(
    ungivenOf(`alter database "m" set "app"."key" to 'secret to me';`, 'no').what,
    'alter database "m" set "app"."key"',
  );
  assert.equal(ungivenOf('alter database "m" owner to "a";', 'no').isSetting, false);
});
