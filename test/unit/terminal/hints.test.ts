import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { command, writeHintsFor } from '../../../scripts/lib/terminal/hints.ts';

afterEach(() => writeHintsFor('make'));

test('a hint has the command as its reader can type it: with make, or in the container', () => {
  assert.equal(command('undo'), 'make restore-undo');
  writeHintsFor('compose');
  assert.equal(command('undo'), 'docker compose exec backup restore --undo');
});
