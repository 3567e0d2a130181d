import type { Db, Statement } from '../database/database.ts';

/** A person's own value, as it is written. */
export interface PersonalWrite {
  readonly projectId: string;
  readonly secretId: string;
  readonly ownerId: string;
  readonly version: number;
  readonly keyVersion: number;
  readonly sealedValue: Buffer;
  readonly sealedComment: Buffer | null;
}

export interface PersonalWritten {
  readonly id: string;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const RETURNED = 'id, version, created_at as "createdAt", updated_at as "updatedAt"';

const INSERT: Statement = {
  name: 'personal-secrets.insert',
  text: `
    insert into personal_secrets (project_id, secret_id, owner_id, version, key_version, sealed_value, sealed_comment)
    values ($1, $2, $3, $4, $5, $6, $7) returning ${RETURNED}`,
};

const UPDATE: Statement = {
  name: 'personal-secrets.update',
  text: `
    update personal_secrets
       set version = $4, key_version = $5, sealed_value = $6, sealed_comment = $7, updated_at = now()
     where project_id = $1 and secret_id = $2 and owner_id = $3 returning ${RETURNED}`,
};

const valuesOf = (write: PersonalWrite) => [
  write.projectId,
  write.secretId,
  write.ownerId,
  write.version,
  write.keyVersion,
  write.sealedValue,
  write.sealedComment,
];

export async function insertPersonal(tx: Db, write: PersonalWrite): Promise<PersonalWritten> {
  return tx.one<PersonalWritten>(INSERT, valuesOf(write));
}

export async function updatePersonal(tx: Db, write: PersonalWrite): Promise<PersonalWritten> {
  return tx.one<PersonalWritten>(UPDATE, valuesOf(write));
}

const DELETE: Statement = {
  name: 'personal-secrets.delete',
  text: 'delete from personal_secrets where secret_id = $1 and owner_id = $2',
};

export async function deletePersonal(tx: Db, secretId: string, ownerId: string): Promise<void> {
  await tx.query(DELETE, [secretId, ownerId]);
}
