import assert from 'node:assert/strict';
import type { DatabaseSource, Source } from '../../scripts/lib/source.ts';

/** The sources of a configuration that has databases alone. */
export function databasesOf({ sources }: { sources: readonly Source[] }): DatabaseSource[] {
  return sources.map((source) => {
    assert.ok(source.engine !== 'files', `${source.name} is a folder`);
    return source;
  });
}
