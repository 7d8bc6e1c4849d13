import type { Protection } from '../storage.ts';
import type { DirectoryContext } from './context.ts';
import { put } from './put.ts';
import { remove } from './remove.ts';

/** See Storage.probe. Who may delete a file may put another in its place. */
export async function probe(
  context: DirectoryContext,
  key: string,
  options: { signal?: AbortSignal } = {},
): Promise<Protection> {
  await put(context, key, once(Buffer.from('canary\n')), options);
  const [failure] = await remove(context, [key], options);
  return {
    isDeletable: failure === undefined,
    isOverwritable: failure === undefined,
    keepsVersions: false,
    lock: undefined,
    refusal: failure?.reason ?? '',
  };
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}
