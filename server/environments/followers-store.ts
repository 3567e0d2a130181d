import type { Rule } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';

/** Rules that somebody wrote: a role of the project, the rights of one membership alone, or those of a service token. */
export interface WrittenRules {
  readonly id: string;
  readonly slug: string;
  readonly permissions: readonly Rule[];
  /** Whose they are; null: a role that may be given to anybody. */
  readonly holder: string | null;
}

const RULES: Statement = {
  name: 'environments.written-rules',
  text: `
    select r.id, r.slug, r.permissions, coalesce(i.name, u.email, st.name, g.name) as holder
      from project_roles r
      left join project_memberships m on m.id = r.membership_id
      left join identities i on i.id = m.actor_id
      left join users u on u.id = m.actor_id
      left join service_tokens st on st.id = m.actor_id
      left join groups g on g.id = m.group_id
     where r.project_id = $1 order by r.membership_id nulls first, r.slug, r.id`,
};

/** All rules that are written in a project. */
export async function writtenRules(tx: Db, projectId: string): Promise<WrittenRules[]> {
  return tx.query<WrittenRules>(RULES, [projectId]);
}

const REWRITE: Statement = {
  name: 'environments.rewrite-rules',
  text: `
    update project_roles r set permissions = given.permissions
      from unnest($1::uuid[], $2::jsonb[]) as given (id, permissions) where r.id = given.id`,
};

export async function rewriteRules(
  tx: Db,
  rewritten: readonly { readonly id: string; readonly permissions: readonly Rule[] }[],
): Promise<void> {
  if (rewritten.length === 0) return;
  const rules = rewritten.map(({ permissions }) => JSON.stringify(permissions));
  await tx.query(REWRITE, [rewritten.map(({ id }) => id), rules]);
}

// Memberships are limited to environments by slug.
const RENAME_IN_MEMBERSHIPS: Statement = {
  name: 'environments.rename-in-memberships',
  text: `
    update project_membership_roles r set environments = array_replace(r.environments, $2, $3), updated_at = now()
      from project_memberships m
     where m.id = r.membership_id and m.project_id = $1 and $2 = any (r.environments)`,
};
const RENAME_IN_TOKENS: Statement = {
  name: 'environments.rename-in-service-tokens',
  text: `
    update service_tokens t
       set scopes = (select jsonb_agg(case when scope ->> 'environment' = $2 then scope || jsonb_build_object('environment', $3::text)
                                           else scope end order by n)
                       from jsonb_array_elements(t.scopes) with ordinality as s (scope, n)),
           updated_at = now()
     where project_id = $1 and exists (select from jsonb_array_elements(t.scopes) as scope where scope ->> 'environment' = $2)`,
};

/** Lets memberships and service tokens follow an environment to its new slug. */
export async function renameInLists(tx: Db, projectId: string, before: string, after: string): Promise<void> {
  await tx.query(RENAME_IN_MEMBERSHIPS, [projectId, before, after]);
  await tx.query(RENAME_IN_TOKENS, [projectId, before, after]);
}

const REMOVE_FROM_MEMBERSHIPS: Statement = {
  name: 'environments.remove-from-memberships',
  text: `
    update project_membership_roles r set environments = array_remove(r.environments, $2), updated_at = now()
      from project_memberships m
     where m.id = r.membership_id and m.project_id = $1 and $2 = any (r.environments)`,
};
const REMOVE_FROM_TOKENS: Statement = {
  name: 'environments.remove-from-service-tokens',
  text: `
    update service_tokens t
       set scopes = coalesce((select jsonb_agg(scope order by n) from jsonb_array_elements(t.scopes) with ordinality as s (scope, n)
                               where scope ->> 'environment' <> $2), '[]'),
           updated_at = now()
     where project_id = $1 and exists (select from jsonb_array_elements(t.scopes) as scope where scope ->> 'environment' = $2)`,
};

/** Lets memberships and service tokens let go of a deleted environment. */
export async function removeFromLists(tx: Db, projectId: string, slug: string): Promise<void> {
  await tx.query(REMOVE_FROM_MEMBERSHIPS, [projectId, slug]);
  await tx.query(REMOVE_FROM_TOKENS, [projectId, slug]);
}
