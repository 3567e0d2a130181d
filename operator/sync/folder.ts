import type { StoredKmsSecretSpec } from '../../contracts/kms-secret.ts';
import type { FolderAddress } from '../../sdk/index.ts';
import { type KmsSecret, RESYNC_ANNOTATION } from '../kms-secret.ts';

/** What a look depends on besides KMS and the cluster: another spec, or another annotation for a resync, is another look. */
export function basisOf({ metadata }: KmsSecret): string {
  return `${metadata.generation} ${metadata.annotations?.[RESYNC_ANNOTATION] ?? ''}`;
}

/** The folder, as KMS is asked for it. */
export function addressOf({ authentication }: StoredKmsSecretSpec): FolderAddress {
  const { projectId, projectSlug, envSlug, secretsPath } = authentication.universalAuth.secretsScope;
  const project = projectId === undefined ? { projectSlug: projectSlug! } : { projectId };
  return { ...project, environment: envSlug, secretPath: secretsPath };
}

/** For messages: where KMS is, where the credentials are, and which folder is read. */
export function placesOf({ hostAPI, authentication }: StoredKmsSecretSpec) {
  const { credentialsRef, secretsScope } = authentication.universalAuth;
  return {
    hostAPI,
    credentials: `${credentialsRef.secretNamespace}/${credentialsRef.secretName}`,
    folder: `${secretsScope.projectSlug ?? secretsScope.projectId} ${secretsScope.envSlug}:${secretsScope.secretsPath}`,
  };
}

/** For messages: how many keys, and of which folder. */
export function keysOf(count: number, spec: StoredKmsSecretSpec): string {
  return `${count} ${count === 1 ? 'key' : 'keys'} of ${placesOf(spec).folder}`;
}
