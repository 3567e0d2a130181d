import { createHash } from 'node:crypto';
import { HIDDEN_VALUE, type SecretVersion } from '../../contracts/index.ts';
import type { Access, Caller, ProjectAccess } from '../access/access.ts';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { asIfAbsent, conflict, notFound } from '../refusal.ts';
import { openPlaces } from '../secrets/places.ts';
import { recordWrite } from '../secrets/records.ts';
import { resealSecret } from '../secrets/seal.ts';
import { showSecret, toSecret } from '../secrets/show.ts';
import { findSecrets } from '../secrets/store.ts';
import { WriteRights } from '../secrets/write-rights.ts';
import { insertSecrets, updateSecrets } from '../secrets/write-store.ts';
import { backdate, type VersionRow, versionOf, versionsOf } from './store.ts';

/** The versions of single secrets: what they were, and one of them brought back. Deleted secrets have theirs too. */
export class History {
  readonly #db: Database;
  readonly #access: Access;
  readonly #keyring: Keyring;

  constructor(options: { db: Database; access: Access; keyring: Keyring }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#keyring = options.keyring;
  }

  /** Versions, latest first. Each shows its value only to those who may read where it was, under its name of then. */
  async versions(
    caller: Caller,
    secretId: string,
    offset: number,
    limit: number,
  ): Promise<{ readonly secretVersions: SecretVersion[]; readonly totalCount: number }> {
    const { latest, allowed } = await this.#reach(caller, secretId, 'describeSecret');
    const rows = await versionsOf(this.#db, secretId, offset, limit);
    // Asked again after they were read: nothing is shown to somebody whose right ended meanwhile.
    const again = await this.#access.project(caller, { id: latest.projectId }, needAt('describeSecret', latest));
    await this.#access.recordRead(allowed, {
      action: 'read',
      event: 'get-secret-versions',
      environment: latest.environment,
      secretPath: latest.path,
      secretKey: latest.key,
      metadata: { secretId, versions: rows.map(({ version }) => version) },
    });
    const secretVersions = rows.map((row) => showVersion(this.#keyring, again, row));
    return { secretVersions, totalCount: latest.version };
  }

  /**
   * Makes a version's content the next version. The secret keeps its present name and place; a deleted one comes back
   * under its last, with its id and its history.
   */
  async rollback(caller: Caller, secretId: string, version: number): Promise<SecretVersion> {
    const { allowed } = await this.#reach(caller, secretId, 'describeSecret');
    return this.#access.change(allowed, [], async (tx, audit, again) => {
      const [now] = await versionsOf(tx, secretId, 0, 1);
      const then = await versionOf(tx, secretId, version);
      if (now === undefined) throw missing(secretId);
      const rights = new WriteRights(this.#access, again, now.environment);
      await rights.need(now.until === null ? 'edit' : 'create', now);
      if (then === undefined) throw notFound(`secret "${now.key}" has no version ${version}`);
      await new WriteRights(this.#access, again, then.environment).needUnveil(then, now, rights);
      const places = await openPlaces(tx, again, now.environment, [now.path]);
      const home = places.homes.get(now.path)!;
      const next = { home, key: places.key, id: secretId, name: now.key, version: now.version + 1 };
      const written = { ...resealSecret(this.#keyring, then, next), path: now.path };
      if (now.until === null) {
        await updateSecrets(tx, places.writing, [written]);
      } else {
        if ((await findSecrets(tx, [{ folderId: home.folderId, key: now.key }])).length > 0)
          throw conflict(`secret "${now.key}" exists already; rename or delete it first`);
        await insertSecrets(tx, places.writing, [written]);
        await backdate(tx, [now]);
      }
      const action = now.until === null ? 'update' : 'create';
      await audit([recordWrite(action, now.environment, written, { restoredVersion: version })]);
      const row = (await versionOf(tx, secretId, written.version))!;
      return showVersion(this.#keyring, again, row);
    });
  }

  /** The secret by its id, for those who may look at where it is or was; to others it is not there. */
  async #reach(caller: Caller, secretId: string, action: 'describeSecret') {
    const [latest] = await versionsOf(this.#db, secretId, 0, 1);
    if (latest === undefined) {
      await this.#access.actor(caller);
      throw missing(secretId);
    }
    const allowed = await asIfAbsent(
      () => missing(secretId),
      () => this.#access.project(caller, { id: latest.projectId }, needAt(action, latest)),
    );
    return { latest, allowed };
  }
}

const missing = (secretId: string) => notFound(`secret ${secretId} not found`);

function needAt(action: 'describeSecret' | 'readValue', { environment, path, key, tags }: VersionRow) {
  return { action, subject: 'secrets', environment, path, key, tags: tags.map(({ slug }) => slug) } as const;
}

/** A version as the API shows it; its value, comment and metadata as far as the caller may see them where it was. */
export function showVersion(keyring: Keyring, { rights, project }: ProjectAccess, row: VersionRow): SecretVersion {
  const place = needAt('describeSecret', row);
  const secret = !rights.may('describeSecret', 'secrets', place)
    ? { ...showSecret(project.id, row.environment, row, {}), secretKey: HIDDEN_VALUE, secretMetadata: [], tags: [] }
    : toSecret(keyring, project.id, row.environment, row, rights.may('readValue', 'secrets', place));
  const id = versionId(row);
  return {
    ...secret,
    id,
    _id: id,
    secretId: row.id,
    replacedAt: row.until?.toISOString() ?? null,
  };
}

/** The id of a version, which is its secret's and its number: the same for ever, with nothing stored for it. */
function versionId({ id, version }: VersionRow): string {
  const hex = createHash('sha256').update(`${id}:${version}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(12, 15)}-8${hex.slice(15, 18)}-${hex.slice(18, 30)}`;
}
