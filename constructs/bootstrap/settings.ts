import { parse } from 'yaml';
import { z } from 'zod';
import { Email, Inventory, NamespaceName, ObjectName, Slug } from '../../contracts/index.ts';
import { DEFAULT_NAMESPACE } from '../defaults.ts';
import { ImageShape, imageSettings } from '../image.ts';
import { Resources } from '../resources.ts';
import { BUNDLED_POSTGRES_SECRET, BUNDLED_REDIS_SECRET } from './names.ts';
import type { KmsBootstrapJobProps, KmsBootstrapService } from './props.ts';

const RESOURCES = { requests: { memory: '128Mi', cpu: '50m' }, limits: { memory: '256Mi', cpu: '500m' } };

const SecretKey = z.strictObject({
  secretName: ObjectName,
  key: z.string().regex(/^[-._a-zA-Z0-9]{1,253}$/, 'must be a key of a Secret'),
});

const Service = z.object({
  name: z.string().min(1),
  namespace: NamespaceName,
  identity: z.string().regex(/^[^=/]+$/, 'must be the name of an identity without "=" and "/"'),
  organization: Slug.optional(),
  credentialsSecretName: ObjectName,
  kmsSecretName: ObjectName,
  renewal: z.boolean(),
});

export const Settings = z
  .object({
    namespace: NamespaceName,
    ...ImageShape,
    url: z.url({ protocol: /^https?$/, error: 'must be an address such as http://kms.hanzo.svc:8080' }),
    caSecretName: ObjectName.optional(),
    inventory: z.string().max(900_000, 'is too large for a ConfigMap').optional(),
    organizations: z.array(Slug),
    adminEmails: z.array(Email),
    services: z.array(Service),
    waitForSync: z.boolean(),
    secretName: ObjectName,
    makeSecrets: z
      .strictObject({
        database: z.union([SecretKey, z.literal('bundled')]),
        redis: z.union([SecretKey, z.literal('bundled')]).optional(),
      })
      .optional(),
    token: SecretKey.optional(),
    rerun: z.string().optional(),
    resources: Resources,
  })
  .superRefine((settings, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    const { inventory, organizations, adminEmails, services } = settings;
    if (inventory === undefined && organizations.length === 0)
      refuse('organizations', 'name one, or give an inventory: there is nothing to make');
    if (inventory === undefined && adminEmails.length === 0)
      refuse('adminEmails', 'name one, or give an inventory: somebody has to be the first admin');
    const reserved = [settings.secretName, settings.token?.secretName, BUNDLED_POSTGRES_SECRET, BUNDLED_REDIS_SECRET];
    const targets = services.map(({ namespace, credentialsSecretName }) => `${namespace}/${credentialsSecretName}`);
    for (const [index, { namespace, credentialsSecretName, name }] of services.entries()) {
      if (namespace === settings.namespace && reserved.includes(credentialsSecretName))
        refuse('services', `${name}: the Secret ${credentialsSecretName} is of KMS itself`);
      if (targets.indexOf(targets[index]!) !== index)
        refuse('services', `${name}: another service has the Secret ${targets[index]}, too`);
    }
    if (settings.token && reserved.filter((one) => one === settings.token?.secretName).length > 1)
      refuse('token', `the Secret ${settings.token.secretName} is of KMS itself`);
    for (const problem of problemsOfIdentities(inventory, services)) refuse('services', problem);
  });

export type BootstrapSettings = z.output<typeof Settings>;

/** What is wrong with the inventory, or with services that it knows nothing of; a line a problem. */
function problemsOfIdentities(text: string | undefined, services: BootstrapSettings['services']): string[] {
  if (text === undefined)
    return services.map(({ name, identity }) => `${name}: without an inventory there is no identity ${identity}`);
  const parsed = Inventory.safeParse(readYaml(text));
  if (!parsed.success) {
    const [first] = parsed.error.issues;
    return [`the inventory is none: ${first?.path.join('.')}: ${first?.message}; kms-bootstrap validate tells all`];
  }
  return services.flatMap(({ name, identity, organization }) => {
    const holders = parsed.data.organizations.filter(
      ({ slug, identities }) =>
        (organization === undefined || organization === slug) && identities.some((one) => one.name === identity),
    );
    if (holders.length === 1) return [];
    if (holders.length === 0) return [`${name}: the inventory has no identity ${identity}`];
    return [`${name}: several organizations have an identity ${identity}; name one of them under organization`];
  });
}

function readYaml(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

export function settingsOf(props: KmsBootstrapJobProps): BootstrapSettings {
  const namespace = props.namespace ?? DEFAULT_NAMESPACE;
  return {
    namespace,
    ...imageSettings(props),
    url: props.url ?? `http://kms.${namespace}.svc:8080`,
    caSecretName: props.caSecretName,
    inventory: props.inventory,
    organizations: [...(props.organizations ?? [])],
    adminEmails: [...(props.adminEmails ?? [])],
    services: (props.services ?? []).map((service) => serviceOf(service, namespace)),
    waitForSync: props.waitForSync ?? true,
    secretName: props.secretName ?? 'kms-secrets',
    makeSecrets: props.makeSecrets,
    token: props.token,
    rerun: props.rerun,
    resources: { ...RESOURCES, ...props.resources },
  };
}

const serviceOf = (service: KmsBootstrapService, namespace: string): BootstrapSettings['services'][number] => ({
  name: service.name,
  namespace: service.namespace ?? namespace,
  identity: service.identity ?? `${service.name}-service`,
  organization: service.organization,
  credentialsSecretName: service.credentialsSecretName ?? `${service.name}-kms-auth`,
  kmsSecretName: service.kmsSecretName ?? `${service.name}-kms-sync`,
  renewal: service.renewal ?? false,
});
