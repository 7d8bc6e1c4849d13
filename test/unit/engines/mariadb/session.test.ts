import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LOADING, settingsFor, settingsForReading } from '../../../../scripts/lib/engines/mariadb/server/session.ts';

describe('what a session of MariaDB is given', () => {
  test('tables are loaded into the engine, and as compressed, as their definition says, whatever the server would have', () => {
    const variables = (engine: string) =>
      new Map([
        ['innodb_compression_default', 'ON'],
        ['enforce_storage_engine', engine],
      ]);
    assert.match(settingsFor(variables('MyISAM'), LOADING), /session innodb_compression_default = 0/);
    assert.match(settingsFor(variables('MyISAM'), LOADING), /session enforce_storage_engine = NULL/);
    // who may not set it is not made to
    assert.doesNotMatch(settingsFor(variables(''), LOADING), /enforce_storage_engine/);
  });

  test('names stand in quotes in a dump, also those of sequences', () => {
    const usual = new Map([
      ['sql_select_limit', '18446744073709551615'],
      ['sql_quote_show_create', 'ON'],
    ]);
    assert.equal(settingsForReading(usual), undefined);
    assert.match(
      settingsForReading(new Map([...usual, ['sql_quote_show_create', 'OFF']])) ?? '',
      /SESSION sql_quote_show_create = 1/,
    );
  });
});
