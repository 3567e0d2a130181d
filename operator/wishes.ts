import { type KmsSecret, RESYNC_ANNOTATION } from './kms-secret.ts';

/** The Secret that it logs in with, `namespace/name`. */
export function credentialsOf({ spec }: KmsSecret): string {
  const { secretName, secretNamespace } = spec.authentication.universalAuth.credentialsRef;
  return `${secretNamespace}/${secretName}`;
}

/** Whether nothing that somebody wishes has changed: the rest is our own status. */
export function isSameWish(a: KmsSecret, b: KmsSecret): boolean {
  return (
    a.metadata.uid === b.metadata.uid &&
    a.metadata.generation === b.metadata.generation &&
    a.metadata.annotations?.[RESYNC_ANNOTATION] === b.metadata.annotations?.[RESYNC_ANNOTATION]
  );
}

/** Whether it was in sync when this replica first saw it: then its next look can wait for its turn within the interval. */
export function isSettled({ metadata, status }: KmsSecret): boolean {
  const synced = status?.conditions?.find(({ type }) => type === 'Synced');
  return synced?.status === 'True' && synced.observedGeneration === metadata.generation;
}
