import type { DatabaseSource } from '../../source.ts';
import type { ServerIdentity } from '../engine.ts';
import { connectBeside } from './server/databases.ts';
import { systemIdentifier } from './server/identity.ts';
import { versionText } from './server/programs.ts';

/** See Engine.identify. */
export async function identify(source: DatabaseSource, signal: AbortSignal): Promise<ServerIdentity> {
  const connection = await connectBeside(source, signal);
  try {
    return { id: await systemIdentifier(connection), version: versionText(connection.serverVersionNum) };
  } finally {
    await connection.close();
  }
}
