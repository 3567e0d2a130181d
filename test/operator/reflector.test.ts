import { expect, test } from 'vitest';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import { Reflector } from '../../operator/kubernetes/reflector.ts';
import { type KubernetesObject, Rollouts } from '../../operator/kubernetes/resources.ts';

/** An API server that has these, and of which nothing changes. */
const having = (...items: KubernetesObject[]) =>
  ({
    async *pages() {
      yield { metadata: { resourceVersion: '1' }, items };
    },
    async *watch(_of: unknown, { signal }: { signal: AbortSignal }) {
      yield* [];
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
  }) as unknown as KubernetesApi;

test('one object that makes no sense keeps none of the others from being seen', async () => {
  const troubles: string[] = [];
  const named = (name: string) => ({ metadata: { name, namespace: 'a' } });
  const reflector = new Reflector(having(named('one'), named('poison'), named('two')), Rollouts, {
    keep: ({ metadata }) => {
      if (metadata.name === 'poison') throw new TypeError('containers is not iterable');
      return metadata.name;
    },
    onChange: () => {},
    onTrouble: ({ message }) => troubles.push(message),
  });
  await reflector.ready();
  expect([...reflector.values()]).toEqual(['one', 'two']);
  expect(troubles).toEqual(['Rollout a/poison makes no sense: TypeError: containers is not iterable']);
  await reflector.stop();
});
