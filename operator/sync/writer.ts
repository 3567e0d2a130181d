import type { Look } from '../../sdk/index.ts';
import { type KmsSecret, type Target, targetKey } from '../kms-secret.ts';
import type { KubernetesApi } from '../kubernetes/api.ts';
import type { Digest } from '../kubernetes/digest.ts';
import type { EventRecorder } from '../kubernetes/event-recorder.ts';
import type { ObjectView } from '../kubernetes/object-view.ts';
import { contentOf } from './content.ts';
import { keysOf, placesOf } from './folder.ts';
import { guardShrink } from './guard.ts';
import { entriesOf, requireKeys } from './keys.ts';
import type { Memory } from './memory.ts';
import type { Allows, Owners } from './owners.ts';
import { SyncProblem } from './problem.ts';
import { digestsOf, isAsWanted, mayWrite, type Written, writeTarget } from './targets.ts';

export interface WriterParts {
  readonly api: KubernetesApi;
  readonly objects: ObjectView;
  readonly owners: Owners;
  readonly digest: Digest;
  readonly events: EventRecorder;
  /** Whether a namespace lets KMSSecrets of another name objects in it. */
  readonly allows: Allows;
  /** Whether KMS, its operator or Kubernetes itself lives by an object. */
  readonly isReserved: (target: Target) => boolean;
  /** Asked before each write. @throws Error when the turn was overtaken */
  readonly checkTurn: (kmsSecret: KmsSecret) => void;
}

/** Makes the objects of a KMSSecret what an answer of KMS says, unless the answer itself is in doubt. */
export class Writer {
  readonly #parts: WriterParts;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Whether everything is as it was last made, as far as is seen. */
  isAllAsWanted(kmsSecret: KmsSecret, targets: readonly Target[], { wanted }: Memory): boolean {
    return targets.every((target) => {
      const digests = wanted.get(targetKey(target));
      const live = this.#parts.objects.get(target.kind, target.namespace, target.name);
      return digests !== undefined && isAsWanted(live, kmsSecret, target, digests);
    });
  }

  /** Makes every target what the answer says. One that cannot be written does not keep the others from it. */
  async follow(kmsSecret: KmsSecret, targets: readonly Target[], memory: Memory, answer: Look): Promise<void> {
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
    const { objects, owners, api, events, digest, allows, isReserved } = this.#parts;
    const live = objects.get(target.kind, target.namespace, target.name);
    const [reader] = owners.concerned(targetKey(target)).readers;
    const keeper = owners.rivalOf(kmsSecret, target, live, allows);
    mayWrite(live, target, kmsSecret, { keeper, reader, isReserved: isReserved(target) });
    const digests = digestsOf(content, digest);
    memory.wanted.set(targetKey(target), digests);
    if (isAsWanted(live, kmsSecret, target, digests)) return 'unchanged';
    this.#parts.checkTurn(kmsSecret);
    const written = await writeTarget(api, kmsSecret, target, content, live);
    if (written === 'adopted')
      await events.record(kmsSecret, {
        type: 'Normal',
        reason: 'Adopted',
        action: 'Adopt',
        note: `${targetKey(target)} was there already, and is kept from now on; what KMS does not have was left in it${
          target.creationPolicy === 'Owner' ? ', and it is not deleted with the KMSSecret' : ''
        }`,
      });
    return written;
  }
}
