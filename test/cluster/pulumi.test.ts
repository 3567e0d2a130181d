import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ConfigMap, OpMap } from '@pulumi/pulumi/automation/index.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { servicesOf } from '../../examples/hanzo/services.ts';
import { KmsCluster, type KmsClusterArgs } from '../../stacks/index.ts';
import { toolAtHand } from '../../tools/cluster/programs.ts';
import { TestCluster } from './support/cluster.ts';
import { Engine } from './support/pulumi.ts';

/** The stack on Pulumi's real engine, against a real API server: what is made, changed, put right and kept. */

const pulumi = toolAtHand('pulumi');
const inventoryFile = new URL('../../examples/hanzo/kms.yaml', import.meta.url);
const NEEDLE = 'n33dle-of-the-database';

describe.skipIf(!pulumi)(`Pulumi's engine${pulumi ? '' : ' (not at hand: npm run cluster -- build)'}`, () => {
  let cluster: TestCluster;
  let engine: Engine;

  beforeAll(async () => {
    cluster = await TestCluster.start({ nodes: 3, crd: false });
    engine = await Engine.start(pulumi!, cluster.plane.kubeconfig);
  });
  afterAll(async () => {
    await engine?.stop();
    await cluster.close();
  });

  async function stackOf(name: string, args: () => KmsClusterArgs, config: ConfigMap = {}) {
    const stack = await engine.stack(name, name, async () => {
      const { url, nextSteps } = new KmsCluster('kms', args());
      return { url, nextSteps };
    });
    await stack.setAllConfig(config);
    return stack;
  }
  const changesOf = ({ summary }: { summary: { resourceChanges?: OpMap } }) => {
    const { same: _, ...changes } = summary.resourceChanges ?? {};
    return changes;
  };
  const get = async (namespace: string, ...what: string[]) =>
    JSON.parse(await cluster.kubectl('-n', namespace, 'get', ...what, '-o', 'json'));

  describe('a trial, with all that holds data', () => {
    let args: KmsClusterArgs;
    let stack: Awaited<ReturnType<typeof stackOf>>;

    beforeAll(async () => {
      await cluster.namespace('trial');
      const values = ['ROOT_ENCRYPTION_KEY', 'AUTH_SECRET', 'DB_CONNECTION_URI'];
      const literals = values.map((name) => `--from-literal=${name}=${NEEDLE}-${name}`);
      await cluster.kubectl('-n', 'trial', 'create', 'secret', 'generic', 'kms-secrets', ...literals);
      args = {
        namespace: 'trial',
        namespaces: ['team'],
        postgres: { mode: 'bundled', storage: '1Gi' },
        redis: { mode: 'bundled' },
        services: servicesOf(inventoryFile),
        bootstrap: { enabled: true, inventory: readFileSync(inventoryFile, 'utf8') },
      };
      stack = await stackOf('trial', () => args);
    });

    test('is made in one go', async () => {
      const { summary, outputs } = await stack.up();
      expect(summary.result).toBe('succeeded');
      expect(summary.resourceChanges?.create).toBe(44);
      expect(Object.keys(summary.resourceChanges!)).toEqual(['create']);
      expect(outputs.url?.value).toBe('http://kms.trial.svc:8080');
      const { items } = await get('trial', 'kmssecrets,deployments,statefulsets,jobs');
      expect(items).toHaveLength(10 + 3 + 1 + 1);
      await cluster.kubectl('-n', 'trial', 'rollout', 'status', 'deployment/kms', '--timeout=60s');
    });

    test('and again: nothing is left to change', async () => {
      const { summary } = await stack.up();
      expect(Object.keys(summary.resourceChanges!)).toEqual(['same']);
    });

    test('another number of replicas is one update', async () => {
      args = { ...args, replicas: 3 };
      expect(changesOf(await stack.up())).toEqual({ update: 1 });
      expect((await get('trial', 'deployment', 'kms')).spec.replicas).toBe(3);
    });

    test('what was edited by hand is seen by a refresh, and put right without a conflict', async () => {
      await cluster.kubectl('-n', 'trial', 'scale', 'deployment/kms', '--replicas=1');
      await cluster.kubectl('-n', 'trial', 'set', 'env', 'deployment/kms', 'SITE_URL=https://elsewhere.example');
      expect(changesOf(await stack.refresh())).toEqual({ update: 1 });
      expect(changesOf(await stack.up())).toEqual({ update: 1 });
      const { spec } = await get('trial', 'deployment', 'kms');
      expect(spec.replicas).toBe(3);
      expect(JSON.stringify(spec.template)).not.toContain('elsewhere');
    });

    test('without the force, and without a refresh, the same would be a conflict', async () => {
      await cluster.kubectl('-n', 'trial', 'scale', 'deployment/kms', '--replicas=1');
      const file = `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: kms, namespace: trial }\nspec: { replicas: 3 }\n`;
      await expect(cluster.apply(file, '--field-manager=hanzo-kms')).rejects.toThrow(/conflict/);
      args = { ...args, replicas: 2 };
      expect(changesOf(await stack.up())).toEqual({ update: 1 });
      expect((await get('trial', 'deployment', 'kms')).spec.replicas).toBe(2);
    });

    test('a state that was lost is made anew over what is there, and what goes then is taken away', async () => {
      const again = await stackOf('again', () => ({ ...args, environment: { LOG_LEVEL: 'debug' } }));
      expect((await again.up()).summary.result).toBe('succeeded');
      const other = await stackOf('another', () => args);
      await other.up();
      const [container] = (await get('trial', 'deployment', 'kms')).spec.template.spec.containers;
      expect(container.env).not.toContainEqual({ name: 'LOG_LEVEL', value: 'debug' });
    });

    test('another inventory is another Job in the place of the one before', async () => {
      args = { ...args, bootstrap: { ...args.bootstrap, rerun: 'once more' } };
      const before = (await get('trial', 'jobs')).items.map(({ metadata }: any) => metadata.name);
      expect(changesOf(await stack.up())).toEqual({ replace: 1 });
      const after = (await get('trial', 'jobs')).items.map(({ metadata }: any) => metadata.name);
      expect(after).toHaveLength(1);
      expect(after).not.toEqual(before);
    });

    test('no known value is in the state, nor in a preview', async () => {
      // With what is encrypted in it in the clear.
      const state = JSON.stringify(await stack.exportStack());
      const { stdout } = await stack.preview({ diff: true });
      expect(state).toContain('kms-secrets');
      for (const text of [state, stdout, await engine.kept()])
        for (const shape of [NEEDLE, Buffer.from(NEEDLE).toString('base64').slice(0, -2)])
          expect(text).not.toContain(shape);
    });

    test('what holds data stays when all else is destroyed, and is taken over by the next', async () => {
      const { uid } = (await get('trial', 'statefulset', 'kms-postgres')).metadata;
      const { summary } = await stack.destroy({ excludeProtected: true });
      expect(summary.result).toBe('succeeded');
      const left = (await get('trial', 'deployments,statefulsets,services,kmssecrets,ingresses')).items;
      expect(left.map(({ kind, metadata }: any) => `${kind} ${metadata.name}`)).toEqual(['StatefulSet kms-postgres']);
      await get('team', 'namespace', 'team');
      await get('trial', 'crd', 'kmssecrets.secrets.lux.network');
      expect(await cluster.data('trial', 'kms-secrets')).toBeDefined();
      expect((await stack.up()).summary.result).toBe('succeeded');
      expect((await get('trial', 'statefulset', 'kms-postgres')).metadata.uid).toBe(uid);
    });

    test('a destroy that names no exception ends with an error, and leaves the same', async () => {
      await expect(stack.destroy()).rejects.toThrow(/"statefulset-trial-kms-postgres" cannot be deleted|protected/);
      await get('trial', 'statefulset', 'kms-postgres');
    });

    test('without protection all goes but the data', async () => {
      args = { ...args, protect: false };
      await stack.up();
      const { items } = await get('trial', 'pvc');
      expect(items.map(({ metadata }: any) => metadata.name)).toEqual(['data-kms-postgres-0']);
      await stack.destroy();
      await get('trial', 'statefulset', 'kms-postgres');
      await get('trial', 'pvc', 'data-kms-postgres-0');
    });
  });

  test('values that Pulumi is to hold are encrypted in its state, and whole in the cluster', async () => {
    await cluster.namespace('held');
    const { readConfiguration } = await import('../../stacks/index.ts');
    const read = async () => {
      const { installation, secrets } = readConfiguration();
      new KmsCluster('kms', { ...installation, secrets });
    };
    const stack = await engine.stack('held', 'held', read);
    const values = {
      rootEncryptionKey: `${NEEDLE}-root`,
      authSecret: `${NEEDLE}-auth`,
      dbConnectionUri: `${NEEDLE}-uri`,
    };
    for (const [key, value] of Object.entries(values))
      await stack.setConfig(`secrets.${key}`, { value, secret: true }, true);
    await stack.setConfig('namespace', { value: 'held' });
    await stack.setConfig('replicas', { value: '1' });
    const { stdout } = await stack.up();
    expect(await cluster.data('held', 'kms-secrets')).toEqual({
      ROOT_ENCRYPTION_KEY: values.rootEncryptionKey,
      AUTH_SECRET: values.authSecret,
      DB_CONNECTION_URI: values.dbConnectionUri,
    });
    for (const text of [await engine.kept(), stdout])
      for (const value of Object.values(values))
        for (const shape of [value, Buffer.from(value).toString('base64')]) expect(text).not.toContain(shape);
    expect(Object.keys((await stack.up()).summary.resourceChanges!)).toEqual(['same']);
    await stack.destroy({ excludeProtected: true });
    expect(await cluster.data('held', 'kms-secrets')).toBeDefined();
  });

  test('the engine is as new as the SDK, and the provider complained of nothing', () => {
    const sdk: string = createRequire(import.meta.url)('@pulumi/pulumi/package.json').version;
    const minorOf = (version: string) => Number(version.split('.')[1]);
    expect(minorOf(engine.version)).toBeGreaterThanOrEqual(minorOf(sdk));
    expect(engine.complaints).toBe('');
  });
});
