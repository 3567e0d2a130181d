import type { k8s } from 'cdk8s-plus-28';
import type { BootstrapSettings } from './settings.ts';

/** What the Job's `kms-bootstrap provision` is told: names alone, no value. */
export function bootstrapArguments(settings: BootstrapSettings, inventoryFile: string | undefined): string[] {
  const { namespace, organizations, adminEmails, services, waitForSync, secretName, makeSecrets, token } = settings;
  const named = (option: string, values: readonly string[]) => values.flatMap((value) => [option, value]);
  return [
    ...['--namespace', namespace],
    ...['--secret-name', secretName],
    ...(makeSecrets ? ['--make-secrets'] : []),
    ...(makeSecrets?.database === 'bundled' ? ['--bundled-postgres'] : []),
    ...(makeSecrets?.redis === 'bundled' ? ['--bundled-redis'] : []),
    ...(inventoryFile === undefined ? [] : ['--file', inventoryFile]),
    ...named('--organization', organizations),
    ...named('--admin-email', adminEmails),
    ...named(
      '--mint',
      services.map(
        ({ organization, identity, namespace, credentialsSecretName, renewal }) =>
          `${organization === undefined ? '' : `${organization}/`}${identity}=${namespace}/${credentialsSecretName}${renewal ? ',renewable' : ''}`,
      ),
    ),
    ...(token ? ['--token-secret', `${token.secretName}/${token.key}`] : []),
    ...(waitForSync
      ? named(
          '--wait',
          services.map(({ namespace, kmsSecretName }) => `${namespace}/${kmsSecretName}`),
        )
      : []),
  ];
}

export function bootstrapEnvironment(settings: BootstrapSettings, caFile: string | undefined): k8s.EnvVar[] {
  const { url, secretName, makeSecrets } = settings;
  const from = (name: string, key: { readonly secretName: string; readonly key: string }) => ({
    name,
    valueFrom: { secretKeyRef: { name: key.secretName, key: key.key } },
  });
  const { database, redis } = makeSecrets ?? {};
  return [
    { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'KMS_URL', value: url },
    ...(caFile === undefined ? [] : [{ name: 'NODE_EXTRA_CA_CERTS', value: caFile }]),
    // Where the Job makes kms-secrets there is none yet that the kubelet could take it from.
    ...(makeSecrets ? [] : [from('AUTH_SECRET', { secretName, key: 'AUTH_SECRET' })]),
    ...(database === undefined || database === 'bundled' ? [] : [from('DB_CONNECTION_URI', database)]),
    ...(redis === undefined || redis === 'bundled' ? [] : [from('REDIS_URL', redis)]),
  ];
}
