import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { unsetKinds, withoutUnset } from '../../../../scripts/lib/engines/files/attributes.ts';
import { ArchiveError, type Member, normalName } from '../../../../scripts/lib/engines/files/tar/tar-header.mjs';
import { TarReader } from '../../../../scripts/lib/engines/files/tar/tar-reader.mjs';
import { TreeDigest } from '../../../../scripts/lib/engines/files/tar/tree-digest.mjs';
import { compareTrees } from '../../../../scripts/lib/repository/contents.ts';
import type { Manifest } from '../../../../scripts/lib/repository/manifest.ts';
import { temporaryFolder } from '../../../support/folders.ts';
import { makeTree } from '../../../support/trees.ts';

const POSIX = ['--format=posix', '--sort=name', '--sparse', '--numeric-owner'];

function archive(folder: string, ...options: string[]): Buffer {
  return execFileSync('tar', [...options, '-C', folder, '-cf', '-', '.'], { maxBuffer: 1e9 });
}

function membersOf(bytes: Buffer, chunkBytes = bytes.length): { members: Member[]; ended: boolean } {
  const members: Member[] = [];
  const reader = new TarReader({ begin: (member) => members.push(member), data: () => {}, end: () => {} });
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.feed(bytes.subarray(at, at + chunkBytes));
  return { members, ended: reader.ended };
}

function digestOf(bytes: Buffer, chunkBytes = 65_536) {
  const digest = new TreeDigest();
  const reader = new TarReader(digest);
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.feed(bytes.subarray(at, at + chunkBytes));
  assert.ok(reader.ended);
  return digest.report();
}

describe('an archive that is read as it goes by', () => {
  test('has the members that tar lists, in every format that tar writes', () => {
    const folder = temporaryFolder();
    makeTree(folder);
    for (const format of ['posix', 'gnu', 'oldgnu']) {
      const bytes = archive(folder, `--format=${format}`, '--sparse');
      const listed = execFileSync(
        'tar',
        ['--quoting-style=literal', '--show-transformed-names', '-tf', '-', '--null'],
        {
          input: bytes,
          encoding: 'latin1',
        },
      );
      const { members, ended } = membersOf(bytes);
      assert.ok(ended);
      // names with line breaks fill two lines of the listing
      assert.equal(members.map(({ rawName }) => `${rawName}\n`).join(''), listed);
    }
  });

  test('is read the same however it is cut into pieces', () => {
    const folder = temporaryFolder();
    makeTree(folder);
    const bytes = archive(folder, ...POSIX);
    const whole = digestOf(bytes);
    for (const chunkBytes of [1_000, 511, 513, 4_097, bytes.length])
      assert.deepEqual(digestOf(bytes, chunkBytes), whole);
    assert.equal(whole.files, 15);
  });

  test('has no end when its marker is missing, wherever it was cut, be it between two members', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'a'));
    // what looks like the marker is the file's own
    writeFileSync(join(folder, 'a/zeros'), Buffer.alloc(4_096));
    const bytes = archive(folder, ...POSIX);
    const content = bytes.length - 10_240 > 0 ? bytes.length : 10_240;
    let last = 0;
    for (let end = 512; end <= content; end += 512) if (!membersOf(bytes.subarray(0, end)).ended) last = end;
    assert.ok(last > 4_096);
    assert.equal(membersOf(bytes.subarray(0, last + 512)).ended, true);
    assert.ok(bytes.subarray(last - 512, last + 512).every((byte) => byte === 0));
  });

  test('that is none is refused', () => {
    for (const bytes of [Buffer.alloc(512, 'x'), Buffer.from('<html>'.repeat(200))])
      assert.throws(() => membersOf(bytes), ArchiveError);
  });

  test('a name loses the steps that lead nowhere, and no other', () => {
    for (const [name, normal] of [
      ['./', ''],
      ['./a/', 'a'],
      ['a/./b', 'a/b'],
      ['./../a', '../a'],
      ['/a', '/a'],
      ['.hidden', '.hidden'],
    ] as const)
      assert.equal(normalName(name), normal);
  });
});

describe('the digest of a tree', () => {
  const digestOfFolder = (folder: string, ...options: string[]) => digestOf(archive(folder, ...POSIX, ...options));

  test('is the same for a hole and for zeros that are written, wherever they lie', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(60_000), fc.integer({ min: 1, max: 9_000 })), { maxLength: 4 }),
        fc.nat(80_000),
        (runs, sizeBytes) => {
          const [sparse, dense] = [temporaryFolder(), temporaryFolder()];
          const content = Buffer.alloc(sizeBytes);
          const file = openSync(join(sparse, 'f'), 'w');
          truncateSync(join(sparse, 'f'), sizeBytes);
          for (const [start, length] of runs) {
            if (start >= sizeBytes) continue;
            const bytes = Buffer.alloc(Math.min(length, sizeBytes - start), 'x');
            bytes.copy(content, start);
            writeSync(file, bytes, 0, bytes.length, start);
          }
          closeSync(file);
          writeFileSync(join(dense, 'f'), content);
          for (const folder of [sparse, dense]) execFileSync('touch', ['-d@1000000000', join(folder, 'f'), folder]);
          assert.equal(digestOfFolder(sparse).treeDigest, digestOfFolder(dense).treeDigest);
          assert.equal(digestOfFolder(sparse).fileBytes, sizeBytes);
        },
      ),
      { numRuns: 25 },
    );
  });

  const CHANGES: Record<string, (folder: string) => string[]> = {
    'a byte': (folder) => ['bash', '-c', `printf y | dd of=${folder}/f bs=1 seek=5000 conv=notrunc status=none`],
    'zeros at the end': (folder) => ['truncate', '-s', '+1', `${folder}/f`],
    'zeros in place of bytes': (folder) => ['fallocate', '-p', '-o', '4096', '-l', '4096', `${folder}/f`],
    'a name': (folder) => ['mv', `${folder}/f`, `${folder}/g`],
    'a permission': (folder) => ['chmod', '600', `${folder}/f`],
    'a second of time': (folder) => ['touch', '-d@1000000001', `${folder}/sub`],
    'the target of a link': (folder) => ['ln', '-sfn', 'g', `${folder}/link`],
    'a file more': (folder) => ['touch', `${folder}/sub/new`],
    'a folder less': (folder) => ['rmdir', `${folder}/sub`],
    'a link in place of a file': (folder) => ['bash', '-c', `rm ${folder}/same && ln ${folder}/f ${folder}/same`],
  };
  for (const [what, change] of Object.entries(CHANGES)) {
    test(`is another when this changes: ${what}`, () => {
      const folder = temporaryFolder();
      mkdirSync(join(folder, 'sub'));
      for (const name of ['f', 'same']) writeFileSync(join(folder, name), Buffer.alloc(12_000, 'x'));
      execFileSync('ln', ['-s', 'f', join(folder, 'link')]);
      const still = () => {
        execFileSync('bash', ['-c', `cd ${folder} && touch -h -d@1000000000 $(ls -A | grep -v sub) .`]);
      };
      execFileSync('touch', ['-d@1000000000', join(folder, 'sub')]);
      still();
      const before = digestOfFolder(folder).treeDigest;
      assert.equal(digestOfFolder(folder).treeDigest, before);
      const [command = '', ...args] = change(folder);
      execFileSync(command, args);
      still();
      assert.notEqual(digestOfFolder(folder).treeDigest, before);
    });
  }

  test('leaves owners and special permissions to a digest of their own', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'f'), 'x', { mode: 0o755 });
    const before = digestOfFolder(folder);
    const after = digestOfFolder(folder, '--owner=4242', '--group=4243');
    assert.equal(after.treeDigest, before.treeDigest);
    assert.notEqual(after.ownerDigest, before.ownerDigest);
    assert.deepEqual(after.owners, [{ owner: '4242:4243', entries: 2 }]);
    const special = digestOfFolder(folder, '--mode=u+s');
    assert.equal(special.treeDigest, before.treeDigest);
    assert.notEqual(special.ownerDigest, before.ownerDigest);
  });

  test('has access lists and attributes in digests of their own, by kind: one that is lost or changed is named', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'f'), 'x');
    const withAttributes = (...attributes: string[]) =>
      digestOfFolder(folder, ...attributes.map((each) => `--pax-option=SCHILY.${each}`));
    const before = withAttributes('xattr.user.note:=one', 'xattr.trusted.note:=two', 'acl.access:=user:7:r--');
    assert.deepEqual(
      before.attributes.map(({ kind, entries }) => `${kind} ${entries}`),
      ['acl 2', 'trusted 2', 'user 2'],
    );
    const none = { tables: [], sequences: [] };
    const compared = (after: typeof before) => compareTrees({ ...none, ...before }, { ...none, ...after });
    assert.deepEqual(compared(before), []);
    assert.deepEqual(
      compared(withAttributes('xattr.user.note:=ONE', 'xattr.trusted.note:=two', 'acl.access:=user:7:r--')),
      ['attributes user.*: 2, expected 2, and they are others'],
    );
    assert.deepEqual(compared(withAttributes('xattr.user.note:=one', 'xattr.trusted.note:=two')), [
      'access lists: 0, expected 2',
    ]);
    // what could not be set is left out of the comparison, and told of
    const manifest = { ...none, ...before } as unknown as Manifest;
    const said = ["setxattrat: Cannot set 'trusted.note' extended attribute for file 'f': Operation not permitted"];
    const without = withAttributes('xattr.user.note:=one', 'acl.access:=user:7:r--');
    const found = withoutUnset({ ...none, ...without }, manifest, unsetKinds(manifest, said));
    assert.deepEqual(compareTrees(manifest, found), []);
  });
});
