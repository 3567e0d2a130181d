/** The numbers of a command line: `--seconds 3 --pairs 5`. */
export function numberOption(name: string, fallback: number): number {
  const given = wordOption(name);
  if (given === undefined) return fallback;
  const number = Number(given);
  if (!Number.isFinite(number) || number <= 0) throw new Error(`--${name} takes a number above 0, not "${given}"`);
  return number;
}

/** A word of a command line: `--only login`. */
export function wordOption(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}
