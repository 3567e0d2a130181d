import type { z } from 'zod';
import type { Secret, SecretsAnswer } from '../../contracts/index.ts';
import type { Access, Caller, Need, ProjectAccess, ProjectReference } from '../access/access.ts';
import type { Database } from '../database/database.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest } from '../refusal.ts';
import { keepManifests, manifestOf } from '../secrets/linked-store.ts';
import { noSecret, toSecret } from '../secrets/show.ts';
import { type Reach, type Spot, seesSomeOf, sightOf } from '../secrets/visibility.ts';
import { refusePruned } from './rollback.ts';
import { type ScopeFolder, scopeOf, stateAt, type VersionRow } from './store.ts';

/** What is read as it was. */
export interface PastQuestion {
  readonly project: ProjectReference;
  readonly environment: string;
  readonly path: string;
  readonly recursive: boolean;
  /** The one secret that is asked for, by its name of then. */
  readonly key?: string;
  readonly at: Date;
  readonly withValues: boolean;
}

/** A moment that this process takes for the future may be over for the database already. */
const CLOCKS_APART_MS = 60_000;

/**
 * Reads secrets as they were at a moment, under the names and at the places of then. What was moved away is where it was; a
 * folder that is deleted is found under its last path. It takes what a read of today takes, and the right to look at the past.
 */
export class Past {
  readonly #db: Database;
  readonly #access: Access;
  readonly #keyring: Keyring;

  constructor(options: { db: Database; access: Access; keyring: Keyring }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#keyring = options.keyring;
  }

  async list(caller: Caller, question: PastQuestion): Promise<z.infer<typeof SecretsAnswer>> {
    const { environment, path, recursive, at, withValues } = question;
    const allowed = await this.#allow(caller, question);
    const { folders, rows, asked } = await this.#rowsAt(allowed, question);
    await refusePruned(this.#db, folders, at);
    // Asked again after they were read: nothing is shown to somebody whose right ended meanwhile.
    const again = await this.#allow(caller, question);
    const seen = rows.filter((row) => sightOf(again.rights, spotOf(row)) !== 'nothing');
    const names = seen.map((row) => (recursive && row.path !== path ? `${row.path}:${row.key}` : row.key));
    const manifest = names.length > 0 ? manifestOf(again.project.id, names) : undefined;
    if (manifest) await keepManifests(this.#db, [manifest]);
    await this.#access.recordRead(again, {
      ...{ action: 'read', event: 'get-secrets', environment, secretPath: path, manifestId: manifest?.id ?? null },
      metadata: { asOf: at.toISOString(), recursive },
    });
    const { id: projectId, changeId } = again.project;
    return {
      secrets: seen.map((row) => this.#show(again, row, withValues)),
      imports: [],
      folder: { id: asked, projectId, changeId },
    };
  }

  async get(caller: Caller, question: PastQuestion & { readonly key: string }): Promise<Secret> {
    const { environment, path, key, at, withValues } = question;
    const allowed = await this.#allow(caller, question);
    const { folders, rows } = await this.#rowsAt(allowed, question);
    const row = rows.find((one) => one.key === key);
    if (row === undefined) await refusePruned(this.#db, folders, at);
    const again = await this.#allow(caller, question);
    if (row === undefined || sightOf(again.rights, spotOf(row)) === 'nothing')
      throw noSecret(again.project.slug, { environment, path }, key);
    await this.#access.recordRead(again, {
      ...{ action: 'read', event: 'get-secret', environment, secretPath: path, secretKey: key },
      metadata: { asOf: at.toISOString(), secretId: row.id, version: row.version },
    });
    return this.#show(again, row, withValues);
  }

  async #allow(caller: Caller, { project, environment, path, recursive, key, at }: PastQuestion) {
    if (at.getTime() > Date.now() + CLOCKS_APART_MS) throw badRequest('asOf: this moment is yet to come');
    const history: Need = { action: 'read', subject: 'secret-rollback', environment, path };
    const allowed = await this.#access.project(caller, project, history);
    const reach: Reach = recursive ? { environment } : { environment, path, key };
    if (!seesSomeOf(allowed.rights, reach))
      await this.#access.need(allowed, { action: 'read', subject: 'secrets', ...reach });
    return allowed;
  }

  async #rowsAt(
    { project }: ProjectAccess,
    { environment, path, recursive, at }: PastQuestion,
  ): Promise<{ readonly folders: readonly string[]; readonly rows: readonly VersionRow[]; readonly asked: string }> {
    const scope = await scopeOf(this.#db, project.id, environment, path, recursive);
    if (scope.length === 0) {
      const root = await scopeOf(this.#db, project.id, environment, '/', false);
      throw root.length === 0
        ? await noEnvironment(this.#db, project, environment)
        : noFolder(project.slug, environment, path);
    }
    const folders = scope.map(({ id }) => id);
    const asked = thereAt(scope, path, at).id;
    return { folders, rows: await stateAt(this.#db, scope[0]!.environmentId, folders, at), asked };
  }

  #show({ project, rights }: ProjectAccess, row: VersionRow, withValues: boolean): Secret {
    const shown = withValues && sightOf(rights, spotOf(row)) === 'value';
    return toSecret(this.#keyring, project.id, row.environment, row, shown);
  }
}

/** The folder that was at the path then: the first that was deleted since, or the one that is there, or the last that was. */
function thereAt(scope: readonly ScopeFolder[], path: string, at: Date): ScopeFolder {
  const here = scope.filter((folder) => folder.path === path);
  const gone = here
    .filter(({ deletedAt }) => deletedAt !== null)
    .sort((one, other) => one.deletedAt!.getTime() - other.deletedAt!.getTime());
  return (
    gone.find(({ deletedAt }) => deletedAt! > at) ?? here.find(({ deleted }) => !deleted) ?? gone.at(-1) ?? scope[0]!
  );
}

const spotOf = ({ environment, path, key, tags }: VersionRow): Spot => ({
  environment,
  path,
  key,
  tags: tags.map(({ slug }) => slug),
});
