import assert from 'node:assert/strict';
import { test } from 'node:test';
import { protectionSentence, type StoreFacts } from '../../../scripts/lib/status/sentence.ts';

const PRIMARY: StoreFacts = {
  name: 'primary',
  place: 'http://garage:3900',
  accessKey: 'GK1',
  holds: true,
  isDestroyable: true,
  lockedUntil: undefined,
};
const VAULT: StoreFacts = { ...PRIMARY, name: 'vault', place: 'https://s3.example.com', accessKey: 'GK2' };
const say = (...stores: StoreFacts[]) => protectionSentence(stores, 'make verify');

for (const [title, said, expected] of [
  [
    'one store',
    say(PRIMARY),
    "1 copy beside the live data, on 1 store (primary); whoever has this machine's keys can delete it. 3-2-1 wants a second one elsewhere: COPY_<NAME>.",
  ],
  [
    'two stores with one key',
    say(PRIMARY, { ...VAULT, accessKey: 'GK1' }),
    "2 copies beside the live data, on 2 stores (primary, vault); one key opens primary and vault; whoever has this machine's keys can delete all of them. None survives an intruder: docs/copies.md.",
  ],
  [
    'a locked bucket',
    say(PRIMARY, { ...VAULT, isDestroyable: false, lockedUntil: '2026-12-27T05:00:00.000Z' }),
    "2 copies beside the live data, on 2 stores (primary, vault); whoever has this machine's keys can delete primary; nobody with this machine's keys can delete vault (locked until 2026-12-27).",
  ],
  [
    'rules of the bucket that forbid to delete and to overwrite, without a lock of objects',
    say(PRIMARY, { ...VAULT, isDestroyable: false }),
    "2 copies beside the live data, on 2 stores (primary, vault); whoever has this machine's keys can delete primary; nobody with this machine's keys can delete vault.",
  ],
  [
    'a store that was not asked yet',
    say(PRIMARY, { ...VAULT, isDestroyable: undefined }),
    "2 copies beside the live data, on 2 stores (primary, vault); whoever has this machine's keys can delete primary; what these keys can delete in vault has not been tried yet: make verify.",
  ],
  [
    'two buckets of one store',
    say(PRIMARY, { ...PRIMARY, name: 'other' }),
    "2 copies beside the live data, on 1 store (primary, other); one key opens primary and other; whoever has this machine's keys can delete all of them. They go together: 3-2-1 wants the second one elsewhere.",
  ],
  [
    'an empty store and a copy',
    say({ ...PRIMARY, holds: false }, VAULT),
    /^1 copy beside the live data, on 1 store \(vault\)/,
  ],
  ['nothing at all', say({ ...PRIMARY, holds: false }), 'No copy of the data beside the live one.'],
] as const) {
  test(`says of ${title} how many copies there are, where, and who can delete them`, () => {
    if (typeof expected === 'string') assert.equal(said, expected);
    else assert.match(said, expected);
  });
}
