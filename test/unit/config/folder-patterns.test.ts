import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFolderPatterns } from '../../../scripts/lib/config/leave-out.ts';

const read = (text: string, query = '') =>
  readFolderPatterns({ BACKUP_SOURCE_UP_EXCLUDE: text }, 'BACKUP_SOURCE_UP', new URLSearchParams(query));

test('patterns of a folder stand between commas and spaces, and in double quotes where they have such', () => {
  assert.deepEqual(read('cache/, *.log  !keep.log'), ['cache/', '*.log', '!keep.log']);
  assert.deepEqual(read('"My Files/",a"b c"d "say ""x"""'), ['My Files/', 'ab cd', 'say "x"']);
  assert.deepEqual(read('a', 'exclude=b&exclude=*.tmp+c'), ['b', '*.tmp', 'c', 'a']);
  assert.deepEqual(read(''), []);
});

test('a quote without an end, and what is of databases, are refused', () => {
  assert.throws(() => read('"open'), /lacks a closing "/);
  assert.throws(
    () => readFolderPatterns({ BACKUP_SOURCE_UP_EXCLUDE_TABLE: 'x' }, 'BACKUP_SOURCE_UP', new URLSearchParams()),
    /BACKUP_SOURCE_UP_EXCLUDE_TABLE is of databases: use BACKUP_SOURCE_UP_EXCLUDE/,
  );
});
