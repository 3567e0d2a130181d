import { ApiObject } from 'cdk8s';
import { Construct } from 'constructs';
import { kmsSecretCrd } from '../contracts/index.ts';

/**
 * The CustomResourceDefinition of KMSSecret, generated from the schema that also checks `KmsSecret` at synth. It is to be in
 * the cluster before the first KMSSecret: put it into a chart of its own that the others depend on.
 *
 * @example
 * services.addDependency(new KmsCrd(crdChart, 'crd'));
 */
export class KmsCrd extends Construct {
  /** The rendered object, for what the props do not cover. */
  readonly apiObject: ApiObject;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.apiObject = new ApiObject(this, 'Resource', kmsSecretCrd());
  }
}
