import { Agent, fetch } from 'undici';
import { Kms } from '../../sdk/index.ts';
import type { Digest } from '../kubernetes/digest.ts';

/** Who the operator is to which KMS. */
export interface Identity {
  readonly hostAPI: string;
  /** PEM; undefined: the public authorities. */
  readonly ca: string | undefined;
  readonly clientId: string;
  readonly clientSecret: string;
}

export interface KmsClient {
  /** The same for the same identity, another after any change of it. Holds nothing of the secret. */
  readonly key: string;
  readonly kms: Kms;
}

interface Kept extends KmsClient {
  readonly users: Set<string>;
  readonly agent: Agent;
}

/**
 * One client of KMS for each identity, shared by the KMSSecrets that log in with it: so there is one login and one token, renewed before it
 * ends (sdk/authentication.ts). A client without users is let go of.
 */
export class KmsClients {
  readonly #kept = new Map<string, Kept>();
  readonly #of = new Map<string, string>();
  readonly #userAgent: string;
  readonly #digest: Digest;

  /** @param userAgent what the audit of KMS shows */
  constructor(userAgent: string, digest: Digest) {
    this.#userAgent = userAgent;
    this.#digest = digest;
  }

  /** @param user the KMSSecret that it is for; it uses one at a time */
  use(user: string, identity: Identity): KmsClient {
    const key = this.#keyOf(identity);
    if (this.#of.get(user) !== key) this.release(user);
    const client = this.#kept.get(key) ?? this.#make(key, identity);
    client.users.add(user);
    this.#of.set(user, key);
    return client;
  }

  release(user: string): void {
    const key = this.#of.get(user);
    this.#of.delete(user);
    const client = key === undefined ? undefined : this.#kept.get(key);
    if (!client?.users.delete(user) || client.users.size > 0) return;
    this.#kept.delete(client.key);
    void client.agent.close();
  }

  get size(): number {
    return this.#kept.size;
  }

  #make(key: string, { hostAPI, ca, clientId, clientSecret }: Identity): Kept {
    const agent = new Agent({
      connections: 8,
      keepAliveTimeout: 60_000,
      connect: { ...(ca === undefined ? {} : { ca }) },
    });
    const kms = new Kms({
      url: hostAPI,
      credentials: { clientId, clientSecret },
      userAgent: this.#userAgent,
      // One of its own: Node's takes no certificate authority, and its types differ in name alone.
      fetch: ((input: string, init: object) =>
        fetch(input, { ...init, dispatcher: agent })) as unknown as typeof globalThis.fetch,
      // The work queue tries again, and tells meanwhile what is wrong.
      retries: 0,
    });
    const made: Kept = { key, kms, users: new Set(), agent };
    this.#kept.set(key, made);
    return made;
  }

  #keyOf({ hostAPI, ca, clientId, clientSecret }: Identity): string {
    return this.#digest(JSON.stringify([hostAPI, ca ?? '', clientId, clientSecret]));
  }
}
