import type { InstallationProps } from '../../../contracts/index.ts';
import { MARKS } from '../settings.ts';
import { fileOf, KEPT, NAMESPACE, Source } from '../source.ts';

/** The databases that come with KMS. */
export function storesFile(): string {
  return fileOf([...bundled(), ...cloudNativePg()], {
    'zz.example/postgres:zz-postgres': 'include "kms.postgres.image" $',
    'zz.example/redis:zz-redis': 'include "kms.redis.image" $',
    'zz-class': '$.Values.postgres.storageClass',
    '61Gi': '$.Values.postgres.storage',
    's3://zz-bucket': '$.Values.postgres.backup.destinationPath',
    'https://zz-store.example': '$.Values.postgres.backup.endpointUrl',
    'zz-backup': '$.Values.postgres.backup.credentialsSecretName',
    '61d': '$.Values.postgres.backup.retention | default "30d"',
    '1 2 3 4 5 6': '$.Values.postgres.backup.schedule | default "0 0 3 * * *"',
    [NAMESPACE]: MARKS[NAMESPACE]!,
  });
}

const withoutClass = { when: '$.Values.postgres.storageClass' };

function bundled(): string[] {
  const postgres = {
    mode: 'bundled',
    storage: '61Gi',
    storageClass: 'zz-class',
    image: { repository: 'zz.example/postgres', version: 'zz-postgres' },
  } as const;
  const settings: InstallationProps = {
    namespace: NAMESPACE,
    postgres,
    redis: { mode: 'bundled', image: { repository: 'zz.example/redis', version: 'zz-redis' } },
  };
  const source = new Source(settings, [
    { settings: { ...settings, postgres: {} }, finding: { when: 'eq $.Values.postgres.mode "bundled"' } },
    { settings: { ...settings, redis: {} }, finding: { when: 'eq $.Values.redis.mode "bundled"' } },
    { settings: { ...settings, postgres: { ...postgres, storageClass: undefined } }, finding: withoutClass },
    {
      settings: { ...settings, networkPolicies: { enabled: false } },
      finding: { when: '$.Values.networkPolicies.enabled' },
    },
  ]);
  return [
    'Service kms-postgres',
    'StatefulSet kms-postgres',
    'NetworkPolicy kms-postgres',
    'Service kms-redis',
    'Deployment kms-redis',
    'NetworkPolicy kms-redis',
  ].map((key) => source.template(key));
}

function cloudNativePg(): string[] {
  const backup = {
    destinationPath: 's3://zz-bucket',
    endpointUrl: 'https://zz-store.example',
    credentialsSecretName: 'zz-backup',
    retention: '61d',
    schedule: '1 2 3 4 5 6',
  };
  const postgres = { mode: 'cloudnativepg', storage: '61Gi', storageClass: 'zz-class', instances: 8, backup } as const;
  const settings: InstallationProps = { namespace: NAMESPACE, postgres };
  const another = (changed: object, finding: { when: string } | { value: string }) => ({
    settings: { ...settings, postgres: { ...postgres, ...changed } },
    finding,
  });
  const source = new Source(settings, [
    another({ mode: 'external' }, { when: 'eq $.Values.postgres.mode "cloudnativepg"' }),
    another({ storageClass: undefined }, withoutClass),
    another({ backup: { ...backup, endpointUrl: undefined } }, { when: '$.Values.postgres.backup.endpointUrl' }),
    another({ instances: 9 }, { value: '$.Values.postgres.instances | int' }),
    another({ instances: 1 }, { when: 'gt ($.Values.postgres.instances | int) 1' }),
  ]);
  const edits = { 'spec instances': { value: '$.Values.postgres.instances | int' } };
  return [
    source.template('Cluster kms-postgres', { edits, more: KEPT }),
    source.template('ScheduledBackup kms-postgres'),
  ];
}
