import type { Access, Caller } from '../access/access.ts';
import type { Db } from '../database/database.ts';
import { notFound, Refusal } from '../refusal.ts';
import { type Address, findAddress } from './linked-store.ts';
import type { Question } from './question.ts';
import type { Body, Reads } from './reads.ts';

const ADDRESSES_AT_MOST = 10_000;

/** Reads of secrets that are named by their ids: the place is looked up, and the read asks whether it is still there. */
export class ReadsById {
  readonly #on: { readonly db: Db; readonly access: Access; readonly reads: Reads };
  /** Where secrets were when they were last read by id. Never served from: a read says itself whether it is still there. */
  readonly #addresses = new Map<string, Address>();

  constructor(options: { readonly db: Db; readonly access: Access; readonly reads: Reads }) {
    this.#on = options;
  }

  /** One secret by its id, wherever it is. One of strangers is not told apart from none. */
  async read(caller: Caller, secretId: string, wish: Pick<Question, 'withValues' | 'expand'>): Promise<Body> {
    for (let attempt = 0; ; attempt++) {
      const known = this.#addresses.get(secretId);
      const address = known ?? (await findAddress(this.#on.db, secretId));
      if (address === undefined) {
        await this.#on.access.actor(caller);
        throw notFound(`secret ${secretId} not found`);
      }
      const { projectId, environment, path, key } = address;
      const place = { project: { id: projectId }, environment, path, key, secretId };
      try {
        const body = await this.#on.reads.read(caller, {
          ...place,
          ...wish,
          recursive: false,
          imports: false,
          personal: 'none',
        });
        if (this.#addresses.size >= ADDRESSES_AT_MOST) this.#addresses.clear();
        this.#addresses.set(secretId, address);
        return body;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.#addresses.delete(secretId);
        // It may have been renamed or moved since it was looked up; then it is looked up once more.
        if (known !== undefined || (error.kind === 'notFound' && attempt === 0)) continue;
        throw error.kind === 'notFound' ? notFound(`secret ${secretId} not found`) : error;
      }
    }
  }
}
