import stringWidth from 'string-width';
import type { Result } from './course.ts';

/** Application, tables, rows, and which formats were equal. */
export function tableOf(results: readonly Result[]): string {
  const rows = [
    ['application', 'engine', 'version', 'tables', 'rows', 'empty', 'statements', 'equal in'],
    ['---', '---', '---', '---:', '---:', '---:', '---:', '---'],
    ...results.map(({ application, tables, rows: count, emptyTables, statements, formats }) => [
      application.name,
      application.engine,
      application.packages[0]?.version ?? '',
      String(tables),
      String(count),
      String(emptyTables.length),
      String(statements),
      Object.entries(formats)
        .map(([format, isEqual]) => (isEqual ? format : `NOT ${format}`))
        .join(', '),
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => stringWidth(row[at] ?? ''))));
  const padded = (cell: string, at: number) => cell + ' '.repeat((widths[at] ?? 0) - stringWidth(cell));
  return rows.map((row) => `| ${row.map(padded).join(' | ')} |`).join('\n');
}
