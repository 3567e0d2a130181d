import * as pulumi from '@pulumi/pulumi';
import { App } from 'cdk8s';
import { KmsInstallation } from '../constructs/index.ts';
import type { InstallationProps } from '../contracts/index.ts';
import { type KmsManagedSecrets, managedSecret } from './managed-secrets.ts';
import { register } from './objects.ts';
import { isNeeded } from './order.ts';

export type KmsClusterArgs = InstallationProps & {
  /**
   * Whether what holds data is protected: `pulumi destroy` then stops at it, and goes past it by `--exclude-protected`. It stays in the
   * cluster either way.
   * @default true
   */
  readonly protect?: boolean;
  /**
   * The values of `kms-secrets`, where Pulumi is to hold them; they are then encrypted in its state, and nowhere else.
   * @default - `kms-bootstrap init` makes that Secret, and Pulumi never holds a value
   */
  readonly secrets?: KmsManagedSecrets;
};

/**
 * KMS on a cluster: everything that `KmsInstallation` renders, each object as a resource of its own, under a name that follows from its kind,
 * namespace and name.
 *
 * No secret value passes through Pulumi unless it is handed over as `secrets`: `kms-secrets` and the services' `<service>-kms-auth` are
 * named only. The namespace must exist, with `kms-secrets` in it, and is not to go with the stack: destroyed, it would
 * take the root key along.
 *
 * @example
 * new KmsCluster('kms', { services: [{ name: 'gateway' }] }, { providers: [provider] });
 */
export class KmsCluster extends pulumi.ComponentResource {
  /** The namespace of KMS. */
  readonly namespace: pulumi.Output<string>;
  /** The namespaces of the services. */
  readonly namespaces: pulumi.Output<readonly string[]>;
  /** Where the cluster's own clients reach KMS. */
  readonly url: pulumi.Output<string>;
  /** Where people reach it; the same, where there is no Ingress. */
  readonly publicUrl: pulumi.Output<string>;
  /** The Secrets that the operator keeps, by service. */
  readonly secretNames: pulumi.Output<Record<string, string>>;
  /** What to run next. */
  readonly nextSteps: pulumi.Output<readonly string[]>;

  constructor(name: string, args: KmsClusterArgs = {}, options?: pulumi.ComponentResourceOptions) {
    super('hanzo:kms:KmsCluster', name, {}, options);
    const { protect = true, secrets, ...props } = args;
    const { installation, placed } = rendered(props);
    const { settings } = installation;
    const parent = { parent: this };
    const first = secrets ? [register(managedSecret(settings, secrets), { ...parent, protect })] : [];
    const made = new Map<(typeof placed)[number], pulumi.Resource>();
    const resourceOf = (one: (typeof placed)[number]): pulumi.Resource => {
      const existing = made.get(one);
      if (existing) return existing;
      const before = placed.filter((other) => other !== one && isNeeded(other, one)).map(resourceOf);
      const dependsOn = [...(one.object.kind === 'Deployment' ? first : []), ...before];
      const resource = register(one.object, { ...parent, dependsOn, protect });
      made.set(one, resource);
      return resource;
    };
    placed.forEach(resourceOf);
    const found = outputsOf(installation);
    this.namespace = pulumi.output(settings.namespace);
    this.namespaces = pulumi.output(found.namespaces);
    this.url = pulumi.output(installation.url);
    this.publicUrl = pulumi.output(installation.publicUrl ?? installation.url);
    this.secretNames = pulumi.output(found.secretNames);
    this.nextSteps = pulumi.output(found.nextSteps);
    const { namespace, namespaces, url, publicUrl, secretNames, nextSteps } = this;
    this.registerOutputs({ namespace, namespaces, url, publicUrl, secretNames, nextSteps });
  }
}

/** @throws RunError with everything that is wrong, which Pulumi prints without a stack */
function rendered(props: InstallationProps) {
  try {
    const installation = new KmsInstallation(new App(), 'kms', props);
    const placed = installation.parts.flatMap((part) =>
      installation.objectsOf(part).map((object) => ({ part, object })),
    );
    return { installation, placed };
  } catch (error) {
    throw new pulumi.RunError((error as Error).message);
  }
}

function outputsOf({ settings, secrets, publicUrl, url, bootstrap }: KmsInstallation) {
  const { namespace, services } = settings;
  const namespaces = [...new Set([namespace, ...services.map((service) => service.namespace ?? namespace)])];
  return {
    namespaces,
    secretNames: Object.fromEntries(Object.entries(secrets).map(([service, { secret }]) => [service, secret.name])),
    nextSteps: [
      `kubectl -n ${namespace} rollout status deployment/kms`,
      ...(bootstrap
        ? [`kubectl -n ${namespace} logs job/${bootstrap.jobName}`]
        : [`KMS_URL=${publicUrl ?? url} npx kms-bootstrap apply -f kms.yaml`]),
      ...namespaces.flatMap((where) =>
        services.some((service) => (service.namespace ?? namespace) === where)
          ? [`kubectl -n ${where} wait --for=condition=Ready kmssecret --all --timeout=5m`]
          : [],
      ),
    ],
  };
}
