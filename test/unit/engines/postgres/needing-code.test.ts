import assert from 'node:assert/strict';
import { test } from 'node:test';
import { worksWith as worksWithOfMariaDb } from '../../../../scripts/lib/engines/mariadb/dump/needing-code.ts';
import { worksWith } from '../../../../scripts/lib/engines/postgres/dump/needing-code.ts';

test('a function of PostgreSQL works with a table that its text reads or changes, however that is written', () => {
  const logs = { schema: 'public', relation: 'logs' };
  for (const text of [
    'select 1 from logs',
    'SELECT 1 FROM ONLY public . "logs" l',
    'insert into logs(id) values (1)',
    'update logs set a = 1',
    'select from x join logs using (id)',
  ])
    assert.equal(worksWith(text, logs), true, text);
  for (const text of ['select logs from x', 'select 1 from logs_2', 'select 1 from audit.logs', 'select * from logs()'])
    assert.equal(worksWith(text, logs), false, text);
});

test('a routine of MariaDB works with a table that its text reads or changes, however that is written', () => {
  const works = (text: string, ignoresCase = false) => worksWithOfMariaDb(text, 'logs', 'shop', ignoresCase);
  for (const text of [
    'return (select count(*) from logs)',
    'INSERT IGNORE INTO `shop`.`logs` VALUES (1)',
    'insert logs values (1)',
    'delete from logs where 1',
    'update low_priority logs set a = 1',
  ])
    assert.equal(works(text), true, text);
  for (const text of [
    'select logs from x',
    "select 'from logs'",
    'select 1 from logs_2 -- from logs',
    'select 1 from other.logs',
    'select 1 from LOGS',
  ])
    assert.equal(works(text), false, text);
  assert.equal(works('select 1 from LOGS', true), true);
});
