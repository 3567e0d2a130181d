import type { Db, Statement } from '../database/database.ts';

interface CodeRow {
  readonly sessionId: string;
  readonly organizationId: string;
  readonly challenge: string;
}

const PUT: Statement = {
  name: 'command-line.put-code',
  text: `
    insert into command_line_codes (mac, session_id, organization_id, challenge, expires_at)
    values ($1, $2, $3, $4, now() + interval '1 minute')`,
};

/** Keeps a code's MAC, for a minute. */
export async function putCode(tx: Db, mac: Buffer, code: CodeRow): Promise<void> {
  await tx.query(PUT, [mac, code.sessionId, code.organizationId, code.challenge]);
}

const TAKE: Statement = {
  name: 'command-line.take-code',
  text: `
    with taken as (delete from command_line_codes where mac = $1 returning *)
    select session_id as "sessionId", organization_id as "organizationId", challenge from taken where expires_at > now()`,
};

/** What a code stands for; it is gone with this, whatever comes of it. */
export async function takeCode(tx: Db, mac: Buffer): Promise<CodeRow | undefined> {
  return tx.first<CodeRow>(TAKE, [mac]);
}
