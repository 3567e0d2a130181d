import type { Chart } from 'cdk8s';
import type { InstallationSettings } from '../../contracts/index.ts';
import { KmsPostgres } from '../kms-postgres.ts';
import { KmsTrialPostgres } from '../kms-trial-postgres.ts';
import { KmsTrialRedis } from '../kms-trial-redis.ts';

/** Adds the databases that come with KMS. */
export function addStores(chart: Chart, { namespace, postgres, redis }: InstallationSettings): void {
  const { mode, storage, storageClass, instances, backup } = postgres;
  if (mode === 'bundled')
    new KmsTrialPostgres(chart, 'postgres', { namespace, ...postgres.image, storage, storageClass });
  if (mode === 'cloudnativepg' && backup)
    new KmsPostgres(chart, 'postgres', { namespace, instances, storage, storageClass, backup });
  if (redis.mode === 'bundled') new KmsTrialRedis(chart, 'redis', { namespace, ...redis.image });
}
