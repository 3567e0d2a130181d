import { App } from 'cdk8s';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KmsInstallation } from '../../constructs/index.ts';
import { installationOf } from '../../tools/chart/values-schema.ts';
import { byName, Helm, isHelmAtHand, objectsIn, type Rendered, withHelm } from './support/helm.ts';
import { VALUE_SETS } from './support/value-sets.ts';

/** What the real Helm renders, object by object what the constructs render of the same settings. */

let helm: Helm;
beforeAll(() => {
  helm = new Helm();
});
afterAll(() => helm.close());

/** What Helm alone is told, and the order of variables of which none refers to another. */
function comparable(object: Rendered): Rendered {
  const copy = JSON.parse(JSON.stringify(object));
  const { annotations } = copy.metadata;
  if (annotations) {
    delete annotations['helm.sh/resource-policy'];
    if (Object.keys(annotations).length === 0) delete copy.metadata.annotations;
  }
  if (copy.kind === 'Deployment')
    for (const container of copy.spec.template.spec.containers)
      container.env?.sort((a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1));
  return copy;
}

describe.skipIf(!isHelmAtHand)(withHelm('the chart and the constructs'), () => {
  test.each(Object.entries(VALUE_SETS))(
    '%s: the same objects',
    async (_, { values, namespace = 'hanzo', kubernetes = '1.34' }) => {
      const text = await helm.template(values, '--namespace', namespace, '--kube-version', kubernetes);
      const release = { namespace, revision: 1, kubernetesVersion: kubernetes as `1.${number}` };
      const expected = new KmsInstallation(new App(), 'kms', installationOf(values, release)).toJson();
      const found = objectsIn(text);
      expect(found.length).toBeGreaterThan(2);
      expect(byName(found.map(comparable))).toEqual(byName(expected.map(comparable)));
      expect(found).toHaveLength(expected.length);
      // Helm keeps what it renders, and runs hooks where nobody mends what they leave.
      expect(found.map(({ kind }) => kind)).not.toContain('Secret');
      expect(text).not.toContain('helm.sh/hook');
    },
  );
});
