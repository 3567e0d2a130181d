import {
  type ExplainOrganizationAnswer,
  type OrganizationNeed,
  organizationRoleRules,
  type Rule,
  type ShownOrganizationRole,
} from '../../contracts/index.ts';
import type { Access, Caller } from '../access/access.ts';
import { findActor } from '../access/explain-store.ts';
import { decideOrganization, organizationRightsFrom, organizationRules } from '../access/organization-rights.ts';
import { showRule } from '../access/refused.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database } from '../database/database.ts';
import type { CustomRole } from '../organizations/members-store.ts';
import { notFound } from '../refusal.ts';
import { showRules } from '../roles/show.ts';
import { roleOf } from './store.ts';

/** What a caller holds in an organization by its own role. */
export interface OwnPermissions {
  readonly actorId: string;
  readonly organizationId: string;
  readonly role: ShownOrganizationRole;
  readonly customRole: CustomRole | null;
  readonly rules: readonly Rule[];
}

/** Answers "may X do Y in the organization, and why", with the very rules that decide requests. */
export class ExplainOrganization {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;

  constructor(options: { db: Database; access: Access; audit: Audit }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
  }

  /** What the caller itself holds: everybody of the organization may know. */
  async own(caller: Caller, organizationId: string): Promise<OwnPermissions> {
    const { actor } = await this.#access.organization(caller, organizationId);
    const held = await roleOf(this.#db, organizationId, actor.id);
    if (!held) throw notFound(`organization ${organizationId} not found`);
    const { role, customRole, permissions } = held;
    return {
      actorId: actor.id,
      organizationId,
      role,
      customRole,
      rules: permissions ?? (role === 'custom' ? [] : organizationRoleRules[role]),
    };
  }

  /** About oneself to everybody of the organization; about others to those who may change its members and roles. */
  async explain(
    caller: Caller,
    organizationId: string,
    { actorId: asked, need }: { actorId?: string | undefined; need: OrganizationNeed },
  ): Promise<ExplainOrganizationAnswer> {
    const what = 'explain-organization-access';
    const access = await this.#access.organization(caller, organizationId);
    const actorId = asked ?? access.actor.id;
    if (actorId !== access.actor.id) {
      for (const subject of ['member', 'identity', 'role'] as const) {
        await this.#access.needOrganization(access, { action: 'edit', subject }, what);
      }
    }
    const actor = await findActor(this.#db, organizationId, actorId);
    const held = await roleOf(this.#db, organizationId, actorId);
    if (!actor || !held) throw notFound(`actor ${actorId} not found in this organization`);
    const role = held.customRole?.slug ?? held.role;
    const rules = actor.belongs ? organizationRules(held.role, held.permissions) : [];
    const decision = decideOrganization(organizationRightsFrom(role, rules), need);
    const by = decision.forbiddenBy[0] ?? decision.allowedBy[0];
    const { allowed } = decision;
    const { action, subject } = need;
    const metadata = { about: actorId, action, subject, allowed };
    await this.#audit.write({
      ...{ action: 'read', event: what, outcome: 'allowed', metadata, organizationId },
      ...{ actor: access.actor, origin: caller.origin },
    });
    return {
      allowed,
      reason: actor.belongs
        ? by === undefined
          ? `no rule of role "${role}" of ${actor.name} allows it`
          : `a rule of role "${role}" ${allowed ? 'allows' : 'forbids'} it: ${showRule(by.rule)}`
        : `${actor.name} is no active member of the organization`,
      asked: { actor: { id: actor.id, kind: actor.kind, name: actor.name }, action, subject },
      role,
      decidedBy: [
        ...decision.forbiddenBy.map(({ rule }) => ({ effect: 'forbids' as const, rule: showRules([rule])[0]! })),
        ...decision.allowedBy.map(({ rule }) => ({ effect: 'allows' as const, rule: showRules([rule])[0]! })),
      ],
    };
  }
}
