import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { assertOwnSession } from '../../../../scripts/lib/engines/postgres/server/own-session.ts';
import { OperatorError } from '../../../../scripts/lib/errors.ts';

let places = 0;
function freshPlace(): string {
  places += 1;
  return `place ${places}`;
}

/** Clients of a pooler that hands out its processes by transaction, in the order that `next` takes them from the idle ones. */
function pooler(next: (idle: number[]) => number) {
  const idle = [11, 12, 13, 14];
  const asked: string[] = [];
  const client = () => {
    let held: number | undefined;
    const take = () => idle.splice(idle.indexOf(next(idle)), 1)[0] ?? 0;
    return {
      processID: 900_000 + Math.floor(Math.random() * 1000),
      end: async () => {},
      query: async (sql: string) => {
        asked.push(sql);
        if (sql === 'begin') held = take();
        const pid = held ?? take();
        const isOver = held === undefined || sql === 'rollback';
        if (isOver) {
          idle.unshift(pid);
          held = undefined;
        }
        return { rows: [{ pid }] };
      },
    } as unknown as pg.Client;
  };
  return { client, asked };
}

function direct(pid: number, processID: number) {
  return { processID, end: async () => {}, query: async () => ({ rows: [{ pid }] }) } as unknown as pg.Client;
}

for (const [how, next] of [
  ['the last one that was given back', (idle: number[]) => idle[0] ?? 0],
  ['each by turns', (idle: number[]) => idle.at(-1) ?? 0],
  ['any', (idle: number[]) => idle[Math.floor(Math.random() * idle.length)] ?? 0],
] as const) {
  test(`a pooler that hands out ${how} is found out, with nothing set and no lock taken`, async () => {
    const { client, asked } = pooler(next);
    await assert.rejects(
      assertOwnSession(client(), freshPlace(), async () => client()),
      (error: unknown) => error instanceof OperatorError && /PgBouncer/.test(error.message) && error.hint !== '',
    );
    assert.ok(asked.every((sql) => /^(begin|rollback|select pg_catalog\.pg_backend_pid)/.test(sql)));
  });
}

test('a server is known at once by the number of its process; no second session is opened', async () => {
  const pid = await assertOwnSession(direct(5, 5), freshPlace(), () => assert.fail('a second session'));
  assert.equal(pid, 5);
});

test('a pooler in session mode, or a proxy that tells numbers of its own, is no obstacle', async () => {
  assert.equal(await assertOwnSession(direct(5, 77), freshPlace(), async () => direct(6, 78)), 5);
});
