import { Installation } from '../../../contracts/index.ts';
import { EVERYTHING, IS_1_30, MARKS } from '../settings.ts';
import { type Fixed, fileOf, KEPT, Source } from '../source.ts';
import { type Edits, template } from '../template.ts';

const CONTAINER = 'spec template spec containers 0';
/** Labels as they are told, or the constructs' own: Helm would add those of others to these. */
const LABELS = `{{- define "kms.monitoring.labels" -}}
{{- range $name, $value := hasKey $.Values.monitoring "labels" | ternary $.Values.monitoring.labels (dict ${Object.entries(
  Installation.parse({}).monitoring.labels,
)
  .flat()
  .map((text) => JSON.stringify(text))
  .join(' ')}) }}
{{ $name | quote }}: {{ $value | quote }}
{{- end }}
{{- end -}}
`;
const VOLUMES = 'spec template spec volumes';

/** KMS itself, what keeps it running, who reaches it, and what looks at it. */
export function serverFiles(source: Source, annotations: Fixed): Record<string, string> {
  const file = (...texts: string[]) => fileOf(texts, MARKS);
  return {
    'namespaces.yaml': file(
      source.template('Namespace zz-made', {
        each: '$namespace := $.Values.namespaces | uniq',
        more: KEPT,
      }),
    ),
    'server.yaml': file(
      preStop(source),
      source.template('ServiceAccount kms'),
      source.template('Service kms', annotations),
      // Where the number is the autoscaler's there is none.
      source.template('Deployment kms', { edits: deployment(), more: { spec: { replicas: 1 } } }),
      source.template('Certificate kms-server'),
    ),
    'availability.yaml': file(
      source.template('PodDisruptionBudget kms'),
      source.template('HorizontalPodAutoscaler kms'),
    ),
    'network-policies.yaml': file(
      source.template('NetworkPolicy kms', {
        edits: { 'spec ingress 0 from': { block: 'include "kms.network.clients" $' } },
      }),
      source.template('NetworkPolicy kms-operator'),
    ),
    'monitoring.yaml': file(
      LABELS,
      ...['Service kms', 'ServiceMonitor kms', 'Service kms-operator', 'ServiceMonitor kms-operator']
        .map((name) => `${name}-metrics`)
        .concat('PrometheusRule kms')
        .map((key) =>
          source.template(key, {
            edits: { 'metadata labels': { append: 'include "kms.monitoring.labels" $ | trim' } },
          }),
        ),
    ),
  };
}

function deployment(): Edits {
  const unlessTold = (name: string): Edits => ({
    [`${CONTAINER} env [${name}]`]: { when: `not (hasKey $.Values.environment "${name}")` },
  });
  // The kubelet's own number is left out, as HIP-27's manifest does.
  const failures = (name: string): Edits => ({
    [`${CONTAINER} ${name}Probe failureThreshold`]: { when: `ne ($.Values.probes.${name}.failureThreshold | int) 3` },
  });
  return {
    'spec replicas': {
      value: '$.Values.replicas | int',
      when: 'not (and $.Values.availability.enabled $.Values.availability.autoscaling)',
    },
    ...unlessTold('SITE_URL'),
    ...unlessTold('KMS_METRICS_PORT'),
    ...unlessTold('KMS_METRICS_HOST'),
    ...failures('readiness'),
    ...failures('liveness'),
    [`${CONTAINER} env`]: { append: 'include "kms.environment" $ | trim' },
    [`${CONTAINER} lifecycle preStop`]: { block: 'include "kms.preStop" $' },
    [`${VOLUMES} [postgres-ca]`]: { block: 'include "kms.postgres.authority" $' },
    [`${VOLUMES} [redis-ca]`]: { block: 'include "kms.redis.authority" $' },
  };
}

/** The kubelet waits from Kubernetes 1.30 on; before, a process of the image does. */
function preStop(source: Source): string {
  const of = (one: Source) =>
    template(
      (one.object('Deployment kms') as unknown as Deployment).spec.template.spec.containers[0].lifecycle.preStop,
    );
  const older = new Source({ ...EVERYTHING, kubernetesVersion: '1.28' }, []);
  return `{{- define "kms.preStop" -}}\n{{- if ${IS_1_30} }}\n${of(source)}{{- else }}\n${of(older)}{{- end }}\n{{- end }}\n`;
}

interface Deployment {
  readonly spec: {
    readonly template: {
      readonly spec: { readonly containers: [{ readonly lifecycle: { readonly preStop: object } }] };
    };
  };
}
