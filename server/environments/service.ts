import type { Access, Caller, Need } from '../access/access.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { badRequest, notFound } from '../refusal.ts';
import {
  deleteEnvironment,
  type EnvironmentRow,
  findEnvironment,
  insertEnvironment,
  renameInMemberships,
  updateEnvironment,
} from './store.ts';

interface NewEnvironment {
  readonly name: string;
  readonly slug: string;
  readonly position?: number | undefined;
}
type Change = Partial<NewEnvironment>;

/** The environments of a project (HIP-27: every project has dev, staging and prod). */
export class Environments {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  async create(caller: Caller, projectId: string, given: NewEnvironment): Promise<EnvironmentRow> {
    return takenAs(`environment "${given.slug}" exists already in this project`, () =>
      this.#change(caller, projectId, 'create', async (tx) => {
        const made = await insertEnvironment(tx, { projectId, ...given });
        return { environment: made, event: 'create-environment', action: 'create', metadata: { ...given } };
      }),
    );
  }

  async get(caller: Caller, projectId: string, id: string): Promise<EnvironmentRow> {
    await this.#access.project(caller, { id: projectId }, { action: 'read', subject: 'environments' });
    return this.#find(this.#db, projectId, id);
  }

  /** @throws for `prod`, which cannot be renamed: the alias `production` and the roles speak of it */
  async update(caller: Caller, projectId: string, id: string, change: Change): Promise<EnvironmentRow> {
    return takenAs(`environment "${change.slug}" exists already in this project`, () =>
      this.#change(caller, projectId, 'edit', async (tx) => {
        const before = await this.#find(tx, projectId, id);
        if (before.slug === 'prod' && change.slug !== undefined && change.slug !== 'prod') {
          throw badRequest('environment "prod" keeps its slug: the built-in roles and the alias "production" name it');
        }
        const environment = await updateEnvironment(tx, projectId, id, change);
        if (environment.slug !== before.slug) await renameInMemberships(tx, projectId, before.slug, environment.slug);
        return {
          environment,
          event: 'update-environment',
          action: 'update',
          metadata: { before: before.slug, ...change },
        };
      }),
    );
  }

  /** Deletes an environment with its folders and secrets. */
  async remove(caller: Caller, projectId: string, id: string): Promise<EnvironmentRow> {
    return this.#change(caller, projectId, 'delete', async (tx) => {
      const environment = await this.#find(tx, projectId, id);
      await deleteEnvironment(tx, projectId, environment);
      return { environment, event: 'delete-environment', action: 'delete', metadata: {} };
    });
  }

  async #change(
    caller: Caller,
    projectId: string,
    action: Need['action'],
    work: (tx: Db) => Promise<{
      environment: EnvironmentRow;
      event: string;
      action: 'create' | 'update' | 'delete';
      metadata: Record<string, unknown>;
    }>,
  ): Promise<EnvironmentRow> {
    const need: Need = { action, subject: 'environments' };
    const allowed = await this.#access.project(caller, { id: projectId }, need);
    return this.#access.change(allowed, [need], async (tx, audit) => {
      const { environment, ...done } = await work(tx);
      await audit([{ ...done, environment: environment.slug }]);
      return environment;
    });
  }

  async #find(db: Db, projectId: string, id: string): Promise<EnvironmentRow> {
    const environment = await findEnvironment(db, projectId, id);
    if (!environment) throw notFound(`environment ${id} not found in this project`);
    return environment;
  }
}
