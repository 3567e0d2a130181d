import type { Access, Caller, ProjectReference } from '../access/access.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest, conflict, notFound } from '../refusal.ts';
import { openPlaces } from './places.ts';
import { recordWrite } from './records.ts';
import { resealSecret } from './seal.ts';
import { findSecrets, findSecretsIn, type SecretRow } from './store.ts';
import { WriteRights } from './write-rights.ts';
import { deleteSecrets, updateSecrets } from './write-store.ts';

interface Folder {
  readonly environment: string;
  readonly path: string;
}

export interface Move {
  readonly project: ProjectReference;
  readonly from: Folder;
  readonly to: Folder;
  readonly secretIds: readonly string[];
  readonly shouldOverwrite: boolean;
}

/** Moves secrets between the folders and environments of a project, all or none. */
export class Moves {
  readonly #access: Access;
  readonly #keyring: Keyring;

  constructor(options: { access: Access; keyring: Keyring }) {
    this.#access = options.access;
    this.#keyring = options.keyring;
  }

  /**
   * A moved secret keeps its id and its history, and is sealed anew, since the seal names the place. One that is there
   * already is refused, or with `shouldOverwrite` gets the content as its own next version, and the moved one is deleted.
   *
   * @throws without the rights to delete here and to write there, and to read here what could be read there
   */
  async move(caller: Caller, { project, from, to, secretIds, shouldOverwrite }: Move): Promise<void> {
    if (from.environment === to.environment && from.path === to.path) throw badRequest('the secrets are there already');
    const allowed = await this.#access.project(caller, project, { action: 'read', subject: 'secrets', ...from });
    await this.#access.change(allowed, [], async (tx, audit, again) => {
      const source = await openPlaces(tx, again, from.environment, [from.path]);
      const target = await openPlaces(tx, again, to.environment, [to.path]);
      const here = new WriteRights(this.#access, again, from.environment);
      const there = new WriteRights(this.#access, again, to.environment);
      const home = target.homes.get(to.path)!;
      const all = await findSecretsIn(tx, [source.homes.get(from.path)!.folderId]);
      const rows = secretIds.map((id) => all.find((row) => row.id === id) ?? missing(id, from));
      const taken = new Map(
        (
          await findSecrets(
            tx,
            rows.map(({ key }) => ({ folderId: home.folderId, key })),
          )
        ).map((row) => [row.key, row]),
      );
      for (const row of rows) {
        const after = { path: to.path, key: row.key, tags: row.tags };
        await here.need('delete', row);
        const over = taken.get(row.key);
        if (over) await there.need('edit', over);
        await there.need(over ? 'edit' : 'create', after);
        await here.needUnveil(row, after, there);
      }
      if (taken.size > 0 && !shouldOverwrite) throw exists([...taken.keys()], to);
      const pairs = rows.map((row) => {
        const into = taken.get(row.key) ?? row;
        const next = { home, key: target.key, id: into.id, name: row.key, version: into.version + 1 };
        return { row, written: { ...resealSecret(this.#keyring, row, next), path: to.path } };
      });
      await deleteSecrets(
        tx,
        rows.filter(({ key }) => taken.has(key)).map(({ id }) => id),
      );
      await updateSecrets(
        tx,
        target.writing,
        pairs.map(({ written }) => written),
      );
      await audit(
        pairs.flatMap(({ row, written }) => [
          { ...recordWrite('update', to.environment, written, { movedFrom: from }), event: 'move-secret' },
          ...(taken.has(row.key)
            ? [recordWrite('delete', from.environment, row, { movedTo: to })]
            : [away(row, from, to)]),
        ]),
      );
    });
  }
}

/** The record at the place that a secret left: who looks there for what happened finds it. */
const away = (row: SecretRow, from: Folder, to: Folder) => ({
  action: 'delete' as const,
  event: 'move-secret-away',
  environment: from.environment,
  secretPath: from.path,
  secretKey: row.key,
  metadata: { secretId: row.id, movedTo: to },
});

function missing(id: string, { environment, path }: Folder): never {
  throw notFound(`secret ${id} not found in environment "${environment}", path "${path}"`);
}

const exists = (keys: readonly string[], { environment, path }: Folder) =>
  conflict(
    `secret ${keys.map((key) => `"${key}"`).join(', ')} exists already in environment "${environment}", path "${path}"; ` +
      'set shouldOverwrite to replace it',
    { secretKeys: keys },
  );
