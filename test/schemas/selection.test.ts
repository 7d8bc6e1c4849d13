import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { OperatorError } from '../../scripts/lib/errors.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { bundledVerbs } from '../faults/verbs.ts';
import { APPLICATIONS, type Engine } from './applications.ts';
import { takeThrough } from './course.ts';
import { makeDatabase } from './make-database.ts';
import { cacheFolder, NotFetched } from './packages.ts';
import { startMariaDbServer } from './server-mariadb.ts';
import { startPostgresServer } from './server-postgres.ts';
import type { Server } from './servers.ts';

/** Small packages, with much in their definitions; the others, and all formats: make test-schemas. */
const SELECTION = [
  { name: 'Graphile Worker', engine: 'postgres', format: 'folder' },
  { name: 'Procrastinate', engine: 'postgres', format: 'custom' },
  { name: 'PowerDNS', engine: 'mariadb', format: 'sql' },
] as const;

/** Nobody waits long for a registry here. */
process.env.SCHEMAS_PATIENCE ||= '15';

setChildEnvironment(process.env);
const verbs = await bundledVerbs();
after(() => verbs.remove());

async function startServer(engine: Engine): Promise<Server | string> {
  try {
    const server = await (engine === 'postgres' ? startPostgresServer() : startMariaDbServer());
    after(() => server.stop());
    return server;
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'TOOL_MISSING') throw error;
    return error.message;
  }
}

describe('a database as an application makes it', async () => {
  const servers = { postgres: await startServer('postgres'), mariadb: await startServer('mariadb') };
  for (const [n, { name, engine, format }] of SELECTION.entries()) {
    test(`of ${name} on ${engine} comes back equal in the format ${format}`, async (t) => {
      const server = servers[engine];
      if (typeof server === 'string') return t.skip(server);
      const application = APPLICATIONS.find((each) => each.name === name && each.engine === engine);
      assert.ok(application);
      try {
        await makeDatabase(server, application, `app${n}_`, cacheFolder(process.env));
      } catch (error) {
        if (error instanceof NotFetched) return t.skip(`the definitions of ${name}: ${error.message}`);
        throw error;
      }
      const { problems, rows } = await takeThrough({ verbs: verbs.folder, server }, application, `app${n}_`, [format]);
      assert.deepEqual(problems, []);
      assert.ok(rows > 0);
    });
  }
});
