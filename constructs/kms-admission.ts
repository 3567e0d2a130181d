import { ApiObject } from 'cdk8s';
import { Construct } from 'constructs';
import { z } from 'zod';
import {
  DEFAULT_KUBERNETES_VERSION,
  KMS_SECRET_GROUP,
  KMS_SECRET_VERSION,
  KubernetesMinor,
} from '../contracts/index.ts';
import { hasWhatCameWith, type KubernetesVersion } from './kubernetes-version.ts';
import { problemsOf } from './validation.ts';

export interface KmsAdmissionProps {
  /**
   * Oldest Kubernetes that takes it, 1.28 or newer. Policies are stable from 1.30 on; before, they are `v1beta1`, and the API server has
   * to be told to serve that: `--runtime-config=admissionregistration.k8s.io/v1beta1=true
   * --feature-gates=ValidatingAdmissionPolicy=true`. Where nobody can tell it, leave this construct out, and let no namespace with the
   * label `secrets.lux.network/allow-kmssecrets-from` be one whose neighbours are not trusted.
   * @default '1.30'
   */
  readonly kubernetesVersion?: KubernetesVersion;
}

const Props = z.object({ kubernetesVersion: KubernetesMinor });

const NAME = `kmssecrets.${KMS_SECRET_GROUP}`;

/** Kubernetes bounds what a policy may cost: some twenty questions to the authorizer. */
const MOST_FOREIGN = 12;

const mayBeNamed = (one: string, n: number) => ({
  expression: `size(variables.foreign) <= ${n} || authorizer.group('').resource(${one}.resource).namespace(${one}.namespace).name(${one}.name).check(${one}.verb).allowed()`,
  messageExpression: `'you may not ' + ${one}.verb + ' ' + ${one}.resource + ' ' + ${one}.namespace + '/' + ${one}.name + ', which this KMSSecret would have the operator do for you'`,
  reason: 'Forbidden',
});

/**
 * Every place that a KMSSecret names, as CEL: its kind, namespace and name, and whether it is written. CEL wants one type in a map,
 * hence `string()` of what it cannot know to be one.
 */
const NAMED = `(
  [{'resource': 'secrets',
    'verb': has(object.spec.authentication.universalAuth.renewal) && object.spec.authentication.universalAuth.renewal.enabled ? 'update' : 'get',
    'namespace': string(object.spec.authentication.universalAuth.credentialsRef.secretNamespace),
    'name': string(object.spec.authentication.universalAuth.credentialsRef.secretName)}]
  + (has(object.spec.tls) ? [{'resource': 'secrets', 'verb': 'get',
      'namespace': string(object.spec.tls.caRef.secretNamespace), 'name': string(object.spec.tls.caRef.secretName)}] : [])
  + (has(object.spec.managedSecretReference) ? [{'resource': 'secrets', 'verb': 'update',
      'namespace': string(object.spec.managedSecretReference.secretNamespace), 'name': string(object.spec.managedSecretReference.secretName)}] : [])
  + (has(object.spec.managedKubeSecretReferences) ? object.spec.managedKubeSecretReferences.map(r,
      {'resource': 'secrets', 'verb': 'update', 'namespace': string(r.secretNamespace), 'name': string(r.secretName)}) : [])
  + (has(object.spec.managedKubeConfigMapReferences) ? object.spec.managedKubeConfigMapReferences.map(r,
      {'resource': 'configmaps', 'verb': 'update', 'namespace': string(r.configMapNamespace), 'name': string(r.configMapName)}) : [])
)`;

/**
 * The rule about namespaces that a CRD cannot hold, since it does not see where its object lies: a KMSSecret names Secrets of another
 * namespace only when whoever applies it may read and write those by themselves. The operator has rights that its users do
 * not have; without this rule a KMSSecret would lend them.
 *
 * Besides, the other namespace has to allow it by its label, which the operator looks at.
 */
export class KmsAdmission extends Construct {
  /** The ValidatingAdmissionPolicy, for what the props do not cover. */
  readonly policy: ApiObject;
  /** Its binding. */
  readonly binding: ApiObject;

  constructor(scope: Construct, id: string, props: KmsAdmissionProps = {}) {
    super(scope, id);
    const { kubernetesVersion = DEFAULT_KUBERNETES_VERSION } = props;
    this.node.addValidation({ validate: () => problemsOf(Props, { kubernetesVersion }) });
    const apiVersion = `admissionregistration.k8s.io/${hasWhatCameWith('1.30', kubernetesVersion) ? 'v1' : 'v1beta1'}`;
    const labels = { 'app.kubernetes.io/name': 'kms-operator', 'app.kubernetes.io/part-of': 'hanzo-universe' };
    // The typed objects of cdk8s-plus-28 know the policy as an alpha.
    this.policy = new ApiObject(this, 'Policy', {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: NAME, labels },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: [KMS_SECRET_GROUP],
              apiVersions: [KMS_SECRET_VERSION],
              operations: ['CREATE', 'UPDATE'],
              resources: ['kmssecrets'],
            },
          ],
        },
        variables: [
          { name: 'named', expression: NAMED },
          { name: 'foreign', expression: 'variables.named.filter(n, n.namespace != object.metadata.namespace)' },
        ],
        // One expression for each: asking the authorizer is dear, and an expression may ask twice at most.
        validations: [
          {
            expression: `size(variables.foreign) <= ${MOST_FOREIGN}`,
            message: `a KMSSecret names at most ${MOST_FOREIGN} objects of other namespaces`,
          },
          ...Array.from({ length: MOST_FOREIGN }, (_, n) => mayBeNamed(`variables.foreign[${n}]`, n)),
        ],
      },
    });
    this.binding = new ApiObject(this, 'Binding', {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: NAME, labels },
      spec: { policyName: NAME, validationActions: ['Deny'] },
    });
  }
}
