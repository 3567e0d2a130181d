import { Env, Secret, type Workload } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import {
  type IKmsSecret,
  KmsSecret,
  type KmsSecretProps,
  type ObjectReference,
  type TouchedObject,
} from './kms-secret.ts';

/** On a workload: the operator restarts it when a Secret that it uses has changed. */
const AUTO_RELOAD = 'secrets.lux.network/auto-reload';

export interface KmsServiceProps extends Omit<KmsSecretProps, 'service'> {
  /**
   * Whether workloads are restarted when the secrets change. The operator has to be let: `autoReloadNamespaces` of KmsOperator.
   * @default true
   */
  readonly autoReload?: boolean;
}

/**
 * What a service needs of KMS in one construct: its KMSSecret, and its workloads wired to the Secret.
 *
 * @example
 * const gateway = new KmsService(chart, 'gateway');
 * gateway.injectInto(new Deployment(chart, 'deployment', { containers: [{ image: 'ghcr.io/hanzoai/gateway:1.4.0' }] }));
 */
export class KmsService extends Construct implements IKmsSecret {
  /** The KMSSecret, for what the props do not cover. */
  readonly kmsSecret: KmsSecret;
  /** The KMSSecret itself. */
  readonly resource: ObjectReference;
  /** The bootstrap Secret that the operator logs in with. */
  readonly credentials: ObjectReference;
  /** The Secret that workloads read. */
  readonly secret: ObjectReference;
  /** Every object that its KMSSecret names. */
  readonly touched: readonly TouchedObject[];
  readonly #autoReload: boolean;
  readonly #empty: string[] = [];

  constructor(scope: Construct, id: string, { autoReload = true, ...props }: KmsServiceProps = {}) {
    super(scope, id);
    this.kmsSecret = new KmsSecret(this, 'secret', { ...props, service: id });
    this.resource = this.kmsSecret.resource;
    this.credentials = this.kmsSecret.credentials;
    this.secret = this.kmsSecret.secret;
    this.touched = this.kmsSecret.touched;
    this.#autoReload = autoReload;
    this.node.addValidation({ validate: () => this.#empty });
  }

  /**
   * Gives every container of a workload the secrets as its environment (`envFrom`), and has it restarted when they change.
   *
   * @param workload a Deployment, StatefulSet, DaemonSet or Job of cdk8s-plus, in the namespace of the Secret
   * @returns this service, for more workloads
   */
  injectInto(workload: Workload): this {
    const secret = Secret.fromSecretName(this, `env-${workload.node.addr}`, this.secret.name);
    if (workload.containers.length === 0)
      this.#empty.push(`${workload.node.path} has no container yet: call injectInto after its containers are added`);
    for (const container of workload.containers) container.env.copyFrom(Env.fromSecret(secret));
    if (this.#autoReload) workload.metadata.addAnnotation(AUTO_RELOAD, 'true');
    return this;
  }
}
