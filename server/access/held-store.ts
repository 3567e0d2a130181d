import type { Rule } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';
import { rulesOfRole } from './permissions.ts';
import type { CompiledRule } from './rules.ts';
import { GRANT } from './store.ts';

/** Whom something is about: somebody of an organization, or a group of it. */
export type Holder = { readonly actorId: string } | { readonly groupId: string };

// Roles that have not begun yet count, and those that have ended do not.
const HELD: Statement = {
  name: 'access.held-in-projects',
  text: `
    select m.project_id as "projectId", r.role, c.permissions, r.environments, r.expires_at is not null as "isTemporary"
      from project_memberships m
      join projects p on p.id = m.project_id and p.organization_id = $1
      join project_membership_roles r on r.membership_id = m.id
      left join project_roles c on c.id = r.custom_role_id
     where (m.actor_id = $2 or m.group_id = $3 or m.group_id in (select group_id from group_members where actor_id = $2))
       and (r.expires_at is null or r.expires_at > now())`,
};

/** What somebody holds in a project: what lasts, and the rules of each role that ends by itself. */
export interface Held {
  readonly lasting: readonly CompiledRule[];
  readonly passing: readonly (readonly CompiledRule[])[];
}

/** What somebody, or a group, holds in the projects of an organization. */
export async function heldInProjects(
  db: Db,
  organizationId: string,
  holder: Holder,
): Promise<ReadonlyMap<string, Held>> {
  const values = 'actorId' in holder ? [organizationId, holder.actorId, null] : [organizationId, null, holder.groupId];
  type Row = {
    projectId: string;
    role: string;
    permissions: Rule[] | null;
    environments: string[] | null;
    isTemporary: boolean;
  };
  const held = new Map<string, { lasting: CompiledRule[]; passing: CompiledRule[][] }>();
  for (const { projectId, role, permissions, environments, isTemporary } of await db.query<Row>(HELD, values)) {
    const here = held.get(projectId) ?? { lasting: [], passing: [] };
    const rules = rulesOfRole(role, permissions, environments);
    if (isTemporary) here.passing.push(rules);
    else here.lasting.push(...rules);
    held.set(projectId, here);
  }
  return held;
}

const LASTING: Statement = {
  name: 'access.lasting-grants',
  text: `
    select string_agg(distinct ${GRANT}, ',' order by ${GRANT}) filter (where r.expires_at is null) as lasting,
           count(*) filter (where r.expires_at > now())::int as passing
      from (select m.id from project_memberships m where m.project_id = $1 and m.actor_id = $2
            union all
            select m.id from group_members gm join project_memberships m on m.group_id = gm.group_id and m.project_id = $1
             where gm.actor_id = $2) m
      join project_membership_roles r on r.membership_id = m.id
      left join project_roles c on c.id = r.custom_role_id`,
};

/**
 * The roles of somebody in a project that do not end by themselves, in the text of a verdict.
 *
 * @returns undefined when all of them are such
 */
export async function lastingGrants(db: Db, projectId: string, actorId: string): Promise<string | undefined> {
  const { lasting, passing } = await db.one<{ lasting: string | null; passing: number }>(LASTING, [projectId, actorId]);
  return passing === 0 ? undefined : (lasting ?? '');
}
