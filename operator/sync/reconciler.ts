import type { StoredKmsSecretSpec } from '../../contracts/kms-secret.ts';
import type { Look } from '../../sdk/index.ts';
import type { KmsClient } from '../kms/clients.ts';
import { isHeld } from '../kms/login-gate.ts';
import type { ChangeStreams } from '../kms/streams.ts';
import { type KmsSecret, KmsSecrets, type Target, targetKey, targetsOf } from '../kms-secret.ts';
import { KubernetesError } from '../kubernetes/errors.ts';
import { FIELD_MANAGER } from '../kubernetes/field-manager.ts';
import { keyOf } from '../kubernetes/reflector.ts';
import type { Metadata } from '../kubernetes/resources.ts';
import type { Outcome } from '../queue/work-queue.ts';
import type { Told } from '../renewal/renewals.ts';
import { addressOf, basisOf, keysOf, placesOf } from './folder.ts';
import { Login, type LoginParts } from './login.ts';
import { type Memory, newMemory } from './memory.ts';
import { checkNamespaces, waitUntilKnown } from './reach.ts';
import { reportOf } from './report.ts';
import { type Report, statusAfter } from './status.ts';
import { releaseTarget } from './targets.ts';
import { Writer, type WriterParts } from './writer.ts';

export interface ReconcilerParts extends LoginParts, Omit<WriterParts, 'checkTurn'> {
  readonly streams: ChangeStreams;
  /** Whether a KMSSecret is still what it was when its turn began: neither deleted nor changed. */
  readonly isCurrent: (kmsSecret: KmsSecret) => boolean;
  /** Ends when we are no longer the leader: nothing is written after that. */
  readonly leading: AbortSignal;
  /** Which pods were started before a moment with one of these objects in their environment, in words. */
  readonly lagging: (objectKeys: readonly string[], since: string) => Promise<string | undefined>;
  /** How the renewal of the client secret in a Secret, `namespace/name`, goes. */
  readonly renewal: (place: string) => Told | undefined;
  /** Told when KMS answered with content and every object is as it says: by whose credentials, and how many keys. */
  readonly onSynced: (key: string, facts: { readonly identityId: string | undefined; readonly keys: number }) => void;
  readonly random?: () => number;
}

/** How soon the pods are looked at again while some of them run older content. */
const LAGGING_AGAIN_MS = 5000;

/** Makes each KMSSecret's objects what KMS says, one KMSSecret at a time (HIP-27, "Why the KMSSecret CRD"). */
export class Reconciler {
  readonly #parts: Required<ReconcilerParts>;
  readonly #memories = new Map<string, Memory>();
  /** By KMSSecret, what it names no more and still has to be let go of, by the target's key. */
  readonly #strays = new Map<string, Map<string, Target>>();

  /** By KMSSecret, its status as it was last written: what is seen of it comes by a watch, and may be behind. */
  readonly #told = new Map<string, Pick<Metadata, 'uid' | 'resourceVersion'> & Pick<KmsSecret, 'status'>>();

  readonly #login: Login;
  readonly #writer: Writer;

  constructor(parts: ReconcilerParts) {
    this.#parts = { random: Math.random, ...parts };
    this.#login = new Login(parts);
    this.#writer = new Writer({ ...parts, checkTurn: (kmsSecret) => this.#checkWrite(kmsSecret) });
  }

  /** The certificate authority of a KMSSecret's hostAPI, PEM. @throws SyncProblem when it is named and not there */
  certificate(spec: StoredKmsSecretSpec): Promise<string | undefined> {
    return this.#login.certificate(spec);
  }

  /** KMS is to be asked at the next turn: something may have changed there. */
  look(key: string): void {
    const memory = this.#memories.get(key);
    if (memory) memory.lookAt = 0;
  }

  /** An object that it names no more: let go of at the next turn. */
  stray(key: string, target: Target): void {
    const strays = this.#strays.get(key) ?? new Map<string, Target>();
    this.#strays.set(key, strays.set(targetKey(target), target));
  }

  forget(key: string): void {
    this.#letGo(key);
    this.#told.delete(key);
  }

  #letGo(key: string): void {
    this.#memories.delete(key);
    this.#strays.delete(key);
    this.#parts.clients.release(key);
    this.#parts.streams.release(key);
  }

  /**
   * One turn. What goes wrong is in the status when this throws, so that the queue waits longer each time.
   *
   * @throws SyncProblem, KmsError or KubernetesError
   */
  async reconcile(seen: KmsSecret): Promise<Outcome> {
    const key = keyOf(seen.metadata);
    const kmsSecret = this.#latest(key, seen);
    const memory = this.#memoryOf(key, kmsSecret);
    if (kmsSecret.spec.suspend) {
      this.#letGo(key);
      await this.#tell(kmsSecret, {
        authenticated: 'Unknown',
        reason: 'Suspended',
        message: 'suspended: nothing is changed until spec.suspend is false',
      });
      return {};
    }
    try {
      await this.#sync(key, kmsSecret, targetsOf(kmsSecret), memory);
      const report = this.#synced(kmsSecret, memory);
      await this.#release(key, kmsSecret);
      const lagging = await this.#lagging(kmsSecret, report.content?.digest);
      await this.#tell(kmsSecret, { ...report, ...lagging, identityId: memory.client?.kms.identityId });
      const nextLook = Math.max(memory.lookAt - performance.now(), 0);
      return { againInMs: lagging.lagging ? Math.min(nextLook, LAGGING_AGAIN_MS) : nextLook };
    } catch (error) {
      if (this.#parts.leading.aborted || !this.#parts.isCurrent(kmsSecret)) return {};
      memory.lookAt = 0;
      if (error instanceof KubernetesError && error.isConflict) return { againInMs: 50 };
      if (isHeld(error)) {
        memory.seen = undefined;
        return { againInMs: 50 };
      }
      const hasContent = memory.followed !== undefined;
      const report = reportOf(error, { ...placesOf(kmsSecret.spec), hasContent });
      const identityId = memory.client?.kms.identityId;
      // What went wrong before a login says nothing of it.
      const isKnown = report.authenticated !== 'True' || identityId !== undefined;
      await this.#tell(kmsSecret, { ...report, ...(isKnown ? {} : { authenticated: 'Unknown' }), identityId });
      throw error;
    }
  }

  /** A KMSSecret as it is seen, with the status that was written since. Versions of one cluster's objects are numbers that grow. */
  #latest(key: string, seen: KmsSecret): KmsSecret {
    const told = this.#told.get(key);
    const { uid, resourceVersion } = seen.metadata;
    if (told?.uid === uid && told?.status && Number(resourceVersion) < Number(told.resourceVersion))
      return { ...seen, status: told.status };
    this.#told.delete(key);
    return seen;
  }

  #memoryOf(key: string, kmsSecret: KmsSecret): Memory {
    const kept = this.#memories.get(key);
    if (kept && kept.uid === kmsSecret.metadata.uid) return kept;
    const memory = newMemory(kmsSecret);
    this.#memories.set(key, memory);
    return memory;
  }

  /** Looks at KMS when it is time to, or when the cluster is not as it is to be, and makes it so. */
  async #sync(key: string, kmsSecret: KmsSecret, targets: readonly Target[], memory: Memory): Promise<void> {
    checkNamespaces(kmsSecret, targets, this.#parts.allows);
    await waitUntilKnown(this.#parts.objects, kmsSecret, targets);
    const isComplete = this.#writer.isAllAsWanted(kmsSecret, targets, memory);
    const basis = basisOf(kmsSecret);
    if (basis !== memory.basis) memory.lookAt = 0;
    if (isComplete && performance.now() < memory.lookAt) return;
    const client = await this.#login.client(key, kmsSecret, memory);
    // Asked without an ETag when the cluster is not as KMS was: values are not kept here, and are needed now.
    const isKnown = isComplete && memory.etag !== undefined && basis === memory.basis;
    const { recursive } = kmsSecret.spec.authentication.universalAuth.secretsScope;
    // Scattered, so that a thousand that began together do not go on together. Set before KMS is asked: a change that is heard of from then on
    // may not be in the answer, and asks for another look.
    memory.lookAt = performance.now() + kmsSecret.spec.resyncInterval * 1000 * (0.85 + this.#parts.random() * 0.15);
    const answer = await client.kms.secrets.look(addressOf(kmsSecret.spec), {
      ...(isKnown ? { etag: memory.etag } : {}),
      ...(recursive ? { recursive } : {}),
      signal: this.#parts.leading,
    });
    this.#listen(key, kmsSecret, client, answer);
    if (answer) await this.#writer.follow(kmsSecret, targets, memory, answer);
    if (answer) memory.etag = answer.etag;
    memory.basis = basis;
    if (answer) this.#parts.onSynced(key, { identityId: client.kms.identityId, keys: memory.followed?.keys ?? 0 });
  }

  /** Which pods still run what was there before; looked for after a change, and until there are none. */
  async #lagging(kmsSecret: KmsSecret, digest: string | undefined): Promise<{ lagging?: string | null }> {
    const { status } = kmsSecret;
    const changed = status?.content !== digest;
    // What was never there before nobody runs an older one of.
    if ((!changed && status?.workloads === undefined) || status?.content === undefined) return {};
    const since = changed ? this.#parts.api.now().toISOString() : (status?.lastChangeTime ?? '');
    return { lagging: (await this.#parts.lagging(targetsOf(kmsSecret).map(targetKey), since)) ?? null };
  }

  async #release(key: string, kmsSecret: KmsSecret): Promise<void> {
    const strays = this.#strays.get(key);
    // By an older spec, which still names it, what is to be let go of would be forgotten.
    if (!strays || !this.#parts.isCurrent(kmsSecret)) return;
    for (const target of targetsOf(kmsSecret)) strays.delete(targetKey(target));
    for (const [targetKey, target] of strays) {
      this.#checkTurn(kmsSecret);
      try {
        await releaseTarget(this.#parts.api, kmsSecret, target);
      } catch (error) {
        if (!(error instanceof KubernetesError && error.status === 403)) throw error;
        // Its Role no longer names it: what is wished now is in sync all the same.
        await this.#parts.events.record(kmsSecret, {
          type: 'Warning',
          reason: 'KubernetesRefused',
          action: 'Release',
          note: `${targetKey} is named no more, and stays as it is: ${error.message}`,
        });
      }
      strays.delete(targetKey);
    }
    if (strays.size === 0) this.#strays.delete(key);
  }

  #listen(key: string, { spec }: KmsSecret, client: KmsClient, answer: Look | undefined): void {
    if (!spec.instantUpdates) this.#parts.streams.release(key);
    const projectId = answer?.folder?.projectId ?? answer?.secrets[0]?.workspace;
    if (spec.instantUpdates && projectId !== undefined) this.#parts.streams.listen(key, client, projectId);
  }

  #synced({ spec }: KmsSecret, { followed, wanted }: Memory): Report {
    const keys = followed?.keys ?? 0;
    const all = [...wanted].map(([target, digests]) => [target, [...digests].toSorted(byKey)]).toSorted(byKey);
    return {
      authenticated: 'True',
      reason: 'Synced',
      message: keysOf(keys, spec),
      content: {
        keys,
        folderId: followed?.folderId,
        changeId: followed?.changeId,
        digest: this.#parts.digest(JSON.stringify(all)),
      },
    };
  }

  /** Before each write: a leader that was, or a KMSSecret that is gone, writes nothing. @throws Error */
  #checkTurn(kmsSecret: KmsSecret): void {
    if (this.#parts.leading.aborted || !this.#parts.isCurrent(kmsSecret)) throw new Error('the turn was overtaken');
  }

  /** Before content is written: KMS may have taken its time, and a namespace may have taken back what it allowed. @throws Error, SyncProblem */
  #checkWrite(kmsSecret: KmsSecret): void {
    this.#checkTurn(kmsSecret);
    checkNamespaces(kmsSecret, targetsOf(kmsSecret), this.#parts.allows);
  }

  async #tell(kmsSecret: KmsSecret, report: Report): Promise<void> {
    const { api, events } = this.#parts;
    const { credentialsRef, renewal: wished } = kmsSecret.spec.authentication.universalAuth;
    const place = `${credentialsRef.secretNamespace}/${credentialsRef.secretName}`;
    const renewal = wished?.enabled ? this.#parts.renewal(place) : null;
    const status = statusAfter(kmsSecret, { ...report, ...(renewal === undefined ? {} : { renewal }) }, api.now());
    if (status === kmsSecret.status) return;
    this.#checkTurn(kmsSecret);
    const { name, namespace } = kmsSecret.metadata;
    const isProblem = report.reason !== 'Synced' && report.reason !== 'Suspended';
    if (isProblem)
      await events.record(kmsSecret, { type: 'Warning', reason: report.reason, action: 'Sync', note: report.message });
    // Else the last that is said would be what was wrong.
    const wasProblem = kmsSecret.status?.conditions?.some(
      ({ type, status: was }) => type === 'Synced' && was === 'False',
    );
    if (report.reason === 'Synced' && wasProblem)
      await events.record(kmsSecret, {
        ...{ type: 'Normal', reason: 'Synced', action: 'Sync' },
        note: `in sync again: ${report.message}`,
      });
    const body = {
      metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
      status,
    } as unknown as KmsSecret;
    const told = await api.apply(KmsSecrets, body, { fieldManager: FIELD_MANAGER, subresource: 'status' });
    const { uid, resourceVersion } = told.metadata;
    this.#told.set(keyOf(kmsSecret.metadata), { uid, resourceVersion, status: told.status });
  }
}

const byKey = ([a]: readonly unknown[], [b]: readonly unknown[]) => (String(a) < String(b) ? -1 : 1);
