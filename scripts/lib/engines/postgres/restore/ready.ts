import { messageOf } from '../../../errors.ts';
import { log } from '../../../terminal/log.ts';
import { noteOfExtensions, pickKeptElsewhere } from '../pick/kept-elsewhere.ts';
import type { Pick } from '../pick/pick.ts';
import type { Connection } from '../server/connection.ts';
import { connectBeside } from '../server/databases.ts';
import { type ToldOfLoad, tellOfLoad } from './around-load.ts';
import { type Place, putInForce } from './settings-in-force.ts';

const GIVING_BACK_MS = 60_000;

/** A database that is ready to be filled. */
export interface Ready {
  /** Is to be called when all is loaded. */
  loaded(): Promise<void>;
  /** Takes back what it was set to for its load. */
  giveBack(by: Connection): Promise<void>;
  /** Takes back everything, of a database that stays though it was not filled. Never throws. */
  giveUp(): Promise<void>;
}

/** Readies a database for its load: the settings that are in force, and what extensions are to be told. */
export async function readyForLoad(place: Place & { readonly pick: Pick | undefined }): Promise<Ready> {
  const { source, staging, manifest, pick } = place;
  const giveBack = await putInForce(place);
  let told: ToldOfLoad | undefined;
  const giveUp = async () => {
    await told?.takeBack();
    try {
      // an interrupt has broken the others off
      const connection = await connectBeside(source, AbortSignal.timeout(GIVING_BACK_MS));
      await giveBack(connection).finally(() => connection.close());
    } catch (error) {
      log.warn(`${staging} has settings of the backup's database now: ${messageOf(error)}`);
    }
  };
  try {
    told = await tellOfLoad(place);
    if (pick) await pickKeptElsewhere(pick, manifest, place);
    const { loaded } = told;
    return {
      loaded: async () => {
        await loaded();
        if (pick) await noteOfExtensions(pick, place);
      },
      giveBack,
      giveUp,
    };
  } catch (error) {
    await giveUp();
    throw error;
  }
}
