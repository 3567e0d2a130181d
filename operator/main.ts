import { setFlagsFromString } from 'node:v8';
import { pino } from 'pino';
import { VERSION } from '../contracts/version.ts';
import { describeVariables, readConfig } from './config.ts';
import { presentCluster } from './kubernetes/kubeconfig.ts';
import { startOperator } from './operator.ts';

/** `kms-operator`: keeps Kubernetes Secrets equal to folders of KMS (HIP-27, KMS Operator). */

/** How much the heap may grow before what is dead is let go of, as with the server: a start and each burst leave much behind. */
const HEAP_GROWS_PERCENT = 40;

/** It takes no arguments: whoever gives one asks what it is. @returns the exit code */
function tell(argument: string): number {
  if (argument === '--version') process.stdout.write(`${VERSION}\n`);
  else if (argument === '--help')
    process.stdout.write(
      `Usage: kms-operator\n\nKeeps Kubernetes Secrets equal to folders of KMS. It is told by its environment:\n\n${describeVariables()}`,
    );
  else process.stderr.write(`kms-operator: error: there are --help and --version, and no ${argument}\n`);
  return ['--version', '--help'].includes(argument) ? 0 : 1;
}

async function main(): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWS_PERCENT}`);
  const config = readConfig(process.env);
  const log = pino({ level: config.LOG_LEVEL, base: { operator: config.POD_NAME } });
  const cluster = await presentCluster(process.env, config.SERVICE_ACCOUNT_FOLDER);
  const operator = await startOperator(cluster, config, log);
  log.info({ port: operator.port }, 'started');
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      void operator.stop().then(() => process.exit(0));
    });
}

const [argument] = process.argv.slice(2);
if (argument !== undefined) process.exit(tell(argument));
await main().catch((error: unknown) => {
  process.stderr.write(`kms-operator: error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
