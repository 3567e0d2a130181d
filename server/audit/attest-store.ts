import type { Db, Statement } from '../database/database.ts';
import { ATTESTED, type AttestedTable } from './attested.ts';

/** What became of one row of an attested table. */
export interface Attestation {
  /** Of the database's sequence. */
  readonly n: string;
  readonly xid: string;
  readonly tab: string;
  readonly rowId: string;
  readonly columns: readonly string[];
  /** Of the row's columns; null: the row is gone. */
  readonly digest: Buffer | null;
}

const PENDING: Statement = {
  name: 'attest.pending',
  text: `
    select n::text, xid::text, tab, row_id as "rowId", columns, digest
      from audit_attestations where xid = audit_position() and mac is null order by n`,
};

/** What this transaction changed in attested tables so far, and nobody has signed off. */
export async function pendingAttestations(tx: Db): Promise<Attestation[]> {
  return tx.query<Attestation>(PENDING, []);
}

const SIGN_OFF: Statement = {
  name: 'attest.sign-off',
  text: `
    update audit_attestations a set mac = given.mac
      from unnest($1::bigint[], $2::bytea[]) as given (n, mac) where a.n = given.n and a.mac is null`,
};

export async function storeMacs(tx: Db, ns: readonly string[], macs: readonly Buffer[]): Promise<void> {
  await tx.query(SIGN_OFF, [ns, macs]);
}

/** Under this name of a table stands, for each attested one, that its rows of that moment were taken as they were. */
export const ADOPTED = '*adopted';

const literals = (names: readonly string[]) => `array[${names.map((name) => `'${name}'`).join(', ')}]::text[]`;
/** The name of a row, as an SQL expression over the whole row as JSON. */
export const rowIdSql = (row: string, { key }: AttestedTable): string =>
  key.map((part) => `(${row} ->> '${part}')`).join(` || '/' || `);

const ADOPT: ReadonlyMap<string, Statement> = new Map(
  ATTESTED.map((table) => [
    table.name,
    {
      name: `attest.adopt-${table.name}`,
      text: `
        with marker as (
          insert into audit_attestations (tab, row_id, columns)
          select '${ADOPTED}', '${table.name}', '{}'
           where not exists (select from audit_attestations where tab = '${ADOPTED}' and row_id = '${table.name}')
          returning n
        )
        insert into audit_attestations (tab, row_id, columns, digest)
        select '${table.name}', ${rowIdSql('w.whole', table)}, array(select jsonb_object_keys(kept)),
               sha256(convert_to(kept::text, 'UTF8'))
          from marker, ${table.name} t, to_jsonb(t) as w (whole), lateral (select w.whole - ${literals(table.skipped)}) as k (kept)
         where not exists (select from audit_attestations a where a.tab = '${table.name}' and a.row_id = ${rowIdSql('w.whole', table)})`,
    },
  ]),
);

/** Takes the rows of a table as they are, once: those from before attestations, which a migration could not make. */
export async function adoptRows(tx: Db, table: string): Promise<void> {
  await tx.query(ADOPT.get(table)!, []);
}

const ADOPTIONS: Statement = {
  name: 'attest.adoptions',
  text: `select row_id as name from audit_attestations where tab = '${ADOPTED}'`,
};

/** The tables whose rows were adopted. */
export async function adoptions(db: Db): Promise<string[]> {
  return (await db.query<{ name: string }>(ADOPTIONS, [])).map(({ name }) => name);
}
