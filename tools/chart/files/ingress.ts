import { INGRESS_CONTROLLERS, type InstallationProps } from '../../../contracts/index.ts';
import { both } from '../derive.ts';
import { EVERYTHING, MARKS } from '../settings.ts';
import { type Fixed, fileOf, Source } from '../source.ts';
import type { Edit } from '../template.ts';

type Controller = (typeof INGRESS_CONTROLLERS)[number];

/** Each controller is told in its own words, in objects of its own kinds. */
const OBJECTS: Readonly<Record<Controller, readonly string[]>> = {
  nginx: ['Ingress kms'],
  traefik: ['Ingress kms', 'TLSOption kms-tls13', 'ServersTransport kms'],
  haproxy: ['Ingress kms'],
  contour: ['Ingress kms'],
};

const ENABLED = '$.Values.ingress.enabled';
const isServedBy = (controller: Controller) => `eq $.Values.ingress.controller "${controller}"`;

function sourceOf(controller: Controller): Source {
  const settings: InstallationProps = { ...EVERYTHING, ingress: { ...EVERYTHING.ingress, controller } };
  return new Source(settings, [
    {
      settings: { ...settings, ingress: { ...settings.ingress, enabled: false } },
      finding: { when: ENABLED },
    },
    { settings: { ...settings, tls: { ...settings.tls, enabled: false } }, finding: { when: '$.Values.tls.enabled' } },
  ]);
}

/** KMS on the outside. */
export function ingressFile(): string {
  const texts = INGRESS_CONTROLLERS.flatMap((controller) => {
    const source = sourceOf(controller);
    return OBJECTS[controller].map((key) => source.template(key, { when: isServedBy(controller) }));
  });
  return fileOf(texts, MARKS);
}

/** What some controllers look for at the Service, when KMS itself speaks TLS. */
export function serviceAnnotations(): Fixed {
  const annotations: Record<string, string> = {};
  const edits: Record<string, Edit> = {};
  const having: Controller[] = [];
  for (const controller of INGRESS_CONTROLLERS) {
    const { metadata } = sourceOf(controller).object('Service kms');
    if (!metadata.annotations) continue;
    having.push(controller);
    Object.assign(annotations, metadata.annotations);
    for (const name of Object.keys(metadata.annotations))
      edits[`metadata annotations ${name}`] = { when: isServedBy(controller) };
  }
  const isOneOf = `has $.Values.ingress.controller (list ${having.map((name) => `"${name}"`).join(' ')})`;
  edits['metadata annotations'] = { when: both([ENABLED, '$.Values.tls.enabled', isOneOf]) };
  return { more: { metadata: { annotations } }, edits };
}
