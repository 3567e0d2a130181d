/** What kind of tampering was found. */
export type FindingKind =
  | 'row-changed'
  | 'row-removed'
  | 'row-inserted'
  | 'row-ahead'
  | 'batch-changed'
  | 'batches-removed'
  | 'tail-cut'
  | 'head-differs'
  | 'signing-key-replaced'
  | 'key-ended'
  | 'grant-unattested'
  | 'grant-changed'
  | 'grant-put-back'
  | 'trigger-missing'
  | 'adopted-twice'
  | 'secret-changed'
  | 'secret-put-back'
  | 'secret-unrecorded';

/** One thing that somebody did to the database past the server. */
export interface Finding {
  readonly kind: FindingKind;
  /** What was found and where, for a person. */
  readonly message: string;
  readonly table?: string;
  /** The id of the row, or as much as is known of it. */
  readonly row?: string;
  readonly batch?: number;
}

export interface Report {
  readonly batches: number;
  readonly rows: number;
  /** Rows that committed and are not sealed yet: the last second's, on a running server. */
  readonly unsealed: number;
  readonly grants: number;
  readonly secrets: number;
  /** Heads of sinks that were compared. */
  readonly heads: number;
  readonly findings: readonly Finding[];
  /** Findings beyond those that are listed. */
  readonly more: number;
}

const LISTED_AT_MOST = 1_000;

/** Collects findings; a table that was replaced as a whole must not fill the memory. */
export class Findings {
  readonly list: Finding[] = [];
  more = 0;

  add(finding: Finding): void {
    if (this.list.length < LISTED_AT_MOST) this.list.push(finding);
    else this.more++;
  }
}
