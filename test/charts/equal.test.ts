import { App } from 'cdk8s';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KmsInstallation, type RenderedObject } from '../../constructs/index.ts';
import { type ChartValuesInput, installationOf } from '../../tools/chart/values-schema.ts';
import { everything } from '../support/thorough.ts';
import { byName, Helm, isHelmAtHand, objectsIn, withHelm } from './support/helm.ts';
import { VALUE_SETS } from './support/value-sets.ts';

/** What the real Helm renders, object by object what the constructs render of the same settings. */

let helm: Helm;
beforeAll(() => {
  helm = new Helm();
});
afterAll(() => helm.close());

/** As Helm puts values over others. */
function together(one: unknown, more: unknown): unknown {
  const isMap = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isMap(one) || !isMap(more)) return more;
  const both = { ...(one as Record<string, unknown>) };
  for (const [key, value] of Object.entries(more as object))
    both[key] = key in both ? together(both[key], value) : value;
  return both;
}

/** What Helm alone is told, and the order of variables of which none refers to another. */
function comparable(object: RenderedObject): RenderedObject {
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

  const several = fc.uniqueArray(fc.constantFrom(...Object.values(VALUE_SETS)), { minLength: 2, maxLength: 4 });

  test('so they are of several sets at once, and what the constructs refuse is refused', async () => {
    const property = fc.asyncProperty(several, async (sets) => {
      const values = sets.map((set) => set.values).reduce(together, {}) as ChartValuesInput;
      const release = { namespace: 'hanzo', revision: 1, kubernetesVersion: '1.34' } as const;
      const render = () => new KmsInstallation(new App(), 'kms', installationOf(values, release)).toJson();
      const told = await helm.template(values, '--kube-version', '1.34').then(
        (text) => ({ text }),
        (error) => ({ refused: String(error) }),
      );
      if ('refused' in told) expect(render, told.refused).toThrow();
      else expect(byName(objectsIn(told.text).map(comparable))).toEqual(byName(render().map(comparable)));
    });
    await fc.assert(property, { numRuns: everything ? 25 : 4 });
  }, 120_000);
});
