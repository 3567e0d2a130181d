import type { Logger } from 'pino';
import { Forbidden, Unauthorized } from '../../sdk/index.ts';
import type { KmsClients } from '../kms/clients.ts';
import { hostOf } from '../kms/hosts.ts';
import type { KmsSecret } from '../kms-secret.ts';
import type { KubernetesApi } from '../kubernetes/api.ts';
import type { Digest } from '../kubernetes/digest.ts';
import { KubernetesError } from '../kubernetes/errors.ts';
import type { EventRecorder } from '../kubernetes/event-recorder.ts';
import { type Secret, Secrets } from '../kubernetes/resources.ts';
import type { OperatorMetrics } from '../metrics.ts';
import { type Outcome, WorkQueue } from '../queue/work-queue.ts';
import { messageOf } from '../troubles.ts';
import { RENEWAL_MANAGER, readCredentials, type StoredCredentials, withNext, withoutPrevious } from './credentials.ts';

export interface RenewalsOptions {
  readonly api: KubernetesApi;
  readonly clients: KmsClients;
  readonly digest: Digest;
  readonly events: EventRecorder;
  readonly metrics: OperatorMetrics;
  readonly log: Logger;
  /** Ends when we are no longer the leader: nothing is written after that. */
  readonly leading: AbortSignal;
  /** Whether a KMSSecret asks for the renewal of a Secret, `namespace/name`. */
  readonly isAsked: (place: string) => boolean;
  /** The first of the KMSSecrets that do, and whose namespace may have it written. */
  readonly wantedBy: (place: string) => Promise<KmsSecret | undefined>;
  /** Another Secret that a KMSSecret logs in with, and that holds the same client secret, by its digest. */
  readonly copyOf: (place: string, secret: string) => Promise<string | undefined>;
  /** The servers that KMSSecrets use it at. */
  readonly hostsOf: (place: string) => readonly string[];
  /** The PEM certificate that a KMSSecret names. */
  readonly certificateOf: (kmsSecret: KmsSecret) => Promise<string | undefined>;
  /** Told when there is something else to say about a Secret. */
  readonly onTold: (place: string) => void;
}

/** How the renewal of a Secret's client secret goes, for the condition of the KMSSecrets that want it. */
export interface Told {
  readonly isWell: boolean;
  readonly reason: 'Renewed' | 'RenewalRefused' | 'RenewalFailing' | 'CredentialsShared';
  readonly message: string;
}

/** Of a life, when the next one is made: at two thirds at the latest, scattered so that many do not come together. */
const SHARE = { from: 0.6, to: 2 / 3 };
/** Tried again so often in what is left of a life, however long the waits of the queue are by then. */
const TRIES_LEFT = 8;
const LEAST_WAIT_MS = 250;
/** Between two of one Secret: a server may say that what it has just made ends now, and each renewal is three writes. */
const LEAST_BETWEEN_MS = 1000;
/** Ten years, as KMS has it. */
const LONGEST_LIFE_S = 315_360_000;

/** What no second try mends; people have to. */
class RenewalProblem extends Error {
  readonly reason: Told['reason'];
  constructor(reason: Told['reason'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RenewalProblem';
    this.reason = reason;
  }
}

/**
 * Renews the client secrets of Secrets that a KMSSecret asks it for (`renewal.enabled`), one at a time for each Secret, however many
 * KMSSecrets name it. KMS lets the present one make its successor; both are written in one write; the successor logs in; the one before
 * is taken away. Whatever is interrupted goes on from what the Secret holds: before the write the present one is as good as ever, after
 * it both are there.
 */
export class Renewals {
  readonly #options: RenewalsOptions;
  readonly #queue: WorkQueue;
  readonly #told = new Map<string, Told>();
  /** When what is in a Secret ends, in milliseconds of the wall clock. */
  readonly #ends = new Map<string, number>();

  constructor(options: RenewalsOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      work: (place) => this.#work(place),
      onFailure: (place, error) => this.#failed(place, error),
      concurrency: 8,
      longestWaitMs: 300_000,
      partyOf: (place) => ({ name: place.split('/')[0]!, lane: place }),
    });
  }

  /** Looks at a Secret now: it has changed, or who wants it renewed has. */
  look(place: string): void {
    if (this.#told.has(place) || this.#options.isAsked(place)) this.#queue.add(place);
  }

  told(place: string): Told | undefined {
    return this.#told.get(place);
  }

  /** Resolves when nothing is under way. */
  async stop(): Promise<void> {
    await this.#queue.stop();
    for (const place of this.#told.keys()) this.#options.clients.release(userOf(place));
  }

  async #work(place: string): Promise<Outcome> {
    const { api, digest, leading, wantedBy, clients } = this.#options;
    const kmsSecret = await wantedBy(place);
    if (leading.aborted) return {};
    if (!kmsSecret) {
      this.#forget(place);
      return {};
    }
    const [namespace = '', name = ''] = place.split('/');
    try {
      const secret = await api.get(Secrets, { namespace, name });
      const stored = readCredentials(secret, digest);
      // What is missing, or was put back, the KMSSecret's own condition says.
      const { hostAPI } = kmsSecret.spec;
      if (!stored || stored.isFormer || clients.hasSuccessor({ ...stored, hostAPI })) return {};
      if (stored.previous !== undefined) return await this.#settle(place, kmsSecret, secret, stored, stored.previous);
      const due = dueIn(stored);
      if (stored.note) this.#know(place, Date.parse(stored.note.endsAt));
      if (due <= 0) return await this.#renew(place, kmsSecret, secret, stored);
      this.#tell(place, 'Renewed', `the operator renews the client secret in ${place}`);
      return { againInMs: due };
    } catch (error) {
      if (leading.aborted || (error instanceof KubernetesError && error.isNotFound)) return {};
      // Somebody else has written it: what it holds now decides.
      if (error instanceof KubernetesError && error.isConflict) return { againInMs: 0 };
      throw error;
    }
  }

  /** Makes the successor and stores it. Whoever reads the Secret from then on uses that one, and this goes on with `#settle`. */
  async #renew(place: string, kmsSecret: KmsSecret, secret: Secret, stored: StoredCredentials): Promise<Outcome> {
    const { api, digest, copyOf, hostsOf, leading } = this.#options;
    const hosts = hostsOf(place);
    if (hosts.length > 1)
      throw new RenewalProblem(
        'CredentialsShared',
        `the client secret in ${place} is used at ${hosts.join(' and at ')}, and only one of them is the KMS that it is of: give each a Secret of its own`,
      );
    const copy = await copyOf(place, digest(stored.clientSecret));
    if (copy !== undefined)
      throw new RenewalProblem(
        'CredentialsShared',
        `the client secret in ${place} is in ${copy}, too, which would be left with one that had its time: give each a client secret of its own`,
      );
    const client = await this.#client(place, kmsSecret, stored);
    const sent = Date.now();
    const { clientSecret, expiresIn } = await client.kms.identities.renewClientSecret(stored, leading);
    // As long as a server says, within what a date can be.
    const life = Math.min(Math.max(expiresIn, 0), LONGEST_LIFE_S) * 1000;
    const share = SHARE.from + Math.random() * (SHARE.to - SHARE.from);
    const [renewAt, endsAt] = [share, 1].map((part) => new Date(sent + life * part)) as [Date, Date];
    leading.throwIfAborted();
    const at = hostOf(kmsSecret.spec.hostAPI);
    const next = withNext(secret, stored, { clientSecret, renewAt, endsAt, at }, digest);
    const written = await api.apply(Secrets, next, { fieldManager: RENEWAL_MANAGER });
    this.#options.metrics.renewal('renewed');
    this.#options.log.info({ secret: place, endsAt: endsAt.toISOString() }, 'client secret renewed');
    const now = readCredentials(written, digest);
    if (now?.previous === undefined) return { againInMs: 0 };
    return this.#settle(place, kmsSecret, written, now, now.previous);
  }

  /** Takes the one before away once the present one has worked. One that does not work gives way to another successor. */
  async #settle(
    place: string,
    kmsSecret: KmsSecret,
    secret: Secret,
    stored: StoredCredentials,
    previous: string,
  ): Promise<Outcome> {
    const { api, events, leading } = this.#options;
    const client = await this.#client(place, kmsSecret, stored);
    try {
      await client.kms.logIn(leading);
    } catch (error) {
      if (!(error instanceof Unauthorized)) throw error;
      const before = { ...stored, clientSecret: previous, previous: undefined, note: undefined };
      return this.#renew(place, kmsSecret, secret, before);
    }
    leading.throwIfAborted();
    await api.apply(Secrets, withoutPrevious(secret, stored), { fieldManager: RENEWAL_MANAGER });
    this.#tell(place, 'Renewed', `the operator renews the client secret in ${place}`);
    await events.record(kmsSecret, {
      type: 'Normal',
      reason: 'CredentialsRenewed',
      action: 'Renew',
      note: `the client secret in ${place} was renewed, and the one before is taken away`,
    });
    return { againInMs: Math.max(dueIn(stored), LEAST_BETWEEN_MS) };
  }

  async #client(place: string, kmsSecret: KmsSecret, { clientId, clientSecret, former }: StoredCredentials) {
    const ca = await this.#options.certificateOf(kmsSecret);
    const { hostAPI } = kmsSecret.spec;
    return this.#options.clients.use(userOf(place), { hostAPI, ca, clientId, clientSecret, former });
  }

  #failed(place: string, error: unknown): void {
    const { metrics, log, leading } = this.#options;
    if (leading.aborted) return;
    const { reason, message } = problemOf(place, error);
    metrics.renewal(reason === 'RenewalFailing' ? 'failed' : 'refused');
    log.warn({ secret: place, reason, problem: message }, 'client secret not renewed');
    this.#tell(place, reason, message);
    void this.#warn(place, reason, message);
    const left = (this.#ends.get(place) ?? 0) - Date.now();
    if (left > 0) this.#queue.addIn(place, Math.max(left / TRIES_LEFT, LEAST_WAIT_MS));
  }

  async #warn(place: string, reason: string, note: string): Promise<void> {
    const kmsSecret = await this.#options.wantedBy(place).catch(() => undefined);
    if (kmsSecret) await this.#options.events.record(kmsSecret, { type: 'Warning', reason, action: 'Renew', note });
  }

  #know(place: string, endsAt: number): void {
    this.#ends.set(place, endsAt);
    this.#options.metrics.credentialsEnd(place, endsAt / 1000);
  }

  #tell(place: string, reason: Told['reason'], message: string): void {
    const before = this.#told.get(place);
    if (before?.reason === reason && before.message === message) return;
    this.#told.set(place, { isWell: reason === 'Renewed', reason, message });
    this.#options.onTold(place);
  }

  #forget(place: string): void {
    this.#queue.forget(place);
    this.#ends.delete(place);
    this.#options.clients.release(userOf(place));
    this.#options.metrics.credentialsEnd(place, undefined);
    if (this.#told.delete(place)) this.#options.onTold(place);
  }
}

/** Milliseconds until it is to be renewed. One that nothing is known of is, and one that is due later than it can be: a clock went wrong. */
function dueIn({ note }: StoredCredentials): number {
  if (!note) return 0;
  const [renewAt, endsAt] = [Date.parse(note.renewAt), Date.parse(note.endsAt)];
  const due = renewAt - Date.now();
  return due > ((endsAt - renewAt) * SHARE.to) / (1 - SHARE.to) ? 0 : Math.max(due, 0);
}

/** KMSSecrets have one `/` in their names. */
const userOf = (place: string) => `renewal/${place}`;

function problemOf(place: string, error: unknown): { readonly reason: Told['reason']; readonly message: string } {
  if (error instanceof RenewalProblem) return error;
  const message = messageOf(error);
  if (error instanceof Forbidden)
    return {
      reason: 'RenewalRefused',
      message: `KMS does not let the client secret in ${place} be renewed: ${message} Put one there that was made with renewable: true and a ttl.`,
    };
  if (error instanceof Unauthorized)
    return { reason: 'RenewalRefused', message: `KMS refuses the client secret in ${place}: ${message}` };
  if (error instanceof KubernetesError)
    return { reason: 'RenewalFailing', message: `the Secret ${place} cannot be written: ${message}` };
  return { reason: 'RenewalFailing', message: `the client secret in ${place} could not be renewed: ${message}` };
}
