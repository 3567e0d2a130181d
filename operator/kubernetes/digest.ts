import { createHmac, randomBytes } from 'node:crypto';
import type { KubernetesApi } from './api.ts';
import { KubernetesError } from './errors.ts';
import { FIELD_MANAGER } from './field-manager.ts';
import { findObject } from './find-object.ts';
import { Secrets } from './resources.ts';

/** What two values are compared by, without either of them. 22 characters. */
export type Digest = (value: string | Buffer) => string;

/** Digests under a key: who sees one, such as on a pod, cannot try what value it is of. */
function digestWith(key: Buffer): Digest {
  return (value) => createHmac('sha256', key).update(value).digest('base64url').slice(0, 22);
}

const KEY_BYTES = 32;
/** The Secret that holds the key of digests, in the operator's own namespace. */
const DIGEST_SECRET = 'kms-operator-digests';

/**
 * The operator's digests. Their key is the same for all replicas and after every start, or a new leader would take each content for
 * a changed one and restart each workload. It is made at the first start.
 */
export async function loadDigest(api: KubernetesApi, namespace: string): Promise<Digest> {
  for (;;) {
    const found = await find(api, namespace);
    if (found) return digestWith(found);
    const key = randomBytes(KEY_BYTES).toString('base64');
    try {
      // Applied and not posted: so that the right to create it can name it. One that is there is immutable.
      const body = { metadata: { name: DIGEST_SECRET, namespace }, immutable: true, data: { key } };
      await api.apply(Secrets, body, { fieldManager: FIELD_MANAGER });
    } catch (error) {
      // Another replica was faster: take its key.
      if (!(error instanceof KubernetesError && (error.isConflict || error.status === 422))) throw error;
    }
  }
}

async function find(api: KubernetesApi, namespace: string): Promise<Buffer | undefined> {
  const secret = await findObject(api, Secrets, { namespace, name: DIGEST_SECRET });
  if (!secret) return undefined;
  const key = Buffer.from(secret.data?.key ?? '', 'base64');
  if (key.length >= KEY_BYTES) return key;
  throw new Error(`the Secret ${namespace}/${DIGEST_SECRET} holds no key: delete it, and it is made anew`);
}
