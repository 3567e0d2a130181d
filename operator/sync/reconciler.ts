import type { StoredKmsSecretSpec } from '../../contracts/kms-secret.ts';
import type { FolderAddress, Look } from '../../sdk/index.ts';
import type { KmsClient, KmsClients } from '../kms/clients.ts';
import { isHeld } from '../kms/login-gate.ts';
import type { ChangeStreams } from '../kms/streams.ts';
import { type KmsSecret, KmsSecrets, RESYNC_ANNOTATION, type Target, targetKey, targetsOf } from '../kms-secret.ts';
import type { KubernetesApi } from '../kubernetes/api.ts';
import type { Digest } from '../kubernetes/digest.ts';
import { KubernetesError } from '../kubernetes/errors.ts';
import type { EventRecorder } from '../kubernetes/event-recorder.ts';
import { FIELD_MANAGER } from '../kubernetes/field-manager.ts';
import type { ObjectView } from '../kubernetes/object-view.ts';
import { keyOf } from '../kubernetes/reflector.ts';
import { Secrets } from '../kubernetes/resources.ts';
import type { Outcome } from '../queue/work-queue.ts';
import { readCredentials, textOf } from '../renewal/credentials.ts';
import type { Told } from '../renewal/renewals.ts';
import { contentOf } from './content.ts';
import { type Followed, guardShrink } from './guard.ts';
import { entriesOf, requireKeys } from './keys.ts';
import type { Owners } from './owners.ts';
import { SyncProblem } from './problem.ts';
import { reportOf } from './report.ts';
import { type Report, statusAfter } from './status.ts';
import { digestsOf, isAsWanted, mayWrite, releaseTarget, type Written, writeTarget } from './targets.ts';

export interface ReconcilerParts {
  readonly api: KubernetesApi;
  readonly objects: ObjectView;
  readonly owners: Owners;
  readonly digest: Digest;
  readonly clients: KmsClients;
  readonly streams: ChangeStreams;
  readonly events: EventRecorder;
  /** Whether a KMSSecret is still what it was when its turn began: neither deleted nor changed. */
  readonly isCurrent: (kmsSecret: KmsSecret) => boolean;
  /** Whether a namespace lets KMSSecrets of another name objects in it. */
  readonly allows: (namespace: string, from: string) => boolean;
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

/** What is remembered of a KMSSecret between two looks: no value. */
interface Memory {
  uid: string | undefined;
  /** Of the spec, the annotation for a resync and the credentials that the last look was made with. */
  basis: string | undefined;
  etag: string | undefined;
  followed: Followed | undefined;
  /** Digests of what each target is to hold. */
  wanted: Map<string, ReadonlyMap<string, string>>;
  /** When KMS is to be asked again, in milliseconds of the monotonic clock; until then only the cluster is looked at. */
  lookAt: number;
  /** Digests of the credentials and the certificate that the client was made with. */
  seen: string | undefined;
  client: KmsClient | undefined;
}

/** Makes each KMSSecret's objects what KMS says, one KMSSecret at a time (HIP-27, "Why the KMSSecret CRD"). */
export class Reconciler {
  readonly #parts: Required<ReconcilerParts>;
  readonly #memories = new Map<string, Memory>();
  /** By KMSSecret, what it names no more and still has to be let go of, by the target's key. */
  readonly #strays = new Map<string, Map<string, Target>>();

  constructor(parts: ReconcilerParts) {
    this.#parts = { random: Math.random, ...parts };
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
  async reconcile(kmsSecret: KmsSecret): Promise<Outcome> {
    const key = keyOf(kmsSecret.metadata);
    const memory = this.#memoryOf(key, kmsSecret);
    if (kmsSecret.spec.suspend) {
      this.forget(key);
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

  #memoryOf(key: string, { metadata, status }: KmsSecret): Memory {
    const kept = this.#memories.get(key);
    if (kept && kept.uid === metadata.uid) return kept;
    const memory: Memory = {
      uid: metadata.uid,
      basis: undefined,
      etag: undefined,
      // A start knows what was followed before from the status. A KMSSecret that was made anew has none: HIP-27's forced resync.
      followed:
        status?.keys === undefined
          ? undefined
          : { keys: status.keys, folderId: status.folderId, changeId: status.changeId },
      wanted: new Map(),
      lookAt: 0,
      seen: undefined,
      client: undefined,
    };
    this.#memories.set(key, memory);
    return memory;
  }

  /** Looks at KMS when it is time to, or when the cluster is not as it is to be, and makes it so. */
  async #sync(key: string, kmsSecret: KmsSecret, targets: readonly Target[], memory: Memory): Promise<void> {
    this.#checkNamespaces(kmsSecret, targets);
    await this.#known(kmsSecret, targets);
    const isComplete = this.#isAllAsWanted(kmsSecret, targets, memory);
    const basis = basisOf(kmsSecret);
    if (basis !== memory.basis) memory.lookAt = 0;
    if (isComplete && performance.now() < memory.lookAt) return;
    const client = await this.#client(key, kmsSecret, memory);
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
    if (answer) await this.#follow(kmsSecret, targets, memory, answer);
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

  #checkNamespaces({ metadata, spec }: KmsSecret, targets: readonly Target[]): void {
    const own = metadata.namespace!;
    const { credentialsRef } = spec.authentication.universalAuth;
    const named = [
      credentialsRef.secretNamespace,
      spec.tls?.caRef.secretNamespace,
      ...targets.map(({ namespace }) => namespace),
    ];
    for (const namespace of new Set(named)) {
      if (namespace === undefined || namespace === own || this.#parts.allows(namespace, own)) continue;
      throw new SyncProblem(
        'NamespaceNotAllowed',
        `the namespace ${namespace} does not allow KMSSecrets of ${own}: label it secrets.lux.network/allow-kmssecrets-from=${own}`,
      );
    }
    const foreign = targets.find(({ namespace, creationPolicy }) => creationPolicy === 'Owner' && namespace !== own);
    if (foreign)
      throw new SyncProblem(
        'NamespaceNotAllowed',
        `${foreign.kind} ${foreign.namespace}/${foreign.name} has creationPolicy Owner, and Kubernetes deletes with its owner only what is in the owner's namespace ${own}`,
      );
  }

  /** Waits until the objects concerned were asked for once: what is not known to be there could be. */
  async #known({ spec }: KmsSecret, targets: readonly Target[]): Promise<void> {
    const { credentialsRef } = spec.authentication.universalAuth;
    const read = [credentialsRef, ...(spec.tls ? [spec.tls.caRef] : [])];
    const concerned = [
      ...read.map(({ secretNamespace: namespace, secretName: name }) => ({ kind: 'Secret' as const, namespace, name })),
      ...targets,
    ];
    for (const { kind, namespace, name } of concerned) {
      try {
        await this.#parts.objects.ready(kind, namespace, name);
      } catch (error) {
        if (!(error instanceof KubernetesError && error.status === 403)) throw error;
        throw new SyncProblem(
          'KubernetesRefused',
          this.#parts.objects.isByName(namespace)
            ? `the operator may not read the ${kind} ${namespace}/${name}: add this KMSSecret to onlySecretsOf of KmsOperator`
            : `the operator may not read ${kind}s of the namespace ${namespace}: add it to secretNamespaces of KmsOperator`,
        );
      }
    }
  }

  /** The client for the credentials as they are now: another as soon as they are others. */
  async #client(key: string, { spec }: KmsSecret, memory: Memory): Promise<KmsClient> {
    const { secretName: name, secretNamespace: namespace } = spec.authentication.universalAuth.credentialsRef;
    const seen = this.#seen(spec);
    if (memory.client && memory.seen === seen) return memory.client;
    let secret = await this.#secret(namespace, name);
    let stored = secret && readCredentials(secret, this.#parts.digest);
    const hadItsTime = () =>
      stored !== undefined &&
      (stored.isFormer || this.#parts.clients.hasSuccessor(this.#parts.digest(stored.clientSecret)));
    if (hadItsTime()) {
      // Renewed in the moment that it was read; what is there now is the successor, unless somebody has put it back.
      secret = await this.#secret(namespace, name);
      stored = secret && readCredentials(secret, this.#parts.digest);
    }
    const place = `the Secret ${namespace}/${name}`;
    if (!stored) {
      const missing = textOf(secret?.data?.clientId) ? 'clientSecret' : 'clientId';
      const what = secret ? `${place} has no ${missing}` : `${place} is not there`;
      throw new SyncProblem(
        'CredentialsMissing',
        `${what}: create it with the machine identity's clientId and clientSecret (HIP-27, "Bootstrap Secret")`,
      );
    }
    if (hadItsTime())
      throw new SyncProblem(
        'CredentialsSuperseded',
        `${place} holds a client secret again that was renewed since: its use would end all that came of it. Make a new one, and put it there`,
      );
    const ca = await this.certificate(spec);
    const { clientId, clientSecret, former } = stored;
    const client = this.#parts.clients.use(key, { hostAPI: spec.hostAPI, ca, clientId, clientSecret, former });
    // An unchanged answer names no project, by which the stream moves to the new client: the old one's ends with its credentials.
    if (client !== memory.client) memory.etag = undefined;
    memory.client = client;
    memory.seen = seen;
    return memory.client;
  }

  #seen({ hostAPI, authentication, tls }: StoredKmsSecretSpec): string {
    const { secretName, secretNamespace } = authentication.universalAuth.credentialsRef;
    const credentials = this.#parts.objects.get('Secret', secretNamespace, secretName)?.digests;
    const ca = tls && this.#parts.objects.get('Secret', tls.caRef.secretNamespace, tls.caRef.secretName)?.digests;
    return [
      hostAPI,
      credentials?.get('clientId'),
      credentials?.get('clientSecret'),
      tls && ca?.get(tls.caRef.key),
    ].join(' ');
  }

  /** The certificate authority of hostAPI, PEM. @throws SyncProblem when it is named and not there */
  async certificate({ tls }: StoredKmsSecretSpec): Promise<string | undefined> {
    if (!tls) return undefined;
    const { secretName, secretNamespace, key } = tls.caRef;
    const ca = textOf((await this.#secret(secretNamespace, secretName))?.data?.[key]);
    if (!ca?.includes('-----BEGIN CERTIFICATE-----'))
      throw new SyncProblem(
        'CertificateMissing',
        `the Secret ${secretNamespace}/${secretName} has no certificate under ${key}, which tls.caRef names`,
      );
    return ca;
  }

  async #secret(namespace: string, name: string) {
    try {
      return await this.#parts.api.get(Secrets, { namespace, name });
    } catch (error) {
      if (error instanceof KubernetesError && error.isNotFound) return undefined;
      throw error;
    }
  }

  #isAllAsWanted(kmsSecret: KmsSecret, targets: readonly Target[], { wanted }: Memory): boolean {
    return targets.every((target) => {
      const digests = wanted.get(targetKey(target));
      const live = this.#parts.objects.get(target.kind, target.namespace, target.name);
      return digests !== undefined && isAsWanted(live, kmsSecret, target, digests);
    });
  }

  /** Makes every target what the answer says. One that cannot be written does not keep the others from it. */
  async #follow(kmsSecret: KmsSecret, targets: readonly Target[], memory: Memory, answer: Look): Promise<void> {
    const { spec } = kmsSecret;
    const { secretName } = spec.authentication.universalAuth.secretsScope;
    let entries = entriesOf(answer);
    if (secretName !== undefined) {
      const only = entries.get(secretName);
      if (!only) throw new SyncProblem('NotFound', `${placesOf(spec).folder} has no secret ${secretName}`);
      entries = new Map([[secretName, only]]);
    }
    requireKeys(entries, spec.requiredKeys ?? [], placesOf(spec).folder);
    const evidence = { folderId: answer.folder?.id, changeId: answer.folder?.changeId };
    guardShrink(memory.followed, evidence, entries.size);
    for (const known of memory.wanted.keys())
      if (!targets.some((target) => targetKey(target) === known)) memory.wanted.delete(known);
    const problems: unknown[] = [];
    let changed = false;
    for (const target of targets) {
      try {
        const content = contentOf(entries, target.template);
        const written = await this.#write(kmsSecret, target, content, memory);
        if (written !== 'unchanged') changed = true;
      } catch (error) {
        problems.push(error);
      }
    }
    if (problems.length > 0) throw problems[0];
    memory.followed = { ...evidence, keys: entries.size };
    if (changed)
      await this.#parts.events.record(kmsSecret, {
        type: 'Normal',
        reason: 'Synced',
        action: 'Sync',
        note: `${keysOf(entries.size, spec)} ${entries.size === 1 ? 'is' : 'are'} in ${targets.map((target) => targetKey(target)).join(', ')}`,
      });
  }

  async #write(
    kmsSecret: KmsSecret,
    target: Target,
    content: ReadonlyMap<string, string>,
    memory: Memory,
  ): Promise<Written> {
    const { objects, owners, api, events, digest } = this.#parts;
    const live = objects.get(target.kind, target.namespace, target.name);
    mayWrite(live, target, owners.rivalOf(kmsSecret, target, live));
    const digests = digestsOf(content, digest);
    memory.wanted.set(targetKey(target), digests);
    if (isAsWanted(live, kmsSecret, target, digests)) return 'unchanged';
    this.#checkTurn(kmsSecret);
    const written = await writeTarget(api, kmsSecret, target, content, live);
    if (written === 'adopted')
      await events.record(kmsSecret, {
        type: 'Normal',
        reason: 'Adopted',
        action: 'Adopt',
        note: `${targetKey(target)} was there already, and is kept from now on; what KMS does not have was left in it`,
      });
    return written;
  }

  /** Before each write: a leader that was, or a KMSSecret that is gone, writes nothing. @throws Error */
  #checkTurn(kmsSecret: KmsSecret): void {
    if (this.#parts.leading.aborted || !this.#parts.isCurrent(kmsSecret)) throw new Error('the turn was overtaken');
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
    await api.apply(KmsSecrets, body, { fieldManager: FIELD_MANAGER, subresource: 'status' });
  }
}

function byKey([a]: readonly unknown[], [b]: readonly unknown[]): number {
  return String(a) < String(b) ? -1 : 1;
}

/** What a look depends on besides KMS and the cluster: another spec, or another annotation for a resync, is another look. */
function basisOf({ metadata }: KmsSecret): string {
  return `${metadata.generation} ${metadata.annotations?.[RESYNC_ANNOTATION] ?? ''}`;
}

function addressOf({ authentication }: StoredKmsSecretSpec): FolderAddress {
  const { projectId, projectSlug, envSlug, secretsPath } = authentication.universalAuth.secretsScope;
  const project = projectId === undefined ? { projectSlug: projectSlug! } : { projectId };
  return { ...project, environment: envSlug, secretPath: secretsPath };
}

/** For messages: where KMS is, where the credentials are, and which folder is read. */
function placesOf({ hostAPI, authentication }: StoredKmsSecretSpec) {
  const { credentialsRef, secretsScope } = authentication.universalAuth;
  return {
    hostAPI,
    credentials: `${credentialsRef.secretNamespace}/${credentialsRef.secretName}`,
    folder: `${secretsScope.projectSlug ?? secretsScope.projectId} ${secretsScope.envSlug}:${secretsScope.secretsPath}`,
  };
}

function keysOf(count: number, spec: StoredKmsSecretSpec): string {
  return `${count} ${count === 1 ? 'key' : 'keys'} of ${placesOf(spec).folder}`;
}
