import { randomBytes, randomUUID } from 'node:crypto';
import type { AuditLogStream, CreateStreamBody, UpdateStreamBody } from '../../contracts/index.ts';
import type { Access, Caller, OrganizationAccess } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database, Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { onlyOrganization } from '../organizations/only.ts';
import { OutboundFailure } from '../outbound/failure.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { badRequest, invalid, notFound } from '../refusal.ts';
import { PURPOSE, type StreamSecrets } from './sender.ts';
import { deleteStream, findStream, insertStream, listStreams, type StreamRow, updateStream } from './store.ts';
import { isSyslog } from './syslog.ts';

const STREAMS_AT_MOST = 10;

/** Where an organization wants its audit sent. Who changes its settings and reads its audit decides that. */
export class AuditStreams {
  readonly #on: { db: Database; access: Access; audit: Audit; keyring: Keyring; outbound: Outbound };

  constructor(options: { db: Database; access: Access; audit: Audit; keyring: Keyring; outbound: Outbound }) {
    this.#on = options;
  }

  async create(caller: Caller, given: CreateStreamBody): Promise<AuditLogStream & { signingSecret: string }> {
    const access = await this.#reach(caller, given.organizationId, 'create-audit-log-stream');
    this.#check(given.url, given.headers);
    const organizationId = access.organization.id;
    const secrets = { headers: given.headers ?? [], signingSecret: randomBytes(32).toString('base64url') };
    const id = randomUUID();
    const sealedSecrets = await this.#on.keyring.sealConfig(PURPOSE, id, JSON.stringify(secrets));
    const row = await this.#on.access.changeOrganization(access, async (tx) => {
      if ((await listStreams(tx, organizationId)).length >= STREAMS_AT_MOST) {
        throw badRequest(`an organization has at most ${STREAMS_AT_MOST} audit log streams`);
      }
      await this.#record(tx, access, 'create', { streamId: id, host: new URL(given.url).host });
      return insertStream(tx, { id, organizationId, url: given.url, sealedSecrets });
    });
    return { ...(await this.#show(row)), signingSecret: secrets.signingSecret };
  }

  async list(caller: Caller, organizationId: string | undefined): Promise<AuditLogStream[]> {
    const access = await this.#reach(caller, organizationId, 'list-audit-log-streams');
    return Promise.all((await listStreams(this.#on.db, access.organization.id)).map((row) => this.#show(row)));
  }

  async get(caller: Caller, id: string): Promise<AuditLogStream> {
    return this.#show((await this.#find(caller, id, 'get-audit-log-stream')).row);
  }

  async update(caller: Caller, id: string, change: UpdateStreamBody): Promise<AuditLogStream> {
    const { row, access } = await this.#find(caller, id, 'update-audit-log-stream');
    this.#check(change.url ?? row.url, change.headers);
    const before = await this.#secrets(row);
    // Headers may hold the old receiver's credentials, which are not for another one to see.
    const moved = change.url !== undefined && new URL(change.url).origin !== new URL(row.url).origin;
    const secrets = { ...before, headers: change.headers ?? (moved ? [] : before.headers) };
    const sealed = await this.#on.keyring.sealConfig(PURPOSE, id, JSON.stringify(secrets));
    const url = change.url ?? row.url;
    const updated = await this.#on.access.changeOrganization(access, async (tx) => {
      await this.#record(tx, access, 'update', { streamId: id, host: new URL(url).host });
      return updateStream(tx, id, url, sealed);
    });
    if (!updated) throw notFound(`audit log stream ${id} not found`);
    return this.#show(updated);
  }

  async remove(caller: Caller, id: string): Promise<AuditLogStream> {
    const { row, access } = await this.#find(caller, id, 'delete-audit-log-stream');
    await this.#on.access.changeOrganization(access, async (tx) => {
      await this.#record(tx, access, 'delete', { streamId: id });
      await deleteStream(tx, id);
    });
    return this.#show(row);
  }

  async #reach(caller: Caller, organizationId: string | undefined, what: string): Promise<OrganizationAccess> {
    const id = organizationId ?? (await onlyOrganization(this.#on.db, await this.#on.access.actor(caller)));
    const access = await this.#on.access.organization(caller, id);
    await this.#may(access, what);
    return access;
  }

  /** A stream of an organization that the caller is no member of does not exist for it. */
  async #find(caller: Caller, id: string, what: string): Promise<{ row: StreamRow; access: OrganizationAccess }> {
    const row = await findStream(this.#on.db, id);
    if (!row) {
      await this.#on.access.actor(caller);
      throw notFound(`audit log stream ${id} not found`);
    }
    const access = await this.#on.access.organization(caller, row.organizationId).catch((error: { kind?: string }) => {
      throw error.kind === 'notFound' ? notFound(`audit log stream ${id} not found`) : error;
    });
    await this.#may(access, what);
    return { row, access };
  }

  /** A stream tells all that the audit does, so it takes the right to read that besides. */
  async #may(access: OrganizationAccess, what: string): Promise<void> {
    const word = what.split('-')[0];
    const action = word === 'create' || word === 'delete' ? word : word === 'update' ? 'edit' : 'read';
    await this.#on.access.needOrganization(access, { action, subject: 'settings' }, what);
    await this.#on.access.needOrganization(access, { action: 'read', subject: 'audit-logs' }, what);
  }

  #check(url: string, headers: StreamSecrets['headers'] = []): void {
    if (isSyslog(url) && headers.length > 0) throw invalid(['headers'], 'syslog has no headers; send none');
    try {
      if (isSyslog(url)) this.#on.outbound.checkSyslog(url);
      else this.#on.outbound.check(url);
    } catch (error) {
      if (error instanceof OutboundFailure) throw invalid(['url'], error.message);
      throw error;
    }
  }

  #record(
    tx: Db,
    access: OrganizationAccess,
    action: 'create' | 'update' | 'delete',
    metadata: Record<string, unknown>,
  ): Promise<void> {
    return this.#on.audit.changedOrganization(tx, access, action, `${action}-audit-log-stream`, metadata);
  }

  async #secrets(row: StreamRow): Promise<StreamSecrets> {
    return JSON.parse(await this.#on.keyring.openConfig(PURPOSE, row.id, row.sealedSecrets));
  }

  async #show(row: StreamRow): Promise<AuditLogStream> {
    const { headers } = await this.#secrets(row);
    return {
      id: row.id,
      orgId: row.organizationId,
      url: row.url,
      headers: headers.map(({ key }) => ({ key })),
      failures: row.failures,
      lastError: row.lastError,
      lastSentAt: row.lastSentAt?.toISOString() ?? null,
      createdAt: row.createdAt.toISOString(),
      updatedAt: row.updatedAt.toISOString(),
    };
  }
}
