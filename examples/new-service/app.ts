import { App, Chart } from 'cdk8s';
import { Deployment } from 'cdk8s-plus-28';
import { KmsInventory, KmsService } from '../../constructs/index.ts';

/** A new service on hanzo-k8s. Elsewhere the import is from '@hanzo/kms/constructs'. */
const app = new App({ outdir: process.env.CDK8S_OUTDIR ?? 'dist' });
const chart = new Chart(app, 'gateway', { namespace: 'hanzo' });
const inventory = KmsInventory.fromFile(new URL('../hanzo/kms.yaml', import.meta.url));

const gateway = new KmsService(chart, 'gateway', { inventory, requiredKeys: ['DATABASE_URL'] });
gateway.injectInto(
  new Deployment(chart, 'deployment', {
    metadata: { name: 'gateway' },
    containers: [{ name: 'gateway', image: 'ghcr.io/hanzoai/gateway:1.4.0', portNumber: 8080 }],
  }),
);

app.synth();
