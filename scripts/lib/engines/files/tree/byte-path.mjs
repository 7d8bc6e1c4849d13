// Names of files are bytes. Here a path below a folder is held as a string of them (latin1), as it stands in an archive.

/** The path for the system. @param {string} folder @param {string} path below it; empty for the folder itself */
export const pathOf = (folder, path) =>
  path === '' ? Buffer.from(folder) : Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path, 'latin1')]);

/** For people. @param {string} path */
export const shownPath = (path) => Buffer.from(path, 'latin1').toString('utf8');
