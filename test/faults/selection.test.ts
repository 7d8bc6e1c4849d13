import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { makeBed, type StoreName } from './bed.ts';
import { runCase } from './case.ts';
import { FAULTS } from './faults.ts';
import { randomOf } from './plan.ts';
import type { Verb } from './world.ts';

/** A few of what `make test-faults` tries by the hundred: one of each kind, where it hurts. */
const SELECTION: Readonly<Record<Exclude<StoreName, 'garage'>, readonly (readonly [string, Verb])[]>> = {
  directory: [
    ['SIGKILL to everything', 'backup'],
    ['SIGKILL to a child', 'restore'],
    ['SIGTERM to the verb', 'undo'],
    ['SIGKILL to the verb', 'cleanup'],
    ['disk: bit flipped', 'restore'],
    ['database: reset', 'restore'],
    ['database: hang', 'backup'],
  ],
  s3: [
    ['store: lost part', 'backup'],
    ['store: lost answer, in parts', 'backup'],
    ['store: 404 on complete, in parts', 'backup'],
    ['store: flipped', 'restore'],
    ['store: duplicate page', 'cleanup'],
  ],
};

setChildEnvironment(process.env);
const skip = (await findPrograms('postgres')).length === 0 && 'the PostgreSQL server is not installed here';
const SEED = 1;

for (const [store, selected] of Object.entries(SELECTION)) {
  describe(`a run that meets a fault is whole or says so, and the next one is fine (${store})`, { skip }, async () => {
    const bed = skip === false ? await makeBed(store as StoreName, true) : undefined;
    after(() => bed?.stop());
    for (const [i, [name, verb]] of selected.entries()) {
      test(`${name} in ${verb}`, async () => {
        const fault = FAULTS.find((each) => each.name === name);
        const [engine] = bed?.engines ?? [];
        assert.ok(fault && engine && bed, `there is no fault named ${name}`);
        const result = await runCase(bed, { number: i, fault, verb, engine }, randomOf(SEED, i));
        assert.deepEqual(result.problems, [], `${result.what}\n${result.said}`);
      });
    }
  });
}
