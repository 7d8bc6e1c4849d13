import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Storage, StoredObject } from '../../scripts/lib/storages/storage.ts';
import { collect, generated, keysOf } from '../support/bytes.ts';
import { until } from '../support/sessions.ts';

const MIB = 1024 * 1024;

export interface ContractOptions {
  /** Whether a second put under one key is refused: directories always, stores that honour If-None-Match. */
  readonly refusesOverwrite: boolean;
  /** False leaves the suite out, saying so. */
  readonly skip?: string | false;
}

/** What every storage promises; see scripts/lib/storages/storage.ts. */
export function storageContract(
  name: string,
  open: () => Promise<{ storage: Storage; close(): Promise<void> }>,
  { refusesOverwrite, skip = false }: ContractOptions,
): void {
  describe(name, { skip }, () => {
    let storage: Storage;
    let close: () => Promise<void>;

    before(async () => {
      ({ storage, close } = await open());
    });
    after(async () => {
      await close?.();
    });

    for (const [title, sizeBytes, chunkBytes] of [
      ['an empty object', 0, 1],
      ['a few bytes', 11, 3],
      ['a whole part or two exactly', 16 * MIB, MIB],
      ['that and a byte', 16 * MIB + 1, MIB + 7],
      ['several parts in large chunks', 41 * MIB + 123, 19 * MIB],
    ] as const) {
      test(`stores ${title} and gives back the same bytes`, async () => {
        const key = `sizes/${sizeBytes}.sql`;
        const stored = await storage.put(key, generated(sizeBytes, chunkBytes));
        const found = await collect(await storage.get(key));
        assert.equal(found.length, sizeBytes);
        assert.deepEqual(stored, { sizeBytes, sha256: createHash('sha256').update(found).digest('hex') });
        assert.ok(found.equals(await collect(generated(sizeBytes, chunkBytes))));
      });
    }

    test('gives some bytes of an object, and of those that it does not have none', async () => {
      const sizeBytes = 9 * MIB + 5;
      await storage.put('ranges/x', generated(sizeBytes, MIB));
      const whole = await collect(generated(sizeBytes, MIB));
      for (const [from, to] of [
        [0, 1],
        [1, 2],
        [0, sizeBytes],
        [3, 9 * MIB],
        [4 * MIB, 8 * MIB],
        [8 * MIB, undefined],
        [sizeBytes - 1, undefined],
        [sizeBytes - 1, sizeBytes + 7],
        [sizeBytes, undefined],
        [sizeBytes + 1, sizeBytes + 2],
        [7, 7],
      ] as const) {
        const found = await collect(await storage.get('ranges/x', { range: { from, to } }));
        assert.ok(found.equals(whole.subarray(from, to)), `${from} to ${to}: ${found.length} bytes`);
      }
      await assert.rejects(storage.get('ranges/none', { range: { from: 1, to: 2 } }).then(collect), {
        code: 'NO_SUCH_BACKUP',
      });
    });

    test('takes a body with empty chunks', async () => {
      async function* body() {
        yield new Uint8Array();
        yield Buffer.from('a');
        yield new Uint8Array();
        yield Buffer.from('b');
        yield new Uint8Array();
      }
      assert.equal((await storage.put('chunks/empty', body())).sizeBytes, 2);
      assert.equal((await collect(await storage.get('chunks/empty'))).toString(), 'ab');
    });

    test('keeps keys with spaces, percent signs, plus signs and letters of every alphabet', async () => {
      const keys = [
        'odd/a b.sql',
        'odd/a%20b.sql',
        'odd/a+b.sql',
        'odd/it\'s "<&>".sql',
        'odd/größe.sql',
        'odd/数据.sql',
      ];
      for (const key of keys) await storage.put(key, generated(key.length, 5));
      assert.deepEqual((await keysOf(storage, 'odd/')).sort(), [...keys].sort());
      for (const key of keys) assert.equal((await collect(await storage.get(key))).length, key.length);
      assert.deepEqual(await storage.remove(keys), []);
      assert.deepEqual(await keysOf(storage, 'odd/'), []);
    });

    test('lists keys and sizes in the order of the keys’ bytes, under a prefix that may end inside a name', async () => {
      const keys = [
        'order/a',
        'order/a.x',
        'order/a/b',
        'order/a/b/c',
        'order/a0',
        'order/B',
        'order/é',
        'order/\u{1f418}',
      ];
      const kept = keys.filter((key) => key !== 'order/a' && key !== 'order/a/b');
      for (const key of kept) await storage.put(key, generated(3, 3));
      const inOrder = [...kept].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      assert.deepEqual(await keysOf(storage, 'order/'), inOrder);
      assert.deepEqual(
        await keysOf(storage, 'order/a'),
        inOrder.filter((key) => key.startsWith('order/a')),
      );
      assert.deepEqual(await keysOf(storage, 'order/a/'), ['order/a/b/c']);
      const all: StoredObject[] = [];
      for await (const object of storage.list('order/B')) all.push(object);
      assert.deepEqual(all, [{ key: 'order/B', sizeBytes: 3 }]);
    });

    test('lists nothing, without an error, where nothing is', async () => {
      assert.deepEqual(await keysOf(storage, 'no/such/'), []);
    });

    test('deletes what is there, and counts what is not as deleted', async () => {
      await storage.put('gone/a/b', generated(1, 1));
      await storage.put('gone/a/c', generated(1, 1));
      assert.deepEqual(await storage.remove(['gone/a/b', 'gone/never/was']), []);
      assert.deepEqual(await keysOf(storage, 'gone/'), ['gone/a/c']);
      assert.deepEqual(await storage.remove(['gone/a/c']), []);
      assert.deepEqual(await storage.remove([]), []);
      assert.deepEqual(await keysOf(storage, 'gone/'), []);
    });

    test('says NO_SUCH_BACKUP for a key that is not there', async () => {
      await assert.rejects(storage.get('no/such/key'), {
        name: 'OperatorError',
        code: 'NO_SUCH_BACKUP',
        message: /no\/such\/key/,
      });
    });

    test('refuses keys that are no paths inside it', async () => {
      for (const key of ['', '/a', 'a/', 'a//b', '../a', 'a/../b', './a', 'a/.', 'a\0b', `a/${'b'.repeat(1100)}`]) {
        await assert.rejects(storage.put(key, generated(1, 1)), { code: 'USAGE' }, JSON.stringify(key));
        await assert.rejects(storage.get(key), { code: 'USAGE' }, JSON.stringify(key));
        await assert.rejects(storage.remove([key]), { code: 'USAGE' }, JSON.stringify(key));
      }
      await assert.rejects(keysOf(storage, '../'), { code: 'USAGE' });
    });

    test('never overwrites', { skip: refusesOverwrite ? false : 'this store ignores If-None-Match' }, async () => {
      for (const sizeBytes of [5, 17 * MIB]) {
        const key = `once/${sizeBytes}`;
        const first = await storage.put(key, generated(sizeBytes, MIB));
        await assert.rejects(storage.put(key, generated(sizeBytes + 1, MIB)), { code: 'KEY_EXISTS' });
        const found = await collect(await storage.get(key));
        assert.equal(createHash('sha256').update(found).digest('hex'), first.sha256);
      }
      await nothingUnfinished();
    });

    for (const [title, sizeBytes] of [
      ['before the first byte', 0],
      ['within the first part', 3 * MIB],
      ['after several parts', 50 * MIB],
    ] as const) {
      test(`leaves nothing of a body that throws ${title}`, async () => {
        const error = new Error('pg_dump exited with 1');
        let returned = false;
        async function* body() {
          try {
            yield* generated(sizeBytes, MIB);
            throw error;
          } finally {
            returned = true;
          }
        }
        await assert.rejects(storage.put(`broken/${sizeBytes}`, body()), (thrown) => thrown === error);
        assert.ok(returned);
        await nothingLeft('broken/');
      });

      test(`leaves nothing when it is aborted ${title}, and rejects with the reason`, async () => {
        const abort = new AbortController();
        const reason = new Error('SIGTERM');
        async function* body() {
          yield* generated(sizeBytes, MIB);
          setImmediate(() => abort.abort(reason));
          // a dump that hangs: only the abort can end this
          await sleep(60_000, undefined, { ref: false });
        }
        const put = storage.put(`aborted/${sizeBytes}`, body(), { signal: abort.signal });
        await assert.rejects(put, (thrown) => thrown === reason);
        await nothingLeft('aborted/');
      });
    }

    for (const [title, sizeBytes, known] of [
      ['that fits into a part', 3 * MIB, true],
      ['larger than a part', 19 * MIB, true],
      ['of which nothing is known before', 19 * MIB, false],
    ] as const) {
      const meant = () => digestOf(generated(sizeBytes, MIB));
      const knowing = async (open: () => AsyncIterable<Uint8Array>) =>
        known ? { known: { ...(await meant()), open: async () => open() } } : {};

      test(`stores a body ${title}, and tells what it read before`, async () => {
        const key = `known/${sizeBytes}-${known}`;
        const told: unknown[] = [];
        const body = () => generated(sizeBytes, MIB);
        const stored = await storage.put(key, body(), {
          ...(await knowing(body)),
          check: (read) => told.push(read),
        });
        assert.deepEqual(stored, await meant());
        assert.deepEqual(told, [stored]);
        assert.deepEqual(await digestOf(await storage.get(key)), stored);
        assert.deepEqual(await digestOf(await storage.get(key, { isUnpaused: true })), stored);
        if (refusesOverwrite)
          await assert.rejects(storage.put(key, body(), await knowing(body)), { code: 'KEY_EXISTS' });
        await storage.remove([key]);
        await nothingLeft('known/');
      });

      for (const [what, otherBytes] of [
        ['fewer', sizeBytes - 1],
        ['more', sizeBytes + MIB + 1],
        ['other', sizeBytes],
      ] as const) {
        test(`leaves nothing of a body ${title} that turns out to be of ${what} bytes`, async () => {
          const error = new Error('not what was meant');
          async function* body() {
            let at = 0;
            for await (const chunk of generated(otherBytes, MIB)) {
              at += chunk.length;
              if (at === sizeBytes && what === 'other') chunk.writeUInt8(7, chunk.length - 1);
              yield chunk;
            }
          }
          const { sha256 } = await meant();
          const put = storage.put('known/other', body(), {
            ...(await knowing(body)),
            check: (read) => {
              if (read.sha256 !== sha256) throw error;
            },
          });
          await assert.rejects(put, (thrown) => thrown === error);
          await nothingLeft('known/');
        });
      }
    }

    test('does not begin when it was aborted before', async () => {
      const reason = new Error('too late');
      const signal = AbortSignal.abort(reason);
      await assert.rejects(storage.put('late/a', generated(1, 1), { signal }), (thrown) => thrown === reason);
      await assert.rejects(storage.get('late/a', { signal }), (thrown) => thrown === reason);
      await nothingLeft('late/');
    });

    test('ends a download when it is aborted', async () => {
      await storage.put('download/a', generated(30 * MIB, MIB));
      const abort = new AbortController();
      const reason = new Error('SIGINT');
      const stream = await storage.get('download/a', { signal: abort.signal });
      await assert.rejects(
        async () => {
          for await (const _ of stream) abort.abort(reason);
        },
        (thrown) => thrown === reason,
      );
    });

    test('lets a reader go away in mid-stream', async () => {
      await storage.put('download/b', generated(30 * MIB, MIB));
      for await (const _ of await storage.get('download/b')) break;
      assert.equal((await collect(await storage.get('download/b'))).length, 30 * MIB);
    });

    test('leaves what was begun after the given time alone when it removes unfinished uploads', async () => {
      let release = () => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      let isTaken = false;
      async function* body() {
        yield* generated(40 * MIB, MIB);
        isTaken = true;
        await released;
      }
      const put = storage.put('running/a', body());
      await until('all but the end is taken', () => isTaken || undefined);
      assert.deepEqual(await storage.removeUnfinished('running/', new Date(Date.now() - 3_600_000)), []);
      release();
      await put;
      assert.deepEqual(await keysOf(storage, 'running/'), ['running/a']);
    });

    test('describes itself without secrets', () => {
      assert.ok(storage.description.length > 0);
      assert.doesNotMatch(storage.description, /secret|[0-9a-f]{64}/i);
    });

    async function nothingLeft(prefix: string): Promise<void> {
      assert.deepEqual(await keysOf(storage, prefix), []);
      await nothingUnfinished();
    }

    async function nothingUnfinished(): Promise<void> {
      const all = new Date(Date.now() + 3_600_000);
      assert.deepEqual(await storage.removeUnfinished('', all), []);
    }
  });
}

async function digestOf(body: AsyncIterable<Uint8Array>): Promise<{ sizeBytes: number; sha256: string }> {
  const bytes = await collect(body);
  return { sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
