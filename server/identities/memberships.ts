import type { RoleGrant } from '../../contracts/index.ts';
import type { Access, Caller } from '../access/access.ts';
import type { Database } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { environmentSlugs } from '../environments/store.ts';
import { invalid, notFound } from '../refusal.ts';
import {
  deleteProjectIdentity,
  findProjectIdentity,
  insertProjectIdentity,
  listMembershipsOfIdentity,
  listProjectIdentities,
  type ProjectIdentityRow,
  type RoleWrite,
  replaceRoles,
} from './memberships-store.ts';
import type { Identities } from './service.ts';
import { findIdentity } from './store.ts';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Which identity may do what in which project. Only those who hold every right of a project give rights in it. */
export class IdentityMemberships {
  readonly #db: Database;
  readonly #access: Access;
  readonly #identities: Identities;

  constructor(options: { db: Database; access: Access; identities: Identities }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#identities = options.identities;
  }

  async ofProject(caller: Caller, projectId: string): Promise<ProjectIdentityRow[]> {
    await this.#access.project(caller, { id: projectId }, { action: 'read', subject: 'identity' });
    return listProjectIdentities(this.#db, projectId);
  }

  async ofIdentity(caller: Caller, identityId: string): Promise<ProjectIdentityRow[]> {
    await this.#identities.managed(caller, identityId, 'list-identity-memberships', { orItself: true });
    return listMembershipsOfIdentity(this.#db, identityId);
  }

  async get(caller: Caller, projectId: string, identityId: string): Promise<ProjectIdentityRow> {
    await this.#access.project(caller, { id: projectId }, { action: 'read', subject: 'identity' });
    return found(await findProjectIdentity(this.#db, projectId, identityId), identityId);
  }

  async add(
    caller: Caller,
    projectId: string,
    identityId: string,
    roles: readonly RoleGrant[],
  ): Promise<ProjectIdentityRow> {
    const need = { action: 'create', subject: 'identity' } as const;
    const allowed = await this.#access.project(caller, { id: projectId }, need);
    return takenAs('this identity is a member of the project already', () =>
      this.#access.change(allowed, [need], async (tx, audit) => {
        const identity = await findIdentity(tx, identityId);
        // An identity of another organization is not told apart from none.
        if (identity?.organizationId !== allowed.organization.id) throw notFound(`identity ${identityId} not found`);
        const writes = toWrites(roles, await environmentSlugs(tx, projectId));
        const membershipId = await insertProjectIdentity(tx, projectId, identityId);
        await replaceRoles(tx, membershipId, writes);
        await audit([
          {
            action: 'create',
            event: 'add-identity-to-project',
            metadata: { identityId, name: identity.name, roles: writes },
          },
        ]);
        return found(await findProjectIdentity(tx, projectId, identityId), identityId);
      }),
    );
  }

  /** Gives an identity exactly these roles. */
  async update(
    caller: Caller,
    projectId: string,
    identityId: string,
    roles: readonly RoleGrant[],
  ): Promise<ProjectIdentityRow> {
    const need = { action: 'edit', subject: 'identity' } as const;
    const allowed = await this.#access.project(caller, { id: projectId }, need);
    return this.#access.change(allowed, [need], async (tx, audit) => {
      const membership = found(await findProjectIdentity(tx, projectId, identityId), identityId);
      const writes = toWrites(roles, await environmentSlugs(tx, projectId));
      await replaceRoles(tx, membership.id, writes);
      await audit([{ action: 'update', event: 'update-identity-of-project', metadata: { identityId, roles: writes } }]);
      return found(await findProjectIdentity(tx, projectId, identityId), identityId);
    });
  }

  async remove(caller: Caller, projectId: string, identityId: string): Promise<ProjectIdentityRow> {
    const need = { action: 'delete', subject: 'identity' } as const;
    const allowed = await this.#access.project(caller, { id: projectId }, need);
    return this.#access.change(allowed, [need], async (tx, audit) => {
      const membership = found(await findProjectIdentity(tx, projectId, identityId), identityId);
      await deleteProjectIdentity(tx, membership.id);
      await audit([{ action: 'delete', event: 'remove-identity-from-project', metadata: { identityId } }]);
      return membership;
    });
  }
}

function found(row: ProjectIdentityRow | undefined, identityId: string): ProjectIdentityRow {
  if (!row) throw notFound(`identity ${identityId} is no member of this project`);
  return row;
}

/** A mistyped environment would silently give nothing; it is refused by name instead. */
function toWrites(roles: readonly RoleGrant[], known: readonly string[]): RoleWrite[] {
  return roles.map(({ role, environments, isTemporary, temporaryRange, temporaryAccessStartTime }, n) => {
    for (const environment of environments ?? []) {
      if (!known.includes(environment)) {
        throw invalid(
          ['roles', n, 'environments'],
          `environment "${environment}" not found in this project: it has ${known.join(', ') || 'none'}`,
        );
      }
    }
    if (isTemporary && temporaryRange === undefined)
      throw invalid(['roles', n, 'temporaryRange'], 'a temporary role needs a temporaryRange such as 1h');
    return {
      role,
      environments: environments ? [...new Set(environments)].sort() : null,
      temporary:
        isTemporary && temporaryRange !== undefined
          ? { range: temporaryRange, start: temporaryAccessStartTime ?? null, seconds: toSeconds(temporaryRange) }
          : null,
    };
  });
}

function toSeconds(range: string): number {
  return Number(range.slice(0, -1)) * SECONDS[range.at(-1) as keyof typeof SECONDS];
}
