import { EVERYTHING, MARKS } from '../settings.ts';
import { fileOf, NAMESPACE, Source } from '../source.ts';

/** The Service of KMS itself, whose certificate is of an authority of its own. */
const OWN = `https://kms.${NAMESPACE}.svc:8080`;

/** A KMSSecret for each service. */
export function servicesFile(): string {
  const settings = { ...EVERYTHING, hostApi: OWN };
  const [service] = settings.services ?? [];
  const source = new Source(settings, [
    {
      settings: { ...settings, tls: { ...settings.tls, enabled: false } },
      finding: { when: 'include "kms.hostApi.isOwn" $' },
    },
    { settings: { ...settings, services: [{ ...service!, renewal: false }] }, finding: { when: '$service.renewal' } },
  ]);
  return fileOf(
    [
      source.template('KMSSecret zz-service-kms-sync zz-where', {
        when: 'include "kms.services.areServed" $',
        each: '$service := $.Values.services',
        let: '$where := $service.namespace | default $.Release.Namespace',
      }),
    ],
    { [OWN]: 'include "kms.hostApi" $', ...MARKS },
  );
}
