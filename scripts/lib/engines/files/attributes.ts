import { attributesNamed } from '../../repository/contents.ts';
import type { Contents, Manifest } from '../../repository/manifest.ts';
import type { Check } from '../engine.ts';
import { maySetOwners } from './owners.ts';

/** Kinds that the owner of a file may set; the others are root's. */
const OWNERS_KINDS = ['acl', 'user'];

const kindsOf = ({ attributes = [] }: Pick<Contents, 'attributes'>) => attributes.map(({ kind }) => kind);

/** Kinds of attributes that could not be set here: by this user, or because tar says so of them. */
export function unsetKinds(manifest: Manifest | undefined, said: readonly string[]): string[] {
  const named = said.join('\n');
  return kindsOf(manifest ?? {}).filter(
    (kind) =>
      (!maySetOwners() && !OWNERS_KINDS.includes(kind)) ||
      (kind === 'acl' ? /\bacl/i.test(named) : named.includes(`'${kind}.`)),
  );
}

/** What was found, with the kinds that could not be set as they were dumped: those are told of, and not compared. */
export function withoutUnset(found: Contents, manifest: Manifest | undefined, unset: readonly string[]): Contents {
  if (manifest?.attributes === undefined || found.attributes === undefined) return found;
  const isUnset = ({ kind }: { kind: string }) => unset.includes(kind);
  return {
    ...found,
    attributes: [
      ...found.attributes.filter((each) => !isUnset(each)),
      ...manifest.attributes.filter((each) => isUnset(each)),
    ],
  };
}

/** What a drill says of them. */
export function attributesCheck(manifest: Manifest | undefined): Check {
  const name = 'access lists and attributes';
  if (!manifest?.attributes) return { name, ok: true, detail: 'not compared: this backup has no digest of them' };
  const unset = unsetKinds(manifest, []);
  const listed = (kinds: (typeof manifest)['attributes']) =>
    (kinds ?? []).map(({ kind, entries }) => `${attributesNamed(kind)} (${entries})`).join(', ');
  const compared = listed(manifest.attributes.filter(({ kind }) => !unset.includes(kind)));
  const others = listed(manifest.attributes.filter(({ kind }) => unset.includes(kind)));
  return {
    name,
    ok: true,
    detail: [compared || 'none', ...(others ? [`not compared, as root alone may set them: ${others}`] : [])].join('; '),
  };
}
