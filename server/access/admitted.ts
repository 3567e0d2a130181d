import type { Action } from '../../contracts/index.ts';
import type { AuditRecord } from '../audit/store.ts';
import type { Db } from '../database/database.ts';
import type { Caller, ProjectReference } from './caller.ts';
import type { Need, Rights } from './permissions.ts';
import type { Ask, Verdict } from './store.ts';

/** The caller, known to the database. */
export interface Actor {
  readonly id: string;
  readonly kind: 'user' | 'identity' | 'service';
  readonly name: string;
  readonly instanceAdmin: boolean;
  /** The one organization that the token reaches; null: all of the actor's. */
  readonly boundTo: string | null;
}

export interface OrganizationAccess {
  readonly caller: Caller;
  readonly actor: Actor;
  readonly organization: { readonly id: string; readonly role: string };
  /** What was looked at before a change besides the role, to be looked at again in the change's own transaction. */
  readonly recheck?: ((tx: Db) => Promise<void>) | undefined;
}

export interface ProjectAccess extends OrganizationAccess {
  readonly project: { readonly id: string; readonly slug: string; readonly changeId: string };
  /** The grants as the database wrote them; what is cached for one text holds for everyone with the same. */
  readonly grants: string;
  readonly rights: Rights;
}

/** An audit record of a project, without what its access already says. */
export type ProjectRecord = Pick<AuditRecord, 'action' | 'event'> &
  Partial<Pick<AuditRecord, 'environment' | 'secretPath' | 'secretKey' | 'metadata'>>;

export const actorOf = (verdict: Verdict): Actor => ({
  id: verdict.actorId!,
  kind: verdict.actorKind!,
  name: verdict.actorName!,
  instanceAdmin: verdict.instanceAdmin,
  boundTo: verdict.boundTo,
});

export const inProjectOf = (caller: Caller, verdict: Verdict, actor: Actor): Omit<ProjectAccess, 'rights'> => ({
  caller,
  actor,
  organization: { id: verdict.organizationId!, role: verdict.organizationRole! },
  project: { id: verdict.projectId!, slug: verdict.projectSlug!, changeId: verdict.changeId! },
  grants: verdict.grants,
});

export function inProject(access: ProjectAccess) {
  return {
    actor: access.actor,
    organizationId: access.organization.id,
    project: access.project,
    origin: access.caller.origin,
  };
}

/** HIP-27's word for an action; all that it does not name only reads. */
const asHipAction = (action: Action) =>
  action === 'create' || action === 'delete' ? action : action === 'edit' ? 'update' : 'read';

export function refusal(access: ProjectAccess, need: Need): AuditRecord {
  return {
    ...inProject(access),
    action: asHipAction(need.action),
    event: `${need.action}-${need.subject}`,
    outcome: 'refused',
    environment: need.environment ?? null,
    secretPath: need.path ?? null,
    secretKey: need.key ?? null,
  };
}

export function named({ id, slug, organizationId }: ProjectReference): Partial<Ask> {
  return id === undefined ? { projectSlug: slug, organizationId } : { projectId: id };
}
