import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { configure } from '../../scripts/lib/config/config.ts';
import { readWalMessage, standbyStatus } from '../../scripts/lib/engines/postgres/walsender/messages.ts';
import { openWalsender } from '../../scripts/lib/engines/postgres/walsender/walsender.ts';
import { OperatorError } from '../../scripts/lib/errors.ts';
import { startPostgres } from '../support/postgres.ts';
import { until } from '../support/sessions.ts';

const SETTINGS = ['wal_level=replica', 'max_wal_senders=5', 'max_replication_slots=5'];
const { postgres, missing } = await startPostgres(SETTINGS);
const signal = new AbortController().signal;

const serverOf = (environment: Record<string, string> = {}) => {
  const [server] = configure({ ...postgres.env('shop'), PITR: 'true', ...environment }).servers;
  assert.ok(server);
  return server.source;
};

describe('a replication session', { skip: missing }, () => {
  test('needs no line for replication in pg_hba.conf, and knows the server and its slots', async () => {
    const walsender = await openWalsender(serverOf(), signal);
    try {
      const { systemIdentifier, timeline, flushed } = await walsender.identify();
      const [row] = await postgres.sql('postgres', 'select system_identifier::text as id from pg_control_system()');
      assert.equal(systemIdentifier, row.id);
      assert.equal(timeline, 1);
      assert.ok(flushed > 0n);
      assert.equal(await walsender.readSlot('cdb_none'), undefined);
      await walsender.createSlot('cdb_one');
      const slot = await walsender.readSlot('cdb_one');
      assert.ok(slot && slot.lsn <= flushed && slot.timeline === 1);
      await walsender.dropSlot('cdb_one');
      assert.equal(await walsender.readSlot('cdb_one'), undefined);
      assert.equal(await walsender.history(1), undefined);
    } finally {
      await walsender.close();
    }
  });

  test('streams what is committed, byte by byte from where it was asked to, and moves its slot only as far as it is told', async () => {
    const walsender = await openWalsender(serverOf(), signal);
    try {
      await walsender.createSlot('cdb_stream');
      const { flushed } = await walsender.identify();
      const stream = walsender.stream({ slot: 'cdb_stream', start: flushed, timeline: 1 });
      await postgres.sql('postgres', 'create table streamed (t text)');
      await postgres.sql('postgres', "insert into streamed values ('a mark that is found')");
      let next = flushed;
      const seen: Buffer[] = [];
      for await (const bytes of stream) {
        const message = readWalMessage(bytes);
        if (message.kind !== 'data') continue;
        assert.equal(message.start, next);
        assert.ok(message.serverEnd >= message.start + BigInt(message.bytes.length));
        assert.ok(Math.abs(message.sentAt.getTime() - Date.now()) < 60_000);
        next += BigInt(message.bytes.length);
        seen.push(Buffer.from(message.bytes));
        if (Buffer.concat(seen).includes('a mark that is found')) break;
      }
      const at = async () => {
        const [row] = await postgres.sql(
          'postgres',
          "select restart_lsn - '0/0' as at from pg_replication_slots where slot_name = 'cdb_stream'",
        );
        return BigInt(row.at);
      };
      assert.ok((await at()) <= flushed, 'nothing was acknowledged');
      stream.send(standbyStatus(next, Date.now()));
      await until('all of it is acknowledged', async () => (await at()) === next || undefined);
    } finally {
      await walsender.close();
    }
    await postgres.sql('postgres', "select pg_drop_replication_slot('cdb_stream')");
  });

  test('takes a base with its log and its manifest inside, however slowly it is read', async () => {
    const walsender = await openWalsender(serverOf(), signal);
    const kinds: string[] = [];
    let manifest = '';
    let bytes = 0;
    try {
      let inManifest = false;
      for await (const message of walsender.baseBackup({ label: "it's a base" })) {
        if (message.kind !== 'data' && message.kind !== 'progress') kinds.push(message.kind);
        if (message.kind === 'begin')
          assert.ok(message.startLsn > 0n && message.timeline === 1 && message.tablespaces.length === 1);
        if (message.kind === 'archive') assert.equal(message.name, 'base.tar');
        if (message.kind === 'manifest') inManifest = true;
        if (message.kind === 'data') {
          if (inManifest) manifest += message.bytes.toString('utf8');
          else bytes += message.bytes.length;
          if (bytes % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        }
        if (message.kind === 'end') assert.ok(message.endLsn > 0n);
      }
    } finally {
      await walsender.close();
    }
    assert.deepEqual(kinds, ['begin', 'archive', 'manifest', 'end']);
    assert.ok(bytes > 10_000_000, `${bytes} bytes`);
    assert.equal(JSON.parse(manifest)['PostgreSQL-Backup-Manifest-Version'] >= 1, true);
  });

  test('what the server refuses is said in its words, with the code', async () => {
    const walsender = await openWalsender(serverOf(), signal);
    try {
      await assert.rejects(
        async () => {
          for await (const _ of walsender.stream({ slot: 'cdb_none', start: 0n, timeline: 1 }));
        },
        (error) => error instanceof OperatorError && /"cdb_none" does not exist/.test(error.message),
      );
      // and it goes on
      assert.ok((await walsender.identify()).flushed > 0n);
    } finally {
      await walsender.close();
    }
    await assert.rejects(
      openWalsender(serverOf({ POSTGRES_USER: 'nobody_here' }), signal),
      /cannot connect to PostgreSQL/,
    );
  });

  test('a server that goes away ends the stream with an error, and an abort with its reason', async () => {
    const abort = new AbortController();
    const walsender = await openWalsender(serverOf(), abort.signal);
    const { flushed } = await walsender.identify();
    const stream = walsender.stream({ start: flushed, timeline: 1 });
    setTimeout(() => abort.abort(new Error('told to stop')), 200);
    await assert.rejects(async () => {
      for await (const _ of stream);
    }, /told to stop/);
    const other = await openWalsender(serverOf(), signal);
    const second = other.stream({ start: flushed, timeline: 1 });
    const ended = sleep(200).then(() => postgres.sql('postgres', `select pg_terminate_backend(${other.pid})`));
    await assert.rejects(async () => {
      for await (const _ of second);
    }, OperatorError);
    await ended;
    await other.close();
  });
});
