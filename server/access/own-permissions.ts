import {
  type Condition,
  canonicalEnvironment,
  type ProjectPermissions,
  projectRoles,
  type Rule,
} from '../../contracts/index.ts';
import type { Database } from '../database/database.ts';
import { showRules } from '../roles/show.ts';
import type { Access, Caller } from './access.ts';
import { type HeldRoleRow, heldRoles } from './explain-store.ts';

/** Tells callers what they hold in a project themselves. */
export class OwnPermissions {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  /** The rules of all roles that count at this moment. Whoever has none in the project is told no more than by any other refusal. */
  async permissions(caller: Caller, projectId: string): Promise<ProjectPermissions> {
    const access = await this.#access.project(caller, { id: projectId });
    const { actor, organization } = access;
    const held = (await heldRoles(this.#db, projectId, actor.id)).filter(({ active }) => active);
    const runs = organization.role === 'admin';
    if (held.length === 0 && !runs) await this.#access.need(access, { action: 'read', subject: 'workspace' });
    await this.#access.recordRead(access, { action: 'read', event: 'get-project-permissions' });
    const memberships = [...Map.groupBy(held, ({ membershipId }) => membershipId)].map(([id, rows]) => ({
      id,
      actorUserId: actor.kind === 'user' && rows[0]!.groupId === null ? actor.id : null,
      actorIdentityId: actor.kind === 'identity' && rows[0]!.groupId === null ? actor.id : null,
      actorGroupId: rows[0]!.groupId,
      roles: rows.filter(({ isPrivilege }) => !isPrivilege).map(({ role }) => ({ role })),
    }));
    // As in every request: no role binds an admin of the organization.
    const rules = runs ? projectRoles.admin : held.flatMap(rulesOf);
    const [membership] = memberships;
    return { permissions: showRules(rules), memberships, ...(membership && { membership }) };
  }
}

function rulesOf({ role, permissions, environments }: HeldRoleRow): Rule[] {
  const builtIn = Object.hasOwn(projectRoles, role) ? projectRoles[role as keyof typeof projectRoles] : [];
  return (permissions ?? builtIn).map((rule: Rule) => (environments === null ? rule : within(rule, environments)));
}

/** The rule with a membership's limit among its conditions, all of which have to hold. */
function within(rule: Rule, environments: readonly string[]): Rule {
  const written = rule.conditions?.environment;
  const { $in, ...others } = typeof written === 'string' ? { $eq: written } : (written ?? {});
  const named = $in?.map(canonicalEnvironment);
  const both = named === undefined ? environments : environments.filter((environment) => named.includes(environment));
  const environment: Condition = { ...others, $in: [...both] };
  return { ...rule, conditions: { ...rule.conditions, environment } };
}
