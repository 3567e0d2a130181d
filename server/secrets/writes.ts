import { createHash, randomUUID } from 'node:crypto';
import type { Secret } from '../../contracts/index.ts';
import { SealBroken, UnknownFormat } from '../../keys/index.ts';
import type { Access, Caller, Need, ProjectAccess, ProjectRecord, ProjectReference } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest, conflict } from '../refusal.ts';
import { noSecret, showSecret, toSecret } from './reads.ts';
import { openSecret, sealSecret } from './seal.ts';
import {
  deleteSecrets,
  findPlace,
  findSecrets,
  insertSecrets,
  type Place,
  type SecretRow,
  type SecretWrite,
  updateSecrets,
  type Written,
} from './store.ts';

export interface Target {
  readonly project: ProjectReference;
  readonly environment: string;
  readonly path: string;
}

export interface NewSecret {
  readonly secretKey: string;
  readonly secretValue: string;
  readonly secretComment: string;
  readonly skipMultilineEncoding?: boolean | null | undefined;
}

export interface SecretChange {
  readonly secretKey: string;
  readonly secretValue?: string | undefined;
  readonly newSecretName?: string | undefined;
  readonly secretComment?: string | undefined;
  readonly skipMultilineEncoding?: boolean | null | undefined;
}

/** What to do with a changed key that is not there: fail the batch, make it, or leave it out. */
export type OnMissing = 'failOnNotFound' | 'upsert' | 'ignore';

interface Work {
  readonly tx: Db;
  readonly allowed: ProjectAccess;
  readonly target: Target;
  readonly home: { readonly projectId: string; readonly environmentId: string; readonly folderId: string };
  readonly key: { readonly version: number; readonly wrapped: Buffer };
}

/** The changes of secrets. Each call is one transaction: every key of it is written and audited, or none is. */
export class Writes {
  readonly #access: Access;
  readonly #keyring: Keyring;

  constructor(options: { access: Access; keyring: Keyring }) {
    this.#access = options.access;
    this.#keyring = options.keyring;
  }

  async create(caller: Caller, target: Target, secrets: readonly NewSecret[]): Promise<Secret[]> {
    return this.#change(caller, target, 'create', async (work) => {
      const there = await findSecrets(
        work.tx,
        work.home.folderId,
        secrets.map(({ secretKey }) => secretKey),
      );
      if (there.length > 0) throw exists(there.map(({ key }) => key));
      return this.#insert(work, secrets);
    });
  }

  async update(
    caller: Caller,
    target: Target,
    changes: readonly SecretChange[],
    onMissing: OnMissing,
  ): Promise<Secret[]> {
    const needs = onMissing === 'upsert' ? (['edit', 'create'] as const) : (['edit'] as const);
    return this.#change(caller, target, needs, async (work) => {
      const there = await this.#find(work, changes);
      const missing = changes.filter(({ secretKey }) => !there.has(secretKey));
      if (missing.length > 0 && onMissing === 'failOnNotFound') {
        throw noSecret(work.allowed.project.slug, target, missing.map(({ secretKey }) => secretKey).join('", "'));
      }
      await this.#refuseTakenNames(work, changes, there, onMissing === 'upsert' ? missing : []);
      const updated = await this.#replace(work, changes, there);
      if (onMissing !== 'upsert' || missing.length === 0) return updated;
      const created = await this.#insert(work, missing.map(asNew));
      return { secrets: [...updated.secrets, ...created.secrets], records: [...updated.records, ...created.records] };
    });
  }

  async remove(caller: Caller, target: Target, keys: readonly string[]): Promise<Secret[]> {
    return this.#change(caller, target, 'delete', async (work) => {
      const there = await this.#find(
        work,
        keys.map((secretKey) => ({ secretKey })),
      );
      const missing = keys.filter((key) => !there.has(key));
      if (missing.length > 0) throw noSecret(work.allowed.project.slug, target, missing.join('", "'));
      const rows = keys.map((key) => there.get(key)!);
      await deleteSecrets(
        work.tx,
        rows.map(({ id }) => id),
      );
      return {
        secrets: rows.map((row) => this.#lastLook(work, row)),
        records: rows.map((row) => record('delete', 'delete-secret', target, row)),
      };
    });
  }

  async #change(
    caller: Caller,
    target: Target,
    actions: Need['action'] | readonly Need['action'][],
    run: (work: Work) => Promise<{ secrets: Secret[]; records: ProjectRecord[] }>,
  ): Promise<Secret[]> {
    const { environment, path } = target;
    const needs = [actions].flat().map((action): Need => ({ action, subject: 'secrets', environment }));
    const allowed = await this.#access.project(caller, target.project, ...needs);
    return this.#access.change(allowed, needs, async (tx, audit) => {
      const place = await findPlace(tx, allowed.project.id, environment, path);
      const home = await this.#home(tx, allowed, target, place);
      const key = { version: place.keyVersion, wrapped: place.wrappedKey };
      const { secrets, records } = await run({ tx, allowed, target, home, key });
      await audit(records);
      return secrets;
    });
  }

  async #home(tx: Db, allowed: ProjectAccess, { environment, path }: Target, place: Place) {
    if (place.environmentId === null) throw await noEnvironment(tx, allowed.project, environment);
    if (place.folderId === null) throw noFolder(allowed.project.slug, environment, path);
    return { projectId: allowed.project.id, environmentId: place.environmentId, folderId: place.folderId };
  }

  async #find({ tx, home }: Work, items: readonly { readonly secretKey: string }[]): Promise<Map<string, SecretRow>> {
    const rows = await findSecrets(
      tx,
      home.folderId,
      items.map(({ secretKey }) => secretKey),
    );
    return new Map(rows.map((row) => [row.key, row]));
  }

  async #refuseTakenNames(
    { tx, home }: Work,
    changes: readonly SecretChange[],
    there: Map<string, SecretRow>,
    made: readonly SecretChange[],
  ): Promise<void> {
    const names = changes
      .filter(({ secretKey, newSecretName }) => there.has(secretKey) && newSecretName && newSecretName !== secretKey)
      .map(({ newSecretName }) => newSecretName!);
    if (names.length === 0) return;
    const all = [...names, ...made.map(({ secretKey }) => secretKey)];
    if (new Set(all).size < all.length) throw badRequest('two secrets of this batch would get the same name');
    const taken = await findSecrets(tx, home.folderId, names);
    if (taken.length > 0) throw exists(taken.map(({ key }) => key));
  }

  async #insert(work: Work, secrets: readonly NewSecret[]) {
    const sealed = secrets.map((secret) =>
      sealSecret(this.#keyring, work.home, work.key, {
        id: randomUUID(),
        key: secret.secretKey,
        version: 1,
        skipMultilineEncoding: secret.skipMultilineEncoding ?? false,
        value: secret.secretValue,
        comment: secret.secretComment,
      }),
    );
    return this.#written(work, 'create', sealed, await insertSecrets(work.tx, work.home, sealed));
  }

  async #replace(work: Work, changes: readonly SecretChange[], there: Map<string, SecretRow>) {
    const sealed = changes.flatMap((change) => {
      const row = there.get(change.secretKey);
      if (row === undefined) return [];
      // What the change replaces is not opened: a row that was broken in the database can so be written anew.
      const kept = openSecret(this.#keyring, work.home.projectId, row, {
        value: change.secretValue === undefined,
        comment: change.secretComment === undefined,
      });
      return sealSecret(this.#keyring, work.home, work.key, {
        id: row.id,
        key: change.newSecretName ?? row.key,
        version: row.version + 1,
        skipMultilineEncoding: change.skipMultilineEncoding ?? row.skipMultilineEncoding,
        value: change.secretValue ?? kept.value!,
        comment: change.secretComment ?? kept.comment!,
      });
    });
    if (sealed.length === 0) return { secrets: [], records: [] };
    return this.#written(work, 'update', sealed, await updateSecrets(work.tx, sealed));
  }

  /** A deleted secret, as the answer shows it. One that was broken in the database is deleted too, its value unseen. */
  #lastLook({ home, target }: Work, row: SecretRow): Secret {
    try {
      return toSecret(this.#keyring, home.projectId, target.environment, row, true);
    } catch (error) {
      if (!(error instanceof SealBroken || error instanceof UnknownFormat)) throw error;
      return showSecret(home.projectId, target.environment, row, {});
    }
  }

  #written(work: Work, action: 'create' | 'update', sealed: readonly SecretWrite[], written: readonly Written[]) {
    const times = new Map(written.map((row) => [row.id, row]));
    const secrets = sealed.map((secret) => {
      const { createdAt, updatedAt } = times.get(secret.id)!;
      const row: SecretRow = {
        ...secret,
        ...work.home,
        path: work.target.path,
        wrappedKey: work.key.wrapped,
        createdAt,
        updatedAt,
      };
      return toSecret(this.#keyring, work.home.projectId, work.target.environment, row, true);
    });
    return { secrets, records: sealed.map((secret) => record(action, `${action}-secret`, work.target, secret)) };
  }
}

const exists = (keys: readonly string[]) =>
  conflict(`secret ${keys.map((key) => `"${key}"`).join(', ')} exists already`, { secretKeys: keys });

function asNew({ secretKey, secretValue, secretComment, skipMultilineEncoding }: SecretChange): NewSecret {
  if (secretValue === undefined)
    throw badRequest(`secret "${secretKey}" does not exist yet, so it needs a secretValue`);
  return { secretKey, secretValue, secretComment: secretComment ?? '', skipMultilineEncoding };
}

/**
 * The audit of a written secret. The hash of what is stored goes with it: who puts an old row back over a new one cannot
 * also make the audit agree.
 */
function record(
  action: 'create' | 'update' | 'delete',
  event: string,
  target: Target,
  row: Pick<SecretWrite, 'id' | 'key' | 'version' | 'sealedValue'>,
): ProjectRecord {
  const sealedHash = createHash('sha256').update(row.sealedValue).digest('hex');
  return {
    action,
    event,
    environment: target.environment,
    secretPath: target.path,
    secretKey: row.key,
    metadata: { secretId: row.id, version: row.version, sealedHash },
  };
}
