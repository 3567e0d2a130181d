/** Where a request came from. */
export interface Origin {
  readonly ip: string;
  readonly userAgent: string | null;
  readonly requestId: string;
}

/** As the audit has it: the name of the client's program short, and in letters that every reader can show. */
export function originFrom(ip: string, userAgent: string | undefined, requestId: string): Origin {
  return { ip, userAgent: userAgent === undefined ? null : printable(userAgent).slice(0, 256), requestId };
}

// Headers arrive as Latin-1.
const printable = (text: string) => (PRINTABLE.test(text) ? text : text.replace(/[^\x20-\x7e]/g, '?'));
const PRINTABLE = /^[\x20-\x7e]*$/;
