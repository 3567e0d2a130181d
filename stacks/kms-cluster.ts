import * as kubernetes from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { App, Chart } from 'cdk8s';
import {
  Kms,
  KmsAdmission,
  KmsCrd,
  KmsOperator,
  type KmsOperatorProps,
  type KmsProps,
  KmsSecret,
} from '../constructs/index.ts';

/** A service of the cluster. */
export interface KmsClusterService {
  /** Name of the service, such as `gateway`. */
  readonly name: string;
  /**
   * Slug of its project in KMS.
   * @default - the service's name
   */
  readonly project?: string;
}

export interface KmsClusterArgs {
  /**
   * Namespace of KMS and of the services. It must exist, with `kms-secrets` in it.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /** The services that get a KMSSecret. */
  readonly services: readonly KmsClusterService[];
  /**
   * Settings of KMS itself.
   * @default - HIP-27's
   */
  readonly kms?: Omit<KmsProps, 'namespace'>;
  /**
   * Settings of its operator, which keeps the Secrets of the namespace unless they say otherwise.
   * @default - those of KmsOperator
   */
  readonly operator?: Omit<KmsOperatorProps, 'namespace'>;
}

/** A Kubernetes object, as the constructs render it: complete, but its kind is known only at run time. */
interface Manifest {
  // biome-ignore lint/suspicious/noExplicitAny: each Pulumi resource names these two by its own literal type
  readonly apiVersion: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly kind: any;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/**
 * KMS on a cluster: the CRD, the server, its operator and a KMSSecret for each service. It is built from the cdk8s constructs: each of
 * their objects becomes a Pulumi resource under a name that follows from its kind, namespace and name, so that a renamed
 * construct replaces nothing.
 *
 * No secret value passes through Pulumi: `kms-secrets` and the services' `<service>-kms-auth` are referred to by name, and
 * must exist. So must the namespace, which holds them before there is a stack and is not to go with it: destroyed, the
 * stack would take the root key along.
 *
 * @example
 * new KmsCluster('kms', { services: [{ name: 'gateway' }] }, { providers: [provider] });
 */
export class KmsCluster extends pulumi.ComponentResource {
  /** The namespace that everything is in. */
  readonly namespace: pulumi.Output<string>;
  /** Where the cluster's own clients reach KMS. */
  readonly url: pulumi.Output<string>;
  /** The Secrets that the operator keeps, by service. */
  readonly secretNames: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: KmsClusterArgs, options?: pulumi.ComponentResourceOptions) {
    super('hanzo:kms:KmsCluster', name, {}, options);
    const { namespace, url, secretNames, crd, server, operator, secrets } = render(args);
    const dependsOn = crd.map((manifest) => register(manifest, { parent: this }));
    for (const manifest of server) register(manifest, { parent: this });
    for (const manifest of operator) register(manifest, { parent: this, dependsOn });
    // On the CRD and not on the server: a rollout that hangs is no reason to hold back a new service.
    for (const manifest of secrets) register(manifest, { parent: this, dependsOn });
    this.namespace = pulumi.output(namespace);
    this.url = pulumi.output(url);
    this.secretNames = pulumi.output(secretNames);
    this.registerOutputs({ namespace: this.namespace, url: this.url, secretNames: this.secretNames });
  }
}

/** The objects of the constructs, by what needs what. */
function render({ namespace, services, kms: props, operator: operatorProps }: KmsClusterArgs) {
  const app = new App();
  const crd = new Chart(app, 'crd');
  new KmsCrd(crd, 'crd');
  const server = new Chart(app, 'server');
  const kms = new Kms(server, 'kms', { ...props, namespace });
  const operator = new Chart(app, 'operator');
  new KmsOperator(operator, 'operator', { ...operatorProps, namespace: kms.namespace });
  new KmsAdmission(
    operator,
    'admission',
    props?.kubernetesVersion ? { kubernetesVersion: props.kubernetesVersion } : {},
  );
  const secrets = new Chart(app, 'secrets');
  const secretNames: Record<string, string> = {};
  for (const { name, project } of services) {
    secretNames[name] = new KmsSecret(secrets, name, { namespace, projectSlug: project ?? name }).secret.name;
  }
  const problems = app.node
    .findAll()
    .flatMap((node) => node.node.validate().map((problem) => `[${node.node.path}] ${problem}`));
  if (problems.length > 0) throw new pulumi.RunError(`KmsCluster:\n  ${problems.join('\n  ')}`);
  const manifests = (chart: Chart) => chart.toJson() as Manifest[];
  return {
    namespace: kms.namespace,
    url: kms.url,
    secretNames,
    crd: manifests(crd),
    server: manifests(server),
    operator: manifests(operator),
    secrets: manifests(secrets),
  };
}

function register(manifest: Manifest, options: pulumi.CustomResourceOptions): pulumi.Resource {
  const { kind, metadata } = manifest;
  const name = [kind.toLowerCase(), metadata.namespace, metadata.name].filter(Boolean).join('-');
  switch (`${manifest.apiVersion} ${kind}`) {
    case 'v1 Service':
      return new kubernetes.core.v1.Service(name, manifest, options);
    case 'v1 ServiceAccount':
      return new kubernetes.core.v1.ServiceAccount(name, manifest, options);
    case 'apps/v1 Deployment':
      return new kubernetes.apps.v1.Deployment(name, manifest as kubernetes.apps.v1.DeploymentArgs, options);
    case 'apiextensions.k8s.io/v1 CustomResourceDefinition':
      return new kubernetes.apiextensions.v1.CustomResourceDefinition(
        name,
        manifest as unknown as kubernetes.apiextensions.v1.CustomResourceDefinitionArgs,
        options,
      );
    default:
      return new kubernetes.apiextensions.CustomResource(name, manifest, options);
  }
}
