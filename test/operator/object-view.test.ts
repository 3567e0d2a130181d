import { expect, test } from 'vitest';
import type { KubernetesApi, ListOptions } from '../../operator/kubernetes/api.ts';
import { ObjectView, WATCHES_BY_NAME_OF_ONE } from '../../operator/kubernetes/object-view.ts';

/** A view of an API server that takes what is asked for and never answers. */
function view(byName: readonly string[]) {
  const asked: ListOptions[] = [];
  const api = {
    async *pages(_of: unknown, { namespace, fieldSelector }: ListOptions) {
      asked.push({ ...(namespace === undefined ? {} : { namespace }), ...(fieldSelector && { fieldSelector }) });
      yield await new Promise(() => {});
    },
  };
  const objects = new ObjectView(api as unknown as KubernetesApi, {
    digest: String,
    byName: new Set(byName),
    onChange: () => {},
    onTrouble: () => {},
  });
  return { objects, asked };
}
const secrets = (count: number, namespace: string) =>
  Array.from({ length: count }, (_, n) => `Secret/${namespace}/s${n}`);

test('a namespace is watched once, or each of its objects by name', () => {
  const { objects, asked } = view(['narrow']);
  objects.follow([...secrets(3, 'wide'), ...secrets(2, 'narrow'), 'ConfigMap/narrow/s0']);
  objects.follow([...secrets(3, 'wide'), ...secrets(2, 'narrow'), 'ConfigMap/narrow/s0']);
  expect(asked).toEqual([
    { namespace: 'wide' },
    { namespace: 'narrow', fieldSelector: 'metadata.name=s0' },
    { namespace: 'narrow', fieldSelector: 'metadata.name=s1' },
    { namespace: 'narrow', fieldSelector: 'metadata.name=s0' },
  ]);
});

test('objects by name are bounded, and one too many says what to do until another goes', async () => {
  const { objects, asked } = view(['narrow']);
  const all = secrets(WATCHES_BY_NAME_OF_ONE + 1, 'narrow');
  const last = `s${WATCHES_BY_NAME_OF_ONE}`;
  objects.follow(all);
  expect(asked).toHaveLength(WATCHES_BY_NAME_OF_ONE);
  await expect(objects.ready('Secret', 'narrow', last)).rejects.toThrow(
    `Secret/narrow/${last} is one too many: give the operator a whole namespace`,
  );
  objects.follow(all.slice(1));
  expect(asked.at(-1)).toEqual({ namespace: 'narrow', fieldSelector: `metadata.name=${last}` });
});

test('one namespace takes no place by name from another', () => {
  const { objects, asked } = view(['evil', 'narrow']);
  objects.follow([...secrets(1000, 'evil'), ...secrets(2, 'narrow')]);
  expect(asked.filter(({ namespace }) => namespace === 'narrow')).toHaveLength(2);
});

test('what is not watched is not taken for absent', async () => {
  const { objects } = view([]);
  objects.follow(secrets(1, 'a'));
  await expect(objects.ready('Secret', 'b', 's0')).rejects.toThrow('Secret/b is not watched yet');
});
