import { hostOf } from '../kms/hosts.ts';
import type { KmsSecret } from '../kms-secret.ts';
import type { KmsSecretView } from '../kms-secret-view.ts';
import type { ObjectView } from '../kubernetes/object-view.ts';
import type { NamespaceView } from '../namespace-view.ts';
import { type Owners, reaches } from '../sync/owners.ts';
import { credentialsOf } from '../wishes.ts';

export interface AskersParts {
  readonly kmsSecrets: KmsSecretView;
  readonly owners: Owners;
  readonly objects: ObjectView;
  readonly namespaces: NamespaceView;
}

/** Who wants which client secret renewed, by the Secret that it is in, `namespace/name`. */
export class Askers {
  readonly #parts: AskersParts;

  constructor(parts: AskersParts) {
    this.#parts = parts;
  }

  /** The KMSSecrets that want a Secret's client secret renewed, in one order. */
  all(place: string): KmsSecret[] {
    return [...this.#parts.owners.concerned(`Secret/${place}`).readers].toSorted().flatMap((key) => {
      const found = this.#parts.kmsSecrets.find(key);
      const isAsked =
        found?.spec.authentication.universalAuth.renewal?.enabled === true &&
        credentialsOf(found) === place &&
        !found.spec.suspend &&
        found.metadata.deletionTimestamp === undefined;
      return isAsked ? [found] : [];
    });
  }

  /** The first of those, whose namespace may have it written. */
  async first(place: string): Promise<KmsSecret | undefined> {
    await this.#parts.namespaces.ready();
    const [namespace = ''] = place.split('/');
    return this.all(place).find(
      ({ metadata }) =>
        metadata.namespace === namespace || this.#parts.namespaces.allows(namespace, metadata.namespace!),
    );
  }

  /** The servers that those who may read a Secret log in at with what it holds, each once. */
  hosts(place: string): string[] {
    const [namespace = ''] = place.split('/');
    const { owners, kmsSecrets, namespaces } = this.#parts;
    const readers = [...owners.concerned(`Secret/${place}`).readers].flatMap((key) => kmsSecrets.find(key) ?? []);
    const those = readers.filter(
      (reader) =>
        credentialsOf(reader) === place &&
        reaches(reader.metadata.namespace!, namespace, (of, from) => namespaces.allows(of, from)),
    );
    return [...new Set(those.map(({ spec }) => hostOf(spec.hostAPI)))].toSorted();
  }

  /** Another Secret that a KMSSecret logs in with, and that holds this client secret. Waits until all that can be seen was. */
  async copyOf(place: string, secret: string): Promise<string | undefined> {
    await this.#parts.kmsSecrets.seen();
    const others = new Set([...this.#parts.kmsSecrets.all()].map(credentialsOf));
    others.delete(place);
    for (const other of others) {
      const [namespace = '', name = ''] = other.split('/');
      await this.#parts.objects.ready('Secret', namespace, name).catch(() => undefined);
      if (this.#parts.objects.get('Secret', namespace, name)?.digests.get('clientSecret') === secret) return other;
    }
    return undefined;
  }
}
