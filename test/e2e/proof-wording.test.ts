import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { startPostgres } from '../support/postgres.ts';
import { backUpAndLoad } from '../support/proof.ts';

const { postgres, missing } = await startPostgres();
const WORDINGS = readFileSync(new URL('../support/wordings.sql', import.meta.url), 'utf8');

describe('the proof of content', { skip: missing }, () => {
  test('knows definitions that the server writes in other words once they have been loaded', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(database, WORDINGS);
    const loaded = await backUpAndLoad(postgres.env(database));
    assert.notEqual(await postgres.dump(loaded.staging), await postgres.dump(database), 'they are in other words');
    assert.deepEqual(await loaded.failures(), {});
    await postgres.sql(loaded.staging, 'alter table wordings drop constraint wordings_a_check');
    await postgres.sql(loaded.staging, 'alter table wordings add check (a between 1 and 6 and a <> 3)');
    assert.match((await loaded.failures()).definitions ?? '', /wordings/);
    await loaded.close();
  });
});
