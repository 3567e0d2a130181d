import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { RollbackStep } from '../../contracts/index.ts';
import type { Access, Caller, ProjectAccess } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import { ensureFolder } from '../folders/ensure.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { badRequest, conflict } from '../refusal.ts';
import { openPlaces } from '../secrets/places.ts';
import { recordWrite } from '../secrets/records.ts';
import { openSecret, resealSecret } from '../secrets/seal.ts';
import { findSecretsIn, type SecretRow } from '../secrets/store.ts';
import { WriteRights } from '../secrets/write-rights.ts';
import { deleteSecrets, insertSecrets, updateSecrets } from '../secrets/write-store.ts';
import { prunedAt } from './pruning-store.ts';
import { backdate, lastVersions, scopeOf, stateAt, stepAside, type VersionRow } from './store.ts';

export interface RollbackWish {
  readonly environment: string;
  readonly path: string;
  readonly recursive: boolean;
  readonly at: Date | undefined;
  readonly dryRun: boolean;
}

/** A moment that this process takes for the future may be over for the database already. */
const CLOCKS_APART_MS = 60_000;

/** What is now, what was at the moment, and so what is to be done; a side is absent where there was, or is, nothing. */
interface Step {
  readonly id: string;
  readonly now?: SecretRow;
  readonly was?: VersionRow;
  /** Where `was` belongs. */
  readonly path: string;
  /** The highest number that a version of it has. */
  readonly last: number;
}

/** Brings folders back to a moment. History is not rewritten: what comes back comes as new versions, all or none. */
export class Rollbacks {
  readonly #access: Access;
  readonly #keyring: Keyring;

  constructor(options: { access: Access; keyring: Keyring }) {
    this.#access = options.access;
    this.#keyring = options.keyring;
  }

  async rollback(caller: Caller, projectId: string, given: RollbackWish) {
    const { environment, path, at, dryRun } = given;
    const need = { action: dryRun ? 'read' : 'create', subject: 'secret-rollback', environment, path } as const;
    const allowed = await this.#access.project(caller, { id: projectId }, need);
    if (at === undefined) throw badRequest('name the moment to go back to: `at` or `commit`');
    if (at.getTime() > Date.now() + CLOCKS_APART_MS) throw badRequest('this moment is yet to come');
    const wish = { ...given, at };
    return this.#access.change(allowed, [need], async (tx, audit, again) => {
      const steps = await this.#plan(tx, again, wish);
      await this.#needAll(again, wish, steps);
      const written = dryRun ? [] : await this.#apply(tx, again, wish, steps);
      const summary = { at: at.toISOString(), recursive: wish.recursive, steps: steps.length, dryRun };
      const whole = { environment, secretPath: path, metadata: summary };
      await audit([{ action: dryRun ? 'read' : 'update', event: 'rollback-folder', ...whole }, ...written]);
      return { at, plan: steps.map(show) };
    });
  }

  async #plan(
    tx: Db,
    { project }: ProjectAccess,
    { environment, path, recursive, at }: RollbackWish & { readonly at: Date },
  ): Promise<Step[]> {
    const scope = await scopeOf(tx, project.id, environment, path, recursive);
    if (scope.length === 0) {
      const missing = await noEnvironment(tx, project, environment);
      const root = await scopeOf(tx, project.id, environment, '/', false);
      throw root.length === 0 ? missing : noFolder(project.slug, environment, path);
    }
    const folders = scope.map(({ id }) => id);
    const was = await stateAt(tx, scope[0]!.environmentId, folders, at);
    await refusePruned(tx, folders, at);
    const now = await findSecretsIn(
      tx,
      scope.filter(({ deleted }) => !deleted).map(({ id }) => id),
    );
    const last = await lastVersions(
      tx,
      was.map(({ id }) => id),
    );
    const nowById = new Map(now.map((row) => [row.id, row]));
    const nowByName = new Map(now.map((row) => [`${row.path}:${row.key}`, row]));
    const kept = new Set(was.map(({ id }) => id));
    refuseMerged(was);
    const back = was.flatMap((row): Step[] => {
      const known = last.get(row.id);
      const movedAway = !nowById.has(row.id) && (known === undefined || known.alive);
      // One that was moved out of here lives on there; what it was here comes back as a secret of its own, or as the one
      // that has its name now.
      const standIn = movedAway ? nowByName.get(`${row.path}:${row.key}`) : undefined;
      const present = nowById.get(row.id) ?? (standIn && !kept.has(standIn.id) ? standIn : undefined);
      if (present !== undefined) {
        kept.add(present.id);
        if (this.#same(project.id, present, row)) return [];
        return [{ id: present.id, now: present, was: row, path: row.path, last: present.version }];
      }
      if (movedAway) return [{ id: randomUUID(), was: row, path: row.path, last: 0 }];
      return [{ id: row.id, was: row, path: row.path, last: known!.version }];
    });
    const gone = now.filter(({ id }) => !kept.has(id));
    return [...gone.map((row): Step => ({ id: row.id, now: row, path: row.path, last: row.version })), ...back];
  }

  /** Whether the present version has the very content, name and place of the earlier one. */
  #same(projectId: string, now: SecretRow, was: VersionRow): boolean {
    if (now.id === was.id && now.version === was.version) return true;
    const face = (row: SecretRow) => [
      row.path,
      row.key,
      row.skipMultilineEncoding,
      row.reminder,
      row.tags.map(({ id }) => id),
    ];
    if (!isDeepStrictEqual(face(now), face(was))) return false;
    const all = { value: true, comment: true, metadata: true };
    return isDeepStrictEqual(
      openSecret(this.#keyring, projectId, now, all),
      openSecret(this.#keyring, projectId, was, all),
    );
  }

  async #needAll(again: ProjectAccess, { environment }: RollbackWish, steps: readonly Step[]): Promise<void> {
    const rights = new WriteRights(this.#access, again, environment);
    for (const { now, was, path } of steps) {
      const after = was && { path, key: was.key, tags: was.tags };
      if (now && after) await rights.needChange(now, after);
      else if (now) await rights.need('delete', now);
      else if (after) await rights.need('create', after);
    }
  }

  async #apply(tx: Db, again: ProjectAccess, { environment }: RollbackWish, steps: readonly Step[]) {
    const paths = [...new Set(steps.map(({ path }) => path))];
    const mayMakeIn = (path: string) =>
      this.#access.need(again, { action: 'create', subject: 'secret-folders', environment, path });
    for (const path of paths) await ensureFolder(tx, again.project.id, environment, path, mayMakeIn);
    if (steps.length === 0) return [];
    const { homes, key, writing } = await openPlaces(tx, again, environment, paths);
    const seal = ({ id, was, path, last }: Step) => ({
      path,
      ...resealSecret(this.#keyring, was!, { home: homes.get(path)!, key, id, name: was!.key, version: last + 1 }),
    });
    const gone = steps.filter(({ was }) => !was);
    const changed = steps.filter(({ now, was }) => now && was);
    const back = steps.filter(({ now }) => !now);
    const [changedRows, backRows] = [changed.map(seal), back.map(seal)];
    await deleteSecrets(
      tx,
      gone.map(({ id }) => id),
    );
    await stepAside(
      tx,
      changed.filter(({ now, was, path }) => now!.key !== was!.key || now!.path !== path).map(({ id }) => id),
    );
    await updateSecrets(tx, writing, changedRows);
    await insertSecrets(tx, writing, backRows);
    await backdate(
      tx,
      back.map(({ id, was }) => ({ id, createdAt: was!.createdAt })),
    );
    return [
      ...gone.map(({ now }) => recordWrite('delete', environment, now!)),
      ...changedRows.map((row, n) =>
        recordWrite('update', environment, row, { restoredVersion: changed[n]!.was!.version }),
      ),
      ...backRows.map((row, n) => recordWrite('create', environment, row, { restoredVersion: back[n]!.was!.version })),
    ];
  }
}

/**
 * What is pruned would look as if it had not been there, and the rollback would delete it. To be asked after the state was
 * read: pruning waits for nobody.
 */
export async function refusePruned(db: Db, folderIds: readonly string[], at: Date): Promise<void> {
  const key = await prunedAt(db, folderIds, at);
  if (key === undefined) return;
  throw badRequest(
    `what "${key}" was at that moment is pruned: this project keeps a limited number of versions (pitVersionLimit); ` +
      'go back to a later moment, or roll back single secrets',
  );
}

/** Two folders of that moment may have one path now: one was deleted, and the other renamed to its name. Nobody could tell which is meant. */
function refuseMerged(was: readonly VersionRow[]): void {
  const seen = new Set<string>();
  for (const { path, key } of was) {
    const name = `${path}:${key}`;
    if (seen.has(name))
      throw conflict(`two secrets of that moment would be "${key}" in "${path}" now; go back folder by folder`);
    seen.add(name);
  }
}

function show({ id, now, was, path }: Step): RollbackStep {
  return {
    action: now && was ? 'update' : now ? 'delete' : 'create',
    secretPath: path,
    secretKey: (was ?? now)!.key,
    secretId: id,
    fromVersion: now?.version ?? null,
    toVersion: was?.version ?? null,
  };
}
