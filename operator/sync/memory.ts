import type { KmsClient } from '../kms/clients.ts';
import type { KmsSecret } from '../kms-secret.ts';
import type { Followed } from './guard.ts';

/** What is remembered of a KMSSecret between two looks: no value. */
export interface Memory {
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

/** At first sight. */
export function newMemory({ metadata, status }: KmsSecret): Memory {
  return {
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
}
