import * as pulumi from '@pulumi/pulumi';
import type { RenderedObject } from '../constructs/index.ts';
import type { InstallationSettings } from '../contracts/index.ts';

/** The values of `kms-secrets`, as `pulumi config set --secret` keeps them. */
export interface KmsManagedSecrets {
  /** ROOT_ENCRYPTION_KEY: 256 bits in hex or base64. A database opens only with the one that it was made with. */
  readonly rootEncryptionKey: pulumi.Input<string>;
  /** AUTH_SECRET: at least 32 bytes. */
  readonly authSecret: pulumi.Input<string>;
  /** DB_CONNECTION_URI. */
  readonly dbConnectionUri: pulumi.Input<string>;
  /**
   * REDIS_URL.
   * @default - no Redis
   */
  readonly redisUrl?: pulumi.Input<string>;
}

/**
 * `kms-secrets` from values that Pulumi holds: marked as secret before they are anything else, and as `data`. `stringData` would be replaced at
 * every run, and stand in the clear in the last-applied annotation (pulumi-kubernetes#653, #2507). It can be changed, as `kms-bootstrap
 * init` has it not: with another root key the server does not start, and says so.
 */
export function managedSecret(
  { namespace, secretName }: InstallationSettings,
  values: KmsManagedSecrets,
): RenderedObject {
  const { rootEncryptionKey, authSecret, dbConnectionUri, redisUrl } = values;
  const encoded = (value: pulumi.Input<string>) =>
    pulumi.secret(value).apply((text) => Buffer.from(text).toString('base64'));
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secretName, namespace, labels: { 'app.kubernetes.io/part-of': 'hanzo-universe' } },
    type: 'Opaque',
    data: {
      ROOT_ENCRYPTION_KEY: encoded(rootEncryptionKey),
      AUTH_SECRET: encoded(authSecret),
      DB_CONNECTION_URI: encoded(dbConnectionUri),
      ...(redisUrl !== undefined && { REDIS_URL: encoded(redisUrl) }),
    },
  } as RenderedObject;
}
