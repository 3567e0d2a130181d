import { HIDDEN_VALUE, type Secret } from '../../contracts/index.ts';
import { contentTag, type MemorySeal } from '../../keys/index.ts';
import type { Access, Caller, ProjectAccess, ProjectReference } from '../access/access.ts';
import type { Held } from '../access/store.ts';
import type { Db } from '../database/database.ts';
import { Turns } from '../database/turns.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { notFound, tokenRefused, unavailable } from '../refusal.ts';
import type { Answers } from './answers.ts';
import { type Opened, openSecret } from './seal.ts';
import { type Filled, fill, findPlace, findSecrets, findVersion, type SecretRow } from './store.ts';

/** What a read asks for, checked and complete. */
export interface Question {
  readonly project: ProjectReference;
  readonly environment: string;
  readonly path: string;
  readonly recursive: boolean;
  readonly key?: string | undefined;
  /** False: names, versions and comments only. */
  readonly withValues: boolean;
}

/** A complete body, as it goes over the wire. */
export interface Body {
  readonly json: Buffer;
  readonly etag: string;
}

export interface ReadsOptions {
  readonly db: Db;
  readonly access: Access;
  readonly keyring: Keyring;
  readonly answers: Answers;
  readonly seal: MemorySeal;
  /** Runs between the check and the fill; tests pause here. */
  readonly beforeFill?: (() => Promise<void>) | undefined;
}

/** How often a read starts over when rights or content change under it, before it answers 503. */
const ATTEMPTS = 5;

/**
 * The product's hot path: a list of a service's secrets. What is in memory is served after one grouped statement that
 * checks the caller, compares the project's change id and writes the audit; a miss is one statement more.
 */
export class Reads {
  readonly #on: ReadsOptions;
  /** Fills under way, by question: others with the same question wait for the first instead of reading too. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  /** A fill may be of many megabytes: none takes a connection that verdicts wait for, and no caller takes all of the rest. */
  readonly #turns = new Turns({
    lanes: 4,
    perKey: 2,
    waiting: 5_000,
    overflow: () => unavailable('too many reads are waiting'),
  });

  constructor(options: ReadsOptions) {
    this.#on = options;
  }

  async read(caller: Caller, question: Question): Promise<Body> {
    const { access, answers, seal } = this.#on;
    const name = nameOf(caller, question);
    let waited = false;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const answer = answers.get(name);
      const allowed = await access.projectWithHeld(caller, question.project, answer?.held);
      if (allowed.served && answer) return { json: seal.open(answer.sealed, name), etag: answer.etag };
      await access.need(allowed, { action: 'read', subject: 'secrets', environment: question.environment });
      // Waits for another's fill once. When that one failed, or was overtaken by a write, this read fills for itself: in a
      // second queue, fifty requests for a missing folder would come to their turn one after another, or never.
      const other = waited ? undefined : this.#underWay.get(name);
      if (other) {
        waited = true;
        await other.catch(() => undefined);
        continue;
      }
      const filling = this.#fill(allowed, question, name);
      this.#underWay.set(name, filling);
      try {
        const body = await filling;
        if (body) return body;
      } finally {
        if (this.#underWay.get(name) === filling) this.#underWay.delete(name);
      }
    }
    throw unavailable('this project is changing too fast to be read; try again');
  }

  /** Reads, opens and keeps an answer. Nothing when the caller's rights changed since they were checked. */
  async #fill(allowed: ProjectAccess, question: Question, name: string): Promise<Body | undefined> {
    const { db, keyring, answers, seal } = this.#on;
    await this.#on.beforeFill?.();
    const { caller } = allowed;
    const event = question.key === undefined ? 'get-secrets' : 'get-secret';
    const { environment, path, recursive, key } = question;
    const ask = { ...caller.origin, tokenId: caller.tokenId, projectId: allowed.project.id };
    const filled = await this.#turns.take(caller.actorId, () =>
      fill(db, ask, { event, environment, path, recursive, key, grants: allowed.grants }),
    );
    if (!filled.stillAllowed) return stale(filled);
    await this.#refuseMissing(allowed, question, filled);
    const secrets = filled.rows.map((row) =>
      toSecret(keyring, allowed.project.id, environment, row, question.withValues),
    );
    const json = Buffer.from(JSON.stringify(key === undefined ? { secrets, imports: [] } : { secret: secrets[0] }));
    const etag = contentTag(keyring.etagKey, json);
    const held: Held = {
      changeId: filled.verdict.changeId!,
      grants: allowed.grants,
      manifestId: filled.manifestId,
      event,
      environment,
      path,
      key: key ?? null,
    };
    answers.put(caller.actorId, name, { sealed: seal.seal(json, name), etag, held });
    return { json, etag };
  }

  async #refuseMissing(allowed: ProjectAccess, question: Question, filled: Filled): Promise<void> {
    const { slug } = allowed.project;
    if (!filled.environmentFound) throw await noEnvironment(this.#on.db, allowed.project, question.environment);
    if (!filled.folderFound) throw noFolder(slug, question.environment, question.path);
    if (question.key !== undefined && filled.rows.length === 0) throw noSecret(slug, question, question.key);
  }

  /** One version of one secret. Not kept in memory: history is read rarely. */
  async readVersion(caller: Caller, question: Question & { readonly key: string }, version: number): Promise<Body> {
    const { db, access, keyring } = this.#on;
    const { environment, path, key } = question;
    const need = { action: 'read', subject: 'secrets', environment } as const;
    const allowed = await access.project(caller, question.project, need);
    await this.#on.beforeFill?.();
    const place = await findPlace(db, allowed.project.id, environment, path);
    if (place.environmentId === null) throw await noEnvironment(db, allowed.project, environment);
    if (place.folderId === null) throw noFolder(allowed.project.slug, environment, path);
    const [current] = await findSecrets(db, [{ folderId: place.folderId, key }]);
    const row = current?.version === version ? current : await findVersion(db, place.folderId, key, version);
    if (row === undefined)
      throw notFound(`secret "${key}" has no version ${version} in ${where(allowed.project.slug, question)}`);
    // Asked again after the row was read: it is not shown to somebody whose right ended meanwhile.
    await access.project(caller, { id: allowed.project.id }, need);
    await access.recordRead(allowed, {
      action: 'read',
      event: 'get-secret',
      environment,
      secretPath: path,
      secretKey: key,
      metadata: { version },
    });
    const secret = toSecret(keyring, allowed.project.id, environment, row, question.withValues);
    const json = Buffer.from(JSON.stringify({ secret }));
    return { json, etag: contentTag(keyring.etagKey, json) };
  }
}

function stale(filled: Filled): undefined {
  const { tokenKnown, revoked, expired, ipTrusted } = filled.verdict;
  if (!tokenKnown || revoked || expired || !ipTrusted)
    throw tokenRefused('this access token is no longer valid; log in again');
  return undefined;
}

/** The question's name in memory. It holds the caller, so that no one is ever given what another may see. */
function nameOf(caller: Caller, { project, environment, path, recursive, key, withValues }: Question): string {
  const about = [project.id ?? '', project.slug ?? '', project.organizationId ?? '', environment, path, key ?? ''];
  return [
    caller.actorId,
    ...about,
    key === undefined ? 'list' : 'get',
    recursive ? 'r' : '',
    withValues ? 'v' : '',
  ].join('\n');
}

type At = { readonly environment: string; readonly path: string };
const where = (project: string, { environment, path }: At) =>
  `project "${project}", environment "${environment}", path "${path}"`;

export const noSecret = (project: string, at: At, key: string) =>
  notFound(`secret "${key}" not found in ${where(project, at)}`);

/** A row as the API shows it (Infisical's secret object of today). */
export function toSecret(
  keyring: Keyring,
  projectId: string,
  environment: string,
  row: SecretRow,
  withValue: boolean,
): Secret {
  return showSecret(
    projectId,
    environment,
    row,
    openSecret(keyring, projectId, row, { value: withValue, comment: true, metadata: withValue }),
  );
}

/** As `toSecret`, of what was opened; without a value it is shown as hidden. */
export function showSecret(
  projectId: string,
  environment: string,
  row: SecretRow,
  { value, comment, metadata }: Partial<Opened>,
): Secret {
  const recipients = row.reminder?.recipients ?? [];
  return {
    id: row.id,
    _id: row.id,
    workspace: projectId,
    environment,
    secretPath: row.path,
    version: row.version,
    type: 'shared',
    secretKey: row.key,
    secretValue: value ?? HIDDEN_VALUE,
    secretValueHidden: value === undefined,
    secretComment: comment ?? '',
    skipMultilineEncoding: row.skipMultilineEncoding,
    secretReminderNote: row.reminder?.note ?? null,
    secretReminderRepeatDays: row.reminder?.repeatDays ?? null,
    ...(recipients.length > 0 ? { secretReminderRecipients: [...recipients] } : {}),
    secretMetadata: metadata ?? row.metadata.map(hiddenMetadata),
    tags: [...row.tags],
    isRotatedSecret: false,
    rotationId: null,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** Metadata of a secret that was not opened: the sealed values stay hidden, as the secret's own does. */
const hiddenMetadata = ({ key, value }: SecretRow['metadata'][number]) => ({
  key,
  value: value ?? HIDDEN_VALUE,
  isEncrypted: value === undefined,
});
