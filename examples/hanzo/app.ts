import { App, Chart } from 'cdk8s';
import { Kms, KmsAdmission, KmsCrd, KmsOperator, KmsSecret } from '../../constructs/index.ts';
import { servicesOf } from './services.ts';

/**
 * hanzo-k8s as HIP-27 has it: the CRD, KMS, its operator, and a KMSSecret for each service of the inventory. The namespace is not among
 * them: `kms-secrets` lies in it before all of this, and who deletes what is rendered here must not delete the root key.
 */
const app = new App({ outdir: process.env.CDK8S_OUTDIR ?? 'dist' });

const crd = new Chart(app, 'kms-crd');
new KmsCrd(crd, 'crd');

const kms = new Chart(app, 'kms');
new Kms(kms, 'kms');

const operator = new Chart(app, 'kms-operator');
operator.addDependency(crd);
operator.addDependency(kms);
new KmsOperator(operator, 'operator');
new KmsAdmission(operator, 'admission');

const services = new Chart(app, 'services');
services.addDependency(crd);
services.addDependency(operator);
for (const { name, project } of servicesOf(new URL('kms.yaml', import.meta.url))) {
  new KmsSecret(services, name, { projectSlug: project });
}

app.synth();
