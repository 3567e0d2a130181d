import type { UpdateEnvironmentBody } from '../../contracts/index.ts';
import type { Access, Caller, Need, ProjectAccess } from '../access/access.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { asIfAbsent, badRequest, notFound } from '../refusal.ts';
import { followDeletion, followRename } from './followers.ts';
import { type BrokenReferences, brokenBy, refuseBroken } from './references.ts';
import {
  arrange,
  deleteEnvironment,
  type EnvironmentRow,
  findEnvironment,
  findEnvironmentById,
  insertEnvironment,
  listEnvironments,
  updateEnvironment,
} from './store.ts';

interface NewEnvironment {
  readonly name: string;
  readonly slug: string;
  readonly position?: number | undefined;
}

/** A changed environment, and what a rename left behind. */
export interface ChangedEnvironment {
  readonly environment: EnvironmentRow;
  readonly broken?: BrokenReferences | undefined;
}

interface Change extends ChangedEnvironment {
  readonly event: string;
  readonly action: 'create' | 'update' | 'delete';
  readonly metadata: Record<string, unknown>;
}

/** The environments of a project (HIP-27: every project has dev, staging and prod). Their positions are 1 to n, without gaps. */
export class Environments {
  readonly #db: Database;
  readonly #access: Access;
  readonly #keyring: Keyring;

  constructor(options: { db: Database; access: Access; keyring: Keyring }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#keyring = options.keyring;
  }

  /** Makes an environment at its position, or as the last one. */
  async create(caller: Caller, projectId: string, given: NewEnvironment): Promise<ChangedEnvironment> {
    return takenAs(`environment "${given.slug}" exists already in this project`, () =>
      this.#change(caller, projectId, 'create', async (tx) => {
        const { id } = await insertEnvironment(tx, { projectId, ...given });
        if (given.position !== undefined) await arrange(tx, projectId, { id, position: given.position });
        const environment = await this.#find(tx, projectId, id);
        return { environment, event: 'create-environment', action: 'create', metadata: { ...given } };
      }),
    );
  }

  /** In their order. */
  async list(caller: Caller, projectId: string): Promise<EnvironmentRow[]> {
    await this.#access.project(caller, { id: projectId }, { action: 'read', subject: 'environments' });
    return listEnvironments(this.#db, projectId);
  }

  /** By its id alone. In a project of strangers it is not there. */
  async getById(caller: Caller, id: string): Promise<EnvironmentRow> {
    const environment = await findEnvironmentById(this.#db, id);
    if (!environment) {
      await this.#access.actor(caller);
      throw notFound(`environment ${id} not found`);
    }
    const { projectId } = environment;
    await asIfAbsent(
      () => notFound(`environment ${id} not found`),
      () => this.#access.project(caller, { id: projectId }, { action: 'read', subject: 'environments' }),
    );
    return environment;
  }

  async get(caller: Caller, projectId: string, id: string): Promise<EnvironmentRow> {
    await this.#access.project(caller, { id: projectId }, { action: 'read', subject: 'environments' });
    return this.#find(this.#db, projectId, id);
  }

  /**
   * Changes an environment. Whatever names it by its slug goes along with a new one (followers.ts).
   *
   * @throws for `prod`, which cannot be renamed: the alias `production` and the roles speak of it
   * @throws where references within values would lead nowhere, unless `allowBrokenReferences` says that they may
   */
  async update(
    caller: Caller,
    projectId: string,
    id: string,
    change: UpdateEnvironmentBody,
  ): Promise<ChangedEnvironment> {
    const { allowBrokenReferences, ...wanted } = change;
    return takenAs(`environment "${wanted.slug}" exists already in this project`, () =>
      this.#change(caller, projectId, 'edit', async (tx, again) => {
        const before = await this.#find(tx, projectId, id);
        const { slug = before.slug } = wanted;
        if (before.slug === 'prod' && slug !== 'prod') {
          throw badRequest('environment "prod" keeps its slug: the built-in roles and the alias "production" name it');
        }
        const broken = slug === before.slug ? undefined : await brokenBy(tx, this.#keyring, again, id, before.slug);
        if (broken && !allowBrokenReferences) refuseBroken(before.slug, broken);
        await updateEnvironment(tx, projectId, id, wanted);
        const followed = broken ? await followRename(tx, this.#access, again, before.slug, slug) : [];
        if (wanted.position !== undefined) await arrange(tx, projectId, { id, position: wanted.position });
        return {
          environment: await this.#find(tx, projectId, id),
          event: 'update-environment',
          action: 'update',
          metadata: { before: before.slug, ...wanted, ...noted(followed), ...countOf(broken) },
          broken,
        };
      }),
    );
  }

  /** Deletes an environment with its folders and secrets. The next of its slug is another one (followers.ts). */
  async remove(caller: Caller, projectId: string, id: string): Promise<ChangedEnvironment> {
    return this.#change(caller, projectId, 'delete', async (tx) => {
      const environment = await this.#find(tx, projectId, id);
      const followed = await followDeletion(tx, projectId, environment.slug);
      await deleteEnvironment(tx, projectId, id);
      await arrange(tx, projectId);
      return { environment, event: 'delete-environment', action: 'delete', metadata: noted(followed) };
    });
  }

  async #change(
    caller: Caller,
    projectId: string,
    action: Need['action'],
    work: (tx: Db, again: ProjectAccess) => Promise<Change>,
  ): Promise<ChangedEnvironment> {
    const need: Need = { action, subject: 'environments' };
    const allowed = await this.#access.project(caller, { id: projectId }, need);
    return this.#access.change(allowed, [need], async (tx, audit, again) => {
      const { environment, broken, ...done } = await work(tx, again);
      await audit([{ ...done, environment: environment.slug }]);
      return { environment, broken };
    });
  }

  async #find(db: Db, projectId: string, id: string): Promise<EnvironmentRow> {
    const environment = await findEnvironment(db, projectId, id);
    if (!environment) throw notFound(`environment ${id} not found in this project`);
    return environment;
  }
}

const noted = (rewrittenRoles: readonly object[]) => (rewrittenRoles.length > 0 ? { rewrittenRoles } : {});
const countOf = (broken: BrokenReferences | undefined) => {
  const count = broken ? broken.seen.length + broken.others : 0;
  return count > 0 ? { brokenReferences: count } : {};
};
