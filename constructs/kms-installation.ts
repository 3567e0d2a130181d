import { Chart } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { Installation, type InstallationProps, type InstallationSettings } from '../contracts/index.ts';
import { bootstrapProps } from './installation/bootstrap.ts';
import { addServer } from './installation/server.ts';
import { addStores } from './installation/stores.ts';
import { KmsAdmission } from './kms-admission.ts';
import { KmsBootstrapJob } from './kms-bootstrap-job.ts';
import { KmsCrd } from './kms-crd.ts';
import { KmsOperator } from './kms-operator.ts';
import { KmsSecret } from './kms-secret.ts';
import type { KubernetesVersion } from './kubernetes-version.ts';
import { problemsOf } from './validation.ts';

/** Parts of an installation, by what needs what: each may be applied when those before it are there. */
export const INSTALLATION_PARTS = [
  'namespaces',
  'crd',
  'stores',
  'server',
  'operator',
  'services',
  'bootstrap',
] as const;
export type InstallationPart = (typeof INSTALLATION_PARTS)[number];

/** An object as it is applied. */
export interface RenderedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/**
 * KMS as it is installed in a cluster: everything that the other constructs render, from one set of settings, each object under a name that
 * follows from what it is. The stack and the chart are held to these very objects.
 *
 * Each part is a chart of its own, since a definition has to be in the cluster before what it defines. The namespace of KMS is not
 * among them: `kms-secrets` lies in it before all of this, and who deletes what is rendered here must not delete the root key.
 *
 * @example
 * const app = new App();
 * new KmsInstallation(app, 'kms', { services: [{ name: 'gateway' }] });
 * app.synth();
 */
export class KmsInstallation extends Construct {
  /** The settings, with every default filled in. */
  readonly settings: InstallationSettings;
  /** Where the cluster's own clients reach KMS. */
  readonly url: string;
  /** Where KMS is reached from outside. @default - undefined: there is no Ingress */
  readonly publicUrl: string | undefined;
  /** The KMSSecrets, by service. */
  readonly secrets: Readonly<Record<string, KmsSecret>>;
  /** The bootstrap Job. @default - undefined: it is off */
  readonly bootstrap: KmsBootstrapJob | undefined;
  readonly #charts: ReadonlyMap<InstallationPart, Chart>;

  /** @throws Error that lists everything that is wrong with the settings, a line each */
  constructor(scope: Construct, id: string, props: InstallationProps = {}) {
    super(scope, id);
    const problems = problemsOf(Installation, props);
    if (problems.length > 0) throw new Error(`KmsInstallation:\n  ${problems.join('\n  ')}`);
    const settings = Installation.parse(props);
    this.settings = settings;
    const charts = new Map<InstallationPart, Chart>();
    for (const name of partsOf(settings)) {
      const chart = new Chart(this, name, { disableResourceNameHashes: true });
      for (const earlier of charts.values()) chart.addDependency(earlier);
      charts.set(name, chart);
    }
    this.#charts = charts;
    const fill = (name: InstallationPart, add: (chart: Chart) => void) => {
      const chart = charts.get(name);
      if (chart) add(chart);
    };
    fill('namespaces', (chart) => addNamespaces(chart, settings));
    fill('crd', (chart) => new KmsCrd(chart, 'crd'));
    fill('stores', (chart) => addStores(chart, settings));
    const { url, publicUrl } = addServer(charts.get('server')!, settings);
    this.url = url;
    this.publicUrl = publicUrl;
    const hostApi = settings.hostApi ?? publicUrl ?? url;
    // In the order of the settings, which a map has not: names such as `123` come first there.
    let secrets: readonly KmsSecret[] = [];
    fill('services', (chart) => {
      secrets = addServices(chart, settings, hostApi);
    });
    this.secrets = Object.fromEntries(settings.services.map(({ name }, index) => [name, secrets[index]!]));
    fill('operator', (chart) => addOperator(chart, settings, secrets, [hostApi, url]));
    const jobs = charts.get('bootstrap');
    this.bootstrap = jobs && new KmsBootstrapJob(jobs, 'bootstrap', bootstrapProps(settings, url));
  }

  /** The parts that there are, in the order in which they are applied. */
  get parts(): readonly InstallationPart[] {
    return [...this.#charts.keys()];
  }

  /**
   * The objects of a part, in the order in which they are applied; none where there is no such part.
   *
   * @throws Error that names every construct with a wrong setting
   */
  objectsOf(part: InstallationPart): readonly RenderedObject[] {
    return (this.#charts.get(part)?.toJson() ?? []) as RenderedObject[];
  }

  /** All objects, in the order in which they are applied. @throws Error as `objectsOf` does */
  toJson(): readonly RenderedObject[] {
    return this.parts.flatMap((part) => this.objectsOf(part));
  }
}

function partsOf(settings: InstallationSettings): InstallationPart[] {
  const { namespaces, crd, postgres, redis, operator, admission, services, bootstrap } = settings;
  const present: Readonly<Record<InstallationPart, boolean>> = {
    namespaces: namespaces.length > 0,
    crd: crd.enabled,
    stores: postgres.mode !== 'external' || redis.mode === 'bundled',
    server: true,
    operator: operator.enabled || admission.enabled,
    services: services.length > 0,
    bootstrap: bootstrap.enabled,
  };
  return INSTALLATION_PARTS.filter((part) => present[part]);
}

/** @param addresses of the KMS that is installed: to these, and those of the settings, client secrets go, and to no others */
function addOperator(
  chart: Chart,
  settings: InstallationSettings,
  secrets: readonly KmsSecret[],
  addresses: readonly string[],
): void {
  const { namespace, image, operator, admission } = settings;
  const { replicas, resources, autoReloadNamespaces, secretNamespaces, onlyNamed } = operator;
  if (operator.enabled)
    new KmsOperator(chart, 'operator', {
      ...image,
      ...{ namespace, replicas, resources, autoReloadNamespaces },
      hosts: [...addresses, ...operator.hosts],
      ...(onlyNamed ? { onlySecretsOf: secrets } : { secretNamespaces: secretNamespaces ?? namespacesOf(settings) }),
    });
  const kubernetesVersion = settings.kubernetesVersion as KubernetesVersion;
  if (admission.enabled) new KmsAdmission(chart, 'admission', { kubernetesVersion });
}

function addNamespaces(chart: Chart, { namespaces }: InstallationSettings): void {
  for (const name of new Set(namespaces))
    new k8s.KubeNamespace(chart, name, {
      metadata: { name, labels: { 'app.kubernetes.io/part-of': 'hanzo-universe' } },
    });
}

/** That of KMS, and those of the services. */
const namespacesOf = ({ namespace, services }: InstallationSettings) => [
  ...new Set([namespace, ...services.map((service) => service.namespace ?? namespace)]),
];

function addServices(chart: Chart, settings: InstallationSettings, hostApi: string): KmsSecret[] {
  const { namespace, services, tls } = settings;
  // Behind the Ingress there is a certificate that everybody trusts; that of the Service is of an authority of one's own.
  const own = tls.enabled && new URL(hostApi).hostname.startsWith(`kms.${namespace}.svc`);
  const caRef = { secretName: tls.secretName, secretNamespace: namespace, key: 'ca.crt' };
  return services.map(
    (service) =>
      new KmsSecret(chart, `${service.namespace ?? namespace}-${service.name}`, {
        service: service.name,
        namespace: service.namespace ?? namespace,
        projectSlug: service.project,
        envSlug: service.environment,
        secretsPath: service.path,
        renewal: service.renewal,
        hostApi,
        ...(own && { spec: { tls: { caRef } } }),
      }),
  );
}
