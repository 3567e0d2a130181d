/** A place in the change log. Positions of one timeline are in commit order; those of two cannot be compared. */
export interface Position {
  /** The life of the database that it belongs to (its system and its timeline). */
  readonly timeline: string;
  readonly xid: bigint;
  readonly id: bigint;
}

const FORM = /^([0-9-]{1,48})\.(\d{1,20})\.(\d{1,19})$/;
const MOST_XID = 2n ** 64n - 1n;
const MOST_ID = 2n ** 63n - 1n;

/** As the `id:` of an event, and as `Last-Event-ID` of who comes back. */
export function formatPosition({ timeline, xid, id }: Position): string {
  return `${timeline}.${xid}.${id}`;
}

/** What `formatPosition` wrote, or nothing for any other text. */
export function parsePosition(text: string): Position | undefined {
  const [, timeline, xid, id] = FORM.exec(text) ?? [];
  if (timeline === undefined) return undefined;
  const position = { timeline, xid: BigInt(xid!), id: BigInt(id!) };
  return position.xid <= MOST_XID && position.id <= MOST_ID ? position : undefined;
}

/** Whether one position comes after another of the same timeline. */
export function isAfter(a: Position, b: Position): boolean {
  return a.xid === b.xid ? a.id > b.id : a.xid > b.xid;
}
