import { TestCluster } from './cluster.ts';
import { Gate } from './gate.ts';

/** A cluster with a gate before its KMS, and one namespace. */
export async function gatedCluster(namespace: string) {
  const cluster = await TestCluster.start();
  const gate = await Gate.before(cluster.url);
  await cluster.namespace(namespace);
  const close = async () => {
    await cluster.close();
    await gate.close();
  };
  return { cluster, gate, close };
}
