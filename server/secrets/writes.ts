import type { Secret } from '../../contracts/index.ts';
import { isBrokenSeal } from '../../keys/index.ts';
import type { Access, Caller, ProjectAccess, ProjectRecord } from '../access/access.ts';
import { SharedChanges } from '../access/shared-changes.ts';
import type { Load } from '../database/batch.ts';
import type { Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest, conflict } from '../refusal.ts';
import { distinct, sealNew, sealNext } from './next-version.ts';
import { type Home, openPlaces, type Places, refuseLowerCase } from './places.ts';
import { recordWrite } from './records.ts';
import { isShareable, type SharedWrite, SharedWrites, type Spots, type WriteOrder } from './shared-writes.ts';
import { noSecret, showSecret, showWritten, writtenBy } from './show.ts';
import { findSecrets, type SecretRow, type SecretTag } from './store.ts';
import { tagsById, tagsBySlug } from './tagging.ts';
import {
  type NewSecret,
  type OnMissing,
  renames,
  type SecretChange,
  type SecretName,
  type Target,
} from './write-requests.ts';
import { refuseNowhere, type WriteAction, WriteRights } from './write-rights.ts';
import { deleteSecrets, insertSecrets, type SecretWrite, updateSecrets, type Written } from './write-store.ts';

interface Work {
  readonly tx: Db;
  readonly rights: WriteRights;
  readonly allowed: ProjectAccess;
  readonly target: Target;
  readonly places: Places;
}

/** A secret that is there, and what is to become of it. */
interface Changed {
  readonly change: SecretChange;
  readonly row: SecretRow;
}

interface Done {
  readonly secrets: Secret[];
  readonly records: ProjectRecord[];
}

/** The changes of secrets. Each call is one transaction: every key of it is written and audited, or none is. */
export class Writes {
  readonly #access: Access;
  readonly #keyring: Keyring;
  readonly #shared: SharedChanges<SharedWrite, Spots, Secret[]>;

  constructor(options: { access: Access; keyring: Keyring }) {
    this.#access = options.access;
    this.#keyring = options.keyring;
    this.#shared = new SharedChanges(options.access, new SharedWrites(options));
  }

  get groups(): Load {
    return this.#shared.load;
  }

  async create(caller: Caller, target: Target, secrets: readonly NewSecret[]): Promise<Secret[]> {
    const order = { action: 'create', items: secrets } as const;
    return this.#write(caller, target, order, ['create'], async (work) => {
      const there = await findSecrets(work.tx, secrets.map(addressIn(work)));
      return this.#insert(work, secrets, there);
    });
  }

  async update(
    caller: Caller,
    target: Target,
    changes: readonly SecretChange[],
    onMissing: OnMissing,
  ): Promise<Secret[]> {
    const order = { action: 'update', items: changes } as const;
    return this.#write(caller, target, order, ['edit'], async (work) => {
      const there = await this.#find(work, changes);
      const missing = changes.filter((change) => !there.has(nameIn(work, change)));
      // Whether one is there is told only to who may change it, were it there.
      for (const item of missing) await work.rights.need('edit', at(work, item));
      if (missing.length > 0 && onMissing === 'failOnNotFound') throw notThere(work, missing);
      const allowed = await this.#allowedChanges(work, changes, there);
      await this.#refuseTakenNames(work, allowed.present, onMissing === 'upsert' ? missing : []);
      const updated = await this.#replace(work, allowed);
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
    const [secret] = await this.#change(caller, target, [item], ['edit'], async (work) => {
      const there = await this.#find(work, [item]);
      const [row] = there.values();
      await work.rights.need('edit', row ?? at(work, item));
      if (row === undefined) throw notThere(work, [item]);
      const named = await tagsBySlug(work.tx, work.allowed.project.id, slugs);
      const ids = new Set(named.map(({ id }) => id));
      const others = row.tags.map(({ id }) => id).filter((id) => !ids.has(id));
      const change = { secretKey, tagIds: how === 'add' ? [...others, ...ids] : others };
      return this.#replace(work, await this.#allowedChanges(work, [change], there));
    });
    return secret!;
  }

  async remove(caller: Caller, target: Target, names: readonly SecretName[]): Promise<Secret[]> {
    const order = { action: 'delete', items: names } as const;
    return this.#write(caller, target, order, ['delete'], async (work) => {
      const there = await this.#find(work, names);
      for (const item of names) await work.rights.need('delete', there.get(nameIn(work, item)) ?? at(work, item));
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

  /** Makes a write together with those that wait beside it, and alone when that does not go. */
  async #write(
    caller: Caller,
    target: Target,
    order: WriteOrder,
    actions: readonly WriteAction[],
    run: (work: Work) => Promise<Done>,
  ): Promise<Secret[]> {
    if (isShareable(order)) {
      const { environment } = target;
      // Who was not let in here before is judged before it holds a lock of the project.
      const projectId =
        this.#access.projectOf(caller, target.project) ??
        (await this.#admit(caller, target, order.items, actions)).project.id;
      const addresses = placesOf(target, order.items).map((place) => ({ projectId, ...place }));
      const { id, slug } = target.project;
      const named = id === undefined ? slug : undefined;
      const secrets = await this.#shared.make({ caller, projectId, slug: named, environment, order, addresses });
      if (secrets !== undefined) return secrets;
    }
    return this.#change(caller, target, order.items, actions, run);
  }

  /** Access to the project, for who may do this to some secrets at each of the places. */
  async #admit(
    caller: Caller,
    target: Target,
    items: readonly SecretName[],
    actions: readonly WriteAction[],
  ): Promise<ProjectAccess> {
    const allowed = await this.#access.project(caller, target.project);
    await refuseNowhere(this.#access, allowed, actions, placesOf(target, items));
    return allowed;
  }

  async #change(
    caller: Caller,
    target: Target,
    items: readonly SecretName[],
    actions: readonly WriteAction[],
    run: (work: Work) => Promise<Done>,
  ): Promise<Secret[]> {
    const { environment } = target;
    const allowed = await this.#admit(caller, target, items, actions);
    const named = placesOf(target, items);
    return this.#access.change(allowed, [], async (tx, audit, again) => {
      const rights = new WriteRights(this.#access, again, environment);
      await refuseNowhere(this.#access, again, actions, named);
      const paths = named.map(({ path }) => path);
      const places = await openPlaces(tx, again, environment, paths);
      const { secrets, records } = await run({ tx, rights, allowed: again, target, places });
      await audit(records);
      return secrets;
    });
  }

  /** The secrets that are there, by their names in the work. */
  async #find(work: Work, items: readonly SecretName[]): Promise<Map<string, SecretRow>> {
    const rows = await findSecrets(work.tx, items.map(addressIn(work)));
    return new Map(rows.map((row) => [`${row.path}:${row.key}`, row]));
  }

  async #refuseTakenNames(work: Work, present: readonly Changed[], made: readonly SecretChange[]): Promise<void> {
    const names = present
      .filter(({ change }) => renames(change))
      .map(({ change }) => ({ secretKey: change.newSecretName!, secretPath: change.secretPath }));
    if (names.length === 0) return;
    refuseLowerCase(
      work.places,
      names.map(({ secretKey }) => secretKey),
    );
    const all = [...names, ...made].map((item) => nameIn(work, item));
    if (new Set(all).size < all.length) throw badRequest('two secrets of this batch would get the same name');
    const taken = await findSecrets(work.tx, names.map(addressIn(work)));
    if (taken.length > 0) throw exists(taken.map(({ key }) => key));
  }

  async #insert(work: Work, secrets: readonly NewSecret[], there: readonly SecretRow[] = []): Promise<Done> {
    const tags = await tagsById(work.tx, work.allowed.project.id, secrets);
    for (const secret of secrets)
      await work.rights.need(
        'create',
        at(
          work,
          secret,
          distinct(secret.tagIds ?? []).map((id) => tags.get(id)!),
        ),
      );
    if (there.length > 0) throw exists(there.map(({ key }) => key));
    refuseLowerCase(
      work.places,
      secrets.map(({ secretKey }) => secretKey),
    );
    const sealed = secrets.map((secret) => sealNew(this.#keyring, homeIn(work, secret), work.places.key, secret));
    return this.#written(work, 'create', sealed, tags, await insertSecrets(work.tx, work.places.writing, sealed));
  }

  /** The changed secrets that are there, once the caller is known to have every right that their changes take. */
  async #allowedChanges(work: Work, changes: readonly SecretChange[], there: ReadonlyMap<string, SecretRow>) {
    const tags = await tagsById(work.tx, work.allowed.project.id, changes);
    const present = changes.flatMap((change) => {
      const row = there.get(nameIn(work, change));
      return row === undefined ? [] : [{ change, row }];
    });
    for (const { change, row } of present) {
      const after = change.tagIds ? distinct(change.tagIds).map((id) => tags.get(id)!) : row.tags;
      await work.rights.needChange(row, at(work, { ...change, secretKey: change.newSecretName ?? row.key }, after));
      for (const tag of row.tags) tags.set(tag.id, tag);
    }
    return { present, tags };
  }

  async #replace(
    work: Work,
    { present, tags }: { readonly present: readonly Changed[]; readonly tags: ReadonlyMap<string, SecretTag> },
  ): Promise<Done> {
    const sealed = present.map(({ change, row }) =>
      sealNext(this.#keyring, homeIn(work, change), work.places.key, row, change),
    );
    if (sealed.length === 0) return { secrets: [], records: [] };
    return this.#written(work, 'update', sealed, tags, await updateSecrets(work.tx, work.places.writing, sealed));
  }

  /** A deleted secret, as the answer shows it. One that was broken in the database is deleted too, its value unseen. */
  #lastLook(work: Work, row: SecretRow): Secret {
    try {
      return this.#show(work, row);
    } catch (error) {
      if (!isBrokenSeal(error)) throw error;
      this.#keyring.onBroken(error);
      return showSecret(work.allowed.project.id, work.target.environment, row, {});
    }
  }

  #show({ allowed, rights, target: { environment } }: Work, row: SecretRow): Secret {
    return showWritten(this.#keyring, allowed.project.id, environment, rights, row);
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
        ...writtenBy(work.allowed.actor),
      };
    });
    return {
      secrets: rows.map((row) => this.#show(work, row)),
      records: rows.map((row) => recordWrite(action, work.target.environment, row)),
    };
  }
}

const placesOf = ({ environment, path: otherwise }: Target, items: readonly SecretName[]) =>
  items.map(({ secretKey: key, secretPath: path = otherwise }) => ({ environment, path, key }));

const homeIn = (work: Work, { secretPath = work.target.path }: { readonly secretPath?: string | undefined }): Home =>
  work.places.homes.get(secretPath)!;
const addressIn = (work: Work) => (item: SecretName) => ({
  folderId: homeIn(work, item).folderId,
  key: item.secretKey,
});
const nameIn = (work: Work, item: SecretName) => `${item.secretPath ?? work.target.path}:${item.secretKey}`;

const bySlug = (one: SecretTag, other: SecretTag) => (one.slug < other.slug ? -1 : 1);

/** Where an item of the work is, or is to be. */
const at = (
  work: Work,
  { secretKey: key, secretPath: path = work.target.path }: SecretName,
  tags: readonly SecretTag[] = [],
) => ({
  path,
  key,
  tags,
});

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
