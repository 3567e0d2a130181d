import type { InstallationSettings } from '../../contracts/index.ts';
import type { KmsBootstrapJobProps, KmsMadeSecrets } from '../bootstrap/props.ts';

/** The bootstrap Job of an installation. */
export function bootstrapProps(settings: InstallationSettings, url: string): KmsBootstrapJobProps {
  const { namespace, image, secretName, services, tls } = settings;
  const { inventory, organizations, adminEmails, waitForSync, token, rerun, resources } = settings.bootstrap;
  return {
    ...image,
    ...{ namespace, secretName, url, inventory, organizations, adminEmails, waitForSync, token, rerun, resources },
    ...(tls.enabled && { caSecretName: tls.secretName }),
    services: services.map(({ name, namespace, identity, organization, renewal }) => ({
      ...{ name, namespace, identity, organization, renewal },
    })),
    ...(settings.bootstrap.makeSecrets.enabled && { makeSecrets: madeSecrets(settings) }),
  };
}

function madeSecrets({ postgres, redis, bootstrap }: InstallationSettings): KmsMadeSecrets {
  const { makeSecrets } = bootstrap;
  // CloudNativePG writes the address of its database, with a password, into a Secret of this name.
  const written = { secretName: 'kms-postgres-app', key: 'uri' };
  const database =
    postgres.mode === 'bundled'
      ? 'bundled'
      : (makeSecrets.database ?? (postgres.mode === 'cloudnativepg' ? written : undefined));
  if (database === undefined) throw new Error('the settings were not checked');
  return {
    database,
    ...(redis.mode === 'bundled' && { redis: 'bundled' }),
    ...(redis.mode === 'external' && makeSecrets.redis && { redis: makeSecrets.redis }),
  };
}
