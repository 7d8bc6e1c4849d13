import { OperatorError } from '../errors.ts';
import { runProgram } from '../pipeline/chain.ts';
import { decryptStages, encryptStages } from '../pipeline/codec.ts';
import { stageError } from '../pipeline/result.ts';

const ARMOR = '-----BEGIN AGE ENCRYPTED FILE-----';

/** Whether a document has been encrypted by sealText. */
export function isSealed(text: string): boolean {
  return text.startsWith(ARMOR);
}

/** A document encrypted to the recipients, in age's text form. */
export async function sealText(text: string, recipients: readonly string[], signal?: AbortSignal): Promise<string> {
  const [stage] = encryptStages(recipients);
  if (!stage) throw new OperatorError('CONFIG', 'there is nobody to encrypt to');
  const options = { input: text, ...(signal ? { signal } : {}) };
  const result = await runProgram({ ...stage, args: [...stage.args, '--armor'] }, options);
  if (result.exitCode !== 0) throw stageError(result);
  return result.stdout;
}

/**
 * The inverse.
 * @throws OperatorError CONFIG without an identity, BACKUP_DAMAGED when it does not open the document
 */
export async function openText(
  sealed: string,
  key: string,
  identity: string | undefined,
  signal?: AbortSignal,
): Promise<string> {
  const [stage] = decryptStages(requireIdentity(identity, key));
  if (!stage) throw new OperatorError('CONFIG', 'there is nothing to decrypt with');
  const result = await runProgram(stage, { input: sealed, ...(signal ? { signal } : {}) });
  if (result.exitCode !== 0) throw wrongIdentity(key, result.stderr) ?? stageError(result);
  return result.stdout;
}

/** @throws OperatorError CONFIG when there is none */
export function requireIdentity(identity: string | undefined, key: string): string {
  if (identity !== undefined) return identity;
  throw new OperatorError('CONFIG', `${key} is encrypted, and BACKUP_AGE_IDENTITY is not set`, {
    hint: 'Give the identity for this run alone: BACKUP_AGE_IDENTITY_FILE=<file> before the command (docs/encryption.md). Nothing was touched.',
  });
}

/** The error for an identity that is not among those that a backup was encrypted to, told from age's words. */
export function wrongIdentity(key: string, stderr: string): OperatorError | undefined {
  if (!/no identity matched/.test(stderr)) return undefined;
  return new OperatorError(
    'BACKUP_DAMAGED',
    `the identity in BACKUP_AGE_IDENTITY does not open ${key}: it was encrypted to other keys`,
    {
      hint: 'Use the identity that belongs to a key in BACKUP_AGE_RECIPIENTS at the time of the backup. The live database is as it was.',
    },
  );
}
