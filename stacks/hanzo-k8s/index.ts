import { KmsCluster } from '../index.ts';
import { services } from './services.ts';

/** The Pulumi program of the cluster hanzo-k8s. `kms-secrets` is made before by `kms-bootstrap init`, and is only named here. */
const cluster = new KmsCluster('kms', { services });

export const namespace = cluster.namespace;
export const url = cluster.url;
export const secretNames = cluster.secretNames;
