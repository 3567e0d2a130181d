import type { Access, Caller, ProjectReference } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { type Dependent, dependentsOf } from './dependents.ts';
import type { Question } from './question.ts';
import type { Body, Reads } from './reads.ts';
import { noSecret } from './show.ts';
import { findPlace, findSecrets } from './store.ts';

export interface ReferenceReadsOptions {
  readonly db: Db;
  readonly access: Access;
  readonly keyring: Keyring;
  readonly reads: Reads;
}

/** What a secret refers to, and what refers to it. */
export class ReferenceReads {
  readonly #on: ReferenceReadsOptions;

  constructor(options: ReferenceReadsOptions) {
    this.#on = options;
  }

  /** What a secret refers to, as a tree. The caller must hold `read` on all of it, whether or not values are in it. */
  async tree(
    caller: Caller,
    place: Pick<Question, 'project' | 'environment' | 'path' | 'key'>,
    asTree: NonNullable<Question['asTree']>,
  ): Promise<Body> {
    const wish = {
      recursive: false,
      withValues: true,
      expand: true,
      imports: true,
      personal: 'none',
    } as const;
    return this.#on.reads.read(caller, { ...place, ...wish, asTree });
  }

  /** Which secrets of the project refer to a secret, and which to those: by name, and of what the caller may read. */
  async dependents(
    caller: Caller,
    place: {
      readonly project: ProjectReference;
      readonly environment: string;
      readonly path: string;
      readonly key: string;
    },
  ): Promise<Dependent> {
    const { db, access, keyring, reads } = this.#on;
    const { environment, path, key } = place;
    const need = { action: 'read', subject: 'secrets', environment, path, key } as const;
    const allowed = await access.project(caller, place.project, need);
    const at = await findPlace(db, allowed.project.id, environment, path);
    if (at.environmentId === null) throw await noEnvironment(db, allowed.project, environment);
    if (at.folderId === null) throw noFolder(allowed.project.slug, environment, path);
    if ((await findSecrets(db, [{ folderId: at.folderId, key }])).length === 0)
      throw noSecret(allowed.project.slug, place, key);
    const tree = await reads.turns.take(caller.actorId, () => dependentsOf(db, keyring, allowed, place));
    // Asked again after the rows were read: it is not shown to somebody whose right ended meanwhile.
    await access.project(caller, { id: allowed.project.id }, need);
    const record = {
      action: 'read',
      event: 'get-secret-references',
      environment,
      secretPath: path,
      secretKey: key,
    } as const;
    await access.recordRead(allowed, record);
    return tree;
  }
}
