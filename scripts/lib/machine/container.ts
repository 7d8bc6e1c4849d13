import { existsSync } from 'node:fs';

/** Whether this runs in a container of Docker or Podman, which say so by a file. */
export function isInContainer(): boolean {
  return existsSync('/.dockerenv') || existsSync('/run/.containerenv');
}

/** Whether this is what a container was started for, and what a policy such as `restart: always` starts again; no command of exec. */
export function isOwnCommandOfContainer(): boolean {
  // with init: true the first process is its parent; that of a command of exec is outside
  return isInContainer() && (process.pid === 1 || process.ppid === 1);
}

/**
 * What to do when nothing answers at an address that means another machine inside a container than it does outside;
 * undefined for any other address.
 *
 * @param what names what is looked for there: `the database`
 */
export function containerHint(host: string, what: string, variable: string): string | undefined {
  if (!isInContainer()) return undefined;
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  if (name === 'localhost' || /^127\./.test(name) || name === '::1' || name === '0.0.0.0')
    return `In here ${host} is this container itself, and not the machine it runs on: name the service of ${what} in ${variable}, or host.docker.internal for one that runs on the machine.`;
  if (name === 'host.docker.internal' || name === 'gateway.docker.internal')
    return `${host} is the machine that this container runs on: ${what} has to listen on its address there too, not on 127.0.0.1 alone, and let this in; in a compose file of your own the service needs extra_hosts: ["host.docker.internal:host-gateway"].`;
  return undefined;
}
