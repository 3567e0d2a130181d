import type { TestCluster } from './cluster.ts';

const AUTH = '/api/v1/auth/universal-auth/identities';

/** A service whose client secret may be renewed, and whose tokens live shorter than that: there is a login all the time. */
export async function renewableService(
  cluster: TestCluster,
  slug: string,
  namespace: string,
  { ttl, tokenTtl, renewableFor = 0 }: { ttl: number; tokenTtl: number; renewableFor?: number },
) {
  const { projectId, machine } = await cluster.service(slug, namespace, { KEY: slug });
  await cluster.kms.do('PATCH', `${AUTH}/${machine.id}`, {
    body: { accessTokenTTL: tokenTtl, accessTokenMaxTTL: tokenTtl },
  });
  const body = { renewable: true, ttl, renewableFor };
  const { clientSecret } = await cluster.kms.do('POST', `${AUTH}/${machine.id}/client-secrets`, { body });
  await cluster.credentials(slug, namespace, { clientId: machine.clientId, clientSecret });
  return { projectId, machine, clientSecret };
}

/** As `spec` of a KMSSecret that wants renewal. */
export const renewing = (slug: string, namespace: string, scope: object = {}, enabled = true) => ({
  universalAuth: {
    credentialsRef: { secretName: `${slug}-kms-auth`, secretNamespace: namespace },
    secretsScope: { projectSlug: slug, envSlug: 'production', secretsPath: '/', ...scope },
    renewal: { enabled },
  },
});
