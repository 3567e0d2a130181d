import type { FastifyRequest } from 'fastify';
import type { Database, Db, Statement } from '../database/database.ts';
import { brokenPlace } from '../secrets/seal.ts';
import type { Audit } from './audit.ts';
import { Seldom } from './seldom.ts';

const PROJECT: Statement = {
  name: 'audit.project-of-broken-seal',
  text: `
    select p.id, p.slug, p.organization_id as "organizationId", e.slug as environment
      from projects p left join environments e on e.id = $2 where p.id = $1`,
};

interface ProjectRow {
  readonly id: string;
  readonly slug: string;
  readonly organizationId: string;
  readonly environment: string | null;
}

async function findProject(db: Db, projectId: string, environmentId: string): Promise<ProjectRow | undefined> {
  return db.first<ProjectRow>(PROJECT, [projectId, environmentId]);
}

/** One that is asked for again and again is recorded once in this time. */
const RECORD_MS = 60_000;

/**
 * Raises the alarm over something sealed that does not open: in the log at once, and in the audit of its organization.
 * The request has failed by then; nothing of it was shown.
 */
export class BrokenSeals {
  readonly #db: Database;
  readonly #audit: Audit;
  readonly #seldom = new Seldom(RECORD_MS);

  constructor(db: Database, audit: Audit) {
    this.#db = db;
    this.#audit = audit;
  }

  async alert(cause: Error, request: FastifyRequest): Promise<void> {
    const place = brokenPlace(cause);
    request.log.error({ alert: 'seal-broken', kind: cause.name, ...place }, 'alert: something sealed does not open');
    if (!this.#seldom.isFirst(place?.secretId ?? 'unknown')) return;
    const project = place && (await findProject(this.#db, place.projectId, place.environmentId));
    await this.#audit.write({
      action: 'read',
      event: 'seal-broken',
      outcome: 'refused',
      actor: { kind: 'server', id: request.caller?.actorId ?? null },
      organizationId: project?.organizationId ?? null,
      project: project ?? null,
      environment: project?.environment ?? null,
      secretKey: place?.key ?? null,
      metadata: { version: place?.version, method: request.method, route: request.routeOptions.url },
      origin: request.caller?.origin ?? { ip: request.ip, userAgent: null, requestId: request.id },
    });
  }
}
