import { EVERYTHING, MARKS } from '../settings.ts';
import { fileOf, KEPT, Source } from '../source.ts';

const CONTAINER = 'spec template spec containers 0';
const ENABLED = '$.Values.operator.enabled';
const NAMED = 'kms-operator-secrets zz-where';

/** The operator, its rights, the CRD and the policy of admission. */
export function operatorFiles(source: Source): Record<string, string> {
  const file = (...texts: string[]) => fileOf(texts, MARKS);
  const both = (name: string, more: object = {}) =>
    ['Role', 'RoleBinding'].map((kind) => source.template(`${kind} ${name}`, more));
  return {
    'operator.yaml': file(
      source.template('ServiceAccount kms-operator'),
      source.template('Deployment kms-operator', {
        edits: {
          [`${CONTAINER} env [WATCH_NAMESPACES] value`]: { value: 'include "kms.operator.watched" $ | quote' },
          [`${CONTAINER} env [KMS_HOSTS] value`]: { value: 'include "kms.operator.hosts" $ | quote' },
          [`${CONTAINER} env`]: { append: 'include "kms.operator.byName" $ | trim' },
        },
      }),
    ),
    'operator-rbac.yaml': file(
      source.template('ClusterRole kms-operator'),
      source.template('ClusterRoleBinding kms-operator'),
      ...both('kms-operator'),
      ...both(NAMED, {
        when: 'not $.Values.operator.onlyNamed',
        each: '$where := include "kms.operator.namespaces" $ | fromYamlArray',
      }),
      ...named(),
      ...both('kms-operator-reload zz-where', { each: '$where := $.Values.operator.autoReloadNamespaces | uniq' }),
    ),
    'crd.yaml': file(source.template('CustomResourceDefinition kmssecrets.secrets.lux.network', { more: KEPT })),
    'admission.yaml': file(
      ...['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'].map((kind) =>
        source.template(`${kind} kmssecrets.secrets.lux.network`),
      ),
    ),
  };
}

/** Rights on the very objects that the services' KMSSecrets name, in place of whole namespaces. */
function named(): string[] {
  const { secretNamespaces: _, ...operator } = { ...EVERYTHING.operator, onlyNamed: true };
  const settings = { ...EVERYTHING, operator };
  const source = new Source(settings, [
    { settings: { ...settings, operator: { ...operator, enabled: false } }, finding: { when: ENABLED } },
  ]);
  const fixed = {
    when: '$.Values.operator.onlyNamed',
    each: '$where, $names := include "kms.operator.named" $ | fromYaml',
  };
  const names = (list: string) => ({ block: `toYaml $names.${list}` });
  return [
    source.template(`Role ${NAMED}`, {
      ...fixed,
      edits: {
        'rules 0 resourceNames': names('all'),
        'rules 1': { when: '$names.renewed' },
        'rules 1 resourceNames': names('renewed'),
        'rules 2': { when: '$names.kept' },
        'rules 2 resourceNames': names('kept'),
      },
    }),
    source.template(`RoleBinding ${NAMED}`, fixed),
  ];
}
