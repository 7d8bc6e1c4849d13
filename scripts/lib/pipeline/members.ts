import { createHash } from 'node:crypto';
import { OperatorError } from '../errors.ts';

/** A member of an object: bytes of it that are compressed by themselves, so that they can be read without the others. */
export interface StoredMember {
  readonly sizeBytes: number;
  /** Hexadecimal SHA-256 of these bytes. */
  readonly sha256: string;
}

const HEAD_BYTES = 4;

/**
 * What frames hold: four bytes that say how many follow, most significant first, and those. None ends a member.
 *
 * @param onMember is told of each as it ends
 * @throws OperatorError DUMP_INCOMPLETE when the frames end within a member
 */
export async function* readFrames(
  framed: AsyncIterable<Uint8Array>,
  onMember: (member: StoredMember) => void,
): AsyncGenerator<Uint8Array> {
  let hash = createHash('sha256');
  let sizeBytes = 0;
  let isOpen = false;
  // of the frame under way
  const head: number[] = [];
  let left = 0;
  for await (const chunk of framed) {
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const piece = chunk.subarray(at, at + left);
        at += piece.length;
        left -= piece.length;
        sizeBytes += piece.length;
        hash.update(piece);
        yield piece;
        continue;
      }
      head.push(chunk[at] as number);
      at += 1;
      isOpen = true;
      if (head.length < HEAD_BYTES) continue;
      left = Buffer.from(head.splice(0)).readUInt32BE();
      if (left > 0) continue;
      onMember({ sizeBytes, sha256: hash.digest('hex') });
      hash = createHash('sha256');
      sizeBytes = 0;
      isOpen = false;
    }
  }
  if (!isOpen) return;
  throw new OperatorError('DUMP_INCOMPLETE', 'what was written in parts ends within one of them', {
    hint: 'Nothing of it is used. This should not happen: please report it.',
  });
}
