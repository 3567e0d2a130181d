import type { AuditQuery } from '../../contracts/index.ts';
import type { Access, Actor, Caller } from '../access/access.ts';
import type { Database } from '../database/database.ts';
import { organizationsOf } from '../organizations/store.ts';
import { badRequest } from '../refusal.ts';
import type { Audit } from './audit.ts';
import { type AuditRow, queryRecords } from './query-store.ts';

/** Who asks, and of which organization and project. */
interface Scope {
  readonly actor: Actor;
  readonly organizationId: string;
  readonly project?: { readonly id: string; readonly slug: string };
}

/** The reading side of the audit. Looking at it is itself recorded. */
export class AuditQueries {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;

  constructor(options: { db: Database; access: Access; audit: Audit }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
  }

  /**
   * Records of a project, for its admins; or of an organization that is named, for that one's admins, who can look by
   * `projectId` at a deleted project too.
   */
  async query(caller: Caller, query: AuditQuery): Promise<AuditRow[]> {
    const { actor, organizationId, project } = await this.#scope(caller, query);
    const { limit: _limit, offset: _offset, ...asked } = query;
    await this.#audit.write({
      action: 'read',
      event: 'get-audit-logs',
      outcome: 'allowed',
      actor,
      organizationId,
      project,
      metadata: asked,
      origin: caller.origin,
    });
    return queryRecords(this.#db, organizationId, query);
  }

  async #scope(caller: Caller, query: AuditQuery): Promise<Scope> {
    if (query.projectId !== undefined && query.organizationId === undefined) {
      const { environment } = query;
      const need = { action: 'read', subject: 'audit-logs', ...(environment ? { environment } : {}) } as const;
      const { actor, organization, project } = await this.#access.project(caller, { id: query.projectId }, need);
      return { actor, organizationId: organization.id, project };
    }
    const organizationId = query.organizationId ?? (await this.#onlyOrganization(caller));
    const { actor } = await this.#access.organizationAdmin(caller, organizationId, 'get-audit-logs');
    return { actor, organizationId };
  }

  async #onlyOrganization(caller: Caller): Promise<string> {
    const organizations = await organizationsOf(this.#db, await this.#access.actor(caller));
    if (organizations.length === 1) return organizations[0]!.id;
    throw badRequest('name a project (projectId) or an organization (organizationId)');
  }
}
