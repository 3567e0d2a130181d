import { paint, print, type Terminal } from './terminal.ts';

/** Rows below their heads, in columns as wide as they must be. */
export function printTable(terminal: Terminal, heads: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  print(terminal, paint(terminal.stdout, 'bold', line(heads)), ...rows.map(line));
}
