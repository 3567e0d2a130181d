import { ApiObject, type ApiObjectMetadata, Chart, type Duration } from 'cdk8s';
import { Construct } from 'constructs';
import { z } from 'zod';
import {
  type CreationPolicy,
  DEFAULT_HOST_API,
  DEFAULT_RESYNC_SECONDS,
  KMS_SECRET_API_VERSION,
  KMS_SECRET_KIND,
  KmsSecret as KmsSecretSchema,
  type KmsSecretSpec,
} from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import type { KmsInventory } from './kms-inventory.ts';
import { problemsOf } from './validation.ts';

/** Where an object of the cluster lies. */
export interface ObjectReference {
  /** Its name. */
  readonly name: string;
  /** Its namespace. */
  readonly namespace: string;
}

/** An object that the operator has to be let at for a KMSSecret. */
export interface TouchedObject extends ObjectReference {
  /** `Secret` or `ConfigMap`. */
  readonly kind: 'Secret' | 'ConfigMap';
  /** `read` of credentials and certificates; `renew` of credentials that the operator renews; `keep` of what is kept up to date. */
  readonly access: 'read' | 'renew' | 'keep';
}

/** A KMSSecret, made here or elsewhere, by what others need of it. */
export interface IKmsSecret {
  /** The KMSSecret itself. */
  readonly resource: ObjectReference;
  /** The bootstrap Secret that the operator logs in with. */
  readonly credentials: ObjectReference;
  /** The Secret that workloads read. */
  readonly secret: ObjectReference;
  /** Every object that it names, those of its `spec` among them. */
  readonly touched: readonly TouchedObject[];
}

/** Which folder of KMS becomes which Secret of Kubernetes. */
export interface KmsSecretProps {
  /**
   * Name of the service; the names of all else follow from it.
   * @default - the construct's id
   */
  readonly service?: string;
  /**
   * Namespace of the KMSSecret, and of the Secrets that it names unless they say another.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Slug of the project in KMS.
   * @default - the service's name
   */
  readonly projectSlug?: string;
  /**
   * Environment in KMS; `production` means `prod`.
   * @default 'production'
   */
  readonly envSlug?: string;
  /**
   * Path within the environment, absolute.
   * @default '/'
   */
  readonly secretsPath?: string;
  /**
   * Address of the KMS API.
   * @default 'https://kms.hanzo.ai'
   */
  readonly hostApi?: string;
  /**
   * Longest time between two looks at KMS: whole seconds, 5 or more. HIP-27 recommends 60 for production, 30 for staging.
   * @default Duration.seconds(60)
   */
  readonly resyncInterval?: Duration;
  /**
   * Name of the bootstrap Secret, with the keys `clientId` and `clientSecret`. It must exist: it is the one Secret that
   * KMS does not make (HIP-27, "Bootstrap Secret").
   * @default - `<service>-kms-auth`
   */
  readonly credentialsSecretName?: string;
  /**
   * Namespace of the bootstrap Secret.
   * @default - the namespace of the KMSSecret
   */
  readonly credentialsSecretNamespace?: string;
  /**
   * Whether the operator has KMS make the next client secret before the one in the bootstrap Secret ends, and writes it there. It has to
   * be one that was made renewable, and to be in this Secret alone.
   * @default false
   */
  readonly renewal?: boolean;
  /**
   * Name of the Secret that is kept up to date.
   * @default - `<service>-secrets`
   */
  readonly secretName?: string;
  /**
   * Namespace of that Secret.
   * @default - the namespace of the KMSSecret
   */
  readonly secretNamespace?: string;
  /**
   * Type of that Secret.
   * @default 'Opaque'
   */
  readonly secretType?: string;
  /**
   * What happens to the Secret when the KMSSecret is deleted: `Orphan` leaves it, `Owner` deletes it with it.
   * @default 'Orphan'
   */
  readonly creationPolicy?: CreationPolicy;
  /**
   * Keys that must be there: while one is missing, the last good content stays and the status names it.
   * @default - none
   */
  readonly requiredKeys?: readonly string[];
  /**
   * The inventory that project and environment have to be in, checked at synth.
   * @default - not checked
   */
  readonly inventory?: KmsInventory;
  /**
   * More of the `spec`, for what the props do not cover; it wins over them.
   * @default {}
   */
  readonly spec?: Partial<KmsSecretSpec>;
  /**
   * More metadata; labels are added to HIP-27's, a name replaces `<service>-kms-sync`.
   * @default - HIP-27's name and labels
   */
  readonly metadata?: Omit<ApiObjectMetadata, 'namespace'>;
}

/** It is a label's value, too, and those are shorter than names. */
const Service = z.object({
  service: z
    .string()
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be a name of lower-case letters, digits and hyphens'),
});

/**
 * A KMSSecret: tells the operator to keep a Kubernetes Secret equal to a folder of KMS (HIP-27, "KMSSecret Custom Resource
 * Definition"). Renders one object. The CRD (`KmsCrd`), the operator and the bootstrap Secret must be in the cluster.
 *
 * @example
 * new KmsSecret(chart, 'gateway'); // gateway-kms-auth -> project gateway, production -> Secret gateway-secrets
 */
export class KmsSecret extends Construct implements IKmsSecret {
  /**
   * The KMSSecret of a service that is deployed elsewhere, with HIP-27's names. Renders nothing.
   *
   * @example
   * const { secret } = KmsSecret.fromName('gateway');
   * container.env.copyFrom(Env.fromSecret(Secret.fromSecretName(chart, 'env', secret.name)));
   *
   * @param options.renewal whether the operator renews its client secret. @default false
   */
  static fromName(
    service: string,
    namespace: string = DEFAULT_NAMESPACE,
    { renewal = false }: { readonly renewal?: boolean } = {},
  ): IKmsSecret {
    const credentials = { name: `${service}-kms-auth`, namespace };
    const secret = { name: `${service}-secrets`, namespace };
    return {
      resource: { name: `${service}-kms-sync`, namespace },
      credentials,
      secret,
      touched: [
        { kind: 'Secret', access: renewal ? 'renew' : 'read', ...credentials },
        { kind: 'Secret', access: 'keep', ...secret },
      ],
    };
  }

  /** The KMSSecret itself. */
  readonly resource: ObjectReference;
  /** The bootstrap Secret that the operator logs in with. */
  readonly credentials: ObjectReference;
  /** The Secret that workloads read. */
  readonly secret: ObjectReference;
  /** Every object that it names, those of its `spec` among them. */
  readonly touched: readonly TouchedObject[];
  /** The rendered object, for what the props do not cover. */
  readonly apiObject: ApiObject;

  constructor(scope: Construct, id: string, props: KmsSecretProps = {}) {
    super(scope, id);
    const service = props.service ?? id;
    const names = KmsSecret.fromName(service, props.namespace);
    const { namespace } = names.resource;
    this.resource = { name: props.metadata?.name ?? names.resource.name, namespace };
    this.credentials = {
      name: props.credentialsSecretName ?? names.credentials.name,
      namespace: props.credentialsSecretNamespace ?? namespace,
    };
    this.secret = {
      name: props.secretName ?? names.secret.name,
      namespace: props.secretNamespace ?? namespace,
    };
    const manifest = {
      metadata: {
        ...props.metadata,
        ...this.resource,
        labels: {
          'app.kubernetes.io/name': service,
          'app.kubernetes.io/component': 'secrets',
          'app.kubernetes.io/part-of': 'hanzo-universe',
          ...props.metadata?.labels,
        },
      },
      spec: this.#spec(service, props),
    };
    this.touched = touchedBy(manifest.spec);
    this.apiObject = new ApiObject(this, 'Resource', {
      apiVersion: KMS_SECRET_API_VERSION,
      kind: KMS_SECRET_KIND,
      ...manifest,
    });
    this.node.addValidation({
      validate: () => [
        ...problemsOf(Service, { service }),
        ...this.#unknown(manifest.spec, props.inventory),
        ...this.#rivals(),
        ...problemsOf(KmsSecretSchema, { apiVersion: KMS_SECRET_API_VERSION, kind: KMS_SECRET_KIND, ...manifest }),
      ],
    });
  }

  #unknown({ authentication }: KmsSecretSpec, inventory: KmsInventory | undefined): string[] {
    const { projectSlug, envSlug } = authentication.universalAuth.secretsScope;
    return inventory && projectSlug !== undefined ? inventory.problemsOf(projectSlug, envSlug) : [];
  }

  /** Two that keep one Secret would undo each other's work for ever. */
  #rivals(): string[] {
    const { name, namespace } = this.secret;
    return Chart.of(this)
      .node.findAll()
      .filter((other): other is KmsSecret => other instanceof KmsSecret && other !== this)
      .filter(({ secret }) => secret.name === name && secret.namespace === namespace)
      .map(({ node }) => `the Secret ${namespace}/${name} is kept by ${node.path} already; name another`);
  }

  #spec(service: string, props: KmsSecretProps): KmsSecretSpec {
    return {
      hostAPI: props.hostApi ?? DEFAULT_HOST_API,
      // Milliseconds divide into whole seconds or are told as what they are; toSeconds would throw before the path is known.
      resyncInterval: props.resyncInterval ? props.resyncInterval.toMilliseconds() / 1000 : DEFAULT_RESYNC_SECONDS,
      authentication: {
        universalAuth: {
          credentialsRef: { secretName: this.credentials.name, secretNamespace: this.credentials.namespace },
          secretsScope: {
            projectSlug: props.projectSlug ?? service,
            envSlug: props.envSlug ?? 'production',
            secretsPath: props.secretsPath ?? '/',
          },
          ...(props.renewal && { renewal: { enabled: true } }),
        },
      },
      managedSecretReference: {
        secretName: this.secret.name,
        secretNamespace: this.secret.namespace,
        secretType: props.secretType ?? 'Opaque',
        ...(props.creationPolicy && { creationPolicy: props.creationPolicy }),
      },
      ...(props.requiredKeys && { requiredKeys: [...props.requiredKeys] }),
      ...props.spec,
    };
  }
}

function touchedBy({
  authentication,
  tls,
  managedSecretReference: first,
  managedKubeSecretReferences: more = [],
  managedKubeConfigMapReferences: configMaps = [],
}: KmsSecretSpec): TouchedObject[] {
  const secret = (
    access: TouchedObject['access'],
    { secretName: name, secretNamespace: namespace }: { readonly secretName: string; readonly secretNamespace: string },
  ): TouchedObject => ({ kind: 'Secret', access, name, namespace });
  return [
    secret(
      authentication.universalAuth.renewal?.enabled ? 'renew' : 'read',
      authentication.universalAuth.credentialsRef,
    ),
    ...(tls ? [secret('read', tls.caRef)] : []),
    ...[...(first ? [first] : []), ...more].map((reference) => secret('keep', reference)),
    ...configMaps.map(
      ({ configMapName: name, configMapNamespace: namespace }): TouchedObject => ({
        ...{ kind: 'ConfigMap', access: 'keep' },
        ...{ name, namespace },
      }),
    ),
  ];
}
