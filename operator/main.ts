import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { readConfig } from './config.ts';
import { startOperator } from './operator.ts';

/** `kms-operator`: keeps Kubernetes Secrets equal to folders of KMS (HIP-27, KMS Operator). */

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = pino({ level: config.LOG_LEVEL, base: { operator: config.POD_NAME } });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  const operator = await startOperator(kubeConfig, config, log);
  log.info({ port: operator.port }, 'started');
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      void operator.stop().then(() => process.exit(0));
    });
}

await main().catch((error: unknown) => {
  process.stderr.write(`kms-operator: error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
