import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runSetup } from '../../../scripts/lib/engines/database/throwaway.ts';
import { setChildEnvironment } from '../../../scripts/lib/machine/child-environment.ts';
import { runProgram } from '../../../scripts/lib/pipeline/chain.ts';
import { decryptStages, encryptStages } from '../../../scripts/lib/pipeline/codec.ts';
import { place, temporaryFolder } from '../../support/folders.ts';

after(() => setChildEnvironment(process.env));

test("what an operator's ~/.bashrc does is not done when a shell reads from a socket of ours", async () => {
  const home = temporaryFolder();
  place(home, '.bashrc', `echo said; touch ${home}/ran`);
  setChildEnvironment({ PATH: process.env.PATH, HOME: home });
  const identity = execFileSync('age-keygen', { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const recipient = /age1\w+/.exec(identity)?.[0] ?? '';
  const [encrypt] = encryptStages([recipient]);
  const [decrypt] = decryptStages(identity);
  assert.ok(encrypt && decrypt);
  const sealed = await runProgram({ ...encrypt, args: [...encrypt.args, '--armor'] }, { input: 'a dump' });
  const opened = await runProgram(decrypt, { input: sealed.stdout });
  assert.equal(opened.stdout, 'a dump', opened.stderr);
  await runSetup(home, { name: 'true', command: 'true', args: [] });
  assert.ok(!existsSync(join(home, 'ran')));
});
