import type { k8s } from 'cdk8s-plus-28';
import { KMS_SECRET_GROUP } from '../../contracts/index.ts';
import { BUNDLED_POSTGRES_SECRET, BUNDLED_REDIS_SECRET } from './names.ts';
import type { BootstrapSettings } from './settings.ts';

/** A Role of one namespace. */
interface NamedRules {
  readonly name: string;
  readonly rules: k8s.PolicyRule[];
}

/**
 * What the Job may do, by namespace: each object by its name. `create` by POST cannot be limited to names, since a Role cannot see the body; a
 * server-side apply has the name in its address, and the API server asks for `patch` and, where nothing is there, for `create` with it. The
 * Job makes Secrets in no other way, so that it can make none but these.
 */
export function bootstrapRules(settings: BootstrapSettings): [namespace: string, NamedRules][] {
  const { namespace, services, makeSecrets, secretName, token, waitForSync } = settings;
  const own = [
    ...(makeSecrets ? [secretName] : []),
    ...(makeSecrets?.database === 'bundled' ? [BUNDLED_POSTGRES_SECRET] : []),
    ...(makeSecrets?.redis === 'bundled' ? [BUNDLED_REDIS_SECRET] : []),
    ...(token ? [token.secretName] : []),
  ];
  const roles: [string, NamedRules][] = [
    [
      namespace,
      {
        name: 'kms-bootstrap',
        rules: [
          // One run at a time. A Lease holds nothing that is worth protecting from its maker.
          rule('coordination.k8s.io', 'leases', ['create']),
          rule('coordination.k8s.io', 'leases', ['get', 'update'], ['kms-bootstrap']),
          ...(own.length > 0 ? [secrets(own)] : []),
          ...(token ? [itself(namespace)] : []),
        ],
      },
    ],
  ];
  for (const [where, here] of Map.groupBy(services, (service) => service.namespace)) {
    const kept = here.map(({ kmsSecretName }) => kmsSecretName);
    roles.push([
      where,
      {
        name: 'kms-bootstrap-services',
        rules: [
          secrets(here.map(({ credentialsSecretName }) => credentialsSecretName)),
          itself(where),
          ...(waitForSync ? [rule(KMS_SECRET_GROUP, 'kmssecrets', ['get'], [...new Set(kept)].toSorted())] : []),
        ],
      },
    ]);
  }
  return roles;
}

const secrets = (names: readonly string[]) =>
  rule('', 'secrets', ['get', 'create', 'patch'], [...new Set(names)].toSorted());

/** Its uid tells this cluster's client secrets from those of another cluster that shares the KMS. */
const itself = (namespace: string) => rule('', 'namespaces', ['get'], [namespace]);

const rule = (apiGroup: string, resource: string, verbs: string[], resourceNames?: string[]): k8s.PolicyRule => ({
  apiGroups: [apiGroup],
  resources: [resource],
  verbs,
  ...(resourceNames && { resourceNames }),
});
