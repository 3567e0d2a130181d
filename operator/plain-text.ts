/** More than this nobody reads in a condition, an Event or a line of a log. */
const LONGEST = 600;

/**
 * What somebody else said, such as a server, for conditions, Events and logs: one line that moves no cursor and turns no writing direction, and
 * not at length. Who names the server writes what is read there otherwise.
 */
export function plainText(text: string, longest = LONGEST): string {
  // Cut first: a hundred megabytes are looked through by nobody.
  const line = text
    .slice(0, 4 * longest)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
  if (line.length <= longest) return line;
  // Not between the two halves of a character.
  return `${line.slice(0, longest - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
