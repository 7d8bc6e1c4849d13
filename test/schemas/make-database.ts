import type { Application } from './applications.ts';
import { definitionsOf } from './definitions.ts';
import { beside, fetchPackage, NotFetched } from './packages.ts';
import { pass, type Server } from './servers.ts';

/**
 * Makes an application's database, and puts rows where it has none.
 * @returns the tables that stay empty
 * @throws NotFetched when what it is made from is not to be had
 */
export async function makeDatabase(
  server: Server,
  application: Application,
  database: string,
  cache: string,
): Promise<string[]> {
  if (application.extensions) {
    const here = await server.extensions();
    const lacking = application.extensions.filter((name) => !here.includes(name));
    if (lacking.length > 0) throw new NotFetched(`the server has no extension ${lacking.join(', ')}`);
  }
  const folders: string[] = [];
  for (const wanted of application.packages) folders.push(await fetchPackage(cache, wanted));
  await server.create(database);
  try {
    if (application.program) await runProgram(server, application.program, database, folders);
    else await server.apply(database, definitionsOf(application, folders));
  } catch (error) {
    throw new Error(`${application.name} could not be made on ${server.engine}`, { cause: error });
  }
  return server.fill(database, application.session);
}

async function runProgram(
  server: Server,
  program: string,
  database: string,
  folders: readonly string[],
): Promise<void> {
  const env = { ...server.address(database), PYTHONPATH: folders.join(':'), PYTHONDONTWRITEBYTECODE: '1' };
  await pass('python3', [beside(program)], env);
}
