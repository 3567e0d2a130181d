import { App } from 'cdk8s';
import { KmsInstallation } from '../../constructs/index.ts';
import { servicesOf } from './services.ts';

/** hanzo-k8s as HIP-27 has it: the CRD, KMS with its Ingress, its operator, and a KMSSecret for each service of the inventory. */
const app = new App({ outdir: process.env.CDK8S_OUTDIR ?? 'dist' });

new KmsInstallation(app, 'kms', { services: servicesOf(new URL('kms.yaml', import.meta.url)) });

app.synth();
