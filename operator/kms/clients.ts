import { Kms } from '../../sdk/index.ts';
import type { Digest } from '../kubernetes/digest.ts';
import { Connections } from './connections.ts';
import { hostOf, type KmsHosts } from './hosts.ts';
import { LoginGate } from './login-gate.ts';

/** Who the operator is to which KMS. */
export interface Identity {
  readonly hostAPI: string;
  /** PEM; undefined: the public authorities. */
  readonly ca: string | undefined;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Of client secrets that this one is the successor of: nothing logs in with them any more. */
  readonly former: Former;
}

/** Client secrets that had their time, by their digests, and the KMS that made their successors: another's word says nothing of them. */
export interface Former {
  readonly at: string;
  readonly secrets: readonly string[];
}

export interface KmsClient {
  /** The same for the same identity, another after any change of it. Holds nothing of the secret. */
  readonly key: string;
  readonly kms: Kms;
}

interface Kept extends KmsClient {
  readonly users: Set<string>;
  /** Where it is in the connections that are shared. */
  readonly place: string;
}

/**
 * One client of KMS for each identity, shared by the KMSSecrets that log in with it: so there is one login and one token, renewed before it
 * ends (sdk/authentication.ts). A client without users is let go of.
 */
export class KmsClients {
  readonly #kept = new Map<string, Kept>();
  readonly #of = new Map<string, string>();
  /** By KMS and certificate, with the number of clients that use them. */
  readonly #connections = new Map<string, { readonly connections: Connections; clients: number }>();
  readonly #userAgent: string;
  readonly #digest: Digest;
  readonly #gate = new LoginGate();

  readonly #hosts: KmsHosts;

  /**
   * @param userAgent what the audit of KMS shows
   * @param hosts the servers that client secrets are sent to
   */
  constructor(userAgent: string, digest: Digest, hosts: KmsHosts) {
    this.#userAgent = userAgent;
    this.#digest = digest;
    this.#hosts = hosts;
  }

  /**
   * @param user the KMSSecret that it is for; it uses one at a time
   * @throws SyncProblem HostNotAllowed
   */
  use(user: string, identity: Identity): KmsClient {
    this.#hosts.check(identity.hostAPI);
    for (const name of this.#formerOf(identity)) this.#gate.close(name);
    const key = this.#keyOf(identity);
    const before = this.#of.get(user);
    const client = this.#kept.get(key) ?? this.#make(key, identity);
    client.users.add(user);
    this.#of.set(user, key);
    // After the new one is there, so that connections that both use stay open.
    if (before !== undefined && before !== key) this.#leave(user, before);
    return client;
  }

  /** Whether this process knows a successor of a client secret: nothing logs in with it any more. */
  hasSuccessor({ hostAPI, clientId, clientSecret }: Omit<Identity, 'ca' | 'former'>): boolean {
    return this.#gate.isClosed(nameOf(hostAPI, clientId, this.#digest(clientSecret)));
  }

  release(user: string): void {
    const key = this.#of.get(user);
    this.#of.delete(user);
    if (key !== undefined) this.#leave(user, key);
  }

  get size(): number {
    return this.#kept.size;
  }

  #leave(user: string, key: string): void {
    const client = this.#kept.get(key);
    if (!client?.users.delete(user) || client.users.size > 0) return;
    this.#kept.delete(key);
    this.#hangUp(client.place);
  }

  #formerOf({ clientId, former: { at, secrets } }: Identity): string[] {
    return secrets.map((secret) => nameOf(at, clientId, secret));
  }

  #make(key: string, identity: Identity): Kept {
    const { hostAPI, ca, clientId, clientSecret } = identity;
    const name = nameOf(hostAPI, clientId, this.#digest(clientSecret));
    const place = this.#digest(JSON.stringify([hostAPI, ca ?? '']));
    const kms = new Kms({
      url: hostAPI,
      credentials: { clientId, clientSecret },
      userAgent: this.#userAgent,
      fetch: this.#gate.guard(name, this.#formerOf(identity), this.#connect(place, hostAPI, ca).fetch),
      // The work queue tries again, and tells meanwhile what is wrong.
      retries: 0,
    });
    const made: Kept = { key, kms, users: new Set(), place };
    this.#kept.set(key, made);
    return made;
  }

  #connect(place: string, hostAPI: string, ca: string | undefined): Connections {
    const shared = this.#connections.get(place) ?? { connections: new Connections(hostAPI, ca), clients: 0 };
    shared.clients++;
    this.#connections.set(place, shared);
    return shared.connections;
  }

  #hangUp(place: string): void {
    const shared = this.#connections.get(place)!;
    shared.clients--;
    if (shared.clients > 0) return;
    this.#connections.delete(place);
    shared.connections.close();
  }

  #keyOf({ hostAPI, ca, clientId, clientSecret }: Identity): string {
    return this.#digest(JSON.stringify([hostAPI, ca ?? '', clientId, clientSecret]));
  }
}

/** A client secret, by its digest, with whom it is a secret between: the same one elsewhere is none of theirs. */
function nameOf(hostAPI: string, clientId: string, secret: string): string {
  return JSON.stringify([hostOf(hostAPI), clientId, secret]);
}
