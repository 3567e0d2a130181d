import type { Access, ProjectAccess } from '../access/access.ts';
import type { Place } from '../access/permissions.ts';

export type WriteAction = 'create' | 'edit' | 'delete';

/** A secret that is written to, or its place: as much as a rule can speak of. */
export interface Spot {
  readonly path: string;
  readonly key: string;
  readonly tags: readonly { readonly slug: string }[];
}

/**
 * Refuses, before anything is looked up, what the caller may do at none of the places, whatever tags the secrets there
 * carry. Who is let through is asked again, of each secret as it is found (`WriteRights`).
 */
export async function refuseNowhere(
  access: Access,
  allowed: ProjectAccess,
  actions: readonly WriteAction[],
  places: readonly Place[],
): Promise<void> {
  for (const place of places) {
    for (const action of actions) {
      if (!allowed.rights.somewhere(action, 'secrets', place))
        await access.need(allowed, { action, subject: 'secrets', ...place });
    }
  }
}

/** Rights of very secrets, asked within the transaction that writes them. */
export class WriteRights {
  readonly #access: Access;
  readonly #allowed: ProjectAccess;
  readonly #environment: string;

  constructor(access: Access, allowed: ProjectAccess, environment: string) {
    this.#access = access;
    this.#allowed = allowed;
    this.#environment = environment;
  }

  async need(action: WriteAction, spot: Spot): Promise<void> {
    await this.#access.need(this.#allowed, { action, subject: 'secrets', ...this.#place(spot) });
  }

  /** As `need`, for those who go elsewhere when the answer is no. */
  may(action: WriteAction | 'read', spot: Spot): boolean {
    return this.#allowed.rights.may(action, 'secrets', this.#place(spot));
  }

  mayRead(spot: Spot): boolean {
    return this.may('read', spot);
  }

  /** The right to make `after` of `before`: to edit it under its old name and tags and under the new ones. */
  async needChange(before: Spot, after: Spot): Promise<void> {
    await this.need('edit', before);
    await this.need('edit', after);
    await this.needUnveil(before, after);
  }

  /** A value that its caller may not read is not brought, by a new name, tag or folder, to where it may. */
  async needUnveil(before: Spot, after: Spot, there: WriteRights = this): Promise<void> {
    if (there.mayRead(after) && !this.mayRead(before))
      await this.#access.need(this.#allowed, { action: 'read', subject: 'secrets', ...this.#place(before) });
  }

  #place({ path, key, tags }: Spot): Place {
    return { environment: this.#environment, path, key, tags: tags.map(({ slug }) => slug) };
  }
}
