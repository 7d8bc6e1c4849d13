// MariaDB takes names of 64 characters, PostgreSQL of 63 bytes: what fits there fits here, also as the name of a folder,
// in which MariaDB writes every other character than letters, digits and _ as five.
export { besideName, ROLES, type Role, timeOfBeside } from '../postgres/names.ts';
