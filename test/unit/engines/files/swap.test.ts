import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { besidePath, listBeside, lookAt, type Place } from '../../../../scripts/lib/engines/files/swap/place.ts';
import { completeSwap, isHalfSwapped, swap } from '../../../../scripts/lib/engines/files/swap/swap.ts';
import { temporaryFolder } from '../../../support/folders.ts';
import { lookInto } from '../../../support/trees.ts';

const KILLED = fileURLToPath(new URL('../../../support/swap-until.ts', import.meta.url));
const AT = new Date('2026-01-02T03:04:05Z');

/** A live folder and one that is to take its place, in the role that it has before. */
function scene(isInside: boolean, keptAs: 'previous' | 'undone') {
  const live = join(temporaryFolder(), 'uploads');
  mkdirSync(join(live, 'folder'), { recursive: true });
  for (const name of ['a', 'b', 'folder/c']) writeFileSync(join(live, name), `old ${name}`);
  writeFileSync(Buffer.concat([Buffer.from(`${live}/`), Buffer.from([0xff])]), 'old bytes');
  const place: Place = { ...lookAt(live), isInside };
  const next = besidePath(place, keptAs === 'undone' ? 'previous' : 'restoring', AT);
  mkdirSync(join(next, 'folder'), { recursive: true });
  for (const name of ['a', 'new', 'folder/d']) writeFileSync(join(next, name), `new ${name}`);
  return { live, place, next, old: lookInto(live), fresh: lookInto(next) };
}

/** The folder's own time goes with what is moved in and out of it. */
const withoutRoot = (listing: string) =>
  listing
    .split('\n')
    .filter((line) => !line.startsWith('|d|'))
    .join('\n');

for (const mode of ['beside', 'inside']) {
  for (const keptAs of ['previous', 'undone'] as const) {
    describe(`a swap ${mode}, keeping the ${keptAs} one`, () => {
      const isInside = mode === 'inside';

      test('puts the one in place of the other and keeps that', () => {
        const { live, place, next, old, fresh } = scene(isInside, keptAs);
        const kept = swap(place, next, keptAs);
        assert.equal(lookInto(live), fresh);
        assert.equal(withoutRoot(lookInto(kept ?? '')), withoutRoot(old));
        assert.deepEqual(
          listBeside(place).map(({ path, role }) => [path, role]),
          [[kept, keptAs]],
        );
        assert.equal(isHalfSwapped(place), false);
      });

      test('killed at any step is completed, or is as if it had not begun', () => {
        let outcomes = '';
        for (let steps = 0; ; steps += 1) {
          const { live, place, next, old, fresh } = scene(isInside, keptAs);
          const args = ['--import', 'tsx', KILLED, live, next, keptAs, mode, String(steps)];
          const { signal, status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
          if (signal !== 'SIGKILL') {
            assert.equal(status, 0, stderr);
            break;
          }
          completeSwap(lookAt(live).kind === 'missing' ? lookAt(live) : { ...lookAt(live), isInside });
          const found = withoutRoot(lookInto(live));
          const isNew = found === withoutRoot(fresh);
          assert.ok(isNew || found === withoutRoot(old), `after ${steps} renames: ${found}`);
          outcomes += isNew ? 'n' : 'o';
          const rest = listBeside(place);
          assert.equal(rest.length, 1, `after ${steps} renames`);
          const [other] = rest;
          assert.equal(withoutRoot(lookInto(other?.path ?? '')), withoutRoot(isNew ? old : fresh));
          // what had not begun is where it was: a leftover of a restore, or what an undo may still take back
          assert.equal(other?.role, isNew ? keptAs : keptAs === 'undone' ? 'previous' : 'restoring');
        }
        // before anything live was touched it is taken back, and from then on it leads on
        assert.match(outcomes, isInside ? /^on{8,}$/ : /^oon$/);
      });

      test('killed again while it is completed, is completed by the next one', () => {
        const { live, next, fresh } = scene(isInside, keptAs);
        const args = ['--import', 'tsx', KILLED, live, next, keptAs, mode, isInside ? '4' : '2'];
        assert.equal(spawnSync(process.execPath, args).signal, 'SIGKILL');
        for (let attempt = 0; attempt < 20; attempt += 1) {
          let renames = 0;
          try {
            completeSwap(lookAt(live), (from, to) => {
              if (renames === 1) throw new Error('gone');
              renames += 1;
              renameSync(from, to);
            });
            break;
          } catch (error) {
            if (!(error instanceof Error) || error.message !== 'gone') throw error;
          }
        }
        assert.equal(withoutRoot(lookInto(live)), withoutRoot(fresh));
        assert.equal(isHalfSwapped(lookAt(live)), false);
      });
    });
  }
}

describe('a swap', () => {
  for (const isInside of [false, true]) {
    test(`that cannot be done is taken back: ${isInside ? 'inside' : 'beside'}`, () => {
      const { live, place, next, old, fresh } = scene(isInside, 'previous');
      let renames = 0;
      const failing = () =>
        swap(place, next, 'previous', (from, to) => {
          renames += 1;
          if (renames === 3) throw Object.assign(new Error('EXDEV: cross-device link'), { code: 'EXDEV' });
          renameSync(from, to);
        });
      assert.throws(failing, /cannot be replaced: EXDEV/);
      assert.equal(withoutRoot(lookInto(live)), withoutRoot(old));
      assert.equal(withoutRoot(lookInto(next)), withoutRoot(fresh));
      assert.equal(listBeside(place).length, 1);
    });
  }

  test('keeps what somebody created again in the meantime', () => {
    const { live, next } = scene(false, 'previous');
    spawnSync(process.execPath, ['--import', 'tsx', KILLED, live, next, 'previous', 'beside', '2']);
    assert.equal(existsSync(live), false);
    mkdirSync(live);
    writeFileSync(join(live, 'made anew'), 'x');
    completeSwap(lookAt(live));
    assert.equal(readFileSync(join(live, 'new'), 'utf8'), 'new new');
    const kept = readdirSync(dirname(live)).filter((name) => name !== 'uploads');
    assert.equal(kept.length, 2);
    assert.ok(kept.some((name) => existsSync(join(dirname(live), name, 'made anew'))));
    assert.ok(kept.some((name) => existsSync(join(dirname(live), name, 'b'))));
  });

  test('keeps, in a mount point, what somebody created again in the meantime', () => {
    const { live, place, next } = scene(true, 'previous');
    spawnSync(process.execPath, ['--import', 'tsx', KILLED, live, next, 'previous', 'inside', '6']);
    writeFileSync(join(live, 'a'), 'made anew');
    completeSwap(place);
    assert.equal(readFileSync(join(live, 'a'), 'utf8'), 'new a');
    const [kept] = listBeside(place);
    const texts = readdirSync(kept?.path ?? '').flatMap((name) =>
      name.startsWith('a') ? [readFileSync(join(kept?.path ?? '', name), 'utf8')] : [],
    );
    assert.deepEqual(texts.sort(), ['made anew', 'old a']);
  });
});
