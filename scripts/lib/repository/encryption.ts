/** age keys: those to encrypt to, and the one that opens what was encrypted. */
export interface Encryption {
  readonly recipients: readonly string[];
  readonly identity?: string;
  /** The identity's file lies in BACKUP_DIR: a thief of the backups has the key to them too. */
  readonly identityBesideBackups: boolean;
  /** BACKUP_MANIFEST_PRIVATE: the manifest names tables, which may tell too much. */
  readonly privateManifest: boolean;
}
