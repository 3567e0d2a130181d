import { MARKS } from '../settings.ts';
import { fileOf, type Source } from '../source.ts';

const VALUES = '$.Values.kms.autoBootstrap';
const NAME = 'kms-bootstrap';
const CONTAINER = 'spec template spec containers 0';

/** The Job of the first run, its rights, and the inventory that it reads. */
export function bootstrapFile(source: Source): string {
  const spec = source.body(
    'Job',
    {
      edits: {
        [`${CONTAINER} args`]: { block: 'include "kms.bootstrap.arguments" $' },
        [`${CONTAINER} env`]: { block: 'include "kms.bootstrap.environment" $' },
        [`${CONTAINER} volumeMounts`]: { when: 'include "kms.bootstrap.hasVolumes" $' },
        [`${CONTAINER} volumeMounts [inventory]`]: { when: `${VALUES}.inventory` },
        'spec template spec volumes': { when: 'include "kms.bootstrap.hasVolumes" $' },
        'spec template spec volumes [inventory]': { when: `${VALUES}.inventory` },
        'spec template spec volumes [inventory] configMap name': { value: 'include "kms.bootstrap.inventoryName" $' },
      },
    },
    ['spec'],
  ).text;
  const named = { each: '$where, $names := include "kms.bootstrap.services" $ | fromYaml' };
  const parts = [
    source.template(`ServiceAccount ${NAME}`),
    source.template(`Role ${NAME}`, {
      edits: {
        'rules 2': { when: 'include "kms.bootstrap.secretNames" $' },
        'rules 2 resourceNames': { block: 'include "kms.bootstrap.secretNames" $' },
      },
    }),
    source.template(`RoleBinding ${NAME}`),
    source.template(`Role ${NAME}-services zz-where`, {
      ...named,
      edits: {
        'rules 0 resourceNames': { block: 'toYaml $names.credentials' },
        'rules 2': { when: `${VALUES}.waitForSync` },
        'rules 2 resourceNames': { block: 'toYaml $names.kmsSecrets' },
      },
    }),
    source.template(`RoleBinding ${NAME}-services zz-where`, named),
    source.template('ConfigMap', {
      when: `${VALUES}.inventory`,
      edits: {
        'metadata name': { value: 'include "kms.bootstrap.inventoryName" $' },
        'data kms.yaml': { value: `${VALUES}.inventory | quote` },
      },
    }),
    source.template('Job', {
      edits: {
        'metadata name': { value: 'include "kms.bootstrap.name" $' },
        spec: { block: 'include "kms.bootstrap.spec" $' },
      },
    }),
  ];
  return fileOf([`{{- define "kms.bootstrap.spec" -}}\n${spec}{{- end }}\n`, ...parts], MARKS);
}
