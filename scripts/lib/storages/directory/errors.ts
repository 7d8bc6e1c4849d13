import { codeOf, type ErrorCode, messageOf, OperatorError } from '../../errors.ts';

/** What a system error means for the operator. The next step names the variable or the thing to look at. */
const MEANINGS: Record<string, { code: ErrorCode; says: string; hint: string }> = {
  ENOSPC: { code: 'STORAGE', says: 'the disk is full', hint: 'Free space on the disk of BACKUP_DIR, or run cleanup.' },
  EDQUOT: { code: 'STORAGE', says: 'the quota is used up', hint: 'Raise the quota of BACKUP_DIR, or run cleanup.' },
  EFBIG: {
    code: 'STORAGE',
    says: 'the file is larger than the file system takes',
    hint: 'Use a file system without a 4 GiB limit for BACKUP_DIR.',
  },
  EROFS: {
    code: 'STORAGE_DENIED',
    says: 'the file system is read-only',
    hint: 'Mount the disk of BACKUP_DIR for writing; a disk with errors is remounted read-only, see dmesg.',
  },
  EACCES: {
    code: 'STORAGE_DENIED',
    says: 'permission denied',
    hint: 'Give the user that runs this the right to read and write everything in BACKUP_DIR.',
  },
  EPERM: {
    code: 'STORAGE_DENIED',
    says: 'not permitted',
    hint: 'Check the owner and the attributes (lsattr: immutable, append-only) of BACKUP_DIR.',
  },
  ENOENT: { code: 'STORAGE', says: 'not there', hint: 'Check BACKUP_DIR, and that its disk is mounted.' },
  ENOTDIR: { code: 'STORAGE', says: 'a part of the path is not a folder', hint: 'Check BACKUP_DIR and S3_PREFIX.' },
  EISDIR: { code: 'STORAGE', says: 'it is a folder', hint: 'Check what is in BACKUP_DIR under that name.' },
  ENAMETOOLONG: { code: 'STORAGE', says: 'the name is too long', hint: 'Shorten S3_PREFIX or the source name.' },
  EMFILE: { code: 'STORAGE', says: 'too many open files', hint: 'Raise the limit of open files (ulimit -n).' },
  EIO: { code: 'STORAGE', says: 'the disk reports an error', hint: 'Check the disk of BACKUP_DIR (dmesg, smartctl).' },
  ESTALE: { code: 'STORAGE', says: 'the network share went away', hint: 'Mount the share of BACKUP_DIR again.' },
};

/** `cannot store 2026/… in /backups: the disk is full (ENOSPC)`; what is already an OperatorError stays as it is. */
export function directoryFailure(error: unknown, operation: string, path: string): OperatorError {
  if (error instanceof OperatorError) return error;
  const code = codeOf(error) ?? '';
  const meaning = MEANINGS[code];
  return new OperatorError(
    meaning?.code ?? 'STORAGE',
    `cannot ${operation} in ${path}: ${meaning ? `${meaning.says} (${code})` : messageOf(error)}`,
    { hint: meaning?.hint ?? 'Check BACKUP_DIR and its disk.', cause: error },
  );
}

/** Whether the error says that a file or folder is not there. */
export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}
