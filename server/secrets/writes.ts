import { randomUUID } from 'node:crypto';
import type { Secret, SecretMetadata } from '../../contracts/index.ts';
import { SealBroken, UnknownFormat } from '../../keys/index.ts';
import type { Access, Caller, Need, ProjectAccess, ProjectRecord, ProjectReference } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest, conflict } from '../refusal.ts';
import { type Home, openPlaces, type Places } from './places.ts';
import { noSecret, showSecret, toSecret } from './reads.ts';
import { recordWrite } from './records.ts';
import { openSecret, sealSecret } from './seal.ts';
import { findSecrets, type Reminder, type SecretRow, type SecretTag } from './store.ts';
import { tagsById, tagsBySlug } from './tagging.ts';
import { deleteSecrets, insertSecrets, type SecretWrite, updateSecrets, type Written } from './write-store.ts';

/** The folder that a change is about. Items of a batch may name another path in the same environment. */
export interface Target {
  readonly project: ProjectReference;
  readonly environment: string;
  readonly path: string;
}

interface Extras {
  readonly secretPath?: string | undefined;
  readonly skipMultilineEncoding?: boolean | null | undefined;
  readonly tagIds?: readonly string[] | null | undefined;
  readonly secretMetadata?: SecretMetadata[] | null | undefined;
  readonly secretReminderRepeatDays?: number | null | undefined;
  readonly secretReminderNote?: string | null | undefined;
  readonly secretReminderRecipients?: readonly string[] | null | undefined;
}

export interface NewSecret extends Extras {
  readonly secretKey: string;
  readonly secretValue: string;
  readonly secretComment: string;
}

export interface SecretChange extends Extras {
  readonly secretKey: string;
  readonly secretValue?: string | undefined;
  readonly newSecretName?: string | undefined;
  readonly secretComment?: string | undefined;
}

export interface SecretName {
  readonly secretKey: string;
  readonly secretPath?: string | undefined;
}

/** What to do with a changed key that is not there: fail the batch, make it, or leave it out. */
export type OnMissing = 'failOnNotFound' | 'upsert' | 'ignore';

interface Work {
  readonly tx: Db;
  readonly allowed: ProjectAccess;
  readonly target: Target;
  readonly places: Places;
}

interface Done {
  readonly secrets: Secret[];
  readonly records: ProjectRecord[];
}

/** The changes of secrets. Each call is one transaction: every key of it is written and audited, or none is. */
export class Writes {
  readonly #access: Access;
  readonly #keyring: Keyring;

  constructor(options: { access: Access; keyring: Keyring }) {
    this.#access = options.access;
    this.#keyring = options.keyring;
  }

  async create(caller: Caller, target: Target, secrets: readonly NewSecret[]): Promise<Secret[]> {
    const needs = secrets.map((item) => needOf('create', target, item));
    return this.#change(caller, target, secrets, needs, async (work) => {
      const there = await findSecrets(work.tx, secrets.map(addressIn(work)));
      if (there.length > 0) throw exists(there.map(({ key }) => key));
      return this.#insert(work, secrets);
    });
  }

  async update(
    caller: Caller,
    target: Target,
    changes: readonly SecretChange[],
    onMissing: OnMissing,
  ): Promise<Secret[]> {
    return this.#change(caller, target, changes, needsOfUpdate(target, changes, onMissing), async (work) => {
      const there = await this.#find(work, changes);
      const missing = changes.filter((change) => !there.has(nameIn(work, change)));
      if (missing.length > 0 && onMissing === 'failOnNotFound') throw notThere(work, missing);
      await this.#refuseTakenNames(work, changes, there, onMissing === 'upsert' ? missing : []);
      const updated = await this.#replace(work, changes, there);
      if (onMissing !== 'upsert' || missing.length === 0) return updated;
      const created = await this.#insert(work, missing.map(asNew));
      return { secrets: [...updated.secrets, ...created.secrets], records: [...updated.records, ...created.records] };
    });
  }

  /** Adds tags to a secret, or takes them away. They are named by their slugs, and each of them must be there. */
  async retag(
    caller: Caller,
    target: Target,
    secretKey: string,
    how: 'add' | 'remove',
    slugs: readonly string[],
  ): Promise<Secret> {
    const item = { secretKey };
    const [secret] = await this.#change(caller, target, [item], [needOf('edit', target, item)], async (work) => {
      const there = await this.#find(work, [item]);
      const [row] = there.values();
      if (row === undefined) throw notThere(work, [item]);
      const named = await tagsBySlug(work.tx, work.allowed.project.id, slugs);
      const ids = new Set(named.map(({ id }) => id));
      const others = row.tags.map(({ id }) => id).filter((id) => !ids.has(id));
      return this.#replace(work, [{ secretKey, tagIds: how === 'add' ? [...others, ...ids] : others }], there);
    });
    return secret!;
  }

  async remove(caller: Caller, target: Target, names: readonly SecretName[]): Promise<Secret[]> {
    const needs = names.map((item) => needOf('delete', target, item));
    return this.#change(caller, target, names, needs, async (work) => {
      const there = await this.#find(work, names);
      const missing = names.filter((item) => !there.has(nameIn(work, item)));
      if (missing.length > 0) throw notThere(work, missing);
      const rows = names.map((item) => there.get(nameIn(work, item))!);
      await deleteSecrets(
        work.tx,
        rows.map(({ id }) => id),
      );
      return {
        secrets: rows.map((row) => this.#lastLook(work, row)),
        records: rows.map((row) => recordWrite('delete', target.environment, row)),
      };
    });
  }

  async #change(
    caller: Caller,
    target: Target,
    items: readonly SecretName[],
    needs: readonly Need[],
    run: (work: Work) => Promise<Done>,
  ): Promise<Secret[]> {
    const allowed = await this.#access.project(caller, target.project, ...needs);
    return this.#access.change(allowed, needs, async (tx, audit) => {
      const paths = items.map(({ secretPath = target.path }) => secretPath);
      const places = await openPlaces(tx, allowed, target.environment, paths);
      const { secrets, records } = await run({ tx, allowed, target, places });
      await audit(records);
      return secrets;
    });
  }

  /** The secrets that are there, by their names in the work. */
  async #find(work: Work, items: readonly SecretName[]): Promise<Map<string, SecretRow>> {
    const rows = await findSecrets(work.tx, items.map(addressIn(work)));
    return new Map(rows.map((row) => [`${row.path}:${row.key}`, row]));
  }

  async #refuseTakenNames(
    work: Work,
    changes: readonly SecretChange[],
    there: ReadonlyMap<string, SecretRow>,
    made: readonly SecretChange[],
  ): Promise<void> {
    const names = changes
      .filter((change) => there.has(nameIn(work, change)) && renames(change))
      .map((change) => ({ secretKey: change.newSecretName!, secretPath: change.secretPath }));
    if (names.length === 0) return;
    const all = [...names, ...made].map((item) => nameIn(work, item));
    if (new Set(all).size < all.length) throw badRequest('two secrets of this batch would get the same name');
    const taken = await findSecrets(work.tx, names.map(addressIn(work)));
    if (taken.length > 0) throw exists(taken.map(({ key }) => key));
  }

  async #insert(work: Work, secrets: readonly NewSecret[]): Promise<Done> {
    const tags = await tagsById(work.tx, work.allowed.project.id, secrets);
    const sealed = secrets.map((secret) =>
      sealSecret(this.#keyring, homeIn(work, secret), work.places.key, {
        id: randomUUID(),
        key: secret.secretKey,
        version: 1,
        skipMultilineEncoding: secret.skipMultilineEncoding ?? false,
        value: secret.secretValue,
        comment: secret.secretComment,
        tagIds: distinct(secret.tagIds ?? []),
        metadata: secret.secretMetadata ?? [],
        reminder: reminderOf(secret, null),
      }),
    );
    return this.#written(work, 'create', sealed, tags, await insertSecrets(work.tx, work.places.writing, sealed));
  }

  async #replace(work: Work, changes: readonly SecretChange[], there: ReadonlyMap<string, SecretRow>): Promise<Done> {
    const tags = await tagsById(work.tx, work.allowed.project.id, changes);
    const sealed = changes.flatMap((change) => {
      const row = there.get(nameIn(work, change));
      if (row === undefined) return [];
      // What the change replaces is not opened: a row that was broken in the database can so be written anew.
      const kept = openSecret(this.#keyring, work.allowed.project.id, row, {
        value: change.secretValue === undefined,
        comment: change.secretComment === undefined,
        metadata: !change.secretMetadata,
      });
      for (const tag of row.tags) tags.set(tag.id, tag);
      return sealSecret(this.#keyring, homeIn(work, change), work.places.key, {
        id: row.id,
        key: change.newSecretName ?? row.key,
        version: row.version + 1,
        skipMultilineEncoding: change.skipMultilineEncoding ?? row.skipMultilineEncoding,
        value: change.secretValue ?? kept.value!,
        comment: change.secretComment ?? kept.comment!,
        tagIds: distinct(change.tagIds ?? row.tags.map(({ id }) => id)),
        metadata: change.secretMetadata ?? kept.metadata!,
        reminder: reminderOf(change, row.reminder),
      });
    });
    if (sealed.length === 0) return { secrets: [], records: [] };
    return this.#written(work, 'update', sealed, tags, await updateSecrets(work.tx, work.places.writing, sealed));
  }

  /** A deleted secret, as the answer shows it. One that was broken in the database is deleted too, its value unseen. */
  #lastLook(work: Work, row: SecretRow): Secret {
    try {
      return this.#show(work, row);
    } catch (error) {
      if (!(error instanceof SealBroken || error instanceof UnknownFormat)) throw error;
      return showSecret(work.allowed.project.id, work.target.environment, row, {});
    }
  }

  /** A written secret, with its value only for those who may read it: the right to change one shows nothing of it. */
  #show({ allowed, target: { environment } }: Work, row: SecretRow): Secret {
    const { id } = allowed.project;
    if (allowed.rights.may('read', 'secrets', { environment, path: row.path, key: row.key }))
      return toSecret(this.#keyring, id, environment, row, true);
    return showSecret(id, environment, row, {});
  }

  #written(
    work: Work,
    action: 'create' | 'update',
    sealed: readonly SecretWrite[],
    tags: ReadonlyMap<string, SecretTag>,
    written: readonly Written[],
  ): Done {
    const times = new Map(written.map((row) => [row.id, row]));
    const paths = new Map([...work.places.homes.values()].map(({ folderId, path }) => [folderId, path]));
    const rows = sealed.map((secret): SecretRow => {
      const { createdAt, updatedAt } = times.get(secret.id)!;
      return {
        ...secret,
        path: paths.get(secret.folderId)!,
        wrappedKey: work.places.key.wrapped,
        tags: secret.tagIds.map((id) => tags.get(id)!).sort(bySlug),
        createdAt,
        updatedAt,
      };
    });
    return {
      secrets: rows.map((row) => this.#show(work, row)),
      records: rows.map((row) => recordWrite(action, work.target.environment, row)),
    };
  }
}

const homeIn = (work: Work, { secretPath = work.target.path }: { readonly secretPath?: string | undefined }): Home =>
  work.places.homes.get(secretPath)!;
const addressIn = (work: Work) => (item: SecretName) => ({
  folderId: homeIn(work, item).folderId,
  key: item.secretKey,
});
const nameIn = (work: Work, item: SecretName) => `${item.secretPath ?? work.target.path}:${item.secretKey}`;

const distinct = (ids: readonly string[]) => [...new Set(ids)];
const bySlug = (one: SecretTag, other: SecretTag) => (one.slug < other.slug ? -1 : 1);

const renames = ({ secretKey, newSecretName }: SecretChange) =>
  newSecretName !== undefined && newSecretName !== secretKey;

function needOf(action: Need['action'], target: Target, { secretKey, secretPath = target.path }: SecretName): Need {
  return { action, subject: 'secrets', environment: target.environment, path: secretPath, key: secretKey };
}

/**
 * A rename needs the right on both names, and to read under the old one: a name that its caller may not read would else be
 * renamed to one that it may.
 */
function needsOfUpdate(target: Target, changes: readonly SecretChange[], onMissing: OnMissing): Need[] {
  return changes.flatMap((change) => [
    needOf('edit', target, change),
    ...(onMissing === 'upsert' ? [needOf('create', target, change)] : []),
    ...(renames(change)
      ? [needOf('read', target, change), needOf('edit', target, { ...change, secretKey: change.newSecretName! })]
      : []),
  ]);
}

const exists = (keys: readonly string[]) =>
  conflict(`secret ${keys.map((key) => `"${key}"`).join(', ')} exists already`, { secretKeys: keys });

function notThere({ allowed, target }: Work, [first, ...others]: readonly SecretName[]) {
  const { secretPath: path = target.path } = first!;
  const here = others.filter(({ secretPath = target.path }) => secretPath === path);
  const keys = [first!, ...here].map(({ secretKey }) => secretKey);
  return noSecret(allowed.project.slug, { ...target, path }, keys.join('", "'));
}

function asNew(change: SecretChange): NewSecret {
  const { secretKey, secretValue, secretComment = '' } = change;
  if (secretValue === undefined)
    throw badRequest(`secret "${secretKey}" does not exist yet, so it needs a secretValue`);
  return { ...change, secretValue, secretComment };
}

/** The reminder after a change: what the change does not name stays, and one without an interval and a note is none. */
function reminderOf(given: Extras, before: Reminder | null): Reminder | null {
  const pick = <Value>(now: Value | null | undefined, then: Value | null) => (now === undefined ? then : now);
  const repeatDays = pick(given.secretReminderRepeatDays, before?.repeatDays ?? null);
  const note = pick(given.secretReminderNote, before?.note ?? null);
  const recipients = pick(given.secretReminderRecipients, before?.recipients ?? []) ?? [];
  return repeatDays === null && note === null && recipients.length === 0 ? null : { repeatDays, note, recipients };
}
