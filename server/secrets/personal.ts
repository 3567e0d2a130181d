import { createHash } from 'node:crypto';
import type { Secret } from '../../contracts/index.ts';
import type { Access, Caller, Need, ProjectAccess } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest, conflict, notFound } from '../refusal.ts';
import type { PersonalRow, ReadRow } from './fill-store.ts';
import { findRows } from './linked-store.ts';
import { deletePersonal, insertPersonal, updatePersonal } from './personal-store.ts';
import { openPersonal, sealPersonal } from './seal.ts';
import { showPersonal } from './show.ts';
import { findPlace } from './store.ts';
import type { Target } from './write-requests.ts';

/** What a person sets. */
export interface PersonalChange {
  readonly secretValue?: string | undefined;
  readonly secretComment?: string | undefined;
  readonly newSecretName?: string | undefined;
}

interface Work {
  readonly tx: Db;
  readonly row: ReadRow;
  readonly key: { readonly version: number; readonly wrapped: Buffer };
}

/**
 * A person's own values in place of shared ones. Who may read a secret may override it: nobody else ever sees the override.
 * Machines have none, since what a service reads must be what its owners set.
 */
export class PersonalWrites {
  readonly #access: Access;
  readonly #keyring: Keyring;

  constructor(options: { access: Access; keyring: Keyring }) {
    this.#access = options.access;
    this.#keyring = options.keyring;
  }

  async create(caller: Caller, target: Target, name: string, given: PersonalChange): Promise<Secret> {
    return this.#change(caller, target, name, 'create', async ({ tx, row, key }, ownerId) => {
      if (row.personal) throw conflict(`you have a personal secret "${name}" already; change it instead`);
      const opened = { value: given.secretValue ?? '', comment: given.secretComment ?? '' };
      const home = { projectId: row.projectId, secretId: row.id, ownerId };
      const sealed = sealPersonal(this.#keyring, home, key, 1, opened);
      const written = await insertPersonal(tx, { ...home, version: 1, ...sealed });
      return { personal: written, opened, sealed };
    });
  }

  async update(caller: Caller, target: Target, name: string, given: PersonalChange): Promise<Secret> {
    if (given.newSecretName !== undefined && given.newSecretName !== name) {
      throw badRequest('a personal secret has the name of the shared one; rename that');
    }
    return this.#change(caller, target, name, 'update', async ({ tx, row, key }, ownerId) => {
      const before = row.personal ?? noPersonal(name);
      const kept = openPersonal(this.#keyring, row, before, {
        value: given.secretValue === undefined,
        comment: given.secretComment === undefined,
        metadata: false,
      });
      const opened = { value: given.secretValue ?? kept.value!, comment: given.secretComment ?? kept.comment! };
      const home = { projectId: row.projectId, secretId: row.id, ownerId };
      const version = before.version + 1;
      const sealed = sealPersonal(this.#keyring, home, key, version, opened);
      const written = await updatePersonal(tx, { ...home, version, ...sealed });
      return { personal: written, opened, sealed };
    });
  }

  async remove(caller: Caller, target: Target, name: string): Promise<Secret> {
    return this.#change(caller, target, name, 'delete', async ({ tx, row }, ownerId) => {
      const personal = row.personal ?? noPersonal(name);
      await deletePersonal(tx, row.id, ownerId);
      const opened = openPersonal(this.#keyring, row, personal, { value: true, comment: true, metadata: false });
      return { personal, opened, sealed: personal };
    });
  }

  async #change(
    caller: Caller,
    target: Target,
    name: string,
    action: 'create' | 'update' | 'delete',
    work: (
      work: Work,
      ownerId: string,
    ) => Promise<{
      personal: Pick<PersonalRow, 'id' | 'version' | 'createdAt' | 'updatedAt'>;
      opened: { value?: string; comment?: string };
      sealed: { readonly sealedValue: Buffer; readonly sealedComment: Buffer | null };
    }>,
  ): Promise<Secret> {
    const { environment, path } = target;
    const need: Need = { action: 'read', subject: 'secrets', environment, path, key: name };
    const allowed = await this.#access.project(caller, target.project, need);
    if (allowed.actor.kind !== 'user') throw badRequest('Must be user to create personal secret: machines have none');
    return this.#access.change(allowed, [need], async (tx, audit) => {
      const { row, key } = await this.#find(tx, allowed, target, name);
      const { personal, opened, sealed } = await work({ tx, row, key }, allowed.actor.id);
      const sealedHash = hashOf(sealed.sealedValue);
      const commentHash = sealed.sealedComment && hashOf(sealed.sealedComment);
      // Its own id, as that of any secret: `kms-server audit verify` takes what is recorded of the shared one's id for the shared one.
      const { id: secretId, version } = personal;
      const metadata = { secretId, type: 'personal', overrides: row.id, version, sealedHash, commentHash };
      await audit([{ action, event: `${action}-secret`, environment, secretPath: path, secretKey: name, metadata }]);
      return showPersonal(row.projectId, environment, row, personal, opened, allowed.actor);
    });
  }

  async #find(tx: Db, allowed: ProjectAccess, { environment, path }: Target, name: string) {
    const { project, actor } = allowed;
    const place = await findPlace(tx, project.id, environment, path);
    if (place.environmentId === null) throw await noEnvironment(tx, project, environment);
    if (place.folderId === null) throw noFolder(project.slug, environment, path);
    const [row] = await findRows(tx, [{ folderId: place.folderId, key: name }], actor.id);
    if (row === undefined) {
      throw badRequest(`there is no shared secret "${name}" at "${path}" that a personal one could stand in for`);
    }
    return { row, key: { version: place.keyVersion, wrapped: place.wrappedKey } };
  }
}

const hashOf = (sealed: Buffer) => createHash('sha256').update(sealed).digest('hex');

function noPersonal(name: string): never {
  throw notFound(`you have no personal secret "${name}" here`);
}
