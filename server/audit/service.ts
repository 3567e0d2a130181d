import type { AuditFilters, AuditQuery } from '../../contracts/index.ts';
import type { Access, Actor, Caller } from '../access/access.ts';
import type { Database } from '../database/database.ts';
import { onlyOrganization } from '../organizations/only.ts';
import type { Audit } from './audit.ts';
import { type AuditRow, type Page, queryRecords } from './query-store.ts';

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
  async query(caller: Caller, query: AuditQuery): Promise<{ rows: AuditRow[]; nextCursor: string | null }> {
    const { limit, offset, cursor, ...asked } = query;
    const { organizationId } = await this.#allow(caller, asked, 'get-audit-logs');
    // One more than asked for tells whether there is another page.
    const found = await queryRecords(this.#db, organizationId, asked, { limit: limit + 1, offset, cursor });
    const rows = found.slice(0, limit);
    return { rows, nextCursor: found.length > limit ? cursorOf(rows.at(-1)!) : null };
  }

  /** All records that are asked for, page by page as they are taken: whoever reads slowly is waited for. */
  async export(caller: Caller, asked: AuditFilters): Promise<AsyncGenerator<AuditRow[]>> {
    const { organizationId } = await this.#allow(caller, asked, 'export-audit-logs');
    // What is written from now on is not in it, so that an export of a busy instance ends.
    const until = asked.endDate ?? new Date().toISOString();
    return this.#pages(organizationId, { ...asked, endDate: until });
  }

  async *#pages(organizationId: string, asked: AuditFilters): AsyncGenerator<AuditRow[]> {
    let cursor: Page['cursor'];
    for (;;) {
      const rows = await queryRecords(this.#db, organizationId, asked, { limit: EXPORT_PAGE, offset: 0, cursor });
      if (rows.length > 0) yield rows;
      if (rows.length < EXPORT_PAGE) return;
      const { micros, id } = rows.at(-1)!;
      cursor = { micros, id };
    }
  }

  async #allow(caller: Caller, asked: AuditFilters, event: string): Promise<Scope> {
    const scope = await this.#scope(caller, asked);
    const { actor, organizationId, project } = scope;
    await this.#audit.write({
      action: 'read',
      event,
      outcome: 'allowed',
      actor,
      organizationId,
      project,
      metadata: asked,
      origin: caller.origin,
    });
    return scope;
  }

  async #scope(caller: Caller, asked: AuditFilters): Promise<Scope> {
    if (asked.projectId !== undefined && asked.organizationId === undefined) {
      const need = { action: 'read', subject: 'audit-logs' } as const;
      const needs = asked.environment?.map((environment) => ({ ...need, environment })) ?? [need];
      const { actor, organization, project } = await this.#access.project(caller, { id: asked.projectId }, ...needs);
      return { actor, organizationId: organization.id, project };
    }
    const organizationId = asked.organizationId ?? (await onlyOrganization(this.#db, await this.#access.actor(caller)));
    const { actor } = await this.#access.organizationWith(
      caller,
      organizationId,
      { action: 'read', subject: 'audit-logs' },
      'get-audit-logs',
    );
    return { actor, organizationId };
  }
}

const EXPORT_PAGE = 1_000;
const cursorOf = ({ micros, id }: AuditRow): string => `${micros}_${id}`;
