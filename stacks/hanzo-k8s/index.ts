import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { servicesOf } from '../../examples/hanzo/services.ts';
import { KmsCluster, readConfiguration, requireKmsSecrets } from '../index.ts';
import { HANZO_K8S } from './defaults.ts';

/**
 * The Pulumi program of the cluster hanzo-k8s (docs/provision-hanzo-k8s.md). `kms-secrets` is made before by `kms-bootstrap init`, and is only
 * named here.
 */
const { stack, installation, secrets } = readConfiguration(HANZO_K8S);
const { namespace = 'hanzo', secretName, bootstrap } = installation;
if (stack.checkSecrets && !secrets && !bootstrap?.makeSecrets?.enabled)
  await requireKmsSecrets({ namespace, secretName, context: stack.kubeContext });

// Relative to Pulumi.yaml: Pulumi runs a program in the folder of the program.
const inventoryFile = resolve(fileURLToPath(new URL('../..', import.meta.url)), stack.inventoryFile);

const cluster = new KmsCluster('kms', {
  ...installation,
  services: installation.services ?? servicesOf(inventoryFile),
  bootstrap: { ...bootstrap, inventory: bootstrap?.inventory ?? readFileSync(inventoryFile, 'utf8') },
  protect: stack.protect,
  secrets,
});

export const { url, publicUrl, namespaces, secretNames, nextSteps } = cluster;
export const kmsNamespace = cluster.namespace;
