import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { Database } from '../database/database.ts';
import { type BrokenPlace, type BrokenSecret, brokenPlace } from '../keyring/broken.ts';
import type { Audit } from './audit.ts';
import { findProject, organizationsOfOwner } from './broken-seals-store.ts';
import { Seldom } from './seldom.ts';
import type { AuditRecord } from './store.ts';

/** One that is asked for again and again is recorded once in this time. */
const RECORD_MS = 60_000;

/**
 * Raises the alarm over something sealed that does not open: in the log at once, and in the audit of its organization.
 * What needed it has failed by then; nothing of it was shown.
 */
export class BrokenSeals {
  readonly #db: Database;
  readonly #audit: Audit;
  readonly #log: FastifyBaseLogger;
  readonly #seldom = new Seldom(RECORD_MS);

  constructor(db: Database, audit: Audit, log: FastifyBaseLogger) {
    this.#db = db;
    this.#audit = audit;
    this.#log = log;
  }

  /** @param request the one that failed over it, if one did */
  async alert(cause: Error, request?: FastifyRequest): Promise<void> {
    const place = brokenPlace(cause);
    const log = request?.log ?? this.#log;
    log.error({ alert: 'seal-broken', kind: cause.name, ...place }, 'alert: something sealed does not open');
    if (!this.#seldom.isFirst(JSON.stringify(place ?? 'unknown'))) return;
    const asked = request && { method: request.method, route: request.routeOptions.url };
    const record = {
      action: 'read',
      event: 'seal-broken',
      outcome: 'refused',
      actor: { kind: 'server', id: request?.caller?.actorId ?? null },
      metadata: { kind: cause.name, ...asked },
      origin: originOf(request),
    } as const;
    for (const of of await this.#placed(place)) {
      await this.#audit.write({ ...record, ...of, metadata: { ...record.metadata, ...of.metadata } });
    }
  }

  /** What a record says of the place: one, or one for each organization that it concerns. */
  async #placed(place: BrokenPlace | undefined): Promise<Partial<AuditRecord>[]> {
    if (place === undefined) return [{}];
    if ('projectId' in place) {
      const secret = 'secretId' in place ? place : undefined;
      const project = await findProject(this.#db, place.projectId, secret?.environmentId ?? null);
      return [
        {
          organizationId: project?.organizationId ?? null,
          project: project ?? null,
          environment: project?.environment ?? null,
          secretKey: secret?.key ?? null,
          metadata: secret ? aboutSecret(secret) : { ...place },
        },
      ];
    }
    if ('instanceKey' in place) return [{ metadata: { ...place } }];
    const organizations = await organizationsOfOwner(this.#db, place.ownerId);
    const metadata = { ...place };
    return organizations.length === 0
      ? [{ metadata }]
      : organizations.map((organizationId) => ({ organizationId, metadata }));
  }
}

const aboutSecret = ({ version, field, ownerId }: BrokenSecret) => ({ version, field, ownerId });

const originOf = (request: FastifyRequest | undefined): AuditRecord['origin'] =>
  request === undefined
    ? { ip: null, userAgent: null, requestId: 'server' }
    : (request.caller?.origin ?? { ip: request.ip, userAgent: null, requestId: request.id });
