import { z } from 'zod';
import { Installation, type InstallationProps, REFUSED_VARIABLES } from '../../contracts/index.ts';

/** The values of the chart: the schema of an installation, in the words of Helm and of HIP-27 ("Helm Chart: kms-standalone"). */

const {
  namespace: _,
  namespaces,
  kubernetesVersion,
  secretName,
  bootstrap,
  environment,
  ...shared
} = Installation.shape;
const { enabled: _enabled, organizations, adminEmails, token, makeSecrets, rerun, ...job } = bootstrap.unwrap().shape;
const tokenKey = token.unwrap().shape;

const AutoBootstrap = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .describe('Whether a Job makes the first admin, the organizations, and what the inventory declares.'),
  additionalOrganizations: organizations.describe('Slugs of the organizations that are to exist.'),
  additionalOrganizationAdminEmails: z
    .array(adminEmails.unwrap().element.meta({ pattern: '^[^@ ]+@[^@ ]+$' }))
    .default([])
    .describe('People who are admins of each of them.'),
  additionalOrganizationsTokenSecretKey: tokenKey.key
    .optional()
    .describe(
      'Key under which the Job stores a token that ends after two hours; each run renews it. Default: none is made.',
    )
    .meta({ examples: ['token'] }),
  secretDestination: z
    .strictObject({ name: tokenKey.secretName.default('kms-bootstrap-secret').describe('Name of that Secret.') })
    .prefault({})
    .describe('Where that token is stored.'),
  makeSecrets: z
    .strictObject({
      ...makeSecrets.unwrap().shape,
      enabled: z
        .boolean()
        .default(true)
        .describe(
          'Whether the Job makes the Secret of `existingSecret` when it is missing: with a bundled Postgres, with CloudNativePG, and where `database` below is told.',
        ),
    })
    .prefault({})
    .describe('How kms-secrets is made.'),
  rerun: rerun.describe(
    'Any text: a new one runs it again. Default: the revision of the release, so that each upgrade does.',
  ),
  ...job,
});

/** What `values.yaml` may say. */
export const ChartValues = z.strictObject({
  kms: z
    .strictObject({
      autoBootstrap: AutoBootstrap.prefault({}).describe(
        'The first run, and every later one: safe to run twice, and at the same time as another (HIP-27).',
      ),
    })
    .prefault({})
    .describe("HIP-27's values."),
  existingSecret: secretName,
  kubernetesVersion: kubernetesVersion
    .unwrap()
    .optional()
    .describe('Oldest Kubernetes that is to take the objects, such as 1.28. Default: that of the cluster.')
    .meta({ pattern: '^1\\.(2[89]|[3-9][0-9]|[1-9][0-9]{2})$' }),
  namespaces,
  // What a JSON Schema has no word for is told to it here, so that Helm refuses the same.
  environment: environment.meta({
    ...environment.meta(),
    propertyNames: { pattern: '^[A-Z_][A-Z0-9_]*$', not: { enum: REFUSED_VARIABLES } },
  }),
  ...shared,
});

export type ChartValuesInput = z.input<typeof ChartValues>;

/** What Helm knows beside the values. */
export interface Release {
  readonly namespace: string;
  readonly revision: number;
  /** Such as `1.34`. */
  readonly kubernetesVersion: string;
}

/** The installation that the chart renders. */
export function installationOf(input: ChartValuesInput, release: Release): InstallationProps {
  const { kms, existingSecret, ...values } = ChartValues.parse(input);
  const {
    additionalOrganizations,
    additionalOrganizationAdminEmails,
    additionalOrganizationsTokenSecretKey: key,
    secretDestination,
    makeSecrets,
    ...rest
  } = kms.autoBootstrap;
  const canMake = values.postgres.mode !== 'external' || makeSecrets.database !== undefined;
  return {
    ...values,
    namespace: release.namespace,
    kubernetesVersion: values.kubernetesVersion ?? release.kubernetesVersion,
    secretName: existingSecret,
    bootstrap: {
      ...rest,
      organizations: additionalOrganizations,
      adminEmails: additionalOrganizationAdminEmails,
      token: key === undefined ? undefined : { secretName: secretDestination.name, key },
      makeSecrets: { ...makeSecrets, enabled: makeSecrets.enabled && canMake },
      rerun: rest.rerun ?? `revision ${release.revision}`,
    },
  };
}
